// One conversation: the composer, and keeping what is shown true. The HTML comes from the server, in
// the inbox, on a page of its own and in the extension's panel alike; `mount` makes it live. Without
// this module its forms still work.

import { FIRST_WAIT_MS, LONGEST_WAIT_MS, PATIENCE_MS, pause } from "./events.js";
import { reason, submitInterview, wrong } from "./interviews.js";
import { arrange } from "./layout.js";
import { explain, introduced } from "./segments.js";

/** What is put in anew where it differs, besides the messages. */
const PARTS = ["header", ".facts", ".doubt", ".notices"];

/** Whoever comes back after so long reads everything anew, news or not. */
const AWAY_MS = 60_000;
/** A button that was pressed says that it works after so long. */
const SLOW_MS = 300;
/** Whoever sends so soon after the number changed has not read that. */
const UNREAD_MS = 1500;

/** What is not shown any more, where the server itself says so and no proxy. */
const GONE = [403, 404, 410];

/**
 * Makes the conversation inside `place` live.
 *
 * - `base`: where the daemon is, without a slash at the end.
 * - `fetch`: a fetch that carries what admits us: the page's cookie, or the extension's token.
 * - `listen(tell, lost)`: calls `tell(conversation, opportunity or null)` on news, and `lost(whether)` when
 *   none can come or can again; returns a function that ends it.
 * - `say(words)`: tells a screen reader.
 * - `gone()`: it is not to be seen any more.
 * - `stale(whether)`: says that what is shown may be outdated; else it is said above the composer.
 *
 * Returns a function that ends it.
 */
export function mount(place, { base, fetch, listen, say = () => {}, dress = () => {}, gone = () => {}, stale }) {
  const root = place.querySelector(".conversation");
  if (!root) return () => {};
  const view = new Conversation(root, { base, fetch, say, dress, gone, stale });
  const end = listen(
    (id) => {
      // A candidate without a thread may be getting one.
      if (id === null || !view.id || id === view.id || id === root.dataset.opportunity) view.refresh();
    },
    (isLost) => view.trouble("news", isLost),
  );
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
  constructor(root, { base, fetch, say, dress, gone, stale }) {
    Object.assign(this, { root, base, fetch, say, dress, gone, stale });
    this.texts = JSON.parse(root.dataset.texts);
    this.ended = new AbortController();
    arrange(root, this.ended.signal);
    this.on(root, "submit", (event) => this.submit(event));
    this.on(root, "click", (event) => this.click(event));
    this.on(root, "input", (event) => event.target.name === "body" && this.typed());
    this.on(root, "change", (event) => this.changed(event));
    this.on(root, "keydown", (event) => this.key(event));
    this.on(document, "visibilitychange", () => this.looked());
    this.on(window, "online", () => this.refresh());
    // What the server said of each part and each line, however it looks by now.
    this.source = new WeakMap();
    for (const part of root.querySelectorAll(PARTS.join(", "))) this.source.set(part, part.innerHTML);
    for (const line of root.querySelectorAll(".thread > li")) this.source.set(line, line.outerHTML);
    // What was typed of each text that can still be called back: a first one leaves with more words.
    this.sent = new Map();
    this.troubles = new Set();
    this.wait = FIRST_WAIT_MS;
    this.movedAt = -Infinity;
    this.offered = offered(this.composer);
    this.restoreDraft();
    this.typed();
    this.toEnd();
    this.clock = setInterval(() => this.tick(), 1000);
  }

  get id() {
    return this.root.dataset.conversation || undefined;
  }

  get composer() {
    return this.root.querySelector(".composer");
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
    const { isOver, isGone, html } = await this.read();
    this.reading = false;
    if (isOver || this.ended.signal.aborted) return;
    if (isGone) return this.gone();
    if (html !== undefined && this.take(html)) {
      this.wait = FIRST_WAIT_MS;
      this.trouble("reading", false);
    } else {
      this.later();
    }
    if (this.again) {
      this.again = false;
      this.refresh();
    }
  }

  /** What the server shows; else whether there is nothing to see any more, or nobody who may. */
  async read() {
    const signal = AbortSignal.any([this.ended.signal, AbortSignal.timeout(PATIENCE_MS)]);
    try {
      const answer = await pending(this.fetch(`${this.base}${this.root.dataset.fragment}`, { signal }));
      if (answer.ok) return { html: await answer.text() };
      const isOurs = answer.headers.get("Content-Type")?.startsWith("application/problem+json");
      return { isOver: answer.status === 401, isGone: isOurs && GONE.includes(answer.status) };
    } catch {
      return {};
    }
  }

  /** It could not be read: that is tried until it can, and said from the second time on. */
  async later() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    this.trouble("reading", this.wait > FIRST_WAIT_MS);
    await pause(this.wait * (0.5 + Math.random() / 2), this.ended.signal).catch(() => {});
    this.isWaiting = false;
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT_MS);
    if (!this.ended.signal.aborted) this.refresh();
  }

  /** Something keeps what is shown from being true, or does no more. */
  trouble(what, is) {
    if (is) this.troubles.add(what);
    else this.troubles.delete(what);
    const isStale = this.troubles.size > 0;
    if (this.stale) return this.stale(isStale);
    const place = this.root.querySelector(".stale");
    if (place) place.hidden = !isStale;
  }

  looked() {
    if (document.hidden) {
      this.hiddenAt = Date.now();
    } else if (this.missed || Date.now() - this.hiddenAt > AWAY_MS) {
      this.missed = false;
      this.refresh();
    }
  }

  /** Shows what the server says now; false where that is no conversation. */
  take(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html").querySelector(".conversation");
    if (!fresh) return false;
    this.dress(fresh);
    const wasAtEnd = this.isAtEnd();
    this.takePlace(fresh);
    const known = new Set([...this.root.querySelectorAll(".message")].map((message) => message.id));
    const [thread, lines] = [this.root, fresh].map((place) => place.querySelector(".thread"));
    if (thread && lines) this.takeLines(thread, lines);
    this.takeComposer(fresh.querySelector(".composer"));
    for (const part of PARTS) {
      const [old, next] = [this.root.querySelector(part), fresh.querySelector(part)];
      if (old && next && !this.focusIn(old) && !isTouched(old)) this.takePart(old, next);
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
    return true;
  }

  /** Which thread it is, with whom, at which number. Who has written for another one is told so. */
  takePlace(fresh) {
    const { number, opportunity } = this.root.dataset;
    const key = this.draftKey();
    for (const name of ["conversation", "fragment", "number", "opportunity", "introduces"]) {
      if (fresh.dataset[name] === undefined) delete this.root.dataset[name];
      else this.root.dataset[name] = fresh.dataset[name];
    }
    const typed = this.box && !this.box.disabled && this.box.value;
    if (key !== this.draftKey()) {
      this.keepDraft("", key);
      if (typed) this.keepDraft(typed);
    }
    const now = this.root.dataset;
    // Whose number it is may have been said just now.
    if (number === now.number && [undefined, now.opportunity].includes(opportunity)) return;
    this.moved = number === now.number ? this.texts.now_about : this.texts.now_to.replace("{}", now.number ?? "?");
    if (!typed) return;
    this.movedAt = performance.now();
    this.wrong(this.moved);
  }

  /**
   * Puts in another composer where another one is offered: a text is allowed or forbidden now, for another reason,
   * the hours are others, or the choices. What was typed stays, and so does the place where that is done.
   */
  takeComposer(next) {
    const old = this.composer;
    if (!old || !next) return;
    const now = offered(next);
    if (this.offered === now) return this.takeMorning(next);
    this.offered = now;
    const focused = old.contains(document.activeElement) ? document.activeElement : undefined;
    const chosen = [focused?.selectionStart, focused?.selectionEnd];
    for (const field of next.querySelectorAll("[name]")) {
      const before = old.elements[field.name];
      if (!before || before.type === "hidden" || before.disabled || ["template", "booking"].includes(field.name)) continue;
      if (before.selectedOptions?.[0]?.matches(".morning")) field.value = field.querySelector(".morning").value;
      else field.value = before.value;
    }
    // What went wrong a moment ago is said on.
    for (const name of [".wrong", ".done"]) {
      const said = old.querySelector(name);
      if (said) next.querySelector(name)?.replaceWith(said);
    }
    const [button, before] = [next.querySelector(".send"), old.querySelector(".send")];
    if (button && before) Object.assign(button, { disabled: before.disabled, textContent: before.textContent });
    old.replaceWith(document.adoptNode(next));
    this.restoreDraft();
    this.typed();
    if (!focused) return;
    const again = focused.name ? next.elements[focused.name] : focused.matches(".send") && button;
    (again || this.box).focus({ preventScroll: true });
    if (again && chosen[0] != null) again.setSelectionRange?.(...chosen);
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
    if (!this.box || this.box.disabled) return;
    const text = this.box.value;
    this.words = text;
    this.keepDraft(text);
    if (!text) this.madeFrom = undefined;
    const count = this.root.querySelector(".composer .count");
    if (!count) return;
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
    const { reader, conversation, opportunity } = this.root.dataset;
    return `draft:${reader}:${conversation ?? opportunity ?? this.root.dataset.fragment}`;
  }

  keepDraft(text, key = this.draftKey()) {
    try {
      if (text) sessionStorage.setItem(key, text);
      else sessionStorage.removeItem(key);
    } catch {
      // A browser that keeps nothing.
    }
  }

  restoreDraft() {
    if (!this.box || this.box.disabled || this.box.value) return;
    try {
      this.box.value = sessionStorage.getItem(this.draftKey()) ?? this.words ?? "";
    } catch {
      // A browser that keeps nothing.
      this.box.value = this.words ?? "";
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
    if (performance.now() - this.movedAt < UNREAD_MS) return this.wrong(this.moved);
    const wanted = this.wish(form, body);
    if (!wanted) return this.wrong(this.texts.no_time, form, "at");
    const button = form.querySelector(".send");
    const label = button.textContent;
    button.disabled = true;
    const slow = setTimeout(() => this.button && (this.button.textContent = this.texts.sending), SLOW_MS);
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
        return this.notSent(this.composer, words, field);
      }
      this.sending = undefined;
      this.sent.set((await answer.json()).id, body);
      this.wrong("");
      this.clear(this.composer, body);
      this.say(this.texts.taken);
      // Whoever wrote beside older messages sees the newest now.
      this.root.dataset.fragment = this.root.dataset.fragment.split("?")[0];
      await this.refresh();
      this.toEnd();
      this.box?.focus();
    } catch (error) {
      this.notSent(this.composer, error.name === "TimeoutError" ? this.texts.no_answer : this.texts.unreachable);
    } finally {
      clearTimeout(slow);
      // Another composer may be offered by now.
      if (this.button) Object.assign(this.button, { disabled: false, textContent: label });
    }
  }

  get button() {
    return this.composer.querySelector(".send");
  }

  /** Says why a text was not taken, and leads to the field that is meant, or to the words. */
  notSent(form, words, field) {
    const names = { send_at: form.elements.when?.value === "at" ? "at" : "when", override_quiet_hours: "cannot_wait" };
    const name = names[field] ?? field;
    this.wrong(words, form, name);
    if (!name || !form.elements.namedItem(name)) this.box?.focus();
  }

  /** Empties the composer of what was sent, but not of what was typed since. */
  clear(form, sent) {
    if (this.box?.value.startsWith(sent)) this.box.value = this.box.value.slice(sent.length).trimStart();
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
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const words = body === undefined ? undefined : JSON.stringify(body);
    return this.fetch(`${this.base}${path}`, { method, headers, signal, body: words });
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

/** What a composer offers: all of it but what is typed, said and shown for the moment. */
function offered(composer) {
  const form = composer?.cloneNode(true);
  if (!form) return undefined;
  for (const part of form.querySelectorAll(".notices, .wrong, .done, .count, .morning, [type=hidden]")) part.remove();
  for (const field of form.querySelectorAll("[name]")) {
    for (const name of ["value", "aria-invalid"]) field.removeAttribute(name);
    if (field.matches("textarea")) field.textContent = "";
  }
  for (const option of form.querySelectorAll("option")) option.removeAttribute("selected");
  return form.innerHTML;
}

/** Whether a part has a scroll bar of its own here. */
function scrolls(part) {
  return getComputedStyle(part).overflowY !== "visible";
}
