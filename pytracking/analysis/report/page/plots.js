// Plots as SVG. Curves, radar and forest plot share the tracker choice and the tooltip of core.js.
const FRAME = { width: 420, height: 302, left: 40, right: 8, top: 24, bottom: 38 };

function pathOf(points) {
  // Gaps where a value is unknown.
  let pen = "M";
  const parts = [];
  for (const [x, y] of points) {
    if (y === null) pen = "M";
    else {
      parts.push(`${pen}${x.toFixed(1)} ${y.toFixed(1)}`);
      pen = "L";
    }
  }
  return parts.join("");
}

function curvePath(index, points) {
  const { color, dash } = data.trackers[index];
  return svg("path", { class: "curve", d: pathOf(points), stroke: color, "stroke-dasharray": dash, "data-tracker": index });
}

function axes(frame, xTicks, yTicks, xAt, yAt) {
  const bottom = frame.height - frame.bottom;
  const group = svg("g", {});
  for (const [value, text] of yTicks) {
    group.append(
      svg("line", { class: "grid", x1: frame.left, x2: frame.width - frame.right, y1: yAt(value), y2: yAt(value) }),
      svg("text", { x: frame.left - 6, y: yAt(value) + 4, "text-anchor": "end" }, text),
    );
  }
  for (const [value, text] of xTicks) {
    group.append(
      svg("line", { class: "grid", x1: xAt(value), x2: xAt(value), y1: frame.top, y2: bottom }),
      svg("text", { x: xAt(value), y: bottom + 15, "text-anchor": "middle" }, text),
    );
  }
  group.append(svg("path", { class: "axis", d: `M${frame.left} ${frame.top}V${bottom}H${frame.width - frame.right}` }));
  return group;
}

// Lets the mouse, a finger or the arrow keys pick a point of a curve: `xs` are positions, `ys[tracker]` values or null.
function makeReadable(node, frame, xs, ys, xAt, yAt, describe) {
  const hair = svg("line", { class: "hair", y1: frame.top, y2: frame.height - frame.bottom });
  const dot = svg("circle", { r: 4.5, fill: "#fff", "stroke-width": 2.5, visibility: "hidden" });
  const catcher = svg("rect", {
    class: "catch", x: frame.left, y: frame.top - 8,
    width: frame.width - frame.left - frame.right, height: frame.height - frame.top - frame.bottom + 16,
  });
  let at = Math.floor(xs.length / 2);
  let picked = 0;
  const usable = () => range(ys.length).filter((i) => !choice.hidden.has(i) && ys[i] && ys[i][at] !== null);

  function clear() {
    hair.style.visibility = "hidden";
    dot.setAttribute("visibility", "hidden");
    tooltip.hide();
    setFocus(null);
  }
  function show(clientX, clientY) {
    const [x, y] = [xAt(xs[at]), yAt(ys[picked][at])];
    const box = node.getBoundingClientRect();
    const scale = box.width / frame.width;
    fill(hair, { x1: x, x2: x }, []);
    hair.style.visibility = "visible";
    fill(dot, { cx: x, cy: y, stroke: data.trackers[picked].color, visibility: "visible" }, []);
    tooltip.show(describe(picked, at), clientX ?? box.left + x * scale, clientY ?? box.top + y * scale);
    setFocus(picked);
  }
  function nearest(event) {
    const box = node.getBoundingClientRect();
    const scale = frame.width / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    at = range(xs.length).reduce((best, i) => (Math.abs(xAt(xs[i]) - x) < Math.abs(xAt(xs[best]) - x) ? i : best), 0);
    const candidates = usable();
    if (!candidates.length) return clear();
    const distance = (i) => Math.abs(yAt(ys[i][at]) - y);
    picked = candidates.reduce((best, i) => (distance(i) < distance(best) ? i : best));
    show(event.clientX, event.clientY);
  }
  function key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const turn = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Escape") return clear();
    if (!step && !turn) return;
    event.preventDefault();
    if (step) at = Math.min(xs.length - 1, Math.max(0, at + step));
    const candidates = usable().sort((a, b) => ys[b][at] - ys[a][at]);
    if (!candidates.length) return clear();
    const place = candidates.indexOf(picked);
    if (turn) picked = candidates[Math.min(candidates.length - 1, Math.max(0, place + turn))];
    else if (place < 0) picked = candidates[0];
    show();
  }
  node.append(hair, dot, catcher);
  catcher.addEventListener("pointermove", nearest);
  catcher.addEventListener("pointerdown", nearest);
  catcher.addEventListener("pointerleave", clear);
  node.setAttribute("tabindex", "0");
  node.addEventListener("keydown", key);
  node.addEventListener("blur", clear);
}

function curveFigure(plot, group) {
  const lines = plot.groups[group];
  const [low, high] = [plot.x[0], plot.x[plot.x.length - 1]];
  const xAt = (x) => FRAME.left + ((x - low) / (high - low)) * (FRAME.width - FRAME.left - FRAME.right);
  const yAt = (y) => FRAME.height - FRAME.bottom - y * (FRAME.height - FRAME.top - FRAME.bottom);
  const xTicks = range(6).map((i) => low + (i * (high - low)) / 5).map((x) => [x, String(Number(x.toFixed(2)))]);
  const yTicks = range(6).map((i) => [i / 5, String(20 * i)]);
  const label = `${plot.title}: ${plot.ylabel} over ${plot.xlabel}. Arrow keys read values.`;
  const node = svg("svg", { viewBox: `0 0 ${FRAME.width} ${FRAME.height}`, role: "img", "aria-label": label });
  const middle = (FRAME.left + FRAME.width - FRAME.right) / 2;
  node.append(
    axes(FRAME, xTicks, yTicks, xAt, yAt),
    svg("text", { x: middle, y: FRAME.height - 4, "text-anchor": "middle" }, plot.xlabel),
    svg("text", { x: 4, y: 11 }, plot.ylabel),
    ...range(lines.length).reverse().map((i) => curvePath(i, lines[i].values.map((y, k) => [xAt(plot.x[k]), yAt(y)]))),
  );
  const ys = lines.map((line) => line.values);
  const describe = (i, at) =>
    `${data.trackers[i].name}\n${plot.reading} ${Number(plot.x[at].toFixed(2))}: ${percent(ys[i][at], 2)} %`;
  makeReadable(node, FRAME, plot.x, ys, xAt, yAt, describe);
  const ranked = range(lines.length).sort((a, b) => lines[b].score - lines[a].score);
  const entries = ranked.map((i) =>
    el("li", {}, trackerButton(i, {}, data.trackers[i].name, el("b", {}, `[${percent(lines[i].score)}]`))),
  );
  const heading = el("h3", {}, plot.title, el("span", { class: "note" }, ` · ${plot.score_title}`));
  return el("figure", { class: "curve-plot" }, heading, node, el("ol", { class: "ranked" }, ...entries));
}

function radarFigure(radar) {
  const size = 380;
  const radius = 138;
  const count = radar.names.length;
  const values = radar.scores.flat();
  const low = Math.max(0, Math.floor(Math.min(...values) * 10 - 1) / 10);
  const high = Math.min(1, Math.ceil(Math.max(...values) * 10) / 10);
  const at = (k, value) => {
    const angle = (2 * Math.PI * k) / count;
    const r = (radius * (value - low)) / (high - low);
    return [size / 2 + r * Math.sin(angle), size / 2 - r * Math.cos(angle)];
  };
  const node = svg("svg", { viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": "AUC by attribute; the table beside it has the numbers" });
  const rings = range(Math.round((high - low) * 10) + 1).map((i) => low + i / 10);
  for (const ring of rings) node.append(svg("path", { class: "grid", d: `${pathOf(range(count).map((k) => at(k, ring)))}Z` }));
  radar.names.forEach((name, k) => {
    const [x, y] = at(k, high);
    const [tx, ty] = [size / 2 + (x - size / 2) * 1.13, size / 2 + (y - size / 2) * 1.13 + 4];
    const text = svg("text", { class: "name", x: tx, y: ty, "text-anchor": "middle" }, name);
    text.append(svg("title", {}, radar.titles[k]));
    node.append(svg("line", { class: "grid", x1: size / 2, y1: size / 2, x2: x, y2: y }), text);
  });
  for (const i of range(radar.scores.length).reverse()) {
    const path = curvePath(i, radar.scores[i].map((value, k) => at(k, value)));
    path.setAttribute("d", `${path.getAttribute("d")}Z`);
    node.append(path);
  }
  for (const ring of rings.slice(1)) {
    const [x, y] = at(0.5, low + (ring - low) * Math.cos(Math.PI / count)); // on the ring, between two axes
    node.append(svg("text", { x, y: y + 4, "text-anchor": "middle" }, (100 * ring).toFixed(0)));
  }
  node.addEventListener("pointermove", (event) => {
    const box = node.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) * (size / box.width), (event.clientY - box.top) * (size / box.height)];
    let best = [Infinity, 0, 0];
    for (const i of range(radar.scores.length).filter((index) => !choice.hidden.has(index)))
      radar.scores[i].forEach((value, k) => {
        const [px, py] = at(k, value);
        if (Math.hypot(px - x, py - y) < best[0]) best = [Math.hypot(px - x, py - y), i, k];
      });
    const [distance, i, k] = best;
    if (distance > 25) return leave();
    setFocus(i);
    const text = `${data.trackers[i].name}\n${radar.titles[k]}: AUC ${percent(radar.scores[i][k], 2)} %`;
    tooltip.show(text, event.clientX, event.clientY);
  });
  const leave = () => {
    tooltip.hide();
    setFocus(null);
  };
  node.addEventListener("pointerleave", leave);
  return el("figure", {}, node);
}

// Differences to one tracker with their intervals; rows are [other tracker, difference, low, high, text].
function forestFigure(rows) {
  const step = 26;
  const frame = { width: 1000, height: 40 + step * rows.length, left: 190, right: 230, top: 8, bottom: 32 };
  const reach = Math.max(0.005, ...rows.flatMap(([, value, low, high]) => [value, low, high].map(Math.abs))) * 1.08;
  const xAt = (x) => frame.left + ((x + reach) / (2 * reach)) * (frame.width - frame.left - frame.right);
  const node = svg("svg", { viewBox: `0 0 ${frame.width} ${frame.height}`, role: "img", "aria-label": "Differences of AUC with intervals; the table has the numbers" });
  const nice = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5].find((size) => reach / size <= 3) || 1;
  const ticks = range(7).map((i) => (i - 3) * nice).filter((value) => Math.abs(value) <= reach);
  node.append(axes(frame, ticks.map((x) => [x, `${x > 0 ? "+" : ""}${Number((100 * x).toFixed(1))}`]), [], xAt, () => 0));
  node.append(svg("line", { class: "axis", x1: xAt(0), x2: xAt(0), y1: frame.top, y2: frame.height - frame.bottom }));
  rows.forEach(([index, value, low, high, text], row) => {
    const y = frame.top + step * (row + 0.6);
    const { name, color } = data.trackers[index];
    node.append(
      svg("line", { class: "grid", x1: frame.left, x2: frame.width - frame.right, y1: y, y2: y }),
      svg("text", { class: "name", x: frame.left - 10, y: y + 4, "text-anchor": "end" }, name),
      svg("line", { x1: xAt(low), x2: xAt(high), y1: y, y2: y, stroke: color, "stroke-width": 3 }),
      svg("circle", { cx: xAt(value), cy: y, r: 5, fill: color, stroke: "#fff", "stroke-width": 1.5 }),
      svg("text", { x: frame.width - frame.right + 10, y: y + 4 }, text),
    );
  });
  return node;
}
