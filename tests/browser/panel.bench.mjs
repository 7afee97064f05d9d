// How soon the extension's panel shows a conversation that the daemon has: from the click on the tab at
// the edge of Lever's page to the last text in the panel. Beside it, the request for the fragment alone.
//
//     FULCRUM_BINARY=target/release/fulcrum node tests/browser/panel.bench.mjs

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { World, browse, unpack, until } from "./world.mjs";

const CLICKS = 50;
const GOAL_MS = 300;

const folder = await mkdtemp(join(tmpdir(), "fulcrum-extension-"));
const world = await World.start();
const extension = await unpack(`${world.url}/extension/fulcrum-chromium.zip`, folder);
const browser = await browse({ extension, resolve: [`MAP hire.lever.co 127.0.0.1:${world.sandboxPort}`] });
try {
  const candidate = await world.candidate();
  const words = "Wednesday at four, then.";
  await world.control("POST", "/inbound", { from: candidate.number, body: words });
  const page = await browser.newPage();
  await page.goto(`http://hire.lever.co/candidates/${candidate.opportunity}`);
  await page.waitForSelector("main > *");
  await connect(page, words);

  const times = [];
  const requests = [];
  page.on("requestfinished", (request) => {
    if (request.url().startsWith(world.url)) requests.push(request.timing().responseEnd);
  });
  for (let click = 0; click < CLICKS; click++) {
    const framed = page.waitForEvent("framenavigated", (frame) => frame === panelOf(page));
    const began = performance.now();
    await press(page);
    const panel = await framed;
    await panel.locator(".conversation").getByText(words).first().waitFor();
    times.push(performance.now() - began);
    await panel.getByRole("button", { name: "Close" }).click();
    await until("the panel is closed", () => !panelOf(page));
  }
  const [half, most] = [0.5, 0.99].map((share) => percentile(times, share));
  console.log(`the panel shows a conversation, p99: ${most.toFixed(0)} ms (p50 ${half.toFixed(0)}), goal ${GOAL_MS} ms`);
  console.log(`requests to the daemon, p50: ${percentile(requests, 0.5).toFixed(1)} ms`);
} finally {
  await browser.close();
  await world.stop();
  await rm(folder, { recursive: true });
}

function panelOf(page) {
  return page.frames().find((frame) => frame.url().includes("/panel.html"));
}

/** A click on the tab, which stands in a closed root: it is found at the edge, as people find it. */
async function press(page) {
  const { width, height } = await page.evaluate(() => ({ width: innerWidth, height: innerHeight }));
  await page.mouse.click(width - 8, height * 0.4 + 20);
}

async function connect(page, words) {
  const panel = await until("the panel", async () => {
    await press(page);
    return until("the frame", () => panelOf(page), 500);
  });
  const button = panel.getByRole("button", { name: "Connect" });
  const [approval] = await Promise.all([browser.waitForEvent("page"), button.click()]);
  await world.signIn(approval, "recruiter");
  await approval.getByRole("button", { name: "Approve" }).click();
  await approval.getByText("Connected").waitFor();
  await approval.close();
  await panel.locator(".conversation").getByText(words).first().waitFor();
  await panel.getByRole("button", { name: "Close" }).click();
  await until("the panel is closed", () => !panelOf(page));
}

function percentile(values, share) {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.round((sorted.length - 1) * share)] ?? NaN;
}
