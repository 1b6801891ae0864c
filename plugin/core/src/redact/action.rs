//! The replacements of redacted values.

use super::key::HmacKey;
use crate::memory::{OutOfMemory, put, put_byte};
use crate::policy::{Action, Rule};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Writes the replacement of `value`, and returns the action that was done. If the rule's
/// action cannot be done, the value is masked.
pub(crate) fn write(
    rule: &Rule<'_>,
    value: &[u8],
    key: Option<&HmacKey>,
    out: &mut Vec<u8>,
) -> Result<Action, OutOfMemory> {
    match (rule.action, key) {
        (Action::Remove, _) => return Ok(Action::Remove),
        (Action::Hmac, Some(key)) => {
            key.write_token(rule.class, value, out)?;
            return Ok(Action::Hmac);
        }
        (Action::Truncate, _) => {
            if let Some(address) = core::str::from_utf8(value).ok().and_then(|text| text.parse().ok()) {
                write_truncated(address, out)?;
                return Ok(Action::Truncate);
            }
        }
        (Action::Partial(last), _) => {
            let last = last_characters(value, last.into());
            if !last.is_empty() {
                put_byte(out, b'[')?;
                put(out, rule.name)?;
                put_byte(out, b':')?;
                put(out, last)?;
                put_byte(out, b']')?;
                return Ok(rule.action);
            }
        }
        _ => {}
    }
    write_mask(rule.name, out)?;
    Ok(Action::Mask)
}

/// Writes the mask of a value.
pub(crate) fn write_mask(name: &[u8], out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    put_byte(out, b'[')?;
    put(out, name)?;
    put_byte(out, b']')
}

/// Returns the last `count` characters, but at most a quarter of all.
fn last_characters(value: &[u8], count: usize) -> &[u8] {
    let is_start = |byte: &u8| !matches!(byte, 0x80..0xc0);
    let characters = value.iter().filter(|byte| is_start(byte)).count();
    let count = count.min(characters / 4);
    let starts = value.iter().enumerate().rev().filter(|(_, byte)| is_start(byte));
    let start = starts.map(|(at, _)| at).take(count).last();
    start.and_then(|start| value.get(start..)).unwrap_or_default()
}

fn write_truncated(address: IpAddr, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            write_ipv4(Ipv4Addr::new(a, b, c, 0), out)
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            write_ipv6_48(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), out)
        }
    }
}

fn write_ipv4(address: Ipv4Addr, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            put_byte(out, b'.')?;
        }
        put(out, crate::text::digits::Digits::of(octet.into()).as_bytes())?;
    }
    Ok(())
}

/// Writes an address that has only zeros behind its first 48 bits, as in RFC 5952.
fn write_ipv6_48(address: Ipv6Addr, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    let segments = address.segments();
    let count = segments.iter().rposition(|segment| *segment != 0).map_or(0, |last| last + 1);
    for (at, segment) in segments.into_iter().take(count).enumerate() {
        if at > 0 {
            put_byte(out, b':')?;
        }
        let digit = |shift: u32| {
            char::from_digit(u32::from(segment >> shift) & 15, 16).map_or(b'0', |digit| digit as u8)
        };
        let digits = [digit(12), digit(8), digit(4), digit(0)];
        let zeros = digits.iter().take(3).take_while(|digit| **digit == b'0').count();
        put(out, &digits[zeros..])?;
    }
    put(out, b"::")
}
