//! Numbers, compared by their value: integers of 64 bits exactly, all others as doubles.

/// 2 to the power of 100. All integers below it are within an `i128`.
const INTEGERS_END: f64 = (1_u128 << 100) as f64;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Number {
    Integer(i128),
    /// A number with a fraction, or a very large one.
    Other(f64),
}

impl Number {
    /// Parses a number. Returns `None` for other texts, and beyond the range of a double.
    pub(super) fn of(text: &str) -> Option<Number> {
        let signed = || text.parse::<i64>().map(i128::from).ok();
        let unsigned = || text.parse::<u64>().map(i128::from).ok();
        let integer = signed().or_else(unsigned);
        integer.map(Number::Integer).or_else(|| {
            let value = text.parse::<f64>().ok().filter(|value| value.is_finite())?;
            let is_integer = value.fract() == 0.0 && value.abs() < INTEGERS_END;
            Some(if is_integer { Number::Integer(value as i128) } else { Number::Other(value) })
        })
    }
}
