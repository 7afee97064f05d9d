/** The console's counter, held to the vectors that the daemon's counting is held to. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { explain, introduced, tidy } from "../../src/server/console/assets/segments.js";

const vectors = JSON.parse(await readFile(new URL("../../src/domain/data/segments.json", import.meta.url)));

test("the counter counts as the daemon does", () => {
  assert.ok(vectors.length > 40);
  for (const vector of vectors) {
    assert.deepEqual({ text: vector.text, ...explain(vector.text) }, vector);
  }
});

test("a tidy text stays as it is", () => {
  for (const { text } of vectors) assert.equal(tidy(tidy(text)), tidy(text));
});

test("what half an emoji leaves behind is counted and not fallen over", () => {
  assert.equal(explain("\ud83d").encoding, "UCS-2");
});

test("a first text is counted as it will leave", () => {
  const org = "Acme Recruiting";
  assert.equal(introduced("Hi!", org), "Acme Recruiting: Hi! Reply STOP to opt out.");
  assert.equal(introduced("Call me", org), "Acme Recruiting: Call me. Reply STOP to opt out.");
  assert.equal(introduced("acme recruiting here. Text STOP to end", org), "acme recruiting here. Text STOP to end");
  assert.equal(introduced("Can you stop by?", org), "Acme Recruiting: Can you stop by? Reply STOP to opt out.");
});
