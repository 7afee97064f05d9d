// The simulated site: goes from candidate to candidate without loading another page.

const search = document.getElementById("search");
const list = document.getElementById("list");
const profile = document.getElementById("profile");

function element(name, text, properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text, ...properties });
}

function link({ id, name, stage }) {
  const item = document.createElement("li");
  const to = element("a", name || "Unknown", { href: `/candidates/${id}` });
  to.dataset.follow = "";
  if (location.pathname === `/candidates/${id}`) to.setAttribute("aria-current", "page");
  item.append(to, element("small", stage));
  return item;
}

async function show() {
  const id = location.pathname.split("/")[2] ?? "";
  const answer = await fetch(`/site/candidates?${new URLSearchParams({ q: search.value, id })}`);
  const found = await answer.json();
  list.replaceChildren(...found.list.map(link));
  if (found.open) {
    const { name, stage, headline, location: place } = found.open;
    const facts = [headline, place].filter(Boolean).join(", ");
    profile.replaceChildren(element("h1", name || "Unknown"), element("p", stage, { className: "stage" }), element("p", facts));
  } else {
    profile.replaceChildren(element("p", id ? "There is no such candidate." : "Choose a candidate."));
  }
  document.title = found.open?.name || "Candidates";
}

document.addEventListener("click", (event) => {
  const to = event.target.closest("a[data-follow]");
  if (!to || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, "", to.href);
  show();
});
addEventListener("popstate", show);
search.addEventListener("input", show);
show();
