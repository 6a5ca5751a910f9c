/** Requests to /api/v1, with the session's cookie and the value that guards commands. */

const BASE = "/api/v1";
const TIMEOUT_MS = 15_000; // a fleet answers within 1 s; more is a lost connection
const HINT = "tessel-logged-in"; // so that a first visit need not ask whether there is a session
export const PAGE_ROWS = 1000; // the most that one answer holds

/** An answer that is not 2xx, or none at all (status 0). */
export class ApiError extends Error {
  constructor(status, message, retryAfterS = null) {
    super(message);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

let csrf = null;
let whenSessionEnds = () => {};

/** Set what is called when an answer shows that the session has ended. */
export function onSessionEnd(call) {
  whenSessionEnds = call;
}

export const mayHaveSession = () => localStorage.getItem(HINT) !== null;

/** Begin a session; raises ApiError 403 for a wrong token and 429 after too many. */
export async function logIn(token) {
  remember(await send("POST", "/session", { token }));
}

/** Return whether this browser has a session that the proxy knows. */
export async function resume() {
  try {
    remember(await send("GET", "/session"));
    return true;
  } catch (error) {
    if (!isGone(error)) throw error;
    forget();
    return false;
  }
}

export async function logOut() {
  try {
    await send("DELETE", "/session");
  } finally {
    forget();
  }
}

function remember(session) {
  csrf = session.csrf;
  localStorage.setItem(HINT, "1");
}

function forget() {
  csrf = null;
  localStorage.removeItem(HINT);
}

export const get = (path) => guarded("GET", path);
export const post = (path, body) => guarded("POST", path, body);
export const remove = (path) => guarded("DELETE", path);

async function guarded(method, path, body) {
  try {
    return await send(method, path, body);
  } catch (error) {
    if (isGone(error)) await checkSession();
    throw error;
  }
}

// Without a session each path answers 404, as a path does that does not exist.
const isGone = (error) => error instanceof ApiError && (error.status === 404 || error.status === 401);

/** Ask whether the session lasts; if it has ended, say so to whom `onSessionEnd` names. */
export async function checkSession() {
  if (csrf === null || (await resume())) return;
  whenSessionEnds();
}

async function send(method, path, body) {
  const answer = await reach(path, {
    method,
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: headersOf(method, body),
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  throw await errorOf(answer);
}

function headersOf(method, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET" && csrf !== null) headers["X-Tessel-CSRF"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return headers;
}

async function reach(path, options) {
  try {
    return await fetch(BASE + path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (options.signal.aborted && error.name === "AbortError") throw error;
    throw new ApiError(0, "The proxy does not answer. Check the connection, then try again.");
  }
}

async function errorOf(answer) {
  const said = await answer.json().catch(() => null);
  const retryAfter = Number(answer.headers.get("Retry-After")) || null;
  const message = said?.error?.message ?? `The proxy answered with status ${answer.status}.`;
  return new ApiError(answer.status, message, retryAfter);
}

/** Open the stream of events; returns the body's stream. Raises ApiError. */
export async function openEvents(topics, signal) {
  const path = `/events?topics=${topics.map(encodeURIComponent).join(",")}`;
  const answer = await reach(path, { signal, headers: { Accept: "text/event-stream" } });
  if (answer.ok) return answer.body;
  throw await errorOf(answer);
}

/** Return all rows of a paged list, at most `most`, with what the answers say besides. */
export async function getAll(path, name, most) {
  const [rows, missing] = [[], new Set()];
  const first = path + (path.includes("?") ? "&" : "?");
  let [after, last] = [null, null];
  do {
    const limit = `limit=${Math.min(PAGE_ROWS, most - rows.length)}`;
    last = await get(first + limit + (after === null ? "" : `&after=${encodeURIComponent(after)}`));
    rows.push(...last[name]);
    for (const member of last.missing ?? []) missing.add(member);
    after = last.next;
  } while (after !== null && after !== undefined && rows.length < most);
  return { rows, total: last.total ?? rows.length, missing: [...missing] };
}
