// What HTML and htmx do not do: outputs of sliders, forms that send themselves, uploads, reseeding, dragging of cards.
"use strict";
const closest = (event, selector) => event.target instanceof Element ? event.target.closest(selector) : null;

document.addEventListener("input", (event) => {
  if (event.target.type === "range" && event.target.nextElementSibling?.tagName === "OUTPUT") {
    event.target.nextElementSibling.value = event.target.value;
  }
});
document.addEventListener("change", (event) => closest(event, "form[data-auto]")?.requestSubmit());
document.addEventListener("click", (event) => {
  if (closest(event, "[data-reseed]")) {
    const seed = document.getElementById("seed");
    seed.value = Math.floor(Math.random() * 1000000);
    seed.dispatchEvent(new Event("input", { bubbles: true }));
  }
});
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) { event.preventDefault(); event.stopImmediatePropagation(); }
}, true);

async function sendFiles(files) {
  const state = document.getElementById("upload-state");
  const names = [];
  for (const file of files) {
    state.textContent = `${file.name} …`;
    const answer = await fetch(`/upload?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
    const text = await answer.text();
    if (!answer.ok) { state.textContent = text; return; }
    names.push(text);
  }
  const answer = await fetch("/data/open", { method: "POST", body: new URLSearchParams(names.map((name) => ["file", name])) });
  window.location.assign(answer.redirected ? answer.url : "/data");
}
document.addEventListener("change", (event) => { if (event.target.id === "upload") sendFiles(event.target.files); });
for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  document.addEventListener(name, (event) => {
    const zone = closest(event, "#drop");
    if (!zone) return;
    event.preventDefault();
    zone.classList.toggle("over", over);
    if (name === "drop") sendFiles(event.dataTransfer.files);
  });
}

let dragged = null;
document.addEventListener("dragstart", (event) => { dragged = closest(event, ".card"); dragged?.classList.add("drag"); });
document.addEventListener("dragend", () => { dragged?.classList.remove("drag"); dragged = null; });
document.addEventListener("dragover", (event) => {
  const card = closest(event, ".card");
  if (dragged && card && card.dataset.variant === dragged.dataset.variant) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  const card = closest(event, ".card");
  if (!dragged || !card || card === dragged) return;
  event.preventDefault();
  const form = dragged.querySelector("form.move");
  form.elements.place.value = card.dataset.step;
  form.requestSubmit();
});

const busy = (on) => document.getElementById("busy")?.classList.toggle("on", on);
document.addEventListener("htmx:beforeRequest", () => busy(true));
document.addEventListener("htmx:afterRequest", () => busy(false));
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status >= 400) { event.detail.shouldSwap = true; event.detail.isError = false; }
});
