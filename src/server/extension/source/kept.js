// The conversations shown last, so that they are there at the click. In memory only: a browser that
// is closed forgets them, and so does one that is disconnected.

import { browser } from "./connection.js";

const MAX = 20;
const store = browser.storage.session;

/** `{ html, at }`, or undefined. */
export async function recall(opportunity) {
  return (await store.get(opportunity))[opportunity];
}

export async function keep(opportunity, html) {
  const { order = [] } = await store.get("order");
  const next = [opportunity, ...order.filter((other) => other !== opportunity)];
  await store.set({ [opportunity]: { html, at: Date.now() }, order: next.slice(0, MAX) });
  if (next.length > MAX) await store.remove(next.slice(MAX));
}

export async function forget(opportunity) {
  await store.remove(opportunity);
}
