/**
 * The live connection: opens the stream of events, and opens it again with backoff when it is lost.
 *
 * A change of topics opens the new stream before the old one is closed, so that no event is missed.
 * A hidden tab gives its stream up after a while: a browser has only six connections to one
 * address, and a watcher costs the proxy work.
 */

import { ApiError, checkSession, openEvents } from "./api.js";
import { eventsOf } from "./sse.js";

const FIRST_BACKOFF_S = 1;
const MAX_BACKOFF_S = 30;
const SILENCE_S = 6; // the totals come once a second; after more the data is old
const OVERLAP_MS = 1_500; // one round of events, which come once a second, and some time
const ADDED_UP = new Set(["refusals"]); // all other events say how things are: twice is once
const HIDDEN_MS = 30_000;

export const LIVE = "live";
export const CONNECTING = "connecting";
export const LOST = "lost";
export const PAUSED = "paused";

export class Stream extends EventTarget {
  #topics = [];
  #current = null; // AbortController of the stream in use
  #attempt = 0; // counts streams: late news of an older one are ignored
  #source = 0; // the stream whose refusals count: two that overlap bring each of them twice
  #lastId = 0; // the number of the second that they are of
  #failures = 0;
  #retry = null;
  #hidden = null;
  #watchdog = null;

  /** When the last event came, in ms of performance.now(); null before the first. */
  lastEventAt = null;
  state = CONNECTING;
  /** Why the connection was lost; null if only silence was noticed. */
  why = null;
  /** When the next try is due, in ms of performance.now(). */
  retryAt = null;

  start(topics) {
    this.#topics = topics;
    document.addEventListener("visibilitychange", this.#visibility);
    this.#watchdog = setInterval(() => this.#watch(), 1000);
    this.#connect();
  }

  stop() {
    document.removeEventListener("visibilitychange", this.#visibility);
    clearInterval(this.#watchdog);
    clearTimeout(this.#hidden);
    this.#close();
    this.#topics = [];
  }

  /** Follow other topics from now on. */
  follow(topics) {
    if (topics.join() === this.#topics.join()) return;
    this.#topics = topics;
    if (this.state === LIVE) this.#connect();
    else if (this.state === CONNECTING) this.tryNow();
  }

  /** Connect without waiting for the backoff. */
  tryNow() {
    this.#failures = 0;
    this.#close();
    this.#connect();
  }

  #close() {
    clearTimeout(this.#retry);
    this.#current?.abort();
    this.#current = null;
    this.#attempt += 1;
  }

  async #connect() {
    clearTimeout(this.#retry);
    const [old, own, number] = [this.#current, new AbortController(), (this.#attempt += 1)];
    this.#current = own;
    if (old === null) this.#become(CONNECTING);
    try {
      const body = await openEvents(this.#topics, own.signal);
      if (old === null) this.#source = number;
      else setTimeout(() => this.#replace(old, number), OVERLAP_MS);
      if (number === this.#attempt) this.#opened(old === null);
      await this.#read(body, own.signal, number);
      throw new ApiError(0, "The proxy ended the connection.");
    } catch (error) {
      old?.abort();
      if (!own.signal.aborted && number === this.#attempt) this.#lost(error);
    }
  }

  #opened(afterGap) {
    this.#failures = 0;
    this.lastEventAt = performance.now();
    this.#become(LIVE);
    this.dispatchEvent(new CustomEvent("opened", { detail: { afterGap } }));
  }

  #replace(old, number) {
    old.abort();
    this.#source = number;
  }

  /** Whether an event is to be taken from this stream: it becomes the source with a new second. */
  #counts(number, id) {
    if (number !== this.#source && number === this.#attempt && id > this.#lastId) this.#source = number;
    if (number !== this.#source) return false;
    this.#lastId = id;
    return true;
  }

  async #read(body, signal, number) {
    for await (const [name, value, id] of eventsOf(body)) {
      if (signal.aborted) return;
      this.lastEventAt = performance.now();
      if (ADDED_UP.has(name) && !this.#counts(number, Number(id))) continue;
      this.dispatchEvent(new CustomEvent(`event:${name}`, { detail: value }));
    }
  }

  #lost(error) {
    this.#close();
    this.#failures += 1;
    const backoff = Math.min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (this.#failures - 1));
    const wait = error.retryAfterS ?? backoff * (0.75 + Math.random() / 2);
    this.retryAt = performance.now() + wait * 1000;
    this.#retry = setTimeout(() => this.#connect(), wait * 1000);
    this.#become(LOST, error instanceof ApiError ? error.message : "The connection was lost.");
    if (error.status === 404 || error.status === 401) checkSession().catch(() => {}); // the next try reports it
  }

  #watch() {
    const silentMs = performance.now() - (this.lastEventAt ?? performance.now());
    if (this.state === LIVE && silentMs > SILENCE_S * 1000) {
      this.#lost(new ApiError(0, `Nothing came for ${SILENCE_S} s.`));
    }
    this.dispatchEvent(new Event("second"));
  }

  #visibility = () => {
    clearTimeout(this.#hidden);
    if (document.hidden) this.#hidden = setTimeout(() => this.#pause(), HIDDEN_MS);
    else if (this.state === PAUSED || this.state === LOST) this.tryNow();
  };

  #pause() {
    this.#close();
    this.#become(PAUSED);
  }

  #become(state, why = null) {
    [this.state, this.why] = [state, why];
    this.dispatchEvent(new Event("state"));
  }
}
