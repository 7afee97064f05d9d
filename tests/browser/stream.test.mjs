// The reader of server-sent events, against what a stream may look like in pieces.

import assert from "node:assert/strict";
import { test } from "node:test";

import { reader } from "../../src/server/console/assets/events.js";

function events(pieces) {
  const found = [];
  const read = reader((event) => found.push(event));
  pieces.forEach(read);
  return found;
}

const STREAM = ': hello\nid: 7-1\nevent: conversation\ndata: {"id":"K3V9"}\n\nretry: 1\n\ndata: a\ndata:b\n\nid\ndata: c\n\n';
const EXPECTED = [
  { type: "conversation", id: "7-1", data: '{"id":"K3V9"}' },
  { type: "message", data: "a\nb" },
  { type: "message", id: undefined, data: "c" },
];

test("events come out whole, whatever the pieces", () => {
  for (const size of [1, 2, 3, 7, 1000]) {
    const pieces = STREAM.match(new RegExp(`[^]{1,${size}}`, "g"));
    assert.deepEqual(events(pieces), EXPECTED, `in pieces of ${size}`);
  }
});

test("every end of a line is one", () => {
  for (const end of ["\r\n", "\r"]) {
    const stream = `${STREAM.replaceAll("\n", end)}: the end${end}`;
    for (const size of [1, 5, 1000]) {
      const pieces = stream.match(new RegExp(`[^]{1,${size}}`, "g"));
      assert.deepEqual(events(pieces), EXPECTED, `${JSON.stringify(end)} in pieces of ${size}`);
    }
  }
});

test("an event that was cut off is not told", () => {
  assert.deepEqual(events(["event: conversation\ndata: {"]), []);
});
