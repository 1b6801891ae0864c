"""A Fluent Bit output: counts records by tag, each chunk once, and logs the counts."""

import json
import os

import wit_world
from componentize_py_types import Err
from wit_world.exports.output import Answer_Ok, Answer_Retry, Property
from wit_world.imports import delivery, logging
from wit_world.imports.logging import Level

FILE = "/counts.json"
CHUNKS_MAX = 1024
# The times of a group's beginning and end: -1 and -2 seconds.
BEGIN, END = b"\xd7\x00\xff\xff\xff\xff\0\0\0\0", b"\xd7\x00\xff\xff\xff\xfe\0\0\0\0"


class State:
    """What the component knows. Each call has an `Output` of its own, so it is not in there."""

    file, counts, chunks, is_logged = FILE, {}, [], True


class Output(wit_world.exports.Output):
    def properties(self):
        return [Property("file", f"The name of the file with the counts, in `dir`; {FILE[1:]}")]

    def init(self, settings):
        State.file = "/" + next((s.value for s in settings if s.name == "file"), FILE[1:])
        try:
            with open(State.file) as file:
                kept = json.load(file)
                State.counts, State.chunks = kept["counts"], kept["chunks"]
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError) as error:
            raise Err(f"property dir: {State.file}: {error}")
        return 10_000

    def flush(self, tag, chunk):
        key = bytes(delivery.chunk_id()).hex()
        if key in State.chunks:
            return Answer_Ok()
        # Tags need not be UTF-8.
        name = tag.decode(errors="replace")
        count, malformed = count_records(chunk)
        if malformed:
            logging.log(Level.WARN, f"{name}: {malformed} bytes are no records")
        counts = {**State.counts, name: State.counts.get(name, 0) + count}
        chunks = (State.chunks + [key])[-CHUNKS_MAX:]
        try:
            write(counts, chunks)
        except OSError as error:
            return Answer_Retry(f"{State.file}: {error}")
        State.counts, State.chunks, State.is_logged = counts, chunks, False
        return Answer_Ok()

    def tick(self):
        if not State.is_logged:
            lines = [f"{tag}: {count}" for tag, count in sorted(State.counts.items())]
            logging.log(Level.INFO, "\n".join(lines))
            State.is_logged = True

    def drain(self, left):
        self.tick()


def write(counts, chunks):
    """Writes counts and chunks together: a chunk is counted if and only if it is known."""
    with open(State.file + ".new", "w") as file:
        json.dump({"counts": counts, "chunks": chunks}, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(State.file + ".new", State.file)


def count_records(chunk):
    """Counts the records of a chunk, which is MessagePack: `[[time, metadata], body]`.

    Also counts the bytes that are no records. Records behind a whole value are found.
    """
    at, count, malformed = 0, 0, 0
    while at < len(chunk):
        try:
            behind = skip(chunk, at)
        except (IndexError, ValueError):
            # The rest cannot be decoded.
            return count, malformed + len(chunk) - at
        if is_record(chunk, at):
            count += not is_group(chunk, at)
        else:
            malformed += behind - at
        at = behind
    return count, malformed


def is_record(chunk, at):
    """Checks for an array of two with a map at its end."""
    if not is_pair(chunk, at):
        return False
    body = chunk[skip(chunk, behind_header(chunk, at))]
    return 0x80 <= body < 0x90 or body in (0xDE, 0xDF)


def is_group(chunk, at):
    """Checks for a group's beginning or end, as Fluent Bit writes them.

    A beginning has metadata, an end nothing else. All others are records with an odd time.
    """
    header = behind_header(chunk, at)
    if not is_pair(chunk, header):
        return False
    time = behind_header(chunk, header)
    metadata, body = skip(chunk, time), skip(chunk, header)
    if chunk[time:metadata] == BEGIN:
        return not is_empty(chunk, metadata)
    return chunk[time:metadata] == END and is_empty(chunk, metadata) and is_empty(chunk, body)


def is_pair(chunk, at):
    """Checks for the header of an array of two, which may be longer than it needs to be."""
    return chunk[at] == 0x92 or chunk[at : at + 3] == b"\xdc\0\2" or chunk[at : at + 5] == b"\xdd\0\0\0\2"


def is_empty(chunk, at):
    """Checks for a map without members."""
    return chunk[at] == 0x80 or chunk[at : at + 3] == b"\xde\0\0" or chunk[at : at + 5] == b"\xdf\0\0\0\0"


def behind_header(chunk, at):
    """Returns the place behind an array's header."""
    return at + {0xDC: 3, 0xDD: 5}.get(chunk[at], 1)


# The bytes behind the first, and how many values follow, by the first byte.
FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
FIXED |= {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}
# The size of the length, and the bytes between it and the content.
SIZED = {0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)}
SIZED |= {0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0)}
# The size of the length, and the values of each element.
NESTED = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def skip(chunk, at):
    """Returns the place behind the value that begins here. It does not recurse."""
    pending = 1
    while pending:
        first = chunk[at]
        at, pending = at + 1, pending - 1
        if first < 0x80 or first >= 0xE0:
            continue
        if first < 0x90:
            pending += 2 * (first & 0x0F)
        elif first < 0xA0:
            pending += first & 0x0F
        elif first < 0xC0:
            at += first & 0x1F
        elif first in FIXED:
            at += FIXED[first]
        elif first in SIZED:
            size, between = SIZED[first]
            at += size + between + int.from_bytes(chunk[at : at + size])
        elif first in NESTED:
            size, values = NESTED[first]
            pending += values * int.from_bytes(chunk[at : at + size])
            at += size
        else:
            raise ValueError(f"byte {first:#x} at {at - 1}")
    if at > len(chunk):
        raise ValueError("it ends in a value")
    return at
