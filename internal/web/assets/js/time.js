// Times in the reader's own zone and manner, instead of the server's UTC.
const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) time.textContent = format.format(at);
  }
}

// localTimes rewrites the times in root, and those that come into it later
// before they are seen.
export function localTimes(root) {
  localise(root);
  new MutationObserver((records) => {
    for (const { addedNodes } of records) {
      for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) localise(node);
    }
  }).observe(root, { childList: true, subtree: true });
}
