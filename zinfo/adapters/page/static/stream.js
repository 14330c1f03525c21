// Reads the stream of the table from the server, and connects again when it ends.

import { ApiError } from "./api.js";
import { readEvents } from "./events.js";

const SILENCE = 15_000; // ms without a byte, after which the connection counts as lost
const FIRST_DELAY = 500; // ms until it connects again; doubled after each failure
const LAST_DELAY = 15_000;

export class Stream {
  // `onMessage` is called with each message, `onProblem` with the reason if the connection is lost.
  constructor(api, { onMessage, onProblem }) {
    Object.assign(this, { api, onMessage, onProblem });
    this.parameters = null; // pairs; null until there is something to read
    this.running = null; // an AbortController
    this.failures = 0;
    document.addEventListener("visibilitychange", () => this.restart());
  }

  // Reads a stream with these parameters from now on.
  open(parameters) {
    if (JSON.stringify(parameters) === JSON.stringify(this.parameters)) return;
    this.parameters = parameters;
    this.restart();
  }

  // A tab that is hidden reads nothing.
  restart() {
    this.running?.abort();
    this.running = null;
    clearTimeout(this.timer);
    if (document.hidden || !this.parameters) return;
    this.failures = 0;
    this.connect();
  }

  async connect() {
    const running = (this.running = new AbortController());
    try {
      await this.read(running);
      throw new ApiError(`${location.host} has ended the connection`);
    } catch (error) {
      if (this.running !== running) return; // closed on purpose
      running.abort();
      this.running = null;
      this.onProblem(error instanceof ApiError ? error.message : `no answer from ${location.host}`);
      const delay = Math.min(LAST_DELAY, FIRST_DELAY * 2 ** this.failures);
      this.failures += 1;
      this.timer = setTimeout(() => this.connect(), delay * (0.75 + Math.random() / 2));
    }
  }

  async read(running) {
    const response = await this.api.get("api/v1/table", this.parameters, {
      signal: running.signal,
      accept: "text/event-stream",
    });
    let silence = null;
    const watch = () => {
      clearTimeout(silence);
      silence = setTimeout(() => running.abort(), SILENCE);
    };
    watch();
    try {
      for await (const { event, data } of readEvents(response.body, watch)) {
        if (this.running !== running) return;
        if (event !== "table") continue;
        this.onMessage(JSON.parse(data));
        this.failures = 0;
      }
    } finally {
      clearTimeout(silence);
    }
  }
}
