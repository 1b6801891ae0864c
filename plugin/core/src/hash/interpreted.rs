//! SHA-256 and SHA-512/256 (FIPS 180-4), written for an interpreter.
//!
//! An interpreter pays for every instruction, so the rounds are straight-line code over
//! words in local variables, and the message schedule stays in the 16 words of the block.
//! Sixteen rounds at once keep that code small: a module is parsed again for every chunk
//! in Fluent Bit 4.0. Compiled programs use the crate sha2, which knows the instructions
//! of processors.

use super::Hash;
use super::constants::{INITIAL_512_256, K_512};
use core::hint::black_box;

const K_256: [u32; 64] = {
    let mut halves = [0; 64];
    let mut at = 0;
    while at < halves.len() {
        halves[at] = (K_512[at] >> 32) as u32;
        at += 1;
    }
    halves
};

const INITIAL_256: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Returns the SHA-256 of the parts, one after the other.
pub(super) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut state = INITIAL_256;
    blocks(parts, |block| compress_256(&mut state, block));
    let mut hash = [0; 32];
    hash.as_chunks_mut().0.iter_mut().zip(state).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
    hash
}

/// Returns the SHA-512/256 of the parts, one after the other.
pub(super) fn sha512_256(parts: &[&[u8]]) -> Hash {
    let mut state = INITIAL_512_256;
    blocks(parts, |block| compress_512(&mut state, block));
    let mut hash = [0; 32];
    hash.as_chunks_mut().0.iter_mut().zip(state).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
    hash
}

/// Cuts a message into blocks: padded with a bit 1, zeros, and its length in bits, which
/// takes an eighth of a block (section 5.1). A block that lies within one part is not
/// copied.
fn blocks<const BYTES: usize>(parts: &[&[u8]], mut compress: impl FnMut(&[u8; BYTES])) {
    let mut block = [0; BYTES];
    let (mut filled, mut len) = (0, 0);
    for part in parts {
        len += part.len() as u64;
        let mut rest = *part;
        if filled > 0 && filled + rest.len() >= BYTES {
            let (head, tail) = rest.split_at(BYTES - filled);
            block[filled..].copy_from_slice(head);
            compress(&block);
            (rest, filled) = (tail, 0);
        }
        if filled == 0 {
            let (whole, tail) = rest.as_chunks();
            whole.iter().for_each(&mut compress);
            rest = tail;
        }
        block[filled..filled + rest.len()].copy_from_slice(rest);
        filled += rest.len();
    }
    block[filled] = 0x80;
    block[filled + 1..].fill(0);
    if filled >= BYTES - BYTES / 8 {
        compress(&block);
        block.fill(0);
    }
    if let Some(end) = block.last_chunk_mut() {
        *end = (8 * len).to_be_bytes();
    }
    compress(&block);
}

/// Rotates a word to the right three times: the upper-case sigmas of sections 4.1.2 and
/// 4.1.3.
macro_rules! rotated {
    ($word:expr, [$first:literal, $second:literal, $third:literal]) => {
        $word.rotate_right($first) ^ $word.rotate_right($second) ^ $word.rotate_right($third)
    };
}

/// Rotates a word twice and shifts it once: the lower-case sigmas.
macro_rules! shifted {
    ($word:expr, [$first:literal, $second:literal, $shift:literal]) => {
        $word.rotate_right($first) ^ $word.rotate_right($second) ^ $word >> $shift
    };
}

/// Replaces one word of the schedule by the one 16 rounds later, and returns it.
macro_rules! next_word {
    ($words:ident, $at:literal, $lower0:tt, $lower1:tt) => {{
        $words[$at] = $words[$at]
            .wrapping_add(shifted!($words[($at + 1) % 16], $lower0))
            .wrapping_add($words[($at + 9) % 16])
            .wrapping_add(shifted!($words[($at + 14) % 16], $lower1));
        $words[$at]
    }};
}

/// Does one round, behind which the letters stand one place further on. The majority of
/// three is `b ^ ((a ^ b) & (b ^ c))`, and `b ^ c` is what `a ^ b` was in the round
/// before.
macro_rules! round {
    (
        $apart:ident, $upper0:tt, $upper1:tt, $constant:expr, $word:expr,
        $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident
    ) => {
        let sum = $h
            .wrapping_add($constant)
            .wrapping_add($word)
            .wrapping_add(rotated!($e, $upper1))
            .wrapping_add($g ^ ($e & ($f ^ $g)));
        $d = $d.wrapping_add(sum);
        let next = $a ^ $b;
        $h = sum.wrapping_add(rotated!($a, $upper0)).wrapping_add($b ^ (next & $apart));
        $apart = next;
    };
}

/// Defines the function that takes a block into the state. Loops would not be unrolled, as
/// guests are compiled for size.
macro_rules! compress {
    (
        $name:ident, $word:ty, $bytes:literal, $reversal:expr, $constants:ident,
        $upper0:tt, $upper1:tt, $lower0:tt, $lower1:tt
    ) => {
        #[inline(never)]
        fn $name(state: &mut [$word; 8], block: &[u8; $bytes]) {
            let read = block.as_chunks().0;
            let reversed = $reversal;
            let word = |at: usize| reversed(<$word>::from_le_bytes(read[at]));
            let mut words = [
                word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7),
                word(8), word(9), word(10), word(11), word(12), word(13), word(14), word(15),
            ];
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
            let mut apart = b ^ c;
            let Some((constants, mut left)) = $constants.as_chunks::<16>().0.split_first() else { return };
            round!(apart, $upper0, $upper1, constants[0], words[0], a b c d e f g h);
            round!(apart, $upper0, $upper1, constants[1], words[1], h a b c d e f g);
            round!(apart, $upper0, $upper1, constants[2], words[2], g h a b c d e f);
            round!(apart, $upper0, $upper1, constants[3], words[3], f g h a b c d e);
            round!(apart, $upper0, $upper1, constants[4], words[4], e f g h a b c d);
            round!(apart, $upper0, $upper1, constants[5], words[5], d e f g h a b c);
            round!(apart, $upper0, $upper1, constants[6], words[6], c d e f g h a b);
            round!(apart, $upper0, $upper1, constants[7], words[7], b c d e f g h a);
            round!(apart, $upper0, $upper1, constants[8], words[8], a b c d e f g h);
            round!(apart, $upper0, $upper1, constants[9], words[9], h a b c d e f g);
            round!(apart, $upper0, $upper1, constants[10], words[10], g h a b c d e f);
            round!(apart, $upper0, $upper1, constants[11], words[11], f g h a b c d e);
            round!(apart, $upper0, $upper1, constants[12], words[12], e f g h a b c d);
            round!(apart, $upper0, $upper1, constants[13], words[13], d e f g h a b c);
            round!(apart, $upper0, $upper1, constants[14], words[14], c d e f g h a b);
            round!(apart, $upper0, $upper1, constants[15], words[15], b c d e f g h a);
            while let Some((constants, later)) = left.split_first() {
                left = later;
                round!(apart, $upper0, $upper1, constants[0], next_word!(words, 0, $lower0, $lower1), a b c d e f g h);
                round!(apart, $upper0, $upper1, constants[1], next_word!(words, 1, $lower0, $lower1), h a b c d e f g);
                round!(apart, $upper0, $upper1, constants[2], next_word!(words, 2, $lower0, $lower1), g h a b c d e f);
                round!(apart, $upper0, $upper1, constants[3], next_word!(words, 3, $lower0, $lower1), f g h a b c d e);
                round!(apart, $upper0, $upper1, constants[4], next_word!(words, 4, $lower0, $lower1), e f g h a b c d);
                round!(apart, $upper0, $upper1, constants[5], next_word!(words, 5, $lower0, $lower1), d e f g h a b c);
                round!(apart, $upper0, $upper1, constants[6], next_word!(words, 6, $lower0, $lower1), c d e f g h a b);
                round!(apart, $upper0, $upper1, constants[7], next_word!(words, 7, $lower0, $lower1), b c d e f g h a);
                round!(apart, $upper0, $upper1, constants[8], next_word!(words, 8, $lower0, $lower1), a b c d e f g h);
                round!(apart, $upper0, $upper1, constants[9], next_word!(words, 9, $lower0, $lower1), h a b c d e f g);
                round!(apart, $upper0, $upper1, constants[10], next_word!(words, 10, $lower0, $lower1), g h a b c d e f);
                round!(apart, $upper0, $upper1, constants[11], next_word!(words, 11, $lower0, $lower1), f g h a b c d e);
                round!(apart, $upper0, $upper1, constants[12], next_word!(words, 12, $lower0, $lower1), e f g h a b c d);
                round!(apart, $upper0, $upper1, constants[13], next_word!(words, 13, $lower0, $lower1), d e f g h a b c);
                round!(apart, $upper0, $upper1, constants[14], next_word!(words, 14, $lower0, $lower1), c d e f g h a b);
                round!(apart, $upper0, $upper1, constants[15], next_word!(words, 15, $lower0, $lower1), b c d e f g h a);
            }
            *state = [
                state[0].wrapping_add(a), state[1].wrapping_add(b), state[2].wrapping_add(c), state[3].wrapping_add(d),
                state[4].wrapping_add(e), state[5].wrapping_add(f), state[6].wrapping_add(g), state[7].wrapping_add(h),
            ];
        }
    };
}

compress!(compress_256, u32, 64, u32::swap_bytes, K_256, [2, 13, 22], [6, 11, 25], [7, 18, 3], [17, 19, 10]);
compress!(compress_512, u64, 128, reversal(), K_512, [28, 34, 39], [14, 18, 41], [1, 8, 7], [19, 61, 6]);

/// Returns the function that reverses the bytes of a word of 64 bits. WebAssembly has no
/// instruction for that, and the compiler's replacement takes twice as many as rotations.
/// It would put the replacement here, too, if it knew the masks.
#[inline(always)]
fn reversal() -> impl Fn(u64) -> u64 {
    let (even, inner) = (black_box(0x00ff_00ff_00ff_00ff), black_box(0x00ff_ff00_00ff_ff00));
    move |word| {
        // The first pair of bytes are those at the ends of the word. Behind this step, the
        // inner four bytes are on the wrong side.
        let pairs = (word & even).rotate_right(8) | (word.rotate_left(8) & even);
        pairs ^ ((pairs ^ pairs.rotate_right(32)) & inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use sha2::{Digest, Sha256, Sha512_256};

    #[test]
    fn bytes_are_reversed() {
        for seed in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX, 0x8040_2010_0804_0201u64] {
            assert_eq!(reversal()(seed), seed.swap_bytes());
        }
    }

    #[test]
    fn hashes_are_those_of_the_crate_for_every_length_and_cut() {
        let message: Vec<u8> = (0..1000u32).map(|at| (at * 7 + at / 256) as u8).collect();
        for len in 0..message.len() {
            let message = &message[..len];
            let expected: (Hash, Hash) = (Sha256::digest(message).into(), Sha512_256::digest(message).into());
            for cut in [0, len / 3, len - len / 7] {
                let (head, tail) = message.split_at(cut);
                let parts = [head, b"", tail];
                assert_eq!((sha256(&parts), sha512_256(&parts)), expected, "{len}, cut at {cut}");
            }
        }
    }
}
