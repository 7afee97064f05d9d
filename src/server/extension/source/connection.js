// Where the server is, whether this browser is connected to it, and how it comes to be.
//
// Pairing: a verifier is drawn here and never leaves but in the question for the token. The page
// that the signed-in user approves on sees its hash alone, and shows six digits of it to compare.

import { pause } from "./assets/events.js";
import { SERVER } from "./installation.js";

export const browser = globalThis.browser ?? globalThis.chrome;

const PAIRING_MS = 5 * 60 * 1000;
const ASK_EVERY_MS = 2000;

/** What keeps us from going on; `kind` is a key of TROUBLES in texts.js. */
export class Trouble extends Error {
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}

/** An address to which we may send a token: https, or http on this machine. Null if it is none. */
function safe(address) {
  try {
    const url = new URL(address);
    const here = /^(127\.\d+\.\d+\.\d+|\[::1\]|(.+\.)?localhost)$/.test(url.hostname);
    const fits = url.protocol === "https:" || (url.protocol === "http:" && here);
    return fits && !url.username && !url.search && !url.hash ? url.href.replace(/\/+$/, "") : null;
  } catch {
    return null;
  }
}

/** `{ server, byPolicy, token }`; no token while this browser is not connected to that server. */
export async function connection() {
  const [policy, { connection }] = await Promise.all([
    // Without a policy Firefox refuses the question.
    browser.storage.managed.get("server").catch(() => ({})),
    browser.storage.local.get("connection"),
  ]);
  const named = safe(policy.server);
  const server = named ?? SERVER;
  return { server, byPolicy: Boolean(named), token: connection?.server === server ? connection.token : undefined };
}

export async function disconnect() {
  await browser.storage.local.remove("connection");
  await browser.storage.session.clear();
}

/** Calls `act` when this browser is connected or disconnected, here or in another tab. */
export function onConnection(act) {
  browser.storage.onChanged.addListener((changes, area) => {
    if (area === "managed" || (area === "local" && changes.connection)) act();
  });
}

/** Whether fulcrum answers there. */
export async function isFulcrum(server, signal) {
  const answer = await fetch(`${server}/extension/about`, { credentials: "omit", cache: "no-store", signal });
  const about = await answer.json().catch(() => null);
  return answer.ok && typeof about?.fulcrum === "string";
}

/**
 * Pairs with `server`. To be called at once from a click, since browsers ask for a permission only
 * then. `show` is given the six digits.
 */
export async function connect(server, { show, signal }) {
  const { protocol, hostname } = new URL(server);
  const allowed = await browser.permissions.request({ origins: [`${protocol}//${hostname}/*`] });
  if (!allowed) throw new Trouble("no-permission");
  const known = await isFulcrum(server, signal).catch(() => Promise.reject(new Trouble("unreachable")));
  if (!known) throw new Trouble("not-fulcrum");

  const verifier = crypto.getRandomValues(new Uint8Array(32));
  const challenge = await crypto.subtle.digest("SHA-256", verifier);
  const digits = String(new DataView(challenge).getUint32(0) % 1_000_000).padStart(6, "0");
  show(`${digits.slice(0, 3)} ${digits.slice(3)}`);
  const query = new URLSearchParams({ challenge: base64url(new Uint8Array(challenge)), label: label() });
  await browser.tabs.create({ url: `${server}/extension/pair?${query}` });

  const token = await fetchToken(server, base64url(verifier), signal);
  // Only pages of the extension may read it, not the script that stands in Lever's pages.
  await browser.storage.local.setAccessLevel?.({ accessLevel: "TRUSTED_CONTEXTS" });
  await browser.storage.local.set({ connection: { server, token } });
}

async function fetchToken(server, verifier, signal) {
  const end = Date.now() + PAIRING_MS;
  while (Date.now() < end) {
    await pause(ASK_EVERY_MS, signal);
    const answer = await fetch(`${server}/extension/token`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ verifier }),
      credentials: "omit",
      cache: "no-store",
      signal,
    }).catch((error) => (signal.aborted ? Promise.reject(error) : undefined));
    if (answer?.status === 200) return (await answer.json()).token;
    if (answer?.status === 403) throw new Trouble("refused");
    // 202, or a server that is away for a moment: ask again.
  }
  throw new Trouble("late");
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** This browser, as its user would name it in a list. */
function label() {
  const agent = navigator.userAgent;
  const [, name] = /(Firefox|Edg|OPR|Chrome)\//.exec(agent.replace(/Chrome(?=.*(Edg|OPR)\/)/, "")) ?? [];
  const system = /Windows|Mac OS|CrOS|Android|Linux/.exec(agent)?.[0] ?? "another system";
  return `${{ Edg: "Edge", OPR: "Opera" }[name] ?? name ?? "Browser"} on ${system}`;
}
