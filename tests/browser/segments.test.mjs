/** The console's counter, held to the vectors that the daemon's counting is held to. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { explain, tidy } from "../../src/server/console/assets/segments.js";

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
