// A card: what is the matter, and what to do.

import { connect, Trouble } from "./connection.js";
import * as texts from "./texts.js";

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Shows a card in `place`. `actions`: `{ text, act, quiet }` each. */
export function card(place, { title, words, code, actions = [] }) {
  const buttons = actions.map(({ text, act, quiet }) =>
    element("button", { type: "button", className: quiet ? "quiet" : "", onclick: act, textContent: text }),
  );
  const parts = [element("h1", { textContent: title }), element("p", { textContent: words })];
  if (code) parts.push(element("p", { className: "code", textContent: code }));
  if (buttons.length) parts.push(element("p", { className: "row" }, ...buttons));
  const hadFocus = place.contains(document.activeElement);
  place.replaceChildren(element("section", { className: "card", role: "status" }, ...parts));
  // Whoever pressed a button goes on at the next one.
  if (hadFocus) (buttons[0] ?? place).focus();
}

/** The way from not connected to connected; the change itself is seen by `onConnection`. */
export function connectCard(place, server, { title = texts.CONNECT_TITLE, words = texts.connectWords(server) } = {}) {
  card(place, { title, words, actions: [{ text: texts.CONNECT, act: () => pair(place, server) }] });
}

async function pair(place, server) {
  const ended = new AbortController();
  const cancel = () => ended.abort();
  try {
    await connect(server, {
      signal: ended.signal,
      show: (code) =>
        card(place, {
          title: texts.PAIRING_TITLE,
          words: texts.PAIRING_WORDS,
          code,
          actions: [{ text: texts.CANCEL, act: cancel, quiet: true }],
        }),
    });
  } catch (error) {
    if (ended.signal.aborted) return connectCard(place, server);
    const kind = error instanceof Trouble ? error.kind : "failed";
    connectCard(place, server, { words: texts.TROUBLES[kind] });
  }
}
