// The panel beside a profile: the conversation as the server gives it, made live by the module that
// the console uses too. What was shown last appears at once and is then read anew.

import { mount } from "./assets/conversation.js";
import { PATIENCE_MS, listen, pause } from "./assets/events.js";
import { card, connectCard } from "./cards.js";
import { browser, connection, disconnect, isFulcrum, onConnection } from "./connection.js";
import { forget, keep, keepDraft, recall, recallDraft } from "./kept.js";
import { Pictures } from "./pictures.js";
import * as texts from "./texts.js";

const FIRST_WAIT_MS = 2000;
const LONGEST_WAIT_MS = 30_000;

/** Lever's ids. What stands behind the # comes from Lever's address, and becomes part of ours. */
const OPPORTUNITY = /^[0-9a-f-]{36}$/;

const part = (id) => document.getElementById(id);
const place = part("place");

/** One opportunity, while it is shown. */
class Profile {
  constructor(opportunity, { server, token }) {
    Object.assign(this, { opportunity, server, token });
    this.url = `${server}/fragments/o/${opportunity}`;
    this.ended = new AbortController();
    this.wait = FIRST_WAIT_MS;
    this.pictures = new Pictures(place, server, this.call);
  }

  get signal() {
    return this.ended.signal;
  }

  end() {
    this.ended.abort();
    this.leave();
    this.pictures.end();
  }

  async start() {
    const [kept, draft] = await Promise.all([recall(this.opportunity), recallDraft(this.opportunity)]);
    this.draft = draft;
    if (this.signal.aborted) return;
    if (kept) this.displayKept(kept.html);
    else card(place, { title: texts.TITLE, words: texts.LOADING });
    this.keptAt = kept?.at ?? Date.now();
    listen({
      call: this.call,
      base: this.server,
      tell: (id) => this.tell?.(id),
      lost: (isLost) => (isLost ? this.tell && this.away() : this.read()),
      signal: this.signal,
    });
    await this.read();
  }

  /** Whatever becomes of what was kept, it is read anew. */
  displayKept(html) {
    try {
      this.display(html);
    } catch (error) {
      reportError(error);
    }
  }

  /** A fetch that carries the token, and no cookie; nothing of it is put on the disk. */
  call = async (url, options = {}) => {
    const headers = { ...options.headers, Authorization: `Bearer ${this.token}` };
    const signal = options.signal ? AbortSignal.any([options.signal, this.signal]) : this.signal;
    const isOurs = url.startsWith(`${this.server}/fragments/`);
    let answer;
    try {
      answer = await fetch(url, { ...options, headers, signal, credentials: "omit", cache: "no-store" });
    } catch (error) {
      if (isOurs && error.name !== "AbortError") this.away(texts.DOWN_TITLE, texts.TROUBLES.unreachable);
      throw error;
    }
    if (answer.status === 401) await this.revoked();
    else if (isOurs) await this.judge(answer.clone());
    return answer;
  };

  /** Reads the conversation anew, through the module once that shows one. */
  async read() {
    if (this.tell) return this.tell(null);
    const answer = await this.call(this.url, { signal: AbortSignal.timeout(PATIENCE_MS) }).catch(() => undefined);
    if (answer?.ok && isHtml(answer) && !this.signal.aborted) this.display(await answer.text());
  }

  display(html) {
    this.leave();
    const { body } = new DOMParser().parseFromString(html, "text/html");
    // The server sends none; the panel runs none even if it did.
    for (const unwanted of body.querySelectorAll("script, style, link, iframe, object, embed, base, meta")) {
      unwanted.remove();
    }
    this.pictures.dress(body);
    place.replaceChildren(...document.adoptNode(body).childNodes);
    if (box() && !box().value) box().value = this.draft;
    const listenHere = (tell) => {
      this.tell = tell;
      return () => (this.tell = undefined);
    };
    this.leave = mount(place, { base: this.server, fetch: this.call, listen: listenHere, say, dress: this.pictures.dress, stale: () => {} });
    settle();
  }

  /** What is written is kept; what was sent is not any more. */
  noteDraft() {
    if (!box() || box().value === this.draft) return;
    this.draft = box().value;
    keepDraft(this.opportunity, this.draft);
  }

  /** Ends what makes the shown conversation live. */
  leave = () => {};

  async judge(answer) {
    if (this.signal.aborted) return;
    if (answer.ok && isHtml(answer)) {
      this.wait = FIRST_WAIT_MS;
      this.keptAt = Date.now();
      part("stale").hidden = true;
      return keep(this.opportunity, await answer.text());
    }
    const isProblem = answer.headers.get("Content-Type")?.startsWith("application/problem+json");
    if (!isProblem && !(await isFulcrum(this.server, this.signal).catch(() => true))) {
      return this.instead(texts.WRONG_TITLE, texts.TROUBLES["not-fulcrum"]);
    }
    if (answer.status === 404) {
      this.instead(texts.UNKNOWN_TITLE, texts.UNKNOWN_WORDS);
      return this.later();
    }
    if (answer.status === 410) return this.instead(texts.DELETED_TITLE, texts.DELETED_WORDS, []);
    if (answer.status === 403) return this.instead(texts.FORBIDDEN_TITLE, texts.FORBIDDEN_WORDS);
    this.away(texts.FAILED_TITLE, texts.TROUBLES.failed);
  }

  /** A card in place of the conversation, which is forgotten. */
  instead(title, words, actions = [{ text: texts.AGAIN, act: () => this.read() }]) {
    this.leave();
    this.leave = () => {};
    part("stale").hidden = true;
    forget(this.opportunity);
    card(place, { title, words, actions });
  }

  /** The server does not answer: what is shown stays, with a word about its age. */
  away(title, words) {
    if (this.tell) {
      part("stale").textContent = texts.stale(Math.floor((Date.now() - this.keptAt) / 60_000));
      part("stale").hidden = false;
      // Who shows it reads it again by themselves.
      return;
    }
    card(place, { title, words, actions: [{ text: texts.AGAIN, act: () => this.read() }] });
    this.later();
  }

  async later() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    await pause(this.wait, this.signal).catch(() => {});
    this.isWaiting = false;
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT_MS);
    if (!this.signal.aborted) this.read();
  }

  async revoked() {
    if (this.signal.aborted) return;
    wasRevoked = true;
    await disconnect();
  }
}

let profile;
let wasRevoked = false;

async function open() {
  profile?.end();
  profile = undefined;
  part("stale").hidden = true;
  const opportunity = location.hash.slice(1);
  if (!OPPORTUNITY.test(opportunity)) return;
  const connected = await connection();
  if (opportunity !== location.hash.slice(1)) return;
  part("whole").href = `${connected.server}/o/${opportunity}`;
  part("whole").hidden = !connected.token;
  if (connected.token) {
    wasRevoked = false;
    profile = new Profile(opportunity, connected);
    await profile.start();
  } else if (wasRevoked) {
    connectCard(place, connected.server, { title: texts.REVOKED_TITLE, words: texts.REVOKED_WORDS });
  } else {
    connectCard(place, connected.server);
  }
}

function isHtml(answer) {
  return answer.headers.get("Content-Type")?.startsWith("text/html") ?? false;
}

/** Where one writes, if one may. */
function box() {
  return place.querySelector("textarea[name=body]:enabled");
}

/** Puts the focus where one goes on, if the panel has it and nothing in it does. */
function settle() {
  const nothingHasIt = [document.body, place].includes(document.activeElement);
  if (document.hasFocus() && nothingHasIt) (box() ?? place.querySelector("button") ?? place).focus();
}

function say(words) {
  part("live").textContent = words;
}

async function close() {
  const tab = await browser.tabs.getCurrent();
  if (tab) browser.tabs.sendMessage(tab.id, "close", { frameId: 0 });
}

document.title = texts.TITLE;
part("whole").textContent = texts.WHOLE;
part("close").textContent = texts.CLOSE;
part("close").addEventListener("click", close);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented) close();
});
// Links of the fragment are the server's: they open beside Lever, not in the panel.
place.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || !profile || link.protocol === "tel:") return;
  event.preventDefault();
  const url = new URL(link.getAttribute("href"), `${profile.server}/`);
  if (url.protocol === "https:" || url.protocol === "http:") browser.tabs.create({ url: url.href });
});
for (const event of ["input", "fulcrum:refreshed"]) place.addEventListener(event, () => profile?.noteDraft());
addEventListener("focus", settle);
addEventListener("hashchange", open);
onConnection(open);
open();
