// Shows the times of a booking page by the visitor's own clock. Without this module they choose the
// zone themselves.

const shown = document.body.dataset.zone;
const address = new URL(location.href);
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;

if (own && own !== shown && !address.searchParams.has("zone") && document.querySelector("select[name=zone]")) {
  address.searchParams.set("zone", own);
  location.replace(address);
}
