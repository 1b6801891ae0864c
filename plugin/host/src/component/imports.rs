//! The imports of a component, which are read from its file before it is compiled,
//! because that takes seconds.

use anyhow::{Result, bail};
use wasmparser::{BinaryReaderError, Parser, Payload};

/// The interfaces that the host has, up to their versions.
const LINKED: [&str; 11] = [
    "fluent-bit:output/logging@",
    "fluent-bit:output/delivery@",
    "fluent-bit:output/metrics@",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/outgoing-handler@",
    "wasi:http/types@",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

/// Checks by name that the host has everything that a component imports. Accepts a file
/// that it cannot read, because the compiler then refuses it.
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    let Ok(names) = names(bytes) else {
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

/// Returns the names of a component's own imports, without those of nested components and
/// modules.
fn names(bytes: &[u8]) -> Result<Vec<&str>, BinaryReaderError> {
    let (mut names, mut depth) = (Vec::new(), 0_usize);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    names.push(import?.name.name);
                }
            }
            _ => {}
        }
    }
    Ok(names)
}
