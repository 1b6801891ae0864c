//! What a component imports, read off its file: before it is compiled, which takes seconds.

use anyhow::{Result, bail};

/// The section of a component with its imports.
const IMPORTS: u8 = 10;
/// How a component's file begins: as any of WebAssembly's, and the layer of components.
const START: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
/// The interfaces that the host has, up to their versions.
const LINKED: [&str; 8] = [
    "fluent-bit:output/logging@",
    "fluent-bit:output/delivery@",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

/// Checks that the host has all that a component imports, as far as names say. A file that
/// cannot be read here is for the compiler to refuse.
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    let Some(names) = names(bytes) else {
        return Ok(());
    };
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| name.contains(':') && !LINKED.iter().any(|linked| name.starts_with(linked)))
        .collect();
    if !missing.is_empty() {
        bail!(
            "it imports {}, which outputs do not have; build it without ({} are there)",
            missing.join(", "),
            LINKED.map(|linked| linked.trim_end_matches(['/', '@'])).join(", ")
        );
    }
    Ok(())
}

/// Returns the names of the imports.
fn names(bytes: &[u8]) -> Option<Vec<&str>> {
    let mut rest = bytes.strip_prefix(&START)?;
    let mut names = Vec::new();
    while let Some((&id, after)) = rest.split_first() {
        let (len, after) = number(after)?;
        let (section, after) = after.split_at_checked(len)?;
        if id == IMPORTS {
            let (count, mut imports) = number(section)?;
            for _ in 0..count {
                let (name, after) = import(imports)?;
                names.push(name);
                imports = after;
            }
        }
        rest = after;
    }
    Some(names)
}

/// Reads an import: its name, and what kind of thing it is.
fn import(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (form, rest) = bytes.split_first()?;
    if *form > 1 {
        return None;
    }
    let (len, rest) = number(rest)?;
    let (name, rest) = rest.split_at_checked(len)?;
    let (kind, rest) = rest.split_first()?;
    let rest = match kind {
        // A core module has one byte more, a type or a value a form.
        0 => number(rest.get(1..)?)?.1,
        2 | 3 if rest.first() == Some(&1) && *kind == 3 => &rest[1..],
        2 | 3 => number(rest.get(1..)?)?.1,
        1 | 4 | 5 => number(rest)?.1,
        _ => return None,
    };
    Some((std::str::from_utf8(name).ok()?, rest))
}

/// Reads a number of 32 bits in LEB128.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[at + 1..]));
        }
    }
    None
}
