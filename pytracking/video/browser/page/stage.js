// The frame, the targets over it, and the boxes that are drawn. All boxes are [x, y, w, h] in pixels of the image.

const SVG = "http://www.w3.org/2000/svg";
const SHORTEST_DRAG = 4; // pixels of the page; less is a click
const DRAWN = "#ffd33d";

export class Stage {
  constructor(node, onChange) {
    this.node = node;
    this.onChange = onChange; // the drawn boxes are others, or another one is selected
    this.canvas = node.querySelector("canvas");
    this.overlay = node.querySelector("svg");
    this.size = [16, 9];
    this.targets = [];
    this.boxes = [];
    this.selected = -1;
    this.isDrawing = false;
    this.firstNumber = 1; // of the next target
    this.drag = null; // { pointer, from, to } in pixels of the image
    node.addEventListener("pointerdown", (event) => this.begin(event));
    node.addEventListener("pointermove", (event) => this.move(event));
    node.addEventListener("pointerup", (event) => this.end(event));
    node.addEventListener("pointercancel", (event) => this.cancel(event));
    node.addEventListener("keydown", (event) => this.press(event));
    new ResizeObserver(() => this.render()).observe(node);
  }

  show(state, bitmap) {
    if (bitmap) {
      this.canvas.width = bitmap.width;
      this.canvas.height = bitmap.height;
      this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
      bitmap.close();
    }
    if (state.size) {
      this.size = state.size;
      this.node.style.setProperty("--aspect", `${this.size[0]} / ${this.size[1]}`);
      this.node.style.setProperty("--ratio", this.size[0] / this.size[1]);
    }
    this.targets = state.targets ?? [];
    this.firstNumber = state.next_target ?? 1;
    this.render();
  }

  // Begin to draw boxes, or end it; those that are drawn are forgotten.
  draw(isDrawing) {
    this.isDrawing = isDrawing;
    this.boxes = [];
    this.selected = -1;
    this.drag = null;
    this.node.classList.toggle("drawing", isDrawing);
    this.render();
    this.onChange();
  }

  add(box) {
    this.boxes.push(box);
    this.select(this.boxes.length - 1);
  }

  // A box near the middle, a fifth of the image wide and high; the next ones a little aside.
  addInMiddle() {
    const [w, h] = this.size.map((extent) => Math.max(1, Math.round(extent / 5)));
    const aside = (this.boxes.length % 10) * 3 * this.step();
    this.add([Math.round((this.size[0] - w) / 2) + aside, Math.round((this.size[1] - h) / 2) + aside, w, h]);
  }

  // Pixels of the image by which a key moves a box.
  step() {
    return Math.max(1, Math.round(Math.max(...this.size) / 160));
  }

  remove(index) {
    this.boxes.splice(index, 1);
    this.select(Math.min(index, this.boxes.length - 1));
  }

  change(index, box) {
    this.boxes[index] = box;
    this.select(index);
  }

  select(index) {
    this.selected = index;
    this.render();
    this.onChange();
  }

  place(event) {
    const area = this.node.getBoundingClientRect();
    const shares = [(event.clientX - area.x) / area.width, (event.clientY - area.y) / area.height];
    return shares.map((share, axis) => Math.min(Math.max(share, 0), 1) * this.size[axis]);
  }

  begin(event) {
    if (!this.isDrawing || !event.isPrimary || event.button !== 0) return;
    this.node.setPointerCapture(event.pointerId);
    this.drag = { pointer: event.pointerId, from: this.place(event), to: this.place(event) };
  }

  move(event) {
    if (this.drag?.pointer !== event.pointerId) return;
    this.drag.to = this.place(event);
    this.render();
  }

  end(event) {
    if (this.drag?.pointer !== event.pointerId) return;
    const [from, to] = [this.drag.from, this.place(event)];
    this.drag = null;
    const unit = this.unit();
    if (Math.hypot(to[0] - from[0], to[1] - from[1]) >= SHORTEST_DRAG * unit) this.add(boxBetween(from, to));
    else this.select(this.boxes.findLastIndex((box) => isInside(to, box)));
  }

  cancel(event) {
    if (this.drag?.pointer !== event.pointerId) return;
    this.drag = null;
    this.render();
  }

  // Arrows move the selected box, with Shift they change its size.
  press(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (!this.isDrawing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "b") this.addInMiddle();
    else if (this.selected < 0) return;
    else if (event.key === "Delete" || event.key === "Backspace") this.remove(this.selected);
    else if (event.key in arrows) {
      const [dx, dy] = arrows[event.key].map((direction) => direction * this.step());
      const [x, y, w, h] = this.boxes[this.selected];
      const changed = event.shiftKey ? [x, y, Math.max(1, w + dx), Math.max(1, h + dy)] : [x + dx, y + dy, w, h];
      this.change(this.selected, changed);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Pixels of the image in one pixel of the page.
  unit() {
    return this.size[0] / Math.max(1, this.node.clientWidth);
  }

  render() {
    this.overlay.setAttribute("viewBox", `0 0 ${this.size[0]} ${this.size[1]}`);
    this.overlay.setAttribute("preserveAspectRatio", "none");
    const nodes = [];
    for (const target of this.targets) {
      if (target.box) nodes.push(...this.boxNodes(target.box, target.color, targetText(target), "target"));
    }
    this.boxes.forEach((box, index) => {
      const kind = index === this.selected ? "drawn selected" : "drawn";
      nodes.push(...this.boxNodes(box, DRAWN, String(this.firstNumber + index), kind));
    });
    if (this.drag) nodes.push(...this.boxNodes(boxBetween(this.drag.from, this.drag.to), DRAWN, "", "drawn"));
    this.overlay.replaceChildren(...nodes);
  }

  boxNodes([x, y, width, height], color, label, kind) {
    const unit = this.unit();
    const rect = { x, y, width: Math.max(0, width), height: Math.max(0, height) };
    const text = make("text", { x, y: Math.max(y - 6 * unit, 15 * unit), fill: color, "font-size": 15 * unit });
    text.style.strokeWidth = 3 * unit;
    text.textContent = label;
    return [make("rect", { ...rect, class: "under" }), make("rect", { ...rect, stroke: color, class: kind }), text];
  }
}

export function targetText(target) {
  const score = target.score === null ? "" : target.score.toFixed(2);
  return `${target.number}: ${target.state} ${score}`.trim();
}

// Whole pixels, at least one of them.
function boxBetween(from, to) {
  const [left, top] = [0, 1].map((axis) => Math.round(Math.min(from[axis], to[axis])));
  const [right, bottom] = [0, 1].map((axis) => Math.round(Math.max(from[axis], to[axis])));
  return [left, top, Math.max(1, right - left), Math.max(1, bottom - top)];
}

function isInside([x, y], [left, top, width, height]) {
  return x >= left && y >= top && x <= left + width && y <= top + height;
}

function make(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
