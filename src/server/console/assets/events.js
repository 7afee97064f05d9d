// Server-sent events of the daemon, for pages that it serves itself. The browser's EventSource comes
// back by itself and says which event it saw last.

/**
 * Calls `tell(id)` when a conversation changed since `place`, which is when the page was read, and
 * `tell(null)` when everything is to be read anew.
 * Returns a function that ends it.
 */
export function listen(base, place, tell) {
  const source = new EventSource(`${base}/events?after=${encodeURIComponent(place)}`);
  source.addEventListener("conversation", (event) => tell(JSON.parse(event.data).id));
  source.addEventListener("everything", () => tell(null));
  return () => source.close();
}
