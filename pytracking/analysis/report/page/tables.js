// Tables that sort by a click on a header. A cell comes as [text, number to sort by or null, whether it is best].
function cellNode(cell, column, shade, showStd) {
  const [text, value, best] = cell;
  const [mean, std] = text.split(" ± ");
  const isText = column.kind === "text";
  const node = el("td", { class: [isText ? "text" : "", best ? "best" : ""].join(" ").trim() || null }, ...breakable(mean));
  if (showStd) node.append(el("span", { class: "std" }, std === undefined ? "" : ` ± ${std}`));
  else if (std !== undefined) node.title = text;
  if (shade && column.kind === "share" && value !== null) {
    const strength = (value - shade.low) / Math.max(1e-9, shade.high - shade.low);
    node.style.backgroundColor = `rgb(0 119 187 / ${(0.4 * strength).toFixed(3)})`;
  }
  return node;
}

// Colors go from the lowest to the highest share of the table.
function shadeRange(table) {
  const values = table.rows.flatMap((row) => row.filter((_, i) => table.columns[i].kind === "share").map((cell) => cell[1]));
  const known = values.filter((value) => value !== null);
  return { low: Math.min(...known), high: Math.max(...known) };
}

function compareCells(column, direction) {
  return (first, second) => {
    const [a, b] = [first[column], second[column]];
    if (a[1] === null && b[1] === null) return direction * a[0].localeCompare(b[0], "en", { numeric: true });
    if (a[1] === null || b[1] === null) return a[1] === null ? 1 : -1; // unknown values last, either way
    return direction * (a[1] - b[1]);
  };
}

function makeTable(table, options = {}) {
  const body = el("tbody");
  const foot = el("tfoot");
  const rows = table.last_is_mean ? table.rows.slice(0, -1) : table.rows;
  const state = { column: null, direction: 1, filter: "" };
  const shade = options.shade ? shadeRange(table) : null;
  const hasStd = table.columns.map((_, index) => !options.noStd && table.rows.some((row) => row[index][0].includes(" ± ")));

  const rowNode = (row, shading) => {
    const cells = row.map((cell, index) => cellNode(cell, table.columns[index], shading, hasStd[index]));
    const tracker = options.swatches ? data.trackers.findIndex((entry) => entry.name === row[0][0]) : -1;
    if (tracker >= 0) {
      cells[0].prepend(swatch(tracker), " ");
      cells[0].firstChild.style.display = "inline-block";
    }
    if (options.wrap) cells.forEach((cell) => cell.classList.add("wrap"));
    return el("tr", {}, ...cells);
  };

  function draw() {
    const wanted = state.filter.toLowerCase();
    const shown = rows.filter((row) => row[0][0].toLowerCase().includes(wanted));
    if (state.column !== null) shown.sort(compareCells(state.column, state.direction));
    body.replaceChildren(...shown.map((row) => rowNode(row, shade)));
    headers.forEach((header, index) => {
      const order = state.direction > 0 ? "ascending" : "descending";
      header.setAttribute("aria-sort", index === state.column ? order : "none");
    });
  }

  function sortBy(index) {
    const first = table.columns[index].kind === "text" ? 1 : -1; // numbers: highest first
    state.direction = state.column === index ? -state.direction : first;
    state.column = index;
    draw();
  }

  const headers = table.columns.map((column, index) => {
    const title = [column.help, "click to sort"].filter(Boolean).join("; ");
    const button = el("button", { type: "button", title, click: () => sortBy(index) }, ...breakable(column.header));
    if (button.childNodes.length > 1) button.classList.add("long");
    return el("th", { scope: "col", class: column.kind === "text" ? "text" : null }, button);
  });
  if (table.last_is_mean) foot.append(rowNode(table.rows[table.rows.length - 1], null));
  draw();
  const node = el("table", { "aria-label": table.title, class: options.dense ? "dense" : null }, el("thead", {}, el("tr", {}, ...headers)), body, foot);
  const box = el("div", { class: options.wide ? "scroll wide" : "scroll", tabindex: 0 }, node);
  return { box, filter(text) { state.filter = text; draw(); } };
}
