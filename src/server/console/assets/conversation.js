// One conversation: the composer, and keeping what is shown true. The HTML comes from the server, in
// the inbox, on a page of its own and in the extension's panel alike; `mount` makes it live. Without
// this module its forms still work.

import { reason, submitInterview, wrong } from "./interviews.js";
import { arrange } from "./layout.js";
import { explain, introduced } from "./segments.js";

/** What is put in anew where it differs, besides the messages. */
const PARTS = ["header", ".facts", ".doubt", ".notices"];

/** Whoever comes back after so long reads everything anew, news or not. */
const AWAY_MS = 60_000;

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

/**
 * Replaces what `part` shows: `replace()` gives what stands in its place then. Who had a link or a button
 * of it focused has its like still.
 */
export function keepFocus(part, replace) {
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const key = focused && keyOf(focused);
  const alike = (root) => [...root.querySelectorAll("a[href], button, summary")].filter((one) => keyOf(one) === key);
  const place = key ? alike(part).indexOf(focused) : -1;
  const shown = replace();
  if (place < 0 || document.activeElement === focused) return;
  const found = alike(shown);
  (found[place] ?? found[0])?.focus({ preventScroll: true });
}

/** What a control is known by when the part around it is drawn anew. */
function keyOf(control) {
  if (control.matches("summary")) return nameOf(control.parentElement);
  return control.dataset.cancel ?? control.getAttribute("href") ?? control.form?.getAttribute("action");
}

/** What folded lines are known by. */
function nameOf(details) {
  return details.dataset.name ?? `${details.querySelector("summary").textContent} ${details.querySelector("form")?.getAttribute("action")}`;
}

/** Whether somebody has changed a field of `part`. */
export function isTouched(part) {
  return [...part.querySelectorAll("input:not([type=hidden]), select, textarea")].some((field) => {
    if (!field.options) return field.value !== field.defaultValue;
    const preset = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(0, preset);
  });
}

class Conversation {
  constructor(root, { base, fetch, say, dress }) {
    Object.assign(this, { root, base, fetch, say, dress });
    this.texts = JSON.parse(root.dataset.texts);
    this.ended = new AbortController();
    arrange(root, this.ended.signal);
    this.on(root, "submit", (event) => this.submit(event));
    this.on(root, "click", (event) => this.click(event));
    this.on(root, "input", (event) => event.target.name === "body" && this.typed());
    this.on(root, "change", (event) => this.changed(event));
    this.on(root, "keydown", (event) => this.key(event));
    this.on(document, "visibilitychange", () => this.looked());
    // What the server said of each part and each line, however it looks by now.
    this.source = new WeakMap();
    for (const part of root.querySelectorAll(PARTS.join(", "))) this.source.set(part, part.innerHTML);
    for (const line of root.querySelectorAll(".thread > li")) this.source.set(line, line.outerHTML);
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
    if (document.hidden) {
      // What is read here counts as read, and nobody looks.
      this.missed = true;
      return;
    }
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

  looked() {
    if (document.hidden) {
      this.hiddenAt = Date.now();
    } else if (this.missed || Date.now() - this.hiddenAt > AWAY_MS) {
      this.missed = false;
      this.refresh();
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
    if (!fresh.dataset.introduces) delete this.root.dataset.introduces;
    const known = new Set([...this.root.querySelectorAll(".message")].map((message) => message.id));
    const [thread, lines] = [this.root, fresh].map((place) => place.querySelector(".thread"));
    if (thread && lines) this.takeLines(thread, lines);
    for (const part of PARTS) {
      const [old, next] = [this.root.querySelector(part), fresh.querySelector(part)];
      if (old && next && !this.focusIn(old) && !isTouched(old)) this.takePart(old, next);
    }
    const form = fresh.querySelector(".composer");
    const blocked = Boolean(form?.querySelector("textarea")?.disabled);
    if (this.box && this.box.disabled !== blocked) {
      // What went wrong a moment ago is said on.
      const [said, place] = [this.root.querySelector(".composer .wrong"), form.querySelector(".wrong")];
      if (said && place) place.replaceWith(said);
      this.root.querySelector(".composer").replaceWith(document.adoptNode(form));
    } else {
      this.takeMorning(form);
    }
    for (const message of this.root.querySelectorAll(".message")) {
      if (!known.has(message.id)) {
        message.classList.add("new");
        if (message.classList.contains("in")) this.say(`${this.texts.arrived} ${message.querySelector(".body").textContent}`);
      }
    }
    this.tick();
    if (wasAtEnd) this.toEnd();
    this.root.dispatchEvent(new CustomEvent("fulcrum:refreshed", { bubbles: true }));
  }

  /** Puts in what changed of a part; what is unfolded stays so. */
  takePart(old, next) {
    const html = next.innerHTML;
    if (this.source.get(old) === html) return;
    const open = new Map([...old.querySelectorAll("details")].map((one) => [nameOf(one), one.open]));
    for (const one of next.querySelectorAll("details")) one.open = open.get(nameOf(one)) ?? one.open;
    keepFocus(old, () => {
      old.replaceWith(document.adoptNode(next));
      return next;
    });
    this.source.set(next, html);
  }

  /** Puts in the lines that changed. The others are left alone: somebody may be about to press a button there. */
  takeLines(old, next) {
    const kept = new Map();
    for (const line of old.children) {
      const html = this.source.get(line);
      kept.set(html, [...(kept.get(html) ?? []), line]);
    }
    const lines = [...next.children].map((line) => {
      const html = line.outerHTML;
      const same = kept.get(html)?.shift();
      if (!same) this.source.set(line, html);
      return same ?? document.adoptNode(line);
    });
    keepFocus(old, () => {
      for (const gone of [...kept.values()].flat()) gone.remove();
      let at = old.firstElementChild;
      for (const line of lines) {
        if (line === at) at = at.nextElementSibling;
        else old.insertBefore(line, at);
      }
      return old;
    });
  }

  /** The next morning of a page that was open overnight is another one. */
  takeMorning(form) {
    const [old, next] = [this.root, form].map((place) => place?.querySelector("option.morning"));
    if (!old || !next) return;
    old.value = next.value;
    old.textContent = next.textContent;
  }

  /** The focused field inside `part`, if somebody is in one: it is not taken from under them. */
  focusIn(part) {
    const focused = document.activeElement;
    return focused?.matches("input, select, textarea") && part.contains(focused) ? focused : null;
  }

  isAtEnd() {
    const talk = this.root.querySelector(".talk");
    if (scrolls(talk)) return talk.scrollHeight - talk.scrollTop - talk.clientHeight < 80;
    return this.below() < 80;
  }

  toEnd() {
    const talk = this.root.querySelector(".talk");
    if (scrolls(talk)) talk.scrollTop = talk.scrollHeight;
    else window.scrollBy(0, this.below());
  }

  /** On a small screen the page scrolls: how far the newest message ends below what can be seen of it. */
  below() {
    const [talk, foot] = [this.root.querySelector(".talk"), this.root.querySelector(".foot")];
    const covered = foot && getComputedStyle(foot).position === "sticky" ? foot.offsetHeight : 0;
    return talk.getBoundingClientRect().bottom - (window.innerHeight - covered);
  }

  tick() {
    for (const place of this.root.querySelectorAll("[data-until]")) {
      const left = Math.max(0, Math.ceil((Date.parse(place.dataset.until) - Date.now()) / 1000));
      const counts = left <= 90;
      const words = counts ? this.texts.sends_in.replace("{}", left) : place.dataset.later;
      if (place.textContent === words) continue;
      // The thread is a log: a screen reader would say each second of it.
      if (counts) place.setAttribute("aria-hidden", "true");
      else place.removeAttribute("aria-hidden");
      place.textContent = words;
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
    const whole = this.root.dataset.introduces ? introduced(text, this.root.dataset.introduces) : text;
    const found = explain(whole);
    const segments = found.segments === 1 ? this.texts.one_segment : this.texts.segments.replace("{}", found.segments);
    const [length, most] = [[...text].length, Number(this.box.dataset.most)];
    let words = `${[...whole].length} · ${segments} · ${found.encoding}`;
    if (whole !== text) words += ` · ${this.texts.with_introduction}`;
    if (length > most) words += ` · ${this.texts.too_long.replace("{}", length - most)}`;
    count.classList.toggle("wrong", length > most);
    if (found.forced_by) words += ` · ${this.texts.forced_by.replace("{}", found.forced_by.char)}`;
    count.textContent = words;
  }

  draftKey() {
    return `draft:${this.root.dataset.reader}:${this.root.dataset.fragment.split("?")[0]}`;
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
    if (event.target.name === "template" && event.target.value) {
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
    try {
      const answer = await this.call("POST", `/api/v1/templates/${encodeURIComponent(id)}/render`, {
        opportunity: this.root.dataset.opportunity,
      });
      if (!answer.ok) return this.wrong((await reason(answer, this.texts)).words);
      const { text } = await answer.json();
      this.wrong("");
      this.madeFrom = id;
      this.insert(text);
    } catch {
      this.wrong(this.texts.unreachable);
    }
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
      this.act(form, event.submitter);
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
    // Its words go where one writes, to be looked at once more.
    const again = event.target.closest("[data-again]")?.closest(".message");
    if (again) this.insert(this.sent.get(again.id.slice("m-".length)) ?? again.querySelector(".body").textContent);
  }

  /** What the API is asked for; undefined when the time is missing. */
  wish(form, body) {
    const wanted = { body };
    if (this.root.dataset.opportunity) wanted.opportunity = this.root.dataset.opportunity;
    if (this.root.dataset.number) wanted.to = this.root.dataset.number;
    if (this.madeFrom) wanted.template = this.madeFrom;
    const pressing = form.elements.cannot_wait?.value.trim();
    if (pressing) wanted.override_quiet_hours = pressing;
    const when = form.elements.when?.value ?? "now";
    if (when === "now") {
      // The server counts: this browser's clock may be wrong.
      wanted.undo = true;
      return wanted;
    }
    const at = new Date(when === "at" ? form.elements.at.value : when);
    return Number.isNaN(at.getTime()) ? undefined : { ...wanted, send_at: at.toISOString() };
  }

  async send(form) {
    const body = this.box.value;
    if (!body.trim()) return this.wrong(this.texts.empty, form, "body");
    const wanted = this.wish(form, body);
    if (!wanted) return this.wrong(this.texts.no_time, form, "at");
    const button = form.querySelector(".send");
    button.disabled = true;
    // The same key for a repeat of the same wish: a text whose answer was lost is not sent twice.
    const wish = JSON.stringify(wanted);
    if (this.sending?.wish !== wish) this.sending = { wish, key: crypto.randomUUID() };
    try {
      const answer = await this.call("POST", "/api/v1/messages", wanted, this.sending.key);
      if (!answer.ok) {
        // A proxy's word says nothing about whether it was taken.
        if (answer.status < 500) this.sending = undefined;
        // What could be chosen may be over.
        this.refresh();
        const { words, field } = await reason(answer, this.texts);
        return this.notSent(form, words, field);
      }
      this.sending = undefined;
      this.sent.set((await answer.json()).id, body);
      this.wrong("");
      this.clear(form, body);
      this.say(this.texts.taken);
      // Whoever wrote beside older messages sees the newest now.
      this.root.dataset.fragment = this.root.dataset.fragment.split("?")[0];
      await this.refresh();
      this.toEnd();
      this.box.focus();
    } catch {
      this.notSent(form, this.texts.unreachable);
    } finally {
      button.disabled = false;
    }
  }

  /** Says why a text was not taken, and leads to the field that is meant, or to the words. */
  notSent(form, words, field) {
    const names = { send_at: form.elements.when?.value === "at" ? "at" : "when", override_quiet_hours: "cannot_wait" };
    const name = names[field] ?? field;
    this.wrong(words, form, name);
    if (!name || !form.elements.namedItem(name)) this.box.focus();
  }

  /** Empties the composer of what was sent, but not of what was typed since. */
  clear(form, sent) {
    if (this.box.value.startsWith(sent)) this.box.value = this.box.value.slice(sent.length).trimStart();
    for (const name of ["at", "cannot_wait"]) if (form.elements[name]) form.elements[name].value = "";
    if (form.elements.when) form.elements.when.value = "now";
    this.madeFrom = undefined;
    this.typed();
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
      this.wrong(answer ? (await reason(answer, this.texts)).words : this.texts.unreachable);
    }
    await this.refresh();
    // The button is gone, and who pressed it by the keyboard goes on where the words are.
    if (document.activeElement === document.body) this.box?.focus();
  }

  /** A button of the page whose form names a call of the API. */
  async act(form, submitter) {
    const body = JSON.parse(form.elements.call.value);
    if (submitter?.name) body[submitter.name] = submitter.value;
    for (const field of form.querySelectorAll("[data-field]")) if (field.value) body[field.name] = field.value;
    const button = submitter ?? form.querySelector("button");
    const typed = form.querySelector("[data-field]");
    const focused = form.contains(document.activeElement);
    // While it is disabled, no second Enter records it again.
    button.disabled = true;
    left = Boolean(form.dataset.leave);
    if (left) await Promise.allSettled(readings);
    const answer = await this.call("POST", form.dataset.call, body).catch(() => undefined);
    if (answer?.ok && left) return location.assign(form.dataset.leave);
    left = false;
    button.disabled = false;
    if (focused && document.activeElement === document.body) button.focus();
    if (!answer?.ok) {
      const { words, field } = answer ? await reason(answer, this.texts) : { words: this.texts.unreachable };
      this.wrong(words, form, field);
      return this.refresh();
    }
    this.wrong("", form);
    if (typed) {
      form.reset();
      // Out of the field, so that the part around it shows what is known now.
      if (form.contains(document.activeElement)) button.focus();
    }
    await this.refresh();
    if (typed) this.done();
    // The button may be gone with what it answered.
    if (focused && document.activeElement === document.body) {
      (this.box && !this.box.disabled ? this.box : this.root.querySelector("header h2")).focus();
    }
  }

  call(method, path, body, key) {
    const headers = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    return this.fetch(`${this.base}${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  }

  /** Something is recorded that may not be seen elsewhere. */
  done() {
    this.say(this.texts.done);
    const place = this.root.querySelector(".composer .done");
    if (place) place.hidden = false;
  }

  /** Says what went wrong with a form: beside it where it has the place, and else in the composer. No words: all is well. */
  wrong(words, form, field) {
    const composer = this.root.querySelector(".composer");
    const done = composer.querySelector(".done");
    if (done) done.hidden = true;
    const home = form?.querySelector(".wrong") ? form : composer;
    const place = home.querySelector(".wrong");
    if (place) wrong(home, place, words, home === form ? field : undefined);
  }
}

/** Whether a part has a scroll bar of its own here. */
function scrolls(part) {
  return getComputedStyle(part).overflowY !== "visible";
}
