// Server-sent events by fetch, for the console and the extension's panel: the browser's EventSource
// sends no token, and never comes back from an answer that is not 200. This one comes back by itself,
// says what it saw last, and rests while nobody looks: a browser opens few connections to one server,
// and every tab of Lever's may have a panel.

/** Pauses before what failed is tried again: the first, and the longest. */
export const FIRST_WAIT_MS = 1000;
export const LONGEST_WAIT_MS = 30_000;
/** How long an answer is waited for. */
export const PATIENCE_MS = 15_000;
/** The server says something every 20 s. */
const SILENCE_MS = 50_000;

/**
 * Calls `tell(id, "conversation")` when one changed, `tell(id, "opportunity")` when one was read again, and
 * `tell(null)` when everything is to be read anew, until `signal`. `lost(whether)` is called when the server was
 * not reached twice in a row, and when it is again. `call` is a fetch that carries what admits us; `place` is what
 * was seen when the page was made, where it says so.
 */
export async function listen({ call, base, place, tell, lost = () => {}, signal }) {
  let last = place;
  let wait = FIRST_WAIT_MS;
  let failed = 0;
  while (!signal.aborted) {
    failed += 1;
    try {
      await looked(signal);
      const opened = () => {
        wait = FIRST_WAIT_MS;
        if (failed > 2) lost(false);
        failed = 0;
      };
      await once({ call, base, last, signal, opened }, (event) => {
        last = event.id ?? last;
        if (["conversation", "opportunity"].includes(event.type)) tell(JSON.parse(event.data).id, event.type);
        else if (event.type === "everything") tell(null);
      });
    } catch {
      // Cut, refused or not reached. A refusal is seen by whoever made `call`, who then ends this.
    }
    // Whoever looked away broke it off themselves.
    if (document.hidden) failed = Math.max(0, failed - 1);
    else if (failed === 2 && !signal.aborted) lost(true);
    await pause(wait * (0.5 + Math.random() / 2), signal).catch(() => {});
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  }
}

/** Resolves when the page is looked at. */
function looked(signal) {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const look = () => !document.hidden && resolve();
    document.addEventListener("visibilitychange", look, { signal });
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    look();
  });
}

async function once({ call, base, last, signal, opened }, act) {
  const cut = new AbortController();
  const rest = () => document.hidden && cut.abort();
  const silence = { timer: 0 };
  const heard = () => {
    clearTimeout(silence.timer);
    silence.timer = setTimeout(() => cut.abort(), SILENCE_MS);
  };
  document.addEventListener("visibilitychange", rest, { signal: cut.signal });
  try {
    heard();
    const headers = last === undefined ? {} : { "Last-Event-ID": last };
    const answer = await call(`${base}/events`, { headers, signal: AbortSignal.any([signal, cut.signal]) });
    if (!answer.ok) return;
    opened();
    const read = reader(act);
    for await (const text of chunks(answer.body)) {
      heard();
      read(text);
    }
  } finally {
    clearTimeout(silence.timer);
    cut.abort();
  }
}

async function* chunks(body) {
  const source = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await source.read(); !part.done; part = await source.read()) yield part.value;
}

/** Resolves after `ms`; rejects when `signal` is aborted before. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}

/** Takes pieces of the stream, and calls `act({ type, data, id })` for each whole event. */
export function reader(act) {
  let rest = "";
  let event = { type: "message", data: [] };
  return (text) => {
    // A CR at the end of a piece may be half of a line's end.
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (event.data.length) act({ ...event, data: event.data.join("\n") });
        event = { type: "message", data: [] };
        continue;
      }
      const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
      if (name === "event") event.type = value;
      else if (name === "data") event.data.push(value ?? "");
      else if (name === "id") event.id = value;
    }
  };
}
