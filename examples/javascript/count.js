// A Fluent Bit output: counts records by tag, each chunk once, and logs the counts.

import { chunkId } from "fluent-bit:output/delivery@0.2.0";
import { log } from "fluent-bit:output/logging@0.2.0";

const CHUNKS_MAX = 1024;
const TICK_MILLISECONDS = 10_000;
const GROUPS = [0xffffffff, 0xfffffffe];

const counts = new Map();
// Chunks that this instance has counted: it has no file to write them to.
const chunks = new Set();
let isLogged = true;

export const output = {
  properties: () => [],

  init: () => TICK_MILLISECONDS,

  flush(tag, chunk) {
    const key = chunkId().join();
    if (chunks.has(key)) return { tag: "ok" };
    let count;
    try {
      count = countRecords(chunk);
    } catch (error) {
      return { tag: "refuse", val: `no chunk of records: ${error.message}` };
    }
    // Tags need not be UTF-8, and QuickJS has no TextDecoder: each byte is a character.
    const name = String.fromCharCode(...tag);
    counts.set(name, (counts.get(name) ?? 0) + count);
    chunks.add(key);
    if (chunks.size > CHUNKS_MAX) chunks.delete(chunks.values().next().value);
    isLogged = false;
    return { tag: "ok" };
  },

  tick() {
    if (isLogged) return;
    log("info", [...counts].map(([tag, count]) => `${tag}: ${count}`).join("\n"));
    isLogged = true;
  },

  drain() {
    output.tick();
  },
};

// Counts the records of a chunk, which is MessagePack: `[[time, metadata], body]`.
function countRecords(chunk) {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  let count = 0;
  for (let at = 0; at < chunk.length; ) {
    // A time of -1 or -2 seconds begins or ends a group.
    const time = behindHeader(chunk, behindHeader(chunk, at));
    const hasTime = chunk[time] === 0xd7 && chunk[time + 1] === 0;
    if (!(hasTime && GROUPS.includes(view.getUint32(time + 2)))) count += 1;
    at = skip(view, at);
  }
  return count;
}

// Returns the place behind an array's header, which may be longer than its length needs.
const behindHeader = (chunk, at) => at + (chunk[at] === 0xdc ? 3 : chunk[at] === 0xdd ? 5 : 1);

// The bytes behind the first, by the first byte.
const FIXED = {
  0xc0: 0, 0xc2: 0, 0xc3: 0, 0xca: 4, 0xcb: 8, 0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8,
  0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8, 0xd4: 2, 0xd5: 3, 0xd6: 5, 0xd7: 9, 0xd8: 17,
};
// The size of the length, and the bytes between it and the content.
const SIZED = {
  0xc4: [1, 0], 0xc5: [2, 0], 0xc6: [4, 0], 0xc7: [1, 1], 0xc8: [2, 1], 0xc9: [4, 1],
  0xd9: [1, 0], 0xda: [2, 0], 0xdb: [4, 0],
};
// The size of the length, and the values of each element.
const NESTED = { 0xdc: [2, 1], 0xdd: [4, 1], 0xde: [2, 2], 0xdf: [4, 2] };

// Returns the place behind the value that begins here. It does not recurse.
function skip(view, at) {
  const length = (size) => (size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at) : view.getUint32(at));
  for (let pending = 1; pending > 0; ) {
    const first = view.getUint8(at);
    at += 1;
    pending -= 1;
    if (first < 0x80 || first >= 0xe0) continue;
    if (first < 0x90) pending += 2 * (first & 0x0f);
    else if (first < 0xa0) pending += first & 0x0f;
    else if (first < 0xc0) at += first & 0x1f;
    else if (first in FIXED) at += FIXED[first];
    else if (first in SIZED) {
      const [size, between] = SIZED[first];
      at += size + between + length(size);
    } else if (first in NESTED) {
      const [size, values] = NESTED[first];
      pending += values * length(size);
      at += size;
    } else throw new Error(`byte ${first} at ${at - 1}`);
  }
  if (at > view.byteLength) throw new Error("it ends in a value");
  return at;
}
