// The console's pages: live lists, the keyboard, copying, and the conversation that is open.

import { isLeft, isTouched, keepFocus, mount, pending } from "./conversation.js";
import { FIRST_WAIT_MS, LONGEST_WAIT_MS, PATIENCE_MS, listen } from "./events.js";

const { base, csrf, news } = document.body.dataset;

/** Where somebody was led by `j` or `k`. */
const BY_KEY = "by-key";

/** Fetch with what a page of ours is admitted by. */
function call(url, options = {}) {
  const headers = { ...options.headers };
  if (options.method && options.method !== "GET") headers["X-CSRF-Token"] = csrf;
  // Nobody is there because their page reads: it is not to keep them signed in.
  else headers["X-Live-Read"] = "1";
  return fetch(url, { ...options, headers, credentials: "same-origin" }).then((answer) => {
    if (answer.status === 401) signedOut();
    return answer;
  });
}

/** To the page where people sign in; whoever has typed something keeps it in sight. */
function signedOut() {
  if (isTouched(document.getElementById("main"))) document.getElementById("ended").hidden = false;
  else location.reload();
}

function say(words) {
  document.getElementById("live").textContent = words;
}

/** Whether something came while nobody looked: read here, an open conversation would count as read. */
let missed = false;
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && missed) refresh();
});

/** Replaces the parts of the page that carry `data-live` by what the server says now. */
let [reading, again] = [false, false];
/** What could not be read is read again after a while, and that until it can. */
let [wait, later] = [FIRST_WAIT_MS, 0];
async function refresh() {
  missed = document.hidden;
  if (missed) return;
  again = true;
  if (reading) return;
  reading = true;
  while (again) {
    again = false;
    // What comes together is read together.
    await new Promise((done) => setTimeout(done, 100));
    clearTimeout(later);
    if (await replace().catch(() => false)) {
      wait = FIRST_WAIT_MS;
    } else {
      later = setTimeout(refresh, wait * (0.5 + Math.random() / 2));
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    }
  }
  reading = false;
}

/** Whether there was an answer, whatever it says. */
async function replace() {
  if (isLeft()) return true;
  if (document.hidden) {
    missed = true;
    return true;
  }
  const answer = await pending(call(location.href, { signal: AbortSignal.timeout(PATIENCE_MS) }));
  if (!answer.ok) return answer.status < 500;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.title = fresh.title;
  for (const old of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(old.id);
    if (next && next.innerHTML !== old.innerHTML && !old.contains(focusedField())) swap(old, next);
  }
  return true;
}

function focusedField() {
  const focused = document.activeElement;
  return focused?.matches("input, select, textarea") ? focused : null;
}

/** The rows of the list. */
const rows = () => [...document.querySelectorAll(".listing li a")];
/** Which of the rows is open, or -1. */
const hereOf = (links) => links.findIndex((link) => link.hasAttribute("aria-current"));
/** At which place of the list the open conversation stands, or stood when it was last in it. */
let place = Math.max(0, hereOf(rows()));

/** Puts `next` in the place of `old`. */
function swap(old, next) {
  const top = old.scrollTop;
  const here = hereOf(rows());
  if (here >= 0) place = here;
  keepFocus(old, () => {
    old.replaceChildren(...document.adoptNode(next).childNodes);
    return old;
  });
  old.scrollTop = top;
}

const watchers = new Set();
const live = document.querySelectorAll("[data-live]").length > 0;
const open = document.querySelector(".open-conversation");
if (live || open) {
  listen({
    call,
    base,
    place: news,
    signal: new AbortController().signal,
    tell: (id, what) => {
      for (const { tell } of watchers) tell(id);
      // What Lever says of a candidate is news for their own page.
      if (live && what !== "opportunity") refresh();
    },
    lost: (isLost) => {
      for (const { lost } of watchers) lost(isLost);
    },
  });
}
if (live) addEventListener("online", refresh);
if (open) {
  mount(open, {
    base,
    fetch: call,
    say,
    // The page that says so in its place.
    gone: () => location.reload(),
    listen: (tell, lost) => {
      const watcher = { tell, lost };
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  });
}
// What changes without a conversation changing: the sync's progress, health.
const every = document.querySelector("[data-every]");
if (every) setInterval(refresh, Number(every.dataset.every) * 1000);

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (!copy) return;
  const field = document.getElementById(copy.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    document.execCommand("copy");
  }
  say(copy.dataset.done);
  copy.textContent = copy.dataset.done;
});

// Where one is, on a screen that does not show all of a row of links.
for (const here of document.querySelectorAll("nav [aria-current]")) {
  const row = here.closest("ul, nav");
  row.scrollLeft = here.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
}

// Who signs out leaves nothing that they had begun to write.
document.addEventListener("submit", (event) => {
  if (!event.target.action.includes("/sign-out")) return;
  for (const key of Object.keys(sessionStorage)) if (key.startsWith("draft:")) sessionStorage.removeItem(key);
});

// The keyboard, as the help says.
const help = document.getElementById("keys");
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const act = {
    j: () => step(1),
    k: () => step(-1),
    "/": () => document.querySelector("input[type=search]")?.focus(),
    r: () => document.querySelector(".composer textarea")?.focus(),
    e: () => document.querySelector("[data-key=e]")?.click(),
    u: () => document.querySelector("[data-key=u]")?.click(),
    "?": () => help?.showModal(),
  }[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

function step(by) {
  const links = rows();
  if (!links.length) return;
  const focused = links.indexOf(document.activeElement);
  const at = focused >= 0 ? focused : hereOf(links);
  // Where the open one has left the list, the one that took its place is the next.
  const to = at >= 0 ? at + by : by > 0 ? place : place - 1;
  go(links[Math.min(links.length - 1, Math.max(0, to))]);
}

function go(link) {
  sessionStorage.setItem(BY_KEY, link.getAttribute("href"));
  link.focus();
  link.click();
}

// Who has done with a conversation goes on: from an archived one to the next of the list, from one that is to
// be unread to the list they came from.
document.addEventListener(
  "submit",
  ({ target: form }) => {
    const list = document.querySelector(".open-conversation > .back")?.getAttribute("href");
    if (!list) return;
    const links = rows();
    const at = hereOf(links);
    if (form.dataset.leave) {
      form.dataset.leave = list;
    } else if (form.querySelector("[data-key=e]") && at >= 0) {
      const next = links[at + 1] ?? links[at - 1];
      form.dataset.leave = next?.getAttribute("href") ?? list;
      if (next) sessionStorage.setItem(BY_KEY, form.dataset.leave);
    }
  },
  { capture: true },
);

// Whoever came by the keyboard goes on from where they are.
const came = sessionStorage.getItem(BY_KEY);
sessionStorage.removeItem(BY_KEY);
const current = document.querySelector(".listing a[aria-current]");
if (current && came === current.getAttribute("href")) current.focus();

// For tests, which are faster than people.
document.body.dataset.ready = "";
