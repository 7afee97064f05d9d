// Booking, as recruiters start it and as candidates do it on a small telephone.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { World, until } from "./world.mjs";

describe("booking", () => {
  let world;
  before(async () => (world = await World.start()));
  after(() => world.stop());

  /** The link that the carrier was given for a number. */
  const linkTo = (number) =>
    until(`a link to ${number}`, async () => {
      const { data } = await world.control("GET", "/ledger");
      const bodies = data.filter((entry) => entry.kind === "message_created" && entry.detail.to === number);
      return bodies.map((entry) => entry.detail.body.match(/http\S+\/b\/[\w-]+/)?.[0]).findLast(Boolean);
    });

  const telephone = { viewport: { width: 360, height: 740 }, timezoneId: "America/Chicago" };

  test("a recruiter puts a link into a text, and the candidate books, moves and calls off", async () => {
    const dana = await world.applicant({ name: "Dana Booker" });
    const desk = await world.signedIn("recruiter");
    await desk.goto(`${world.url}/o/${dana.id}`);
    await desk.getByLabel("Write a text").fill("Choose a time:");
    await desk.getByLabel("Booking link").selectOption("Phone interview");
    assert.equal(await desk.getByLabel("Write a text").inputValue(), "Choose a time: [booking link: phone]");
    await desk.getByRole("button", { name: "Send", exact: true }).click();
    const link = await linkTo(dana.number);

    const page = await world.page(telephone);
    await page.goto(link);
    // The module asks for the times by the telephone's own clock.
    await page.waitForURL("**zone=America%2FChicago");
    await page.getByText("Dana, 30 minutes").waitFor();
    assert.equal(await page.locator("body").textContent().then((text) => text.includes("Booker")), false);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `${wide} pixels wide`);
    await world.accessible(page);
    await world.picture(page, "small-booking");
    await page.getByLabel("Times are shown for").selectOption("America/Denver");
    await page.waitForURL("**zone=America%2FDenver");
    await page.getByRole("radio").nth(30).check();
    await page.getByRole("button", { name: "Book this time" }).click();
    await page.getByText("You are booked").waitFor();
    await world.accessible(page);
    await world.picture(page, "small-booked");

    await page.getByRole("link", { name: "Choose another time" }).click();
    await page.getByRole("radio").nth(40).check();
    await page.getByRole("button", { name: "Move to this time" }).click();
    await page.getByText("You are booked").waitFor();
    await world.took(dana.number, /is moved to/);
    await desk.locator(".facts").getByText("Phone interview").first().waitFor();

    await page.getByText("Call it off", { exact: true }).click();
    await page.getByRole("button", { name: "Yes, call it off" }).click();
    await page.getByText("The meeting is called off").waitFor();
    assert.deepEqual([...page.complaints, ...desk.complaints], []);
  });

  test("without a script it works as well, and a wish reaches the recruiter", async () => {
    const dana = await world.applicant({ name: "Wanda Booker" });
    const { url } = await world.api("POST", `/api/v1/opportunities/${dana.id}/booking-link`, { event_type: "visit" });
    const page = await world.page({ ...telephone, javaScriptEnabled: false });
    await page.goto(url);
    await page.getByLabel("Times are shown for").selectOption("Europe/Berlin");
    await page.getByRole("button", { name: "Show" }).click();
    await page.waitForURL("**zone=Europe%2FBerlin");
    await page.getByText("No time suits?").click();
    await page.getByLabel("Times that would suit you").fill("Only after six in the evening");
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText("We have your times").waitFor();
    await page.goto(url);
    await page.getByRole("radio").nth(12).check();
    await page.getByRole("button", { name: "Book this time" }).click();
    await page.getByText("You are booked").waitFor();
    await world.took(dana.number, /is booked for/);
    const desk = await world.signedIn("recruiter");
    await desk.goto(`${world.url}/o/${dana.id}`);
    await desk.getByText("Only after six in the evening").waitFor();
  });

  test("times are offered by text from the conversation", async () => {
    const dana = await world.applicant({ name: "Tess Booker" });
    const desk = await world.signedIn("recruiter");
    await desk.goto(`${world.url}/o/${dana.id}`);
    await desk.getByRole("button", { name: "Offer times by text" }).click();
    await world.took(dana.number, /Reply 1, 2 or 3/);
    await world.inbound(dana.number, "2");
    await world.took(dana.number, /is booked for/);
    await desk.locator(".message.in").getByText("2", { exact: true }).waitFor();
    await world.accessible(desk);
    await world.picture(desk, "offered");
  });

  test("a wrong link says so, and leads nowhere near the console", async () => {
    const page = await world.page(telephone);
    assert.equal((await page.goto(`${world.url}/b/no-such-link`)).status(), 404);
    await page.getByText("This link leads nowhere").waitFor();
    assert.equal(await page.getByRole("link").count(), 0);
    await world.accessible(page);
  });
});
