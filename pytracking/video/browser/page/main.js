// What the page says and asks in each phase of the run: starting, drawing, tracking, paused, ended.

import { Connection } from "./connection.js";
import { Stage, targetText } from "./stage.js";

const KEYS = { " ": " ", ArrowRight: "right", s: "right", n: "n", r: "r", q: "q" };
const HINTS = {
  starting: "The tracker starts …",
  tracking: "Tracking",
  paused: "Paused",
  ended: "Ended",
};
const DRAW_HINT =
  "Drag a box around each target, with the mouse or a finger. By keyboard: b adds a box; with the frame selected, " +
  "arrows move it, Shift and arrows change its size, Delete removes it.";
const STATUS = {
  connected: "connected",
  lost: "connection lost, trying again; if the program has ended, its terminal says how",
  taken: "this page is open in another tab, which has taken over",
  ended: "the program has ended; this page can be closed",
};

const find = (id) => document.getElementById(id);
const stage = new Stage(find("stage"), showDrawn);
let state = { phase: "starting" };
let question = 0; // that the drawn boxes answer
let status = "lost";
const connection = new Connection(update, showStatus);

function update(newState, bitmap) {
  state = newState;
  stage.show(state, bitmap);
  const isAsked = state.phase === "drawing";
  if (isAsked && state.question !== question) {
    question = state.question;
    stage.draw(true);
    stage.node.focus({ preventScroll: true });
  } else if (!isAsked && stage.isDrawing) stage.draw(false);
  showState();
}

function showStatus(newStatus) {
  status = newStatus;
  find("connection").textContent = STATUS[status];
  find("connection").className = status;
  find("take").hidden = status !== "taken";
  find("stage").classList.toggle("old", status === "lost" || status === "taken");
  showState();
}

function showState() {
  const { phase } = state;
  document.documentElement.dataset.phase = phase;
  document.documentElement.dataset.frame = state.frame ?? 0;
  document.title = find("title").textContent = state.title ?? "Tracking";
  find("hint").textContent = phase === "drawing" ? DRAW_HINT : HINTS[phase];
  find("problem").hidden = !state.problem;
  find("problem").textContent = state.problem ? `Draw another box: ${state.problem}` : "";
  find("draw-panel").hidden = phase !== "drawing";
  find("give-up").hidden = !state.targets?.length && state.question === 1;
  find("track-panel").hidden = phase !== "tracking" && phase !== "paused";
  find("pause").firstChild.data = phase === "paused" ? "Go on" : "Pause";
  find("step").disabled = phase !== "paused";
  find("ending").hidden = phase !== "ended";
  find("ending").textContent = state.ending ?? "";
  for (const button of document.querySelectorAll(".key, #give-up")) {
    button.disabled = status !== "connected" || (button.id === "step" && phase !== "paused");
  }
  showDrawn();
  showProgress();
  showTargets();
}

function showProgress() {
  const length = state.num_frames;
  if (length) Object.assign(find("progress"), { max: length, value: state.frame });
  else find("progress").removeAttribute("value");
  const dropped = state.num_dropped ? `, ${state.num_dropped} dropped` : "";
  find("place").textContent = `${state.source}: frame ${state.frame}${length ? ` of ${length}` : ""}${dropped}`;
}

function showTargets() {
  const items = (state.targets ?? []).map((target) => {
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = target.color;
    const box = target.box ? target.box.map((value) => value.toFixed(1)).join(", ") : "no box";
    const score = target.score === null ? "" : target.score.toFixed(2);
    const name = make("span", { textContent: targetText({ ...target, score: null }) });
    return make("li", {}, [
      swatch, name, make("span", { className: "score", textContent: score }),
      make("span", { className: "box", textContent: `x, y, w, h = ${box}` }),
    ]);
  });
  find("targets").replaceChildren(...items);
}

// The boxes as numbers, which can be changed.
function showDrawn() {
  const list = find("drawn");
  while (list.children.length > stage.boxes.length) list.lastChild.remove();
  while (list.children.length < stage.boxes.length) list.append(drawnItem(list.children.length));
  stage.boxes.forEach((box, index) => {
    const item = list.children[index];
    item.classList.toggle("selected", index === stage.selected);
    item.querySelector("b").textContent = stage.firstNumber + index;
    item.querySelectorAll("input").forEach((input, place) => {
      if (input !== document.activeElement) input.value = box[place];
    });
  });
  const isReady = stage.boxes.length > 0 && [...list.querySelectorAll("input")].every(isValid);
  find("start").disabled = status !== "connected" || !isReady;
  find("typed").hidden = !stage.boxes.length || state.frame !== 1;
  find("command").textContent = stage.boxes.map((box) => `--optional_box ${box.join(" ")}`).join("\n");
}

function isValid(input) {
  return input.checkValidity();
}

function drawnItem(index) {
  const labels = ["x", "y", "width", "height"].map((name, place) => {
    const input = make("input", { type: "number", step: "any", required: true, min: place < 2 ? "" : "0.01" });
    input.addEventListener("focus", () => stage.select(index));
    input.addEventListener("input", () => {
      const box = [...stage.boxes[index]];
      if (isValid(input)) box[place] = Number(input.value);
      stage.change(index, box);
    });
    return make("label", {}, [name, input]);
  });
  const remove = make("button", { type: "button", textContent: "✕", title: "Remove this box", ariaLabel: "Remove this box" });
  remove.addEventListener("click", () => stage.remove(index));
  return make("li", {}, [make("b", {}), ...labels, remove]);
}

function make(name, properties, children = []) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function answer(boxes) {
  connection.send({ question, boxes });
}

function start() {
  if (!find("start").disabled) answer(stage.boxes);
}

find("start").addEventListener("click", start);
find("add").addEventListener("click", () => {
  stage.addInMiddle();
  stage.node.focus({ preventScroll: true });
});
find("give-up").addEventListener("click", () => answer([]));
find("take").addEventListener("click", () => connection.open(true));
for (const button of document.querySelectorAll(".key")) {
  button.addEventListener("click", () => connection.send({ key: button.dataset.key }));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && event.key !== "ArrowRight") return;
  const isTyping = event.target.closest("input");
  if (state.phase === "drawing") {
    if (event.key === "Enter" && !event.target.closest("button")) start();
    else if (event.key === "b" && !isTyping) stage.addInMiddle();
    else return;
  } else if (state.phase === "tracking" || state.phase === "paused") {
    if (!(event.key in KEYS) || (event.key === " " && event.target.closest("button"))) return;
    connection.send({ key: KEYS[event.key] });
  } else return;
  event.preventDefault();
});
