// The console as its users use it, in a real browser against a daemon and a simulated Lever.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";

import { World, until } from "./world.mjs";

/** The world of these tests, and a browser in it. */
let world;
before(async () => {
  world = await World.start({ opportunities: 120 });
});
after(() => world?.stop());

/** A candidate who can be texted, with a fresh number of their own. */
const candidate = (options) => world.applicant(options);

/** Waits until all of it is in sight, and nothing lies over it. */
async function seen(locator) {
  await locator.waitFor();
  await locator.evaluate(async (part) => {
    for (let tries = 0; ; tries++) {
      const { left, right, top, bottom } = part.getBoundingClientRect();
      const over = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
      if (top >= 0 && bottom <= innerHeight && over && (part.contains(over) || over.contains(part))) return;
      if (tries > 50) throw new Error(`from ${top} to ${bottom} of ${innerHeight}, below ${over?.className}`);
      await new Promise((done) => setTimeout(done, 100));
    }
  });
}

describe("signing in", () => {
  test("leads to where one wanted to go", async () => {
    const page = await world.page();
    await page.goto(`${world.url}/system`);
    await page.getByLabel("E-mail").fill("admin@acme.example");
    await page.getByLabel("Password").fill(world.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL("**/system");
    await page.getByRole("heading", { name: "System" }).waitFor();
    await world.picture(page, "system");
    await page.goto(`${world.url}/account`);
    await world.accessible(page);
    await page.goto(`${world.url}/system`);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.goto(`${world.url}/inbox`);
    assert.match(page.url(), /sign-in/);
    await world.picture(page, "sign-in");
  });

  test("says the same for a wrong password and a user who does not exist", async () => {
    const page = await world.page();
    const said = [];
    for (const name of ["admin@acme.example", "nobody@acme.example"]) {
      await page.goto(`${world.url}/sign-in`);
      await page.getByLabel("E-mail").fill(name);
      await page.getByLabel("Password").fill("not the password");
      await page.getByRole("button", { name: "Sign in" }).click();
      said.push(await page.getByRole("alert").innerText());
      await world.accessible(page);
    }
    assert.equal(said[0], said[1]);
  });
});

describe("the setup page", () => {
  test("turns green from nothing, step by step", async () => {
    const bare = await World.start({ opportunities: 30, tokens: false });
    try {
      const page = await bare.signedIn("admin");
      await page.goto(`${bare.url}/`);
      await page.waitForURL("**/setup");
      await page.locator("#mark-key .good").waitFor();
      await page.getByText("Lever knows the key").waitFor();
      assert.equal(await page.locator("#permissions tbody tr").count() >= 18, true);
      await page.getByText("0 of 8 webhooks can be verified").waitFor();
      await page.getByRole("button", { name: "Ask Lever what the key may do" }).click();
      await page.getByText("18 of 18 required permissions are there").waitFor();
      await page.getByLabel("Signature tokens").fill("too short");
      await page.getByRole("button", { name: "Save tokens" }).click();
      await page.getByRole("alert").getByText("is no token").waitFor();
      await page.getByLabel("Signature tokens").fill(bare.tokens.toReversed().join("\n"));
      await page.getByRole("button", { name: "Save tokens" }).click();
      await page.getByText("8 of 8 webhooks can be verified").waitFor();
      await bare.control("POST", "/webhooks", { url: `${bare.url}/hooks/lever`, verify: true });
      await page.getByText("8 of 8 have arrived").waitFor();
      await page.getByText("webhooks arrive at this address").waitFor();
      await page.getByText("Everything is synced.").waitFor({ timeout: 30_000 });
      await bare.accessible(page);
      await bare.picture(page, "setup");
    } finally {
      await bare.stop();
    }
  });
});

describe("a conversation", () => {
  test("a text is received, answered, and seen in two windows at once", async () => {
    const dana = await candidate();
    const [page, other] = [await world.signedIn("recruiter"), await world.signedIn("admin")];
    await world.inbound(dana.number, "Is the role still open?");
    await page.goto(`${world.url}/inbox?folder=team`);
    await page.getByRole("link", { name: new RegExp(dana.name) }).click();
    await page.getByText("Is the role still open?").last().waitFor();
    await other.goto(`${world.url}/o/${dana.id}`);
    await page.getByLabel("Write a text").fill("It is! Are you free at 2?");
    await page.getByText(/1 segment · GSM-7/).waitFor();
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await other.locator(".message.out").getByText("It is! Are you free at 2?").waitFor();
    await world.took(dana.number, /It is! Are you free at 2\?/);
    await page.getByText(/delivered/).waitFor();
    const since = Date.now();
    await world.inbound(dana.number, "Yes, 2 works");
    await Promise.all([page, other].map((each) => each.locator(".message.in").getByText("Yes, 2 works").waitFor()));
    assert.ok(Date.now() - since < 3_000, "it is seen at once");
    await world.accessible(page);
    await world.picture(page, "inbox");
    await world.picture(other, "conversation");
  });

  test("what is being typed stays while others write", async () => {
    const dana = await candidate();
    const page = await world.signedIn("recruiter");
    await world.inbound(dana.number, "Hello?");
    await page.goto(`${world.url}/o/${dana.id}`);
    await page.getByLabel("Write a text").fill("Half a sent");
    await world.inbound(dana.number, "Are you there?");
    await page.locator(".message.in").getByText("Are you there?").waitFor();
    assert.equal(await page.getByLabel("Write a text").inputValue(), "Half a sent");
    await page.reload();
    assert.equal(await page.getByLabel("Write a text").inputValue(), "Half a sent");
  });

  test("a text can be undone for ten seconds and sent later", async () => {
    const dana = await candidate();
    const page = await world.signedIn("recruiter");
    await page.goto(`${world.url}/o/${dana.id}`);
    await page.getByLabel("Write a text").fill("Sorry, wrong window");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByRole("button", { name: "Undo" }).click();
    await page.locator(".message").getByText("not sent").waitFor();
    assert.equal(await page.getByLabel("Write a text").inputValue(), "Sorry, wrong window");
    await page.getByLabel("Write a text").fill("See you tomorrow");
    await page.getByLabel("When").selectOption({ index: 1 });
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByRole("button", { name: "Cancel" }).waitFor();
    await page.goto(`${world.url}/inbox?folder=scheduled`);
    await page.getByRole("link", { name: new RegExp(dana.name) }).waitFor();
    await new Promise((done) => setTimeout(done, 11_000));
    assert.ok(!(await world.wasTaken(dana.number)), "nothing was handed to the carrier");
  });

  test("an opt-out blocks the composer and says why", async () => {
    const dana = await candidate();
    const page = await world.signedIn("recruiter");
    await world.inbound(dana.number, "Hi");
    await page.goto(`${world.url}/o/${dana.id}`);
    await page.getByLabel("Write a text").waitFor();
    await world.inbound(dana.number, "STOP");
    await page.locator(".composer").getByText(/opted out/).waitFor();
    assert.ok(await page.getByLabel("Write a text").isDisabled());
    await world.picture(page, "opted-out");
  });

  test("who may have opted out is asked about where one writes", async () => {
    const dana = await candidate();
    const page = await world.again("recruiter");
    await world.inbound(dana.number, "Please remove me from your list");
    await page.goto(`${world.url}/o/${dana.id}`);
    const no = page.locator(".foot").getByRole("button", { name: "They may be texted" });
    await seen(no);
    await world.picture(page, "possible-opt-out");
    await no.press("Enter");
    await no.waitFor({ state: "detached" });
    assert.equal(await page.evaluate(() => document.activeElement.name), "body", "the focus is not lost");
  });

  test("names and texts are shown as text, whatever is in them", async () => {
    const dana = await candidate({ name: "<img src=x onerror=alert(1)>" });
    const page = await world.signedIn("recruiter");
    page.on("dialog", () => assert.fail("something ran"));
    await world.inbound(dana.number, "<script>alert(1)</script> \u202eevil");
    await page.goto(`${world.url}/o/${dana.id}`);
    await page.locator(".message.in").getByText("<script>alert(1)</script> evil").waitFor();
    assert.equal(await page.locator("main img").count(), 0);
    assert.deepEqual(page.complaints, []);
  });

  test("shows the pictures that come in", async () => {
    const dana = await candidate();
    await world.inboundPicture(dana.number, "my diploma");
    const page = await world.signedIn("recruiter");
    await page.goto(`${world.url}/o/${dana.id}`);
    await page.getByText("my diploma").first().waitFor();
    await world.shows(page);
    assert.equal(await page.locator(".message .file img").getAttribute("alt"), "picture, image/png, 1 kB");
    await world.accessible(page);
    assert.deepEqual(page.complaints, []);
  });
});

describe("an open conversation", () => {
  // Signing in is counted: these tests do it once. Pages of one browser share six connections, and an
  // open page holds one.
  let context;
  before(async () => {
    context = (await world.signedIn("recruiter")).context();
  });
  afterEach(() => Promise.all(context.pages().map((page) => page.close())));
  const another = () => context.newPage();

  test("a text leaves when it was last chosen to, whatever went wrong before", async () => {
    const dana = await candidate();
    const page = await another();
    await page.goto(`${world.url}/o/${dana.id}`);
    const asked = [];
    await page.route("**/api/v1/messages", (route) => {
      asked.push(route.request().postDataJSON());
      return asked.length === 1 ? route.abort() : route.continue();
    });
    await page.getByLabel("Write a text").fill("See you then");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByRole("alert").getByText("cannot be reached").waitFor();
    await page.getByLabel("When").selectOption({ index: 1 });
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByRole("button", { name: "Cancel" }).waitFor();
    assert.equal(asked[0].undo, true, "the server counts");
    assert.ok(Date.parse(asked[1].send_at) > Date.now() + 60_000, asked[1].send_at);
    assert.equal(await page.getByLabel("When").inputValue(), "now", "the next text is another matter");
  });

  test("what is typed while a text is on its way stays, and so does the focus on Undo", async () => {
    const dana = await candidate();
    const page = await another();
    await world.inbound(dana.number, "Hello?");
    await page.goto(`${world.url}/o/${dana.id}`);
    const box = page.getByLabel("Write a text");
    await box.fill("Party at 2 \u{1f389}");
    await page.getByText("\u201c\u{1f389}\u201d makes it Unicode").waitFor();
    let go;
    const held = new Promise((done) => (go = done));
    await page.route("**/api/v1/messages", async (route) => {
      await held;
      await route.continue();
    });
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await box.press("End");
    await box.pressSequentially(" And bring a friend");
    go();
    const undo = page.getByRole("button", { name: "Undo" });
    await undo.focus();
    assert.equal(await box.inputValue(), "And bring a friend");
    await world.inbound(dana.number, "Are you there?");
    await page.locator(".message.in").getByText("Are you there?").waitFor();
    assert.ok(await undo.evaluate((button) => button === document.activeElement));
  });

  test("a page whose news were refused comes back", async () => {
    const dana = await candidate();
    const page = await another();
    await page.route(/\/events(\?|$)/, (route) => route.fulfill({ status: 503 }), { times: 1 });
    await page.goto(`${world.url}/o/${dana.id}`);
    await world.inbound(dana.number, "Still there?");
    await page.locator(".message.in").getByText("Still there?").waitFor();
  });

  test("what comes while nobody looks stays unread", async () => {
    const dana = await candidate();
    const [page, list] = [await another(), await another()];
    await world.inbound(dana.number, "Hi");
    await page.goto(`${world.url}/o/${dana.id}`);
    const look = (hidden) =>
      page.evaluate((hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      }, hidden);
    await page.locator(".message.in").getByText("Hi", { exact: true }).waitFor();
    await look(true);
    // What the page had asked for before, since opening it reads the profile again, is answered by then.
    await new Promise((done) => setTimeout(done, 1_000));
    await world.inbound(dana.number, "Anybody there?");
    await list.goto(`${world.url}/inbox?folder=team`);
    const unread = list.locator("li.unread").getByText(dana.name);
    await unread.waitFor();
    await new Promise((done) => setTimeout(done, 1_500));
    assert.equal(await unread.count(), 1);
    await look(false);
    await page.locator(".message.in").getByText("Anybody there?").waitFor();
    await unread.waitFor({ state: "detached" });
  });

  test("what is typed beside it stays while others write, and is recorded once", async () => {
    const dana = await candidate();
    const page = await another();
    await world.inbound(dana.number, "Hello?");
    await page.goto(`${world.url}/o/${dana.id}`);
    await page.getByText("Record a wish").click();
    const how = page.getByLabel("How that is known").first();
    await how.fill("on the telephone");
    await page.getByLabel("Write a text").focus();
    await world.inbound(dana.number, "Are you there?");
    await page.locator(".message.in").getByText("Are you there?").waitFor();
    assert.equal(await how.inputValue(), "on the telephone");
    await how.press("Enter");
    await page.getByText("Done.", { exact: true }).first().waitFor();
    await page.getByText("on the telephone").waitFor();
    assert.equal(await how.inputValue(), "", "a second Enter records nothing");
    assert.ok(await how.isVisible(), "what was unfolded is so still");
  });

  test("who is signed out while typing is told, and keeps it", async () => {
    const dana = await candidate();
    const page = await world.again("recruiter");
    await world.inbound(dana.number, "Hello?");
    await page.goto(`${world.url}/o/${dana.id}`);
    await page.getByText("Record a wish").click();
    const how = page.getByLabel("How that is known").first();
    await how.fill("on the telephone");
    await page.context().clearCookies();
    await world.inbound(dana.number, "Are you there?");
    await page.getByRole("alert").getByText("nothing was sent").waitFor();
    assert.equal(await how.inputValue(), "on the telephone");
    await page.context().close();
  });

  test("what somebody has begun to write is nobody else's", async () => {
    const dana = await candidate();
    const page = await world.signedIn("admin");
    await page.goto(`${world.url}/o/${dana.id}`);
    await page.getByLabel("Write a text").fill("For my eyes");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL("**/sign-in");
    assert.equal(await page.evaluate(() => JSON.stringify(sessionStorage)), "{}");
    await page.context().close();
  });

  test("a refusal is seen where nothing can be written", async () => {
    const dana = await candidate();
    const page = await another();
    await world.inbound(dana.number, "STOP");
    await page.goto(`${world.url}/o/${dana.id}`);
    assert.ok(await page.getByLabel("Write a text").isDisabled());
    await page.getByText("Set the time zone").click();
    const zone = page.getByLabel("Time zone");
    await zone.fill("Berlin");
    await zone.press("Enter");
    await page.locator(".facts form").filter({ has: zone }).getByRole("alert").getByText(/./).waitFor();
    assert.equal(await zone.getAttribute("aria-invalid"), "true");
    assert.ok(await zone.evaluate((field) => field === document.activeElement));
    assert.equal(await page.locator(".composer .wrong").innerText(), "");
    await world.accessible(page);
  });

  /** Somebody new with a text of theirs, and the id of the thread. */
  async function writes(words) {
    const dana = await candidate();
    await world.inbound(dana.number, words);
    const thread = await until("the thread", async () => {
      const { data } = await world.api("GET", "/api/v1/conversations?limit=50");
      return data.find(({ number }) => number === dana.number)?.id;
    });
    return { ...dana, thread };
  }

  /** Their number is another one in Lever, and that is known here. */
  async function renumbered(dana) {
    const now = dana.number.replace("+1202555", "+1202556");
    await world.happen({ event: "contact", opportunity: dana.id, phone: now });
    await world.happen({ event: "stage", opportunity: dana.id });
    await until("the new number", async () => {
      return (await world.api("GET", `/api/v1/opportunities/${dana.id}`)).number === now;
    });
    return now;
  }

  test("a text goes to the thread that was opened, and is shown there", async () => {
    const dana = await writes("From the old number");
    const now = await renumbered(dana);
    await world.inbound(now, "From the new number");
    const page = await another();
    await page.goto(`${world.url}/inbox?folder=team&c=${dana.thread}`);
    await world.inbound(dana.number, "The old one once more");
    const answer = async (words) => {
      await page.getByLabel("Write a text").fill(words);
      await page.getByRole("button", { name: "Send", exact: true }).click();
      await page.locator(".message.out").getByText(words).waitFor();
      assert.equal(await page.locator(".message.in").getByText("From the new number").count(), 0);
    };
    await page.locator(".message.in").getByText("The old one once more").waitFor();
    await answer("To the old number");
    await world.took(dana.number, /To the old number/);
    assert.ok(!(await world.wasTaken(now)));
    // The profile is that of the number that Lever has now, and leads to the other.
    await page.goto(`${world.url}/o/${dana.id}`);
    await page.locator(".message.in").getByText("From the new number").waitFor();
    await page.getByRole("link", { name: dana.number }).click();
    await page.locator(".message.out").getByText("To the old number").waitFor();
  });

  test("who writes to a number that is corrected meanwhile is told, and no text goes unseen", async () => {
    const dana = await writes("From the old number");
    const page = await another();
    await page.goto(`${world.url}/o/${dana.id}`);
    const box = page.getByLabel("Write a text");
    await box.fill("Your offer letter is ready");
    const now = await renumbered(dana);
    await page.getByRole("alert").getByText(`goes to ${now} now`).waitFor();
    assert.equal(await box.inputValue(), "Your offer letter is ready");
    assert.equal(await page.locator(".message").count(), 0, "nothing was said at that number");
    await new Promise((done) => setTimeout(done, 1_600));
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.locator(".message.out").getByText("Your offer letter is ready").waitFor();
    await world.took(now, /Your offer letter is ready/);
    assert.ok(!(await world.wasTaken(dana.number)));
  });

  test("one that is closed to texts is live, and opens with what was typed", async () => {
    const dana = await writes("STOP");
    const [page, viewer] = [await another(), await world.signedIn("viewer")];
    for (const each of [page, viewer]) {
      await each.goto(`${world.url}/o/${dana.id}`);
      assert.ok(await each.getByLabel("Write a text").isDisabled());
    }
    await world.inbound(dana.number, "START");
    for (const each of [page, viewer]) await each.locator(".message.in").getByText("START").waitFor();
    const box = page.getByLabel("Write a text");
    await until("it is open", () => box.isEnabled());
    await box.fill("Welcome back");
    await world.inbound(dana.number, "STOP");
    await until("it is closed", () => box.isDisabled());
    await world.inbound(dana.number, "START");
    await until("it is open", () => box.isEnabled());
    assert.equal(await box.inputValue(), "Welcome back");
    await viewer.context().close();
  });

  test("what could not be read is read again, and until then it says so", async () => {
    const dana = await writes("Hello?");
    const page = await another();
    await page.goto(`${world.url}/c/${dana.thread}`);
    await page.route("**/fragments/**", (route) => route.fulfill({ status: 502, body: "a proxy" }));
    await world.inbound(dana.number, "Is anybody there?");
    const stale = page.getByText("may be outdated");
    await stale.waitFor();
    assert.equal(await page.locator(".message.in").getByText("Is anybody there?").count(), 0);
    await page.unroute("**/fragments/**");
    await page.locator(".message.in").getByText("Is anybody there?").waitFor();
    await stale.waitFor({ state: "hidden" });
  });

  test("a server that hangs is told of, and what is tried again is sent once", async () => {
    const dana = await candidate();
    const page = await another();
    // As if people were ten times as impatient.
    await page.addInitScript(() => {
      const timeout = AbortSignal.timeout.bind(AbortSignal);
      AbortSignal.timeout = (ms) => timeout(ms / 10);
    });
    await page.goto(`${world.url}/o/${dana.id}`);
    let answers = false;
    await page.route("**/api/v1/messages", async (route) => {
      // It is taken, and the answer never comes.
      if (answers) return route.continue();
      await route.fetch();
    });
    await page.getByLabel("Write a text").fill("Once, please");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByRole("button", { name: "Sending" }).waitFor();
    await page.getByRole("alert").getByText("No answer yet").waitFor();
    answers = true;
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await until("it is taken", async () => (await page.getByLabel("Write a text").inputValue()) === "");
    await page.locator(".message.out").getByText("Once, please").waitFor();
    assert.equal(await page.locator(".message.out").count(), 1);
    await page.unrouteAll({ behavior: "ignoreErrors" });
  });

  test("quiet hours that begin beside an open page let one say why it cannot wait", async () => {
    const dana = await candidate();
    const { conversation } = await world.api("POST", "/api/v1/messages", { opportunity: dana.id, body: "Hi" });
    const page = await world.signedIn("admin");
    await page.goto(`${world.url}/c/${conversation}`);
    await page.getByLabel("Write a text").fill("Come at once");
    const [file, hour] = [join(world.folder, "fulcrum.toml"), new Date().toLocaleString("en-GB", { timeZone: "America/New_York", hour: "2-digit" })];
    const config = await readFile(file, "utf8");
    const later = String(Math.min((Number(hour) + 3) % 24, 22)).padStart(2, "0");
    const change = async (text) => {
      await writeFile(file, text);
      world.daemon.process.kill("SIGHUP");
    };
    let archived = false;
    const tell = () => world.api("POST", `/api/v1/conversations/${conversation}/archive`, { archived: (archived = !archived) });
    const cannotWait = page.getByLabel("It cannot wait");
    try {
      await change(config.replace('window = "00:00-24:00"', `window = "${later}:00-${later}:30"`));
      await until("the field", async () => (await tell()) && (await cannotWait.count()));
      assert.equal(await page.getByLabel("Write a text").inputValue(), "Come at once");
      assert.ok(await page.getByLabel("Write a text").evaluate((box) => box === document.activeElement));
      await cannotWait.fill("it burns");
    } finally {
      await change(config);
    }
    await until("no field", async () => (await tell()) && !(await cannotWait.count()));
    assert.equal(await page.getByLabel("Write a text").inputValue(), "Come at once");
    await page.context().close();
  });

  test("whoever was signed out elsewhere reads so in plain words", async () => {
    const dana = await candidate();
    const page = await world.again("recruiter");
    await page.goto(`${world.url}/o/${dana.id}`);
    await page.getByLabel("Write a text").fill("Are you free?");
    await page.context().clearCookies();
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.locator(".composer").getByRole("alert").getByText("You are signed out. What you typed is kept.").waitFor();
    assert.equal(await page.getByLabel("Write a text").inputValue(), "Are you free?");
    await page.context().close();
  });

  test("a time that is refused is the field that is marked", async () => {
    const dana = await candidate();
    const page = await another();
    await page.goto(`${world.url}/o/${dana.id}`);
    const [box, time] = [page.getByLabel("Write a text"), page.getByLabel("Time (yours)")];
    await box.fill("See you then");
    assert.ok(await time.isHidden());
    await page.getByLabel("When").selectOption({ label: "At a time" });
    await time.fill("2099-03-04T10:00");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.locator(".composer").getByRole("alert").getByText(/./).waitFor();
    assert.ok(await time.evaluate((field) => field === document.activeElement));
    assert.deepEqual([await time.getAttribute("aria-invalid"), await box.getAttribute("aria-invalid")], ["true", null]);
    await page.getByLabel("When").selectOption({ label: "Now" });
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByRole("button", { name: "Undo" }).click();
    assert.equal(await time.getAttribute("aria-invalid"), null);
  });
});

describe("other people and screens", () => {
  test("with the keyboard alone one finds, reads and answers", async () => {
    const dana = await candidate();
    await world.inbound(dana.number, "Keyboard, please");
    const page = await world.signedIn("recruiter");
    await page.goto(`${world.url}/inbox?folder=team`);
    await page.keyboard.press("/");
    await page.keyboard.type("Keyboard please");
    await page.getByLabel("Search").press("Enter");
    await page.getByRole("link", { name: new RegExp(dana.name) }).first().waitFor();
    await page.locator("body[data-ready]").waitFor();
    await page.locator("main").press("j");
    await page.locator(".conversation").waitFor();
    await page.locator("body[data-ready]").waitFor();
    await page.locator("main").press("r");
    await page.keyboard.type("Here you are");
    await page.keyboard.press("Control+Enter");
    await page.locator(".message.out").getByText("Here you are").waitFor();
    await page.locator("main").press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await page.keyboard.press("Escape");
    await page.locator("main").press("u");
    await page.waitForURL(/\/inbox\?folder=team&q=Keyboard(\+|%20)please$/);
    await page.goto(`${world.url}/inbox?folder=team`);
    await page.locator("li.unread").getByText(dana.name).waitFor();
  });

  test("what was searched for stays beside the hit that is opened, and candidates open there too", async () => {
    const dana = await candidate({ name: "Quillon Searched" });
    await world.inbound(dana.number, "Is it far?");
    const page = await world.again("recruiter");
    await page.goto(`${world.url}/inbox?folder=unanswered&q=Quillon`);
    const hits = page.getByRole("region", { name: "Conversations" }).getByRole("link", { name: /Quillon/ });
    for (const place of [0, -1]) {
      await hits.nth(place).click();
      await page.locator(".conversation h2").getByText("Quillon Searched").waitFor();
      assert.match(page.url(), /\/inbox\?folder=unanswered&q=Quillon/);
      assert.equal(await page.getByRole("searchbox").inputValue(), "Quillon");
      assert.equal(await page.locator(".listing a[aria-current]").count(), 1);
    }
    await page.context().close();
  });

  test("by the keyboard one goes on to the next, whatever leaves the list", async () => {
    const people = [];
    for (const name of ["Triage One", "Triage Two", "Triage Three"]) {
      people.unshift(await candidate({ name }));
      await world.inbound(people[0].number, "Hello?");
    }
    const page = await world.again("recruiter");
    await page.goto(`${world.url}/inbox?folder=unanswered`);
    await page.getByRole("link", { name: /Triage Three/ }).click();
    const shows = async (name) => {
      await page.locator(".conversation h2").getByText(name).waitFor();
      await page.locator("body[data-ready]").waitFor();
    };
    await shows("Triage Three");
    await page.locator("main").press("e");
    await shows("Triage Two");
    assert.match(page.url(), /folder=unanswered/);
    // Archived elsewhere, it leaves the list, and what took its place is the next.
    const { data } = await world.api("GET", `/api/v1/inbox?limit=100`);
    const two = data.find((row) => row.name === "Triage Two");
    await world.api("POST", `/api/v1/conversations/${two.id}/archive`, { archived: true });
    await page.getByRole("link", { name: /Triage Two/ }).waitFor({ state: "detached" });
    await page.locator("main").press("j");
    await shows("Triage One");
    await page.locator("main").press("u");
    await page.waitForURL(/\/inbox\?folder=unanswered$/);
    await page.context().close();
  });

  test("the words of the talk have the most room, at every width and print", async () => {
    const dana = await candidate();
    for (let n = 1; n <= 9; n++) await world.inbound(dana.number, `Line ${n}: how is it going there, if I may ask?`);
    const page = await world.again("recruiter");
    await page.goto(`${world.url}/inbox?folder=team`);
    const inbox = await page.getByRole("link", { name: new RegExp(dana.name) }).getAttribute("href");
    for (const [width, height, print] of [
      [360, 740, 1], [768, 1024, 1], [1024, 768, 1], [1100, 800, 1], [1280, 800, 1], [1920, 1080, 1], [1280, 800, 2], [768, 1024, 2],
    ]) {
      await page.setViewportSize({ width, height });
      for (const path of [inbox, `/o/${dana.id}`]) {
        await page.goto(`${world.url}${path}`);
        await page.evaluate((print) => (document.documentElement.style.fontSize = `${93.75 * print}%`), print);
        await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
        const found = await page.evaluate(() => {
          const seen = (name) => {
            const part = document.querySelector(name)?.getBoundingClientRect();
            return part ? part.width * Math.max(0, Math.min(innerHeight, part.bottom) - Math.max(0, part.top)) : 0;
          };
          const foot = document.querySelector(".foot").getBoundingClientRect();
          const talk = document.querySelector(".talk").getBoundingClientRect();
          const covered = Math.max(0, talk.bottom - foot.top) * talk.width;
          const others = [".conversation > header", ".facts", ".foot", ".listing", ".shelves", "header.top"].map(seen);
          return { talk: seen(".talk") - covered, most: Math.max(...others), wide: document.documentElement.scrollWidth };
        });
        const where = `${path} at ${width} x ${height}, print ${print}: ${JSON.stringify(found)}`;
        assert.ok(found.talk > found.most, where);
        assert.ok(found.wide <= width, where);
      }
      await world.picture(page, `talk-${width}-${print}`);
    }
    await page.context().close();
  });

  test("the words of a text that did not arrive can be sent again, and the tab counts what is unread", async () => {
    const dana = await candidate();
    const page = await world.again("recruiter");
    await world.inbound(dana.number, "See https://acme.example/me.");
    await page.goto(`${world.url}/inbox?folder=team`);
    assert.match(await page.title(), /^\(\d+\+?\) Inbox/);
    await page.goto(`${world.url}/o/${dana.id}`);
    assert.equal(await page.locator(".message .body a").getAttribute("href"), "https://acme.example/me");
    assert.equal(await page.locator(".facts a[href^='tel:']").getAttribute("href"), `tel:${dana.number}`);
    // The simulated carrier delivers nothing to numbers that end so.
    const { opportunity } = await world.happen({ event: "apply", name: "Nina Nowhere", phone: "+12025560003" });
    await world.known(opportunity);
    await page.goto(`${world.url}/o/${opportunity}`);
    const box = page.getByLabel("Write a text");
    await box.fill("See you at 2");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByRole("button", { name: "Send again" }).click({ timeout: 30_000 });
    assert.match(await box.inputValue(), /See you at 2/);
    await page.context().close();
  });

  test("older messages say that they are, and lead back to the newest", async () => {
    const dana = await candidate();
    for (let n = 1; n <= 103; n++) await world.inbound(dana.number, `Line ${n}.`);
    const page = await world.again("recruiter");
    await page.goto(`${world.url}/o/${dana.id}`);
    assert.equal(await page.getByRole("link", { name: "Newest" }).count(), 0);
    await page.getByRole("link", { name: "Older" }).click();
    await page.getByText("These are older messages.").waitFor();
    assert.equal(await page.locator(".message").count(), 3);
    await page.getByRole("link", { name: "Newest" }).click();
    await page.locator(".message").nth(99).waitFor();
    await page.context().close();
  });

  test("a conversation is given to a colleague from its menu", async () => {
    const dana = await candidate();
    await world.inbound(dana.number, "Anybody?");
    const page = await world.again("recruiter");
    await page.goto(`${world.url}/o/${dana.id}`);
    const menu = (whom) => page.locator("details[data-name=assign] > summary").filter({ hasText: `Assigned to ${whom}` });
    await menu("nobody").click();
    await world.accessible(page);
    await page.keyboard.press("Escape");
    assert.equal(await page.getByRole("button", { name: "Assign to me" }).isVisible(), false);
    await page.keyboard.press("Enter");
    await page.getByRole("group", { name: "Assign to a colleague" }).getByRole("button").first().click();
    await menu("nobody").waitFor({ state: "detached" });
    await menu("").click();
    await page.getByRole("button", { name: "Assign to me" }).click();
    await menu("You").waitFor();
    assert.equal(await page.getByRole("button", { name: "Unassign" }).isVisible(), false, "the menu is closed again");
    await page.context().close();
  });

  test("everything fits on 360 pixels, in the dark", async () => {
    const dana = await candidate();
    await world.inbound(dana.number, "From a small screen");
    const page = await world.signedIn("admin", { viewport: { width: 360, height: 740 }, colorScheme: "dark" });
    for (const [name, path] of [["inbox", "/inbox?folder=team"], ["conversation", `/o/${dana.id}`], ["setup", "/setup"], ["activity", "/activity"], ["system", "/system"]]) {
      await page.goto(`${world.url}${path}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 360, `${name} is ${wide} pixels wide`);
      await world.accessible(page);
      await world.picture(page, `small-${name}`);
    }
  });

  test("on a small screen one sees what came last, and what one has sent", async () => {
    const dana = await candidate({ name: "B".repeat(90) });
    for (let n = 1; n <= 9; n++) await world.inbound(dana.number, `Line ${n}: how is it going there, if I may ask?`);
    for (const viewport of [{ width: 360, height: 740 }, { width: 640, height: 400 }]) {
      const page = await world.again("recruiter", { viewport });
      await page.goto(`${world.url}/o/${dana.id}`);
      await seen(page.locator(".message .body").getByText("Line 9"));
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= viewport.width);
      await page.getByLabel("Write a text").fill(`Fine, at ${viewport.width}`);
      await page.getByRole("button", { name: "Send", exact: true }).click();
      await seen(page.locator(".message .body").getByText(`Fine, at ${viewport.width}`));
      await world.picture(page, `small-sent-${viewport.width}`);
      await page.context().close();
    }
  });

  test("an operator sees the system and no texts", async () => {
    const dana = await candidate();
    await world.inbound(dana.number, "Not for operators");
    const page = await world.signedIn("operator");
    await page.goto(`${world.url}/`);
    await page.waitForURL("**/setup");
    await page.goto(`${world.url}/activity`);
    await world.picture(page, "activity");
    assert.equal(await page.getByText("Not for operators").count(), 0);
    assert.equal(await page.getByText(dana.name).count(), 0);
    assert.equal((await page.goto(`${world.url}/o/${dana.id}`)).status(), 403);

  });

  test("it works without scripts", async () => {
    const dana = await candidate();
    const page = await world.signedIn("recruiter", { javaScriptEnabled: false });
    await page.goto(`${world.url}/o/${dana.id}`);
    await page.getByLabel("Write a text").fill("No scripts were run");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByText("No scripts were run").waitFor();
    await page.getByRole("button", { name: "Undo" }).click();
    await page.locator(".message").getByText("not sent").waitFor();
  });
});
