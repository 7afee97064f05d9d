// In Lever's pages: one tab at the edge, which opens the panel for the profile that is shown.
//
// It takes the opportunity's id from the address alone. It reads nothing else of the page and sends
// nothing of it anywhere; the panel is a page of the extension's own, which the page cannot see into.

(() => {
  const browser = globalThis.browser ?? globalThis.chrome;
  const texts = globalThis.fulcrumTexts;
  const PROFILE = /^\/candidates\/([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?:\/|$)/i;
  const LOOK_EVERY_MS = 300;

  let shown = null;
  let frame = null;

  const host = document.createElement("fulcrum-tab");
  const root = host.attachShadow({ mode: "closed" });
  const place = document.createElement("div");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = texts.TAB;
  button.setAttribute("aria-label", texts.TAB_LABEL);
  button.addEventListener("click", () => (frame ? close() : open()));
  root.append(place);
  // From a file of ours: the page's policy may forbid styles that stand in it.
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.addEventListener("load", () => place.append(button));
  expanded(false);

  function expanded(is) {
    button.setAttribute("aria-expanded", String(is));
    place.classList.toggle("open", is);
  }

  /** Whether this script still belongs to an extension: an update leaves it behind. */
  function alive() {
    if (browser.runtime?.id) return true;
    shown = null;
    host.remove();
    return false;
  }

  function address() {
    return `${browser.runtime.getURL("panel.html")}#${shown}`;
  }

  function open() {
    if (!alive()) return;
    frame = document.createElement("iframe");
    frame.title = texts.FRAME_TITLE;
    frame.src = address();
    frame.addEventListener("load", () => frame?.focus(), { once: true });
    place.append(frame);
    expanded(true);
  }

  /** Takes the panel away. The focus stays where it is: in Lever's page, if nobody closed it here. */
  function drop() {
    frame?.remove();
    frame = null;
    expanded(false);
  }

  function close() {
    drop();
    button.focus();
  }

  /** Follows Lever from profile to profile, which loads no new page. */
  function look() {
    const id = PROFILE.exec(location.pathname)?.[1].toLowerCase() ?? null;
    if (id === shown || !alive()) return;
    shown = id;
    if (!id) {
      drop();
      host.remove();
    } else {
      if (!host.isConnected) document.documentElement.append(host);
      // Not by `src`: that would put an entry into the page's history.
      frame?.contentWindow.location.replace(address());
    }
  }

  style.href = browser.runtime.getURL("tab.css");
  root.append(style);
  // From the panel, when Escape is pressed or it is closed there.
  browser.runtime.onMessage.addListener((message) => {
    if (message === "close" && frame) close();
  });
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && frame) close();
  });
  if (globalThis.navigation) {
    navigation.addEventListener("currententrychange", look);
  } else {
    addEventListener("popstate", look);
    setInterval(look, LOOK_EVERY_MS);
  }
  look();
})();
