// Interviews, as recruiters arrange them beside a conversation: in the console and in the extension's panel.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { moment } from "../../src/server/console/assets/interviews.js";
import { World, browse, unpack, until } from "./world.mjs";

test("a time is the one that clocks show there, before and after they are changed", () => {
  for (const [local, zone, at] of [
    ["2025-03-04T10:00", "America/New_York", "2025-03-04T15:00:00.000Z"],
    ["2025-03-09T01:30", "America/New_York", "2025-03-09T06:30:00.000Z"],
    ["2025-03-09T03:30", "America/New_York", "2025-03-09T07:30:00.000Z"],
    ["2025-11-02T12:00", "America/New_York", "2025-11-02T17:00:00.000Z"],
    ["2025-12-31T23:30", "Asia/Kolkata", "2025-12-31T18:00:00.000Z"],
    ["2025-06-01T00:00", "UTC", "2025-06-01T00:00:00.000Z"],
  ]) {
    assert.equal(moment(local, zone).toISOString(), at, `${local} ${zone}`);
  }
  assert.ok(Number.isNaN(moment("", "UTC").getTime()));
});

describe("an interview", () => {
  let world, folder, browser, interviewer;
  before(async () => {
    world = await World.start();
    const config = await readFile(join(world.folder, "fulcrum.toml"), "utf8");
    interviewer = /interviewers\s*=\s*\[\s*"([^"]+)"/.exec(config)[1];
  });
  after(async () => {
    await browser?.close();
    await world?.stop();
    if (folder) await rm(folder, { recursive: true });
  });

  /** A recruiter who is a user of Lever as well. */
  const me = () => interviewer.split("@")[0];
  const START = "2099-03-04T10:00";
  const interviews = async (id) => (await world.api("GET", `/api/v1/opportunities/${id}/interviews`)).data;

  /** Fills the form in with an e-mail that nobody has. */
  async function typedWrong(place) {
    await place.getByText("Arrange an interview").first().click();
    const form = place.locator("#arrange-interview");
    await form.getByLabel("Subject").fill("Phone screen");
    await form.getByLabel("Start").fill(START);
    await form.getByLabel("Note").fill("Ask about the night shift.");
    await form.getByLabel("Interviewers (").fill("nobody@acme.example");
    await form.getByRole("button").click();
    await form.getByRole("alert").getByText("no active Lever user").waitFor();
    assert.equal(await form.getByLabel("Note").inputValue(), "Ask about the night shift.");
    return form;
  }

  test("is arranged once, moved and called off, and a typing error costs nothing", async () => {
    const { id } = await world.applicant({ name: "Dana Meeting" });
    // Not where the organisation is: its time counts all the same.
    const page = await world.signedIn(me(), { timezoneId: "Asia/Tokyo" });
    await page.goto(`${world.url}/o/${id}`);
    const form = await typedWrong(page);
    assert.deepEqual(await interviews(id), []);
    await form.getByLabel("Interviewers (").fill(interviewer);
    await form.getByRole("button").dblclick();
    await page.locator(".facts li").getByText("Phone screen").waitFor();
    const [made, ...more] = await interviews(id);
    assert.deepEqual(more, []);
    assert.equal(await form.getByLabel("Subject").inputValue(), "", "the next one is new");
    const zone = await form.getAttribute("data-zone");
    assert.equal(made.starts_at, moment(START, zone).toISOString().replace(".000", ""));

    await page.getByText("Move or change").click();
    const change = page.locator(`form[data-interview="${made.id}"]`).first();
    assert.equal(await change.getByLabel("Start").inputValue(), START);
    await change.getByLabel("Place or link").fill("Room 4");
    await change.getByRole("button").click();
    await page.locator(".facts li").getByText("Room 4").waitFor();
    await page.getByText("Move or change").click();
    await page.getByRole("button", { name: "Call off" }).click();
    await until("it is called off", async () => (await interviews(id))[0].state === "called-off");
    const refused = page.complaints.filter((words) => !words.includes("422"));
    assert.deepEqual(refused, []);
    await page.context().close();
  });

  test("is arranged without a script as well", async () => {
    const { id } = await world.applicant({ name: "Dana Plain" });
    const page = await world.signedIn(me(), { javaScriptEnabled: false });
    await page.goto(`${world.url}/o/${id}`);
    const form = await typedWrong(page);
    await form.getByLabel("Interviewers (").fill(interviewer);
    await form.getByRole("button").click();
    await page.locator(".facts li").getByText("Phone screen").waitFor();
    assert.equal((await interviews(id)).length, 1);
    await page.context().close();
  });

  test("is arranged in the extension's panel", async () => {
    const { id } = await world.applicant({ name: "Dana Panel" });
    folder = await mkdtemp(join(tmpdir(), "fulcrum-extension-"));
    const extension = await unpack(`${world.url}/extension/fulcrum-chromium.zip`, folder);
    browser = await browse({ extension, resolve: [`MAP hire.lever.co 127.0.0.1:${world.sandboxPort}`] });
    const page = await browser.newPage();
    await page.goto(`http://hire.lever.co/candidates/${id}`);
    const { width, height } = await page.evaluate(() => ({ width: innerWidth, height: innerHeight }));
    const panel = await until("the panel", async () => {
      await page.mouse.click(width - 8, height * 0.4 + 20);
      return until("the frame", () => page.frames().find((frame) => frame.url().includes("/panel.html")), 500);
    });
    const connect = panel.getByRole("button", { name: "Connect" });
    const [approval] = await Promise.all([browser.waitForEvent("page"), connect.click()]);
    await world.signIn(approval, me());
    await approval.getByRole("button", { name: "Approve" }).click();
    await approval.getByText("Connected").waitFor();
    await page.bringToFront();
    await panel.locator(".conversation").getByText("Dana Panel").first().waitFor();
    // Beside a profile there is room for the talk; what else is known is a line that unfolds.
    await panel.locator(".about > summary").click();

    const form = await typedWrong(panel);
    await form.getByLabel("Interviewers (").fill(interviewer);
    await form.getByRole("button").click();
    await panel.locator(".facts li").getByText("Phone screen").waitFor();
    assert.equal((await interviews(id)).length, 1);
  });
});
