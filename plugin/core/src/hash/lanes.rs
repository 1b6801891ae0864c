//! SHA-512/256 of several messages at once, each in a lane of the processor's vectors.

use super::constants::{INITIAL_512_256, K_512};
use super::{Algorithm, Hash, Message};
use core::slice;
use fearless_simd::prelude::*;
use fearless_simd::{Avx2, u8x32, u64x4};
use sha2::block_api::compress512;

/// The number of messages that are hashed at once.
const LANES: usize = 4;

type Block = [u8; 128];

/// A word of each lane.
type Words = u64x4<Avx2>;

const EMPTY: Block = [0; size_of::<Block>()];

/// The number of bytes at the end of a message for its length.
const LENGTH_BYTES: usize = 16;

/// Hashes messages. Those of SHA-256 have no lanes.
pub(super) fn hash_all(avx2: Avx2, messages: &mut [Message<'_>]) {
    for message in messages.iter_mut().filter(|message| message.algorithm != Algorithm::Sha512_256) {
        message.hash = message.algorithm.digest(&[message.domain, message.text]);
    }
    avx2.vectorize(
        #[inline(always)]
        || fill_lanes(avx2, messages),
    );
}

/// Hashes the messages of SHA-512/256. A lane whose message has ended takes the next one.
#[inline(always)]
fn fill_lanes(avx2: Avx2, messages: &mut [Message<'_>]) {
    let mut waiting = messages.iter_mut().filter(|message| message.algorithm == Algorithm::Sha512_256);
    let mut state = INITIAL_512_256.map(|word| [word; LANES]);
    let mut lanes = [const { Lane::NONE }; LANES];
    loop {
        let (mut busy, mut last) = (0, 0);
        for (number, lane) in lanes.iter_mut().enumerate() {
            if lane.at == lane.len {
                lane.end(state.map(|words| words[number]));
                if let Some(message) = waiting.next() {
                    lane.begin(message);
                    for (words, initial) in state.iter_mut().zip(INITIAL_512_256) {
                        words[number] = initial;
                    }
                }
            }
            if lane.hash.is_some() {
                (busy, last) = (busy + 1, number);
            }
        }
        if busy < 2 {
            return lanes[last].end_alone(state.map(|words| words[last]));
        }
        compress(avx2, &mut state, lanes.each_ref().map(Lane::block));
        lanes.iter_mut().for_each(|lane| lane.at = lane.len.min(lane.at + 1));
    }
}

/// A message in blocks, and the place for its hash. An idle lane has none.
struct Lane<'a> {
    /// The domain and the start of the text.
    start: Block,
    body: &'a [Block],
    /// The rest of the text and the padding: the last block, or the last two.
    rest: [Block; 2],
    /// The number of the next block, and the number behind the last block. The start is
    /// block 0, and a short message begins with block 1.
    at: usize,
    len: usize,
    hash: Option<&'a mut Hash>,
}

impl<'a> Lane<'a> {
    const NONE: Lane<'a> = Lane { start: EMPTY, body: &[], rest: [EMPTY; 2], at: 0, len: 0, hash: None };

    fn begin(&mut self, message: &'a mut Message<'_>) {
        let (domain, text) = (message.domain, message.text);
        let (at, before, behind) = match text.split_at_checked(size_of::<Block>() - domain.len()) {
            Some((first, behind)) => {
                let (place, places) = self.start.split_at_mut(domain.len());
                place.copy_from_slice(domain);
                places.copy_from_slice(first);
                (0, &b""[..], behind)
            }
            None => (1, domain, text),
        };
        let (body, behind) = behind.as_chunks();
        let used = before.len() + behind.len();
        let rest_len = if used < size_of::<Block>() - LENGTH_BYTES { 1 } else { 2 };
        let rest = self.rest[..rest_len].as_flattened_mut();
        rest[..before.len()].copy_from_slice(before);
        rest[before.len()..used].copy_from_slice(behind);
        rest[used..].fill(0);
        rest[used] = 0x80;
        if let Some(end) = rest.last_chunk_mut() {
            *end = (8 * (domain.len() + text.len()) as u64).to_be_bytes();
        }
        (self.body, self.at, self.len) = (body, at, 1 + body.len() + rest_len);
        self.hash = Some(&mut message.hash);
    }

    #[inline(always)]
    fn block(&self) -> &Block {
        match self.at.checked_sub(1) {
            None => &self.start,
            Some(at) => match self.body.get(at) {
                Some(block) => block,
                // An idle lane may have any block.
                None => &self.rest[(at - self.body.len()) & 1],
            },
        }
    }

    /// Writes the hash, if there is a message.
    fn end(&mut self, state: [u64; 8]) {
        if let Some(hash) = self.hash.take() {
            hash.as_chunks_mut()
                .0
                .iter_mut()
                .zip(state)
                .for_each(|(bytes, word)| *bytes = word.to_be_bytes());
        }
    }

    /// Hashes the blocks that are left. For one message, this is faster.
    fn end_alone(&mut self, mut state: [u64; 8]) {
        while self.at < self.len {
            compress512(&mut state, slice::from_ref(self.block()));
            self.at += 1;
        }
        self.end(state);
    }
}

/// Rotates each word to the right.
#[inline(always)]
fn rotated(words: Words, by: u32) -> Words {
    (words >> by) | (words << (64 - by))
}

/// Does one round, behind which the letters stand one place further on.
macro_rules! round {
    (
        $words:ident $at:literal $constants:ident,
        $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident
    ) => {
        let upper1 = rotated($e, 14) ^ rotated($e, 18) ^ rotated($e, 41);
        let choice = ($e & ($f ^ $g)) ^ $g;
        let sum = ($h + ($words[$at] + $constants[$at])) + (upper1 + choice);
        let upper0 = rotated($a, 28) ^ rotated($a, 34) ^ rotated($a, 39);
        let majority = (($a ^ $b) & ($b ^ $c)) ^ $b;
        $d += sum;
        $h = sum + (upper0 + majority);
    };
}

/// Replaces one word of the schedule by the one 16 rounds later, and does its round.
macro_rules! next_round {
    ($words:ident $at:literal $constants:ident, $($letter:ident)*) => {
        let (one, fourteen) = ($words[($at + 1) % 16], $words[($at + 14) % 16]);
        let lower0 = rotated(one, 1) ^ rotated(one, 8) ^ (one >> 7);
        let lower1 = rotated(fourteen, 19) ^ rotated(fourteen, 61) ^ (fourteen >> 6);
        $words[$at] = ($words[$at] + lower0) + ($words[($at + 9) % 16] + lower1);
        round!($words $at $constants, $($letter)*);
    };
}

/// Takes a block of each lane into its state.
#[inline(always)]
fn compress(avx2: Avx2, state: &mut [[u64; LANES]; 8], blocks: [&Block; LANES]) {
    let mut words = words_of(avx2, blocks);
    let before = state.map(|word| Words::load_array(avx2, word));
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = before;
    macro_rules! rounds {
        ($round:ident, $constants:ident) => {
            $round!(words 0 $constants, a b c d e f g h);
            $round!(words 1 $constants, h a b c d e f g);
            $round!(words 2 $constants, g h a b c d e f);
            $round!(words 3 $constants, f g h a b c d e);
            $round!(words 4 $constants, e f g h a b c d);
            $round!(words 5 $constants, d e f g h a b c);
            $round!(words 6 $constants, c d e f g h a b);
            $round!(words 7 $constants, b c d e f g h a);
            $round!(words 8 $constants, a b c d e f g h);
            $round!(words 9 $constants, h a b c d e f g);
            $round!(words 10 $constants, g h a b c d e f);
            $round!(words 11 $constants, f g h a b c d e);
            $round!(words 12 $constants, e f g h a b c d);
            $round!(words 13 $constants, d e f g h a b c);
            $round!(words 14 $constants, c d e f g h a b);
            $round!(words 15 $constants, b c d e f g h a);
        };
    }
    let [first, later @ ..] = K_512.as_chunks::<16>().0 else { return };
    rounds!(round, first);
    for constants in later {
        rounds!(next_round, constants);
    }
    for ((word, before), after) in state.iter_mut().zip(before).zip([a, b, c, d, e, f, g, h]) {
        *word = (before + after).into();
    }
}

/// Returns the words of a block of each lane.
#[inline(always)]
fn words_of(avx2: Avx2, blocks: [&Block; LANES]) -> [Words; 16] {
    /// The places of the bytes of four words, if those of each are reversed.
    const REVERSED: [u8; 32] = {
        let mut places = [0; 32];
        let mut at = 0;
        while at < places.len() {
            // A place is counted from the start of its half of the vector.
            places[at] = (at % 16) as u8 ^ 7;
            at += 1;
        }
        places
    };
    let reversed = u8x32::load_array(avx2, REVERSED);
    let mut words = [Words::splat(avx2, 0); 16];
    for (at, four) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let [a, b, c, d] = blocks.map(|block| {
            let bytes = u8x32::from_slice(avx2, &block[32 * at..32 * (at + 1)]);
            Words::from_bytes(avx2.swizzle_dyn_within_blocks_u8x32(bytes, reversed))
        });
        let (ac, ac_behind) = avx2.interleave_u64x4(a, c);
        let (bd, bd_behind) = avx2.interleave_u64x4(b, d);
        let (first, second) = avx2.interleave_u64x4(ac, bd);
        let (third, fourth) = avx2.interleave_u64x4(ac_behind, bd_behind);
        *four = [first, second, third, fourth];
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{HEAD_DOMAIN, LEAF_DOMAIN};
    use alloc::vec::Vec;
    use fearless_simd::Level;

    /// Hashes texts in lanes, and compares the hashes with those of one text after the other.
    fn check(texts: &[(Algorithm, &'static [u8], &[u8])]) {
        let Some(avx2) = Level::new().as_avx2() else { return };
        let message = |&(algorithm, domain, text)| Message { algorithm, domain, text, hash: Hash::default() };
        let mut messages: Vec<Message<'_>> = texts.iter().map(message).collect();
        hash_all(avx2, &mut messages);
        for Message { algorithm, domain, text, hash } in messages {
            assert_eq!(hash, algorithm.digest(&[domain, text]), "{algorithm:?}, {} bytes", text.len());
        }
    }

    #[test]
    fn hashes_are_those_of_single_messages() {
        let bytes: Vec<u8> = (0..2000u32).map(|at| (at * 7 + at / 256) as u8).collect();
        for count in 0..11 {
            for len in 0..600 {
                // Lengths differ from lane to lane: equal, similar, and far apart.
                for step in [0, 1, 37, 130] {
                    let domain = |at: usize| if at.is_multiple_of(3) { HEAD_DOMAIN } else { LEAF_DOMAIN };
                    let text = |at: usize| &bytes[at..at + len + at * step % 1000];
                    let texts: Vec<_> =
                        (0..count).map(|at| (Algorithm::Sha512_256, domain(at), text(at))).collect();
                    check(&texts);
                }
            }
        }
    }

    #[test]
    fn other_algorithms_stand_between() {
        let bytes = [7; 300];
        for numbers in 0..1 << 6 {
            let algorithm = |at: usize| Algorithm::ALL[numbers >> at & 1];
            let texts: Vec<_> = (0..6).map(|at| (algorithm(at), LEAF_DOMAIN, &bytes[..at * 50])).collect();
            check(&texts);
        }
    }
}
