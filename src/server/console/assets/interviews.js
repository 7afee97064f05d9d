// The forms that arrange an interview, change it and call it off: the calls of the API, made in place.
// What was typed stays where it was not taken. Without this module the forms go to the page's paths.

/** The moment at which clocks in `zone` show `local`, which is written as a field of the page has it. */
export function moment(local, zone) {
  const wanted = Date.parse(`${local}Z`);
  const shown = (at) => Date.parse(`${new Date(at).toLocaleString("sv-SE", { timeZone: zone }).replace(" ", "T")}Z`);
  let at = wanted;
  // Once more, where the clocks are changed between the guess and the moment.
  for (let turn = 0; turn < 2 && !Number.isNaN(at); turn++) at += wanted - shown(at);
  return new Date(at);
}

/** For each form what was sent of it and not answered: sent again, it has the same key. */
const sent = new WeakMap();

/** A press of a form's button; `view` is the conversation that it stands beside. */
export async function submitInterview(view, form) {
  const { texts } = view;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await ask(view, form);
    const place = form.closest("details").querySelector(".wrong");
    if (!answer) return wrong(form, place, texts.no_time, "at");
    sent.delete(form);
    if (!answer.ok) {
      const { words, field } = await reason(answer, texts);
      return wrong(form, place, words, field === "starts_at" ? "at" : field);
    }
    wrong(form, place, "");
    await taken(view, form);
  } catch {
    wrong(form, form.closest("details").querySelector(".wrong"), texts.unreachable);
  } finally {
    button.disabled = false;
  }
}

/** The answer to what the form asks for; none where its time is none. */
async function ask(view, form) {
  const id = form.dataset.interview;
  if (form.elements.call_off) return view.call("DELETE", `/api/v1/interviews/${id}`);
  const typed = (name) => form.elements[name].value;
  const at = moment(typed("at"), form.dataset.zone);
  if (Number.isNaN(at.getTime())) return undefined;
  const wanted = {
    subject: typed("subject"),
    note: typed("note"),
    location: typed("location"),
    starts_at: at.toISOString(),
    minutes: Number(typed("minutes")),
    timezone: typed("timezone"),
    interviewers: typed("interviewers").split(/[,; ]+/).filter(Boolean),
    feedback_template: typed("feedback_template"),
  };
  if (id) return view.call("PUT", `/api/v1/interviews/${id}`, wanted);
  wanted.opportunity = view.root.dataset.opportunity;
  const words = JSON.stringify(wanted);
  if (sent.get(form)?.words !== words) sent.set(form, { words, key: crypto.randomUUID() });
  return view.call("POST", "/api/v1/interviews", wanted, sent.get(form).key);
}

/** Shows the interviews as they are now, with the form as it was at first. */
async function taken(view, form) {
  const details = form.closest("details");
  if (details.contains(document.activeElement)) document.activeElement.blur();
  form.reset();
  details.open = false;
  await view.refresh();
  if (document.activeElement !== document.body) return;
  const now = view.root.querySelector(`form[data-interview="${form.dataset.interview}"]`);
  now?.closest("details").querySelector("summary").focus();
}

/** What went wrong, in the server's words, and the field of what was asked that is meant, if one is. */
export async function reason(answer, texts) {
  if (answer.status === 401) return { words: texts.signed_out };
  const { detail, pointer } = await answer.json().catch(() => ({}));
  return { words: detail ?? texts.failed, field: pointer?.split("/")[1] };
}

/** Says in `place` what went wrong with a form, marks the field that is meant, and leads there. No words: all is well. */
export function wrong(form, place, words, field) {
  place.textContent = words;
  place.hidden = !words;
  for (const marked of form.querySelectorAll("[aria-invalid]")) marked.removeAttribute("aria-invalid");
  const meant = words && field && form.elements.namedItem(field);
  if (!meant) return;
  meant.setAttribute("aria-invalid", "true");
  meant.focus();
}
