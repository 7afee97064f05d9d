// One conversation: the composer, and keeping what is shown true. The HTML comes from the server, in
// the inbox, on a page of its own and in the extension's panel alike; `mount` makes it live. Without
// this module its forms still work.

import { submitInterview } from "./interviews.js";
import { explain } from "./segments.js";

/** How long a text can be called back before it leaves. */
const UNDO_SECONDS = 10;

/**
 * Makes the conversation inside `place` live.
 *
 * - `base`: where the daemon is, without a slash at the end.
 * - `fetch`: a fetch that carries what admits us: the page's cookie, or the extension's token.
 * - `listen(tell)`: calls `tell(conversation or null)` on news; returns a function that ends it.
 * - `say(words)`: tells a screen reader.
 *
 * Returns a function that ends it.
 */
export function mount(place, { base, fetch, listen, say = () => {}, dress = () => {} }) {
  const root = place.querySelector(".conversation");
  if (!root) return () => {};
  const view = new Conversation(root, { base, fetch, say, dress });
  const end = listen((id) => {
    // A candidate without a thread may be getting one.
    if (id === null || !view.id || id === view.id) view.refresh();
  });
  return () => {
    end();
    view.end();
  };
}

/** Whether somebody has marked it as unread and is leaving: who reads it anew has read it. */
let left = false;
export const isLeft = () => left;

/** Answers that are on their way: with each of them the conversation counts as read. */
const readings = new Set();
export function pending(answer) {
  readings.add(answer);
  answer.catch(() => {}).then(() => readings.delete(answer));
  return answer;
}

class Conversation {
  constructor(root, { base, fetch, say, dress }) {
    Object.assign(this, { root, base, fetch, say, dress });
    this.texts = JSON.parse(root.dataset.texts);
    this.ended = new AbortController();
    this.on(root, "submit", (event) => this.submit(event));
    this.on(root, "click", (event) => this.click(event));
    this.on(root, "input", (event) => event.target.name === "body" && this.typed());
    this.on(root, "change", (event) => this.changed(event));
    this.on(root, "keydown", (event) => this.key(event));
    // What was typed of each text that can still be called back: a first one leaves with more words.
    this.sent = new Map();
    this.restoreDraft();
    this.typed();
    this.toEnd();
    this.clock = setInterval(() => this.tick(), 1000);
  }

  get id() {
    return this.root.dataset.conversation || undefined;
  }

  get box() {
    return this.root.querySelector("textarea[name=body]");
  }

  on(target, name, act) {
    target.addEventListener(name, act, { signal: this.ended.signal });
  }

  end() {
    this.ended.abort();
    clearInterval(this.clock);
  }

  // What is shown

  /** Reads the conversation anew. What somebody is typing, and where they are, stays. */
  async refresh() {
    if (left) return;
    if (this.reading) {
      this.again = true;
      return;
    }
    this.reading = true;
    try {
      const answer = await pending(this.fetch(`${this.base}${this.root.dataset.fragment}`, { signal: this.ended.signal }));
      if (answer.ok) this.take(await answer.text());
    } catch {
      // The next piece of news asks again.
    } finally {
      this.reading = false;
      if (this.again) {
        this.again = false;
        this.refresh();
      }
    }
  }

  take(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html").querySelector(".conversation");
    if (!fresh) return;
    this.dress(fresh);
    const wasAtEnd = this.isAtEnd();
    for (const name of ["conversation", "fragment"]) {
      if (fresh.dataset[name]) this.root.dataset[name] = fresh.dataset[name];
    }
    const known = new Set([...this.root.querySelectorAll(".message")].map((message) => message.id));
    for (const part of ["header", ".thread", ".facts", ".notices"]) {
      const [old, next] = [this.root.querySelector(part), fresh.querySelector(part)];
      if (old && next && old.innerHTML !== next.innerHTML && !old.contains(this.focusIn(old))) {
        old.replaceWith(document.adoptNode(next));
      }
    }
    const form = fresh.querySelector(".composer");
    const blocked = Boolean(form?.querySelector("textarea")?.disabled);
    if (this.box && this.box.disabled !== blocked) this.root.querySelector(".composer").replaceWith(document.adoptNode(form));
    for (const message of this.root.querySelectorAll(".message")) {
      if (!known.has(message.id)) {
        message.classList.add("new");
        if (message.classList.contains("in")) this.say(`${this.texts.arrived} ${message.querySelector(".body").textContent}`);
      }
    }
    if (wasAtEnd) this.toEnd();
    this.root.dispatchEvent(new CustomEvent("fulcrum:refreshed", { bubbles: true }));
  }

  /** The focused field inside `part`, if somebody is in one: it is not taken from under them. */
  focusIn(part) {
    const focused = document.activeElement;
    return focused?.matches("input, select, textarea") && part.contains(focused) ? focused : null;
  }

  isAtEnd() {
    const talk = this.root.querySelector(".talk");
    return talk.scrollHeight - talk.scrollTop - talk.clientHeight < 80;
  }

  toEnd() {
    const talk = this.root.querySelector(".talk");
    talk.scrollTop = talk.scrollHeight;
  }

  tick() {
    for (const place of this.root.querySelectorAll("[data-until]")) {
      const left = Math.max(0, Math.ceil((Date.parse(place.dataset.until) - Date.now()) / 1000));
      place.textContent = left > 90 ? place.dataset.later : this.texts.sends_in.replace("{}", left);
    }
  }

  // The composer

  typed() {
    if (!this.box) return;
    const text = this.box.value;
    this.keepDraft(text);
    if (!text) this.madeFrom = undefined;
    const count = this.root.querySelector(".composer .count");
    if (!text) {
      count.textContent = "";
      return;
    }
    const found = explain(text);
    const segments = found.segments === 1 ? this.texts.one_segment : this.texts.segments.replace("{}", found.segments);
    let words = `${[...text].length} · ${segments} · ${found.encoding}`;
    if (found.forcedBy) words += ` · ${this.texts.forced_by.replace("{}", found.forcedBy.char)}`;
    count.textContent = words;
  }

  draftKey() {
    return `draft:${this.root.dataset.fragment}`;
  }

  keepDraft(text) {
    try {
      if (text) sessionStorage.setItem(this.draftKey(), text);
      else sessionStorage.removeItem(this.draftKey());
    } catch {
      // A browser that keeps nothing.
    }
  }

  restoreDraft() {
    try {
      const draft = sessionStorage.getItem(this.draftKey());
      if (draft && this.box && !this.box.value) this.box.value = draft;
    } catch {
      // A browser that keeps nothing.
    }
  }

  changed(event) {
    if (event.target.name === "when") {
      this.root.querySelector(".composer .exact").hidden = event.target.value !== "at";
    } else if (event.target.name === "template" && event.target.value) {
      this.fillIn(event.target);
    } else if (event.target.name === "booking" && event.target.value) {
      this.insert(event.target.value);
      event.target.value = "";
    }
  }

  /** Puts words behind those that are typed already. */
  insert(text) {
    this.box.value = this.box.value ? `${this.box.value} ${text}` : text;
    this.typed();
    this.box.focus();
  }

  async fillIn(select) {
    const id = select.value;
    select.value = "";
    const answer = await this.call("POST", `/api/v1/templates/${encodeURIComponent(id)}/render`, {
      opportunity: this.root.dataset.opportunity,
    });
    if (!answer.ok) return this.wrong(await reason(answer, this.texts));
    const { text } = await answer.json();
    this.wrong("");
    this.madeFrom = id;
    this.insert(text);
  }

  key(event) {
    if (event.target === this.box && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.box.form.requestSubmit();
    }
  }

  submit(event) {
    const form = event.target;
    if (form.matches(".composer")) {
      event.preventDefault();
      this.send(form);
    } else if (form.dataset.call) {
      event.preventDefault();
      this.act(form);
    } else if (form.dataset.interview !== undefined) {
      event.preventDefault();
      submitInterview(this, form);
    }
  }

  click(event) {
    const button = event.target.closest("[data-cancel]");
    if (button) {
      event.preventDefault();
      this.cancel(button);
    }
  }

  sendAt(form) {
    const when = form.elements.when?.value ?? "now";
    if (when === "now") return new Date(Date.now() + UNDO_SECONDS * 1000);
    if (when === "at") return new Date(form.elements.at.value);
    return new Date(when);
  }

  async send(form) {
    const body = this.box.value;
    if (!body.trim()) return this.wrong(this.texts.empty, this.box);
    const at = this.sendAt(form);
    if (Number.isNaN(at.getTime())) return this.wrong(this.texts.no_time, form.elements.at);
    const to = {};
    if (this.root.dataset.opportunity) to.opportunity = this.root.dataset.opportunity;
    if (this.root.dataset.number) to.to = this.root.dataset.number;
    const button = form.querySelector(".send");
    button.disabled = true;
    // The same key for a repeat of the same words: a text whose answer was lost is not sent twice.
    if (this.sending?.body !== body) this.sending = { body, at, key: crypto.randomUUID() };
    try {
      const wanted = { ...to, body, send_at: this.sending.at.toISOString() };
      if (this.madeFrom) wanted.template = this.madeFrom;
      const pressing = form.elements.cannot_wait?.value.trim();
      if (pressing) wanted.override_quiet_hours = pressing;
      const answer = await this.call("POST", "/api/v1/messages", wanted, this.sending.key);
      if (!answer.ok) {
        this.sending = undefined;
        return this.wrong(await reason(answer, this.texts), this.box);
      }
      this.sending = undefined;
      this.sent.set((await answer.json()).id, body);
      this.wrong("");
      this.madeFrom = undefined;
      this.box.value = "";
      this.typed();
      this.say(this.texts.taken);
      await this.refresh();
      this.toEnd();
      this.box.focus();
    } catch {
      this.wrong(this.texts.unreachable, this.box);
    } finally {
      button.disabled = false;
    }
  }

  async cancel(button) {
    button.disabled = true;
    const answer = await this.call("DELETE", `/api/v1/messages/${button.dataset.cancel}`).catch(() => undefined);
    if (answer?.ok) {
      const words = this.sent.get(button.dataset.cancel) ?? button.closest(".message").querySelector(".body").textContent;
      if (this.box && !this.box.value) {
        this.box.value = words;
        this.typed();
      }
      this.say(this.texts.cancelled);
    } else {
      this.wrong(answer ? await reason(answer, this.texts) : this.texts.unreachable);
    }
    await this.refresh();
  }

  /** A button of the page whose form names a call of the API. */
  async act(form) {
    const body = JSON.parse(form.elements.call.value);
    left = Boolean(form.dataset.leave);
    if (left) await Promise.allSettled(readings);
    for (const field of form.querySelectorAll("[data-field]")) if (field.value) body[field.name] = field.value;
    const answer = await this.call("POST", form.dataset.call, body).catch(() => undefined);
    if (answer?.ok && left) return location.assign(form.dataset.leave);
    left = false;
    if (answer?.ok) this.wrong("");
    else this.wrong(answer ? await reason(answer, this.texts) : this.texts.unreachable);
    await this.refresh();
  }

  call(method, path, body, key) {
    const headers = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    return this.fetch(`${this.base}${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  }

  wrong(words, field) {
    const place = this.root.querySelector(".composer .wrong");
    if (!place) return;
    place.textContent = words;
    place.hidden = !words;
    this.box?.toggleAttribute("aria-invalid", Boolean(words));
    if (words && field) field.focus();
  }
}

/** What went wrong, in the server's words. */
async function reason(answer, texts) {
  try {
    return (await answer.json()).detail ?? texts.failed;
  } catch {
    return texts.failed;
  }
}
