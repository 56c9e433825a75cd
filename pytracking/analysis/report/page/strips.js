// Film strips: frames with ground truth and tracked boxes, and the overlap over time.
const TIME = { width: 1000, height: 84, left: 34, right: 6, top: 6, bottom: 18 };

function rectangle(box, attributes) {
  const [x, y, width, height] = box;
  return svg("rect", { x, y, width: Math.max(0, width), height: Math.max(0, height), ...attributes });
}

function stripFrame(frame) {
  const [x, y, width, height] = frame.region;
  const picture = svg("svg", { viewBox: `${x} ${y} ${width} ${height}`, role: "img", "aria-label": `frame ${frame.number}` });
  picture.append(svg("image", { href: frame.image, x, y, width, height, preserveAspectRatio: "none" }));
  picture.append(rectangle(frame.ground_truth, { class: "truth-under" }), rectangle(frame.ground_truth, { class: "truth" }));
  for (const i of range(frame.boxes.length).reverse()) { // the best tracker on top
    const { color, dash } = data.trackers[i];
    const attributes = { class: "box", stroke: color, "stroke-dasharray": dash, "data-tracker": i };
    if (frame.boxes[i]) picture.append(rectangle(frame.boxes[i], attributes));
  }
  const describe = (event) => {
    const lines = range(data.trackers.length)
      .filter((i) => !choice.hidden.has(i))
      .map((i) => `${data.trackers[i].name}: ${frame.overlaps[i] === null ? "no box" : frame.overlaps[i].toFixed(2)}`);
    tooltip.show([`frame ${frame.number}, overlap`, ...lines].join("\n"), event.clientX, event.clientY);
  };
  picture.addEventListener("pointermove", describe);
  picture.addEventListener("pointerleave", () => tooltip.hide());
  picture.addEventListener("click", () => enlarge(picture));
  const part = frame.zoomed ? ", enlarged" : "";
  return el("figure", {}, picture, el("figcaption", {}, `frame ${frame.number}${part}`));
}

function enlarge(picture) {
  tooltip.hide();
  const dialog = el("dialog", { click: () => dialog.close(), close: () => dialog.remove() }, picture.cloneNode(true));
  document.body.append(dialog);
  dialog.showModal();
}

function timeline(strip) {
  const bins = strip.timeline[0].length;
  const xs = range(bins).map((k) => ((k + 0.5) * strip.length) / bins);
  const xAt = (x) => TIME.left + (x / strip.length) * (TIME.width - TIME.left - TIME.right);
  const yAt = (y) => TIME.height - TIME.bottom - y * (TIME.height - TIME.top - TIME.bottom);
  const label = `Overlap over time in ${strip.sequence}. Arrow keys read values.`;
  const node = svg("svg", { viewBox: `0 0 ${TIME.width} ${TIME.height}`, role: "img", "aria-label": label });
  node.append(axes(TIME, [[1, "1"], [strip.length, String(strip.length)]], [[0, "0"], [0.5, "0.5"], [1, "1"]], xAt, yAt));
  for (const frame of strip.frames) {
    const x = xAt(frame.number - 0.5);
    node.append(svg("line", { class: "mark", x1: x, x2: x, y1: TIME.top, y2: TIME.height - TIME.bottom }));
  }
  const at = (row) => row.map((y, k) => [xAt(xs[k]), y === null ? null : yAt(y)]);
  node.append(...range(data.trackers.length).reverse().map((i) => curvePath(i, at(strip.timeline[i]))));
  const describe = (i, k) => `${data.trackers[i].name}\nframe ${Math.ceil(xs[k])}: overlap ${strip.timeline[i][k].toFixed(2)}`;
  makeReadable(node, TIME, xs, strip.timeline, xAt, yAt, describe);
  return node;
}

function stripNode(strip) {
  const scores = strip.scores.map((score, i) => `${data.trackers[i].name} ${percent(score)}`).join(" · ");
  const head = el("header", {}, el("h3", {}, strip.sequence), el("span", { class: "note" }, `AUC: ${scores}`));
  return el("article", { class: "strip" }, head, el("div", { class: "frames" }, ...strip.frames.map(stripFrame)), timeline(strip));
}
