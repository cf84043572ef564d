// The waveform of a file's page, to be clicked into. It is drawn from peaks that
// the server has found; the sound itself is loaded by the page's own audio
// element, and only when somebody plays it.
import WaveSurfer from "wavesurfer.js";

async function draw(figure) {
  const audio = figure.parentElement.querySelector("audio");
  const length = Number(figure.dataset.length);
  if (!audio || !(length > 0)) return; // the picture stays
  const reply = await fetch(figure.dataset.peaks);
  if (!reply.ok) return;
  const { data } = await reply.json();
  if (!figure.isConnected) return;
  // The louder side of each point, with its sign, as wavesurfer wants one line.
  const upper = data.filter((_, i) => i % 2 === 1).map((v) => v / 127);
  const lower = data.filter((_, i) => i % 2 === 0).map((v) => v / 127);
  const colour = (name) => getComputedStyle(figure).getPropertyValue(name).trim();
  const canvas = document.createElement("div");
  canvas.setAttribute("aria-hidden", "true"); // the audio element says the same
  figure.append(canvas);
  const wave = WaveSurfer.create({
    container: canvas,
    media: audio,
    peaks: [upper, lower],
    duration: length,
    height: 112,
    normalize: false,
    waveColor: colour("--edge"),
    progressColor: colour("--accent"),
    cursorColor: colour("--accent-strong"),
    cspNonce: figure.closest("[data-nonce]")?.dataset.nonce,
  });
  wave.once("ready", () => figure.classList.add("live"));
}

function find(root) {
  for (const figure of root.querySelectorAll(".waveform[data-peaks]:not([data-seen])")) {
    figure.dataset.seen = "";
    draw(figure).catch(() => {}); // the picture stays
  }
}

// A player that has not changed is left alone: somebody may be listening, and
// an element that is moved stops.
function keep(event) {
  const now = event.target.querySelector?.(":scope > .player");
  if (!now || event.target.id !== "player") return;
  const next = new DOMParser().parseFromString(event.detail.data, "text/html").querySelector(".player");
  if (next?.dataset.state === now.dataset.state) event.preventDefault();
}

// players draws the waveforms in root, and those that come into it later.
export function players(root) {
  root.addEventListener("htmx:sseBeforeMessage", keep);
  find(root);
  new MutationObserver(() => find(root)).observe(root, { childList: true, subtree: true });
}
