// What is texted to many, or by itself: templates, bulk texts and automations, as recruiters handle them.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { World } from "./world.mjs";

describe("texts to many and by themselves", () => {
  let world;
  before(async () => (world = await World.start()));
  after(() => world.stop());

  test("a template is shown as it reads for a candidate", async () => {
    const dana = await world.applicant({ name: "Dana Preview" });
    const page = await world.signedIn("recruiter");
    await page.goto(`${world.url}/templates`);
    await world.accessible(page);
    await world.picture(page, "templates");
    await page.goto(`${world.url}/templates?o=${dana.id}`);
    await page.getByText("Hi Dana, Sandbox Recruiting would like").first().waitFor();
    await world.picture(page, "templates-preview");
    assert.deepEqual(page.complaints, []);
  });

  test("a bulk text is looked at, confirmed and sent, and a bad line is told", async () => {
    const people = [await world.applicant({ name: "Bella Bulk" }), await world.applicant({ name: "Boris Bulk" })];
    const page = await world.signedIn("recruiter");
    await page.goto(`${world.url}/bulk`);
    await world.accessible(page);
    await world.picture(page, "bulk");
    await page.getByLabel("Name", { exact: true }).fill("June openings");
    await page.getByLabel("Template", { exact: true }).selectOption("What we offer");
    await page.getByLabel(/list/i).fill(["opportunity", ...people.map((person) => person.id), ""].join("\n"));
    await page.getByRole("button", { name: "Look at it" }).click();
    await page.getByText("Bella, here is what we offer").waitFor();
    await world.accessible(page);
    await world.picture(page, "bulk-one");
    assert.equal(await world.wasTaken(people[0].number), false);
    await page.getByRole("button", { name: "Send to 2" }).click();
    await world.took(people[0].number, /what we offer/);
    await world.took(people[1].number, /what we offer/);
    await page.getByText("done", { exact: true }).waitFor();
    assert.deepEqual(page.complaints, []);
  });

  test("an automation is shown with what it did, paused and resumed", async () => {
    const page = await world.signedIn("recruiter");
    await page.goto(`${world.url}/automations`);
    await world.accessible(page);
    await page.getByRole("button", { name: "Pause, keep those who wait" }).click();
    await page.getByRole("button", { name: "Resume" }).waitFor();
    await world.picture(page, "automations");
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("button", { name: "Pause, keep those who wait" }).waitFor();
    await page.getByRole("link", { name: "phone-screen" }).click();
    await page.getByText("What it would have done").waitFor();
    await world.accessible(page);
    await world.picture(page, "back-test");
    assert.deepEqual(page.complaints, []);
  });

  test("all of it fits on 360 pixels", async () => {
    const page = await world.signedIn("recruiter", { viewport: { width: 360, height: 740 } });
    for (const path of ["templates", "bulk", "automations"]) {
      await page.goto(`${world.url}/${path}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 360, `${path} is ${wide} pixels wide`);
      await world.picture(page, `small-${path}`);
    }
    const button = await page.getByRole("button", { name: "Pause, keep those who wait" }).first().boundingBox();
    assert.ok(button.x >= 0 && button.x + button.width <= 360, `a button is out of sight: ${JSON.stringify(button)}`);
    assert.ok(button.height < 60, `a button breaks by word: ${JSON.stringify(button)}`);
  });
});
