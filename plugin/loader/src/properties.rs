//! The properties of an `[OUTPUT]` in Fluent Bit's configuration.

use anyhow::{Context, Result, bail};
use flb_audit_core::text::quantity;
use flb_audit_host::component::Limits;
use flb_audit_host::network::Network;
use std::path::PathBuf;
use std::time::Duration;

/// The default memory of an instance, in bytes.
const MEMORY_BYTES: usize = 64 << 20;
/// The smallest memory that can be set. A standard library needs this much to start.
const MEMORY_BYTES_MIN: usize = 1 << 20;
/// The default limit for the time of a call.
const DEADLINE: Duration = Duration::from_secs(30);
/// The default for how many instances a chunk may end.
const FAILURES: u32 = 5;

/// The properties that the host itself uses.
pub(crate) struct Properties {
    /// `component`, the file.
    pub(crate) component: PathBuf,
    /// `dir`, `read_only`, `memory_limit`, `deadline`, `allow` and `ca_file`.
    pub(crate) limits: Limits,
    /// `failure_limit`. None for `no_limits`.
    pub(crate) failures_max: Option<u32>,
}

impl Properties {
    /// Reads the properties through `get`, which returns the text of a property by its
    /// name.
    pub(crate) fn read(get: impl Fn(&str) -> Option<String>) -> Result<Properties> {
        let component = get("component").map(PathBuf::from);
        let component =
            component.context("property component is missing: the path of a WebAssembly component")?;
        let limits = Limits {
            memory_bytes_max: read(&get, "memory_limit", bytes)?.unwrap_or(MEMORY_BYTES),
            deadline: read(&get, "deadline", duration)?.unwrap_or(DEADLINE),
            directory: get("dir").map(PathBuf::from),
            is_writable: !read(&get, "read_only", switch)?.unwrap_or(false),
            network: network(&get)?,
        };
        if limits.memory_bytes_max < MEMORY_BYTES_MIN {
            bail!("property memory_limit: less than 1M");
        }
        let failures_max = read(&get, "failure_limit", count)?.unwrap_or(Some(FAILURES));
        Ok(Properties { component, limits, failures_max })
    }
}

fn network(get: impl Fn(&str) -> Option<String>) -> Result<Network> {
    let allowed = Network::parse_list(&get("allow").unwrap_or_default()).context("property allow")?;
    Ok(Network { allowed, ca_file: get("ca_file").map(PathBuf::from) })
}

fn read<T>(
    get: impl Fn(&str) -> Option<String>,
    name: &str,
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Option<T>> {
    let Some(text) = get(name) else {
        return Ok(None);
    };
    match parse(text.trim()) {
        Ok(value) => Ok(Some(value)),
        Err(expected) => bail!("property {name}: `{text}` is not {expected}"),
    }
}

fn bytes(text: &str) -> Result<usize, &'static str> {
    let bytes = quantity::bytes(text).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or("a size, such as 64M, 512k or a number of bytes")
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    let milliseconds = quantity::milliseconds(text).filter(|time| (1..=3_600_000).contains(time));
    let expected = "a duration of 1ms to 1h, such as 10s, 500ms or a number of seconds";
    milliseconds.map(Duration::from_millis).ok_or(expected)
}

fn switch(text: &str) -> Result<bool, &'static str> {
    quantity::switch(text).ok_or("on or off")
}

fn count(text: &str) -> Result<Option<u32>, &'static str> {
    const EXPECTED: &str = "a number from 1 on, or no_limits";
    if text.eq_ignore_ascii_case("no_limits") {
        return Ok(None);
    }
    let number: u32 = text.parse().map_err(|_| EXPECTED)?;
    if number == 0 { Err(EXPECTED) } else { Ok(Some(number)) }
}
