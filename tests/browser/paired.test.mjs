// The extension as it is downloaded, against the daemon itself: from an empty browser to a text at
// the carrier, and to the end of its access.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { World, browse, unpack, until } from "./world.mjs";

let world, folder, browser;

before(async () => {
  world = await World.start();
  folder = await mkdtemp(join(tmpdir(), "fulcrum-extension-"));
  const extension = await unpack(`${world.url}/extension/fulcrum-chromium.zip`, folder);
  browser = await browse({ extension, resolve: [`MAP hire.lever.co 127.0.0.1:${world.sandboxPort}`] });
});

after(async () => {
  await browser?.close();
  await world?.stop();
  if (folder) await rm(folder, { recursive: true });
});

test("somebody connects their browser, texts from Lever, is answered, and loses access", async () => {
  const candidate = await world.candidate();
  const page = await browser.newPage();
  await page.goto(`http://hire.lever.co/candidates/${candidate.opportunity}`);
  const { width, height } = await page.evaluate(() => ({ width: innerWidth, height: innerHeight }));
  const panel = await until("the panel", async () => {
    await page.mouse.click(width - 8, height * 0.4 + 20);
    return until("the frame", () => page.frames().find((frame) => frame.url().includes("/panel.html")), 500);
  });

  const connect = panel.getByRole("button", { name: "Connect" });
  await connect.waitFor();
  await world.accessible(panel);
  const [approval] = await Promise.all([browser.waitForEvent("page"), connect.click()]);
  await world.signIn(approval, "recruiter");
  const digits = await panel.locator(".code").textContent();
  await approval.getByText(digits).waitFor();
  await world.accessible(approval);
  await approval.getByRole("button", { name: "Approve" }).click();
  await approval.getByText("Connected").waitFor();

  await panel.locator(".conversation").getByText(candidate.name).first().waitFor();
  await panel.getByRole("textbox").first().fill("Are you free at 3?");
  await panel.getByRole("button", { name: "Send" }).click();
  await panel.getByText("Are you free at 3?").first().waitFor();
  await until(
    "the text at the carrier",
    async () => JSON.stringify(await world.control("GET", "/ledger")).includes("Are you free at 3?"),
    30_000,
  );

  await world.inboundPicture(candidate.number, "my diploma");
  await panel.getByText("my diploma").first().waitFor();
  await world.shows(panel);
  await world.accessible(panel);

  const sent = Date.now();
  await world.control("POST", "/inbound", { from: candidate.number, body: "At four, rather" });
  await panel.getByText("At four, rather").first().waitFor();
  assert.ok(Date.now() - sent < 5000, "live, not by chance");

  await approval.goto(`${world.url}/account`);
  const row = approval.getByRole("row").filter({ hasText: "Chrome on Linux" });
  await row.getByRole("button").click();
  await row.getByRole("button").waitFor({ state: "detached" });
  // Its stream is open still: the next news are refused.
  await world.inbound(candidate.number, "Hello?");
  await panel.getByText("No longer connected").waitFor();
});
