//! Records of arbitrary JSON, equal in every run.

use serde_json::{Map, Number, Value};

/// A generator of pseudorandom numbers: SplitMix64.
pub(crate) struct Generator {
    state: u64,
}

/// The deepest level of values below a record.
const DEPTH_MAX: usize = 5;

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Generator { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Returns a number in `0..count`.
    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    /// Returns an object with a few members.
    pub(crate) fn record(&mut self) -> Value {
        self.object(DEPTH_MAX)
    }

    fn object(&mut self, depth: usize) -> Value {
        let mut fields = Map::new();
        for _ in 0..self.below(8) {
            let key = self.key();
            let value = self.value(depth);
            fields.insert(key, value);
        }
        Value::Object(fields)
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 8 } else { 11 }) {
            0 => Value::Null,
            1 => Value::Bool(self.below(2) == 0),
            2..5 => self.number(),
            5..8 => Value::String(self.text()),
            8 => (0..self.below(6)).map(|_| self.value(depth - 1)).collect(),
            _ => self.object(depth - 1),
        }
    }

    fn number(&mut self) -> Value {
        let bits = self.next();
        match self.below(6) {
            0 => Value::from(bits as i64),
            1 => Value::from(bits),
            2 => Value::from(bits as i8),
            3 => Value::from((bits as i32) as f64 / 1000.0),
            4 => Value::from(bits as i64 as f64),
            // Every double except NaN and the infinities.
            _ => Number::from_f64(f64::from_bits(bits)).map_or(Value::Null, Value::Number),
        }
    }

    /// Returns a name without a special meaning. The table of odd values has the special
    /// names.
    fn key(&mut self) -> String {
        match self.below(4) {
            0 => self.text() + ".",
            _ => format!("key{}", self.below(30)),
        }
    }

    fn text(&mut self) -> String {
        let len = match self.below(20) {
            0 => self.below(3000),
            _ => self.below(24),
        };
        (0..len).map(|_| self.character()).collect()
    }

    fn character(&mut self) -> char {
        let bits = self.next() as u32;
        let code = match self.below(8) {
            0..5 => u32::from(b' ') + bits % 95,
            5 => bits % 0x100,
            6 => bits % 0x1_0000,
            _ => bits % 0x11_0000,
        };
        // A lone surrogate is not a character.
        char::from_u32(code).unwrap_or('\u{fffd}')
    }
}
