// The extension in a real Chromium, on the simulated site of Lever's. The browser is told to find
// Lever's name at the sandbox.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";

import { StandIn } from "./standin.mjs";
import { World, browse, unpack, until } from "./world.mjs";

const SITE = "http://hire.lever.co";

let world, server, folder, extension, browser, requested, one, two;

before(async () => {
  world = await World.start();
  server = await StandIn.start();
  folder = await mkdtemp(join(tmpdir(), "fulcrum-extension-"));
  extension = await unpack(`${world.url}/extension/fulcrum-chromium.zip`, folder);
  // The package is the daemon's, but for the address: the stand-in says what a test wants said.
  for (const name of ["manifest.json", "installation.js"]) {
    const text = await readFile(join(extension, name), "utf8");
    await writeFile(join(extension, name), text.replaceAll(world.url, server.url));
  }
  browser = await start();
  const list = await (await fetch(`${world.sandbox}/site/candidates`)).json();
  [one, two] = list.list.filter((candidate) => candidate.name);
});

async function start(options) {
  const started = await browse({ extension, resolve: [`MAP hire.lever.co 127.0.0.1:${world.sandboxPort}`], options });
  requested = [];
  started.on("request", (request) => requested.push(request.url()));
  return started;
}

after(async () => {
  await browser?.close();
  await server?.down();
  await world?.stop();
  if (folder) await rm(folder, { recursive: true });
});

beforeEach(() => {
  Object.assign(server, { delay: 0, isFulcrum: true, asked: [], closed: new Set() });
  server.profiles = new Map([
    [one.id, "The first"],
    [two.id, "The second"],
  ]);
});

/** A page of Lever's with the tab at its edge. */
async function open(path) {
  const page = await browser.newPage();
  await page.goto(`${SITE}${path}`);
  await page.waitForSelector("main > *");
  return page;
}

const hasTab = (page) => page.evaluate(() => Boolean(document.querySelector("fulcrum-tab")));
const panelOf = (page) => page.frames().find((frame) => frame.url().includes("/panel.html"));

/** Presses the tab. It stands in a closed root, so it is found as people find it: at the edge. */
async function openPanel(page) {
  await page.bringToFront();
  await until("the tab", () => hasTab(page));
  const { width, height } = await page.evaluate(() => ({ width: innerWidth, height: innerHeight }));
  await until("the panel", async () => {
    await page.mouse.click(width - 8, height * 0.4 + 20);
    return until("the frame", () => panelOf(page), 500);
  });
  return panelOf(page);
}

async function close(page) {
  await panelOf(page).getByRole("button", { name: "Close" }).click();
  await until("the panel is closed", () => !panelOf(page));
}

async function connected(page) {
  const panel = await openPanel(page);
  const [approval] = await Promise.all([browser.waitForEvent("page"), panel.getByRole("button", { name: "Connect" }).click()]);
  await approval.getByText("approve").click();
  await approval.getByText("Done").waitFor();
  await approval.close();
  return panel;
}

const shows = (page, words) =>
  until(`the panel shows ${words}`, async () => (await panelOf(page)?.textContent("#place"))?.includes(words));

test("an extension is paired by approval, and both sides show the same digits", async () => {
  const page = await open(`/candidates/${one.id}`);
  const panel = await openPanel(page);
  const connect = panel.getByRole("button", { name: "Connect" });
  const [refusal] = await Promise.all([browser.waitForEvent("page"), connect.click()]);
  await refusal.getByText("refuse").click();
  await refusal.close();
  await shows(page, "The request was refused");
  assert.equal(server.tokens.size, 0);

  const [approval] = await Promise.all([browser.waitForEvent("page"), connect.click()]);
  await shows(page, await approval.textContent("h2"));
  assert.match(await approval.textContent("p"), /^Chrome on /);
  await approval.getByText("approve").click();
  await approval.close();
  await shows(page, "The first");
  assert.equal(server.tokens.size, 1);
  assert.equal(await page.title(), one.name, "no script of a fragment ran");
  await page.close();
});

test("the panel follows from profile to profile, and back", async () => {
  const page = await open("/candidates");
  assert.equal(await hasTab(page), false);
  await page.click(`a[href="/candidates/${one.id}"]`);
  await openPanel(page);
  await shows(page, "The first");
  await page.click(`a[href="/candidates/${two.id}"]`);
  await shows(page, "The second");
  await page.goBack();
  await shows(page, "The first");
  assert.equal(new URL(page.url()).pathname, `/candidates/${one.id}`, "the panel makes no history");
  await page.click('a[href="/candidates"]');
  await until("the tab is gone", async () => !(await hasTab(page)) && !panelOf(page));
  await page.close();
});

test("who leaves a profile keeps their focus in Lever", async () => {
  const page = await open(`/candidates/${one.id}`);
  await until("the tab", () => hasTab(page));
  await page.evaluate(() => {
    const field = document.createElement("input");
    field.id = "search";
    document.body.append(field);
    field.focus();
    history.pushState({}, "", "/candidates");
  });
  await until("the tab is gone", async () => !(await hasTab(page)));
  assert.equal(await page.evaluate(() => document.activeElement.id), "search");
  await page.close();
});

test("without a mouse: Enter opens, Escape closes, and the focus comes back", async () => {
  const page = await open(`/candidates/${one.id}`);
  await until("the tab has the focus", async () => {
    await page.keyboard.press("Shift+Tab");
    return (await page.evaluate(() => document.activeElement.localName)) === "fulcrum-tab";
  });
  await page.keyboard.press("Enter");
  const panel = await until("the panel", () => panelOf(page));
  await shows(page, "The first");
  await until("the composer has the focus", () => panel.evaluate(() => document.activeElement.name === "body"));
  await page.keyboard.type("Hello");
  assert.equal(await panel.inputValue("textarea"), "Hello");
  await page.keyboard.press("Escape");
  await until("the panel is closed", () => !panelOf(page));
  assert.equal(await page.evaluate(() => document.activeElement.localName), "fulcrum-tab");
  await page.keyboard.press("Enter");
  await shows(page, "The first");
  assert.equal(await panelOf(page).inputValue("textarea"), "Hello", "what was typed is still there");
  await panelOf(page).fill("textarea", "");
  await close(page);
  await page.close();
});

test("a conversation seen before is there within 300 ms of the click", async () => {
  server.delay = 3000;
  const page = await open(`/candidates/${one.id}`);
  const took = [];
  for (let round = 0; round < 5; round++) {
    await page.evaluate(() => addEventListener("click", () => (window.clickedAt = Date.now()), { capture: true, once: true }));
    const panel = await openPanel(page);
    await panel.waitForSelector(".conversation");
    took.push((await panel.evaluate(() => Date.now())) - (await page.evaluate(() => window.clickedAt)));
    await close(page);
  }
  assert.ok(Math.min(...took) < 300, `${took} ms`);
  await page.close();
});

test("a change elsewhere is shown at once, in every open panel", async () => {
  const pages = [await open(`/candidates/${one.id}`), await open(`/candidates/${one.id}`)];
  for (const page of pages) {
    await page.bringToFront();
    await openPanel(page);
    await shows(page, "The first");
  }
  await until("a panel that is looked at listens", () => server.streams.size >= 1);
  server.profiles.set(one.id, "The first, anew");
  server.tell("everything");
  await shows(pages[1], "The first, anew");
  for (const page of pages) await page.close();
});

test("a profile that is closed to texts is read anew, and opens when it may", async () => {
  server.closed.add(two.id);
  const page = await open(`/candidates/${two.id}`);
  await openPanel(page);
  await shows(page, "No texts.");
  await page.click(`a[href="/candidates/${one.id}"]`);
  await shows(page, "The first");
  server.closed.clear();
  await page.click(`a[href="/candidates/${two.id}"]`);
  await shows(page, "The second");
  await until("it is open", () => panelOf(page).isEnabled("textarea", { timeout: 100 }));
  await page.close();
});

test("each trouble is said in words, with what to do", async () => {
  const page = await open(`/candidates/${one.id}`);
  await openPanel(page);
  await shows(page, "The first");
  const tell = () => server.tell("everything");
  server.profiles.set(one.id, 410);
  await until("a listener", () => server.streams.size);
  tell();
  await shows(page, "This candidate was deleted");

  server.profiles.set(two.id, 404);
  await page.click(`a[href="/candidates/${two.id}"]`);
  await shows(page, "not synced yet");
  server.profiles.set(two.id, "Now synced");
  await panelOf(page).getByRole("button", { name: "Try again" }).click();
  await shows(page, "Now synced");

  server.profiles.set(two.id, 403);
  tell();
  await shows(page, "Your role does not include");
  server.profiles.set(two.id, 500);
  await panelOf(page).getByRole("button", { name: "Try again" }).click();
  await shows(page, "The server could not do it");
  server.isFulcrum = false;
  await panelOf(page).getByRole("button", { name: "Try again" }).click();
  await shows(page, "Something else than fulcrum answers");
  await page.close();
});

test("a server that is down leaves what was known in place, and is found again", async () => {
  const page = await open(`/candidates/${one.id}`);
  await openPanel(page);
  await shows(page, "The first");
  await page.click(`a[href="/candidates/${two.id}"]`);
  await shows(page, "The second");
  const { port } = server;
  await server.down();
  await page.click(`a[href="/candidates/${one.id}"]`);
  await shows(page, "The first");
  await until("the word about its age", () => panelOf(page).isVisible("#stale"));
  await server.up(port);
  await until("it is fresh again", async () => !(await panelOf(page).isVisible("#stale")));
  await page.close();
});

test("nothing but the server is asked, and Lever's page cannot look in", async () => {
  const page = await open(`/candidates/${one.id}`);
  await openPanel(page);
  await shows(page, "The first");
  const own = panelOf(page).url().split("#")[0];
  const reached = await page.evaluate((url) => fetch(url).then(() => true, () => false), own);
  assert.equal(reached, false);
  assert.equal(await page.evaluate(() => document.querySelector("fulcrum-tab").shadowRoot), null);
  const elsewhere = requested.filter((url) => ![SITE, server.url, "chrome-extension:", "data:", "about:"].some((fine) => url.startsWith(fine)));
  assert.deepEqual(elsewhere, []);
  const asked = server.asked.filter((line) => !/^GET \/(events|extension\/about|fragments\/o\/[0-9a-f-]{36})$/.test(line));
  assert.deepEqual(asked, [], "whose profile is open is all that is told");
  await page.close();
});

test("on a narrow screen the panel is as wide as the page", async () => {
  const page = await open(`/candidates/${one.id}`);
  await page.setViewportSize({ width: 360, height: 640 });
  const panel = await openPanel(page);
  await shows(page, "The first");
  assert.equal(await panel.evaluate(() => innerWidth), 360);
  assert.ok(await panel.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing sticks out");
  await page.close();
});

test("the options say which server, and disconnect; a token that was taken back is noticed", async () => {
  const page = await open(`/candidates/${one.id}`);
  const panel = await openPanel(page);
  await shows(page, "The first");
  const options = await browser.newPage();
  await options.goto(panel.url().replace(/\/panel\.html.*/, "/options.html"));
  await options.getByText(server.url, { exact: true }).waitFor();
  await options.getByRole("button", { name: "Disconnect" }).click();
  await options.getByRole("button", { name: "Connect" }).waitFor();
  await shows(page, "Connect this browser");
  await options.close();
  await close(page);
  await connected(page);
  await shows(page, "The first");

  server.tokens.clear();
  await page.click(`a[href="/candidates/${two.id}"]`);
  await shows(page, "No longer connected");
  await page.close();
});
