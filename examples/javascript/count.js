// A Fluent Bit output: counts records by tag, each chunk once, and logs the counts.

import { chunkId } from "fluent-bit:output/delivery@0.2.0";
import { log } from "fluent-bit:output/logging@0.2.0";

const CHUNKS_MAX = 1024;
const TICK_MILLISECONDS = 10_000;
// The times of a group's beginning and end: -1 and -2 seconds.
const BEGIN = [0xd7, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
const END = [0xd7, 0, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0];

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
    // Tags need not be UTF-8, and QuickJS has no TextDecoder: each byte is a character.
    const name = String.fromCharCode(...tag);
    const [count, malformed] = countRecords(chunk);
    if (malformed > 0) log("warn", `${name}: ${malformed} bytes are no records`);
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

// Counts the records of a chunk, which is MessagePack: `[[time, metadata], body]`. Also counts
// the bytes that are no records. Records behind a whole value are found.
function countRecords(chunk) {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  let count = 0;
  let malformed = 0;
  for (let at = 0; at < chunk.length; ) {
    let behind;
    try {
      behind = skip(view, at);
    } catch {
      // The rest cannot be decoded.
      return [count, malformed + chunk.length - at];
    }
    if (!isRecord(chunk, view, at)) malformed += behind - at;
    else if (!isGroup(chunk, view, at)) count += 1;
    at = behind;
  }
  return [count, malformed];
}

// Checks for an array of two with a map at its end.
function isRecord(chunk, view, at) {
  if (!isPair(chunk, at)) return false;
  const body = chunk[skip(view, behindHeader(chunk, at))];
  return (body >= 0x80 && body < 0x90) || body === 0xde || body === 0xdf;
}

// Checks for a group's beginning or end, as Fluent Bit writes them. A beginning has metadata,
// an end nothing else. All others are records with an odd time.
function isGroup(chunk, view, at) {
  const header = behindHeader(chunk, at);
  if (!isPair(chunk, header)) return false;
  const time = behindHeader(chunk, header);
  const metadata = skip(view, time);
  if (startsWith(chunk, time, BEGIN)) return !isEmpty(chunk, metadata);
  return startsWith(chunk, time, END) && isEmpty(chunk, metadata) && isEmpty(chunk, skip(view, header));
}

const startsWith = (chunk, at, bytes) => bytes.every((byte, index) => chunk[at + index] === byte);

// Checks for the header of an array of two, which may be longer than it needs to be.
const isPair = (chunk, at) => [[0x92], [0xdc, 0, 2], [0xdd, 0, 0, 0, 2]].some((header) => startsWith(chunk, at, header));

// Checks for a map without members.
const isEmpty = (chunk, at) => [[0x80], [0xde, 0, 0], [0xdf, 0, 0, 0, 0]].some((map) => startsWith(chunk, at, map));

// Returns the place behind an array's header.
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
