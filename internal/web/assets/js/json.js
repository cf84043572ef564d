// A field with JSON says whether it is some, and where not; and can lay it out.
export function jsonField(field) {
  if (!field) return;
  const form = field.form;
  const words = form.querySelector("[data-json-words]");
  const tidy = form.querySelector("[data-json-tidy]");

  function check() {
    let fault = "";
    try {
      JSON.parse(field.value);
    } catch (error) {
      fault = `This is no JSON yet: ${error.message}`;
    }
    field.setAttribute("aria-invalid", String(fault !== ""));
    if (words.textContent !== fault) words.textContent = fault;
    tidy.disabled = fault !== "";
  }

  tidy.hidden = false;
  tidy.addEventListener("click", () => {
    field.value = JSON.stringify(JSON.parse(field.value), null, 2);
    field.focus();
  });
  field.addEventListener("input", check);
  check();
}
