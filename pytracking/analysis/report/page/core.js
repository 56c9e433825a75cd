// What every part of the page uses: the data, elements, the choice of trackers, the tooltip.
const data = JSON.parse(document.getElementById("report-data").textContent);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  // Names of trackers and sequences come in as text nodes: nothing in them is ever read as HTML.
  node.append(...children.filter((child) => child !== null));
  return node;
}

function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

const percent = (value, digits = 1) => (value === null ? "–" : (100 * value).toFixed(digits));
const range = (count) => Array.from({ length: count }, (_, index) => index);

// Long names may break after these characters.
function breakable(text) {
  return text.split(/(?<=[_\-/])/).flatMap((part, index) => (index ? [el("wbr"), part] : [part]));
}

function swatch(index) {
  const { color, dash } = data.trackers[index];
  const line = svg("line", { x1: 1, y1: 5, x2: 23, y2: 5, stroke: color, "stroke-width": 3, "stroke-dasharray": dash });
  return svg("svg", { class: "swatch", viewBox: "0 0 24 10", "aria-hidden": "true" }, line);
}

// A tracker is hidden or shown by a click on its name anywhere, and highlighted everywhere while the mouse is on it.
const choice = { hidden: new Set(), focus: null };

function showChoice() {
  for (const node of document.querySelectorAll("[data-tracker]")) {
    const index = Number(node.dataset.tracker);
    const isButton = node.tagName === "BUTTON";
    node.classList.toggle("focus", choice.focus === index);
    if (isButton) node.setAttribute("aria-pressed", String(!choice.hidden.has(index)));
    else {
      node.classList.toggle("hidden", choice.hidden.has(index));
      node.classList.toggle("faded", choice.focus !== null && choice.focus !== index);
    }
  }
}

function setFocus(index) {
  if (choice.focus === index) return;
  choice.focus = index;
  showChoice();
}

function trackerButton(index, attributes, ...children) {
  const toggle = () => {
    if (!choice.hidden.delete(index)) choice.hidden.add(index);
    showChoice();
  };
  const enter = () => setFocus(choice.hidden.has(index) ? null : index);
  const leave = () => setFocus(null);
  const events = { click: toggle, pointerenter: enter, pointerleave: leave, focus: enter, blur: leave };
  const fixed = { type: "button", "data-tracker": index, "aria-pressed": "true" };
  return el("button", { ...fixed, ...attributes, ...events }, swatch(index), ...children);
}

const tooltip = {
  node: document.getElementById("tooltip"),
  show(text, x, y) {
    this.node.textContent = text;
    const { width, height } = this.node.getBoundingClientRect();
    const left = x + 14 + width > window.innerWidth ? x - 14 - width : x + 14;
    const top = y + 14 + height > window.innerHeight ? y - 10 - height : y + 14;
    this.node.style.left = `${Math.max(4, left)}px`;
    this.node.style.top = `${Math.max(4, top)}px`;
    this.node.style.visibility = "visible";
  },
  hide() {
    this.node.style.visibility = "hidden";
  },
};
