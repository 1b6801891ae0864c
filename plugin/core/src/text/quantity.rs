//! Quantities in properties: sizes, times and switches.

/// Reads a size in bytes, or with the unit `k`, `M` or `G` (powers of 1,024), as in
/// `64M`.
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = number(text)?;
    let shift = match unit {
        "" => 0,
        unit if ["k", "kb"].iter().any(|name| unit.eq_ignore_ascii_case(name)) => 10,
        unit if ["m", "mb"].iter().any(|name| unit.eq_ignore_ascii_case(name)) => 20,
        unit if ["g", "gb"].iter().any(|name| unit.eq_ignore_ascii_case(name)) => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// Reads a time in seconds, or with the unit `ms`, `s`, `m`, `h` or `d`, as in `90d`.
/// Returns milliseconds.
pub fn milliseconds(text: &str) -> Option<u64> {
    let (number, unit) = number(text)?;
    let factor = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Reads a switch: `on` or `off`, or the other words that Fluent Bit's own properties
/// accept.
pub fn switch(text: &str) -> Option<bool> {
    let is = |names: [&str; 3]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
    match (is(["on", "true", "yes"]), is(["off", "false", "no"])) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// Splits a text into the number at its start and the unit behind it.
fn number(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit))
}
