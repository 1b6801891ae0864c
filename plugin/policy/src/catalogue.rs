//! The built-in schemas. Each of them names the source of its rules.

use crate::schema::{self, Compiled, Options, SchemaError};

/// The strictness of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Requires the members that the source has in every record.
    Required,
    /// Requires these members, and also that every other member is as the source
    /// documents it. Formats are asserted.
    Strict,
}

/// A schema in both modes.
struct Entry {
    name: &'static str,
    required: &'static str,
    strict: &'static str,
}

macro_rules! entry {
    ($name:literal) => {
        Entry {
            name: $name,
            required: include_str!(concat!("../schemas/", $name, "/required.json")),
            strict: include_str!(concat!("../schemas/", $name, "/strict.json")),
        }
    };
}

const ENTRIES: [Entry; 13] = [
    entry!("actor-action-object"),
    entry!("cloudtrail"),
    entry!("github-audit"),
    entry!("kubernetes-audit"),
    entry!("linux-audit"),
    entry!("mariadb-audit"),
    entry!("ocsf-account-change"),
    entry!("ocsf-api-activity"),
    entry!("ocsf-authentication"),
    entry!("postgresql-audit"),
    entry!("sshd"),
    entry!("sudo"),
    entry!("vault-audit"),
];

/// The classes of OCSF that have a schema, with its name.
pub const OCSF_CLASSES: [(u16, &str); 3] =
    [(3001, "ocsf-account-change"), (3002, "ocsf-authentication"), (6003, "ocsf-api-activity")];

/// Returns the names of all built-in schemas.
pub fn names() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|entry| entry.name)
}

/// Returns the text of the schema with this name, if there is one.
pub fn text(name: &str, mode: Mode) -> Option<&'static str> {
    let entry = ENTRIES.iter().find(|entry| entry.name == name)?;
    Some(match mode {
        Mode::Required => entry.required,
        Mode::Strict => entry.strict,
    })
}

/// Compiles the schema with this name, if there is one.
pub fn compile(name: &str, mode: Mode) -> Option<Result<Compiled, SchemaError>> {
    let options = Options { assert_format: mode == Mode::Strict };
    text(name, mode).map(|text| schema::compile(text, options))
}
