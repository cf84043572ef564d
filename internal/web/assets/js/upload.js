// Uploads without leaving the page: files that are chosen, or dropped on the
// form, are sent one request each, a few at a time, and show how far they are.
const atOnce = 2;

export function uploads(form) {
  if (!form) return;
  const input = form.querySelector("input[type=file]");
  const list = document.getElementById("uploads");
  const blank = document.getElementById("upload-row");
  const limit = Number(form.dataset.max);
  const waiting = [];
  let running = 0;
  let live = false; // the page's event stream is open

  document.body.addEventListener("htmx:sseOpen", () => (live = true));
  document.body.addEventListener("htmx:sseError", () => (live = false));

  form.classList.add("live");
  input.addEventListener("change", () => {
    add(input.files);
    input.value = "";
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    add(input.files);
    input.value = "";
  });
  // A file that misses the form must not replace the page.
  for (const type of ["dragover", "drop"]) {
    document.addEventListener(type, (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    });
  }
  form.addEventListener("dragover", () => form.classList.add("over"));
  form.addEventListener("dragleave", (event) => {
    if (!form.contains(event.relatedTarget)) form.classList.remove("over");
  });
  form.addEventListener("drop", (event) => {
    form.classList.remove("over");
    add(event.dataTransfer.files);
  });
  window.addEventListener("beforeunload", (event) => {
    if (running > 0 || waiting.length > 0) event.preventDefault();
  });

  function add(files) {
    const formats = [...form.querySelectorAll("input[name=format]:checked")].map((box) => box.value);
    for (const file of files) {
      const row = newRow(file, formats);
      if (formats.length === 0) row.fail("No format was chosen. Tick at least one, then try again.");
      else if (file.size > limit) row.fail(`This is larger than ${form.dataset.limit}, the most that one upload may have.`);
      else row.queue();
    }
  }

  function next() {
    while (running < atOnce && waiting.length > 0) waiting.shift().send();
  }

  // newRow shows one file, and sends it when its turn has come.
  function newRow(file, formats) {
    const item = blank.content.firstElementChild.cloneNode(true);
    const part = (name) => item.querySelector(`[data-${name}]`);
    const bar = item.querySelector("progress");
    part("name").textContent = file.name;
    part("size").textContent = size(file.size);
    bar.setAttribute("aria-label", `Upload of ${file.name}`);
    list.append(item);

    let request = null;
    const row = {
      queue() {
        say("busy", "Waiting to be sent");
        part("retry").hidden = true;
        waiting.push(row);
        next();
      },
      send() {
        const body = new FormData();
        for (const format of formats) body.append("format", format);
        body.append("file", file, file.name);
        request = new XMLHttpRequest();
        request.open("POST", form.action);
        request.setRequestHeader("Accept", "text/plain");
        request.upload.addEventListener("progress", ({ loaded, total }) => {
          bar.value = total > 0 ? loaded / total : 0;
          part("percent").textContent = `${Math.floor(bar.value * 100)} %`;
          say("busy", loaded < total ? "Sending" : "Being stored");
        });
        request.addEventListener("loadend", () => {
          running--;
          settle(request);
          next();
        });
        running++;
        say("busy", "Sending");
        request.send(body);
      },
      fail(why) {
        say("bad", why);
        bar.hidden = true;
        part("percent").textContent = "";
        part("retry").hidden = false;
        part("cancel").textContent = "Remove";
      },
    };

    function settle({ status, responseText }) {
      request = null;
      if (!item.isConnected) return; // canceled
      if (status === 201) {
        item.remove();
        // The stream shows new files, on the first page of the library.
        const shown = live && location.search === "";
        if (!shown && running === 0 && waiting.length === 0) location.assign("/");
        return;
      }
      if (status === 401) location.reload();
      row.fail(status >= 400 && status !== 502 && status !== 504 && responseText.length < 500
        ? responseText.trim()
        : "The connection broke; nothing of this file was kept. Try again.");
    }

    function say(tone, words) {
      part("state").className = `state tone-${tone}`;
      part("words").textContent = words;
    }

    part("retry").addEventListener("click", () => {
      formats = [...form.querySelectorAll("input[name=format]:checked")].map((box) => box.value);
      if (formats.length === 0 || file.size > limit) return;
      bar.hidden = false;
      bar.value = 0;
      part("cancel").textContent = "Cancel";
      row.queue();
    });
    part("cancel").addEventListener("click", () => {
      const at = waiting.indexOf(row);
      if (at >= 0) waiting.splice(at, 1);
      item.remove();
      request?.abort();
    });
    return row;
  }
}

// size words bytes as the server does.
function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  let value = bytes;
  let unit = "";
  for (unit of ["kB", "MB", "GB", "TB"]) {
    value /= 1000;
    if (value < 999.95) break;
  }
  return `${value.toFixed(1)} ${unit}`;
}
