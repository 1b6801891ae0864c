//! Schemas that come with flb-audit, each of which says where its rules come
//! from.

use crate::schema::{self, Compiled, Options, SchemaError};

/// How much a schema asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What the source has in every record.
    Required,
    /// That, and that all that is there is as the source documents it; formats
    /// are asserted.
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

/// The names of all that there are.
pub fn names() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|entry| entry.name)
}

/// A schema's text, if there is one of that name.
pub fn text(name: &str, mode: Mode) -> Option<&'static str> {
    let entry = ENTRIES.iter().find(|entry| entry.name == name)?;
    Some(match mode {
        Mode::Required => entry.required,
        Mode::Strict => entry.strict,
    })
}

/// A schema, compiled, if there is one of that name.
pub fn compile(name: &str, mode: Mode) -> Option<Result<Compiled, SchemaError>> {
    let options = Options { assert_format: mode == Mode::Strict };
    text(name, mode).map(|text| schema::compile(text, options))
}
