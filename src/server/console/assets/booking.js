// Shows the times of a booking page by the visitor's own clock. Without this module they choose the
// zone themselves.

// One who chooses another zone is shown its times at once.
const zones = document.querySelector("select[name=zone]");
zones?.addEventListener("change", () => zones.form.submit());
zones?.form.querySelector("button").setAttribute("hidden", "");

const shown = document.body.dataset.zone;
const address = new URL(location.href);
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;

if (own && own !== shown && !address.searchParams.has("zone") && zones) {
  address.searchParams.set("zone", own);
  location.replace(address);
}
