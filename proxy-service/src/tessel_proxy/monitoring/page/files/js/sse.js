/** Takes a stream of server-sent events apart (https://html.spec.whatwg.org/#parsing-an-event-stream). */

const MAX_PENDING = 16 * 1024 * 1024; // characters of one event: 5,000 tunnels are about 2 MiB

/** Collects text and returns whole events. */
export class EventParser {
  #pending = "";
  #name = "";
  #data = [];
  #id = "";

  /** Return the events that this piece of text completes, as [name, data, id]. */
  take(text) {
    this.#pending += text;
    if (this.#pending.length > MAX_PENDING) throw new RangeError("an event is too long");
    const lines = this.#pending.split(/\r\n|\n|\r(?!$)/);
    this.#pending = lines.pop();
    return lines.map((line) => this.#line(line)).filter((event) => event !== null);
  }

  #line(line) {
    if (line === "") return this.#finish();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    if (field === "data") this.#data.push(value);
    if (field === "id") this.#id = value;
    return null; // "retry" and comments are not used
  }

  #finish() {
    const event = this.#data.length ? [this.#name || "message", this.#data.join("\n"), this.#id] : null;
    [this.#name, this.#data] = ["", []];
    return event;
  }
}

/** Yield the events of a body's stream as [name, value, id]. */
export async function* eventsOf(body) {
  const parser = new EventParser();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    for (const [name, data, id] of parser.take(value)) yield [name, JSON.parse(data), id];
  }
}
