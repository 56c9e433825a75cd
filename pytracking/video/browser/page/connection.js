// The connection to the program: opened again when it is lost. Each update of the state is answered when it is shown.

const TAKEN = 4001; // another tab has the page
const SILENCE = 15000; // milliseconds after which a connection that says nothing is given up
const PAUSES = [200, 500, 1000, 2000]; // milliseconds before the next attempts; the last one for all others

const tab = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join("");

export class Connection {
  // `onUpdate(state, bitmap)`: the newest state, and its picture where that is new.
  // `onStatus(status)`: "connected", "lost", "taken" or "ended".
  constructor(onUpdate, onStatus) {
    this.onUpdate = onUpdate;
    this.onStatus = onStatus;
    this.failures = 0;
    this.isEnded = false;
    this.open(true);
  }

  // `isOpened`: a person wants the page here; else this tab only comes back, and leaves it to one that was opened since.
  open(isOpened) {
    clearTimeout(this.retry);
    this.isOpening = isOpened;
    const url = new URL("socket", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = new URLSearchParams({ tab, opened: isOpened ? "1" : "0" });
    const socket = new WebSocket(url);
    socket.binaryType = "blob";
    this.socket = socket;
    this.waiting = null; // a state whose picture comes next
    socket.onopen = () => {
      this.failures = 0;
      this.isOpening = false;
      this.onStatus("connected");
      this.listen();
    };
    socket.onmessage = (event) => this.receive(socket, event.data);
    socket.onclose = (event) => this.socket === socket && this.closed(event.code);
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  send(message) {
    if (this.isOpen) this.socket.send(JSON.stringify(message));
    return this.isOpen;
  }

  listen() {
    clearTimeout(this.silence);
    const socket = this.socket;
    this.silence = setTimeout(() => {
      socket.onclose = null;
      socket.close();
      if (this.socket === socket) this.closed(1006);
    }, SILENCE);
  }

  async receive(socket, data) {
    if (socket !== this.socket) return;
    this.listen();
    if (typeof data === "string") {
      const state = JSON.parse(data);
      if (state.number === undefined) return; // only says that the connection is alive
      if (state.has_picture) this.waiting = state;
      else this.shown(state, null);
    } else {
      const state = this.waiting;
      const bitmap = await createImageBitmap(data);
      if (socket === this.socket) this.shown(state, bitmap);
    }
  }

  shown(state, bitmap) {
    this.onUpdate(state, bitmap);
    this.isEnded = state.phase === "ended";
    this.send({ seen: state.number });
  }

  closed(code) {
    clearTimeout(this.silence);
    if (code === TAKEN) return this.onStatus("taken");
    if (this.isEnded) return this.onStatus("ended");
    this.onStatus("lost");
    const pause = PAUSES[Math.min(this.failures, PAUSES.length - 1)];
    this.failures += 1;
    this.retry = setTimeout(() => this.open(this.isOpening), pause);
  }
}
