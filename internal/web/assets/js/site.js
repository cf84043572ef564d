// The entry point of everything that the pages run. Each page works without it.
import "htmx.org";
import "htmx-ext-sse";
import { jsonField } from "./json.js";
import { localTimes } from "./time.js";
import { players } from "./player.js";
import { uploads } from "./upload.js";

localTimes(document.body);
players(document.body);
uploads(document.getElementById("upload"));
jsonField(document.querySelector("[data-json]"));
// The answer to a form stands below it, where nobody would look for it.
document.querySelector("[data-focus]")?.focus();

// The server says "end" when the session is over; the page then leads to the
// sign-in. Any other end of the stream is an interruption.
document.body.addEventListener("htmx:sseClose", (event) => {
  if (event.detail.type === "message") location.reload();
});

// A message that was dismissed takes the focus with it; it goes to the next
// one, or to the page.
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "banners" && event.target.id !== "inbox") return;
  if (!event.detail.requestConfig) return;
  (event.target.querySelector(".close") ?? document.getElementById("main")).focus();
});
