// What the looks of a conversation need of a script: menus that close, the newest message that stays in
// sight while the composer grows, and the candidate's lines, which unfold where there is room. Without it all
// of that can be done by hand.

/** Looks after the conversation `root` until `signal` ends it. */
export function arrange(root, signal) {
  const open = () => [...root.querySelectorAll("details.menu[open]")];
  const close = (but) => {
    for (const menu of open()) if (menu !== but) menu.open = false;
  };
  const menuOf = (event) => event.target.closest?.("details.menu");
  document.addEventListener("click", (event) => close(menuOf(event)), { signal });
  root.addEventListener("submit", (event) => menuOf(event) && queueMicrotask(() => close()), { signal });
  root.addEventListener(
    "keydown",
    (event) => {
      const [menu] = event.key === "Escape" ? open() : [];
      if (!menu) return;
      // It closes the menu alone, not the panel around it.
      event.preventDefault();
      menu.open = false;
      menu.querySelector("summary").focus();
    },
    { signal },
  );
  stayAtEnd(root.querySelector(".talk"), signal);
  unfoldBeside(root, signal);
}

/** Where the candidate's lines stand beside the talk they are unfolded, and above it they are one line. */
function unfoldBeside(root, signal) {
  let was;
  const look = () => {
    const about = root.querySelector(".facts > details");
    if (!about) return;
    const is = getComputedStyle(about.parentElement).gridColumnStart === "2";
    // What was not taken of a form there was unfolded by the server.
    if (is || was) about.open = is;
    was = is;
  };
  look();
  const sizes = new ResizeObserver(look);
  sizes.observe(root);
  signal.addEventListener("abort", () => sizes.disconnect());
}

/** Who reads the newest message goes on doing so, however much of the room around it is taken. */
function stayAtEnd(talk, signal) {
  if (!talk) return;
  let isAtEnd = true;
  const look = () => (isAtEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 80);
  talk.addEventListener("scroll", look, { signal });
  const sizes = new ResizeObserver(() => isAtEnd && (talk.scrollTop = talk.scrollHeight));
  sizes.observe(talk);
  signal.addEventListener("abort", () => sizes.disconnect());
}
