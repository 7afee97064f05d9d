// The conversations shown last, so that they are there at the click, and what was begun to be
// written. In memory only: a browser that is closed forgets them, and so does one that is
// disconnected. (A page's own storage is closed to a frame in a page of somebody else's.)

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

/** What was written and not sent. */
export async function recallDraft(opportunity) {
  const key = `draft:${opportunity}`;
  return (await store.get(key))[key] ?? "";
}

export async function keepDraft(opportunity, text) {
  const key = `draft:${opportunity}`;
  await (text ? store.set({ [key]: text }) : store.remove(key));
}
