//! The catalogue of audit formats: how to recognize their records, and which of their
//! fields stay or go.
//!
//! A format is a folder in `plugin/policy/formats`; `docs/formats.md` describes its
//! `format.yaml`.

mod compile;
mod read;

pub(crate) use compile::{Chosen, parts, paths};
pub(crate) use read::value_type;

use crate::normalize;
use crate::paths::Step;
use crate::yaml::{Problem, Read, problem, text, unknown};
use flb_audit_core::recognize::Condition;
use marked_yaml::Node;
use std::sync::LazyLock;

/// Turns each line into a format, whose folder has its name. A line with `ocsf` has a
/// mapping, too.
macro_rules! formats {
    ($($name:literal $($ocsf:ident)?),+ $(,)?) => {
        /// The names of all formats, the texts of their files, and those of their mappings.
        const TEXTS: &[(&str, &str, Option<&str>)] = &[$((
            $name,
            include_str!(concat!("../../formats/", $name, "/format.yaml")),
            formats!(@mapping $name $($ocsf)?),
        )),+];
    };
    (@mapping $name:literal ocsf) => { Some(include_str!(concat!("../../formats/", $name, "/ocsf.yaml"))) };
    (@mapping $name:literal) => { None };
}

formats! {
    "atlassian-audit",
    "auth0",
    "azure-activity",
    "cloudflare-audit",
    "cloudtrail" ocsf,
    "entra-audit" ocsf,
    "entra-sign-in" ocsf,
    "gcp-audit" ocsf,
    "github-audit" ocsf,
    "gitlab-audit",
    "google-workspace",
    "kubernetes-audit" ocsf,
    "linux-audit" ocsf,
    "mariadb" ocsf,
    "microsoft-365",
    "mongodb",
    "mysql",
    "ocsf",
    "okta" ocsf,
    "onepassword",
    "postgresql" ocsf,
    "salesforce",
    "slack-audit",
    "snowflake",
    "sshd" ocsf,
    "sudo" ocsf,
    "teleport" ocsf,
    "vault-audit" ocsf,
    "windows-security" ocsf,
    "zoom",
}

/// The places of records within a record of an unknown format.
pub const WRAPPERS: &[&str] = &[
    "Records[]",
    "records[]",
    "items[]",
    "log",
    "log|",
    "message",
    "message|",
    "properties.log|",
    "log_processed",
    "detail",
    "event",
    "event|",
    "record",
];

/// A format of audit records.
#[derive(Debug)]
pub struct Format {
    /// The name in policies and reports.
    pub name: &'static str,
    /// The vendor's name for it.
    pub title: String,
    /// The vendor's pages that document it.
    pub sources: Vec<String>,
    /// The schema of its records, if there is one.
    pub schema: Option<String>,
    /// The mapping of its records into events of OCSF, if there is one.
    pub mapping: Option<&'static str>,
    /// The fields that stay or go.
    pub fields: Vec<Field>,
    /// The cases: records that have more known fields.
    pub cases: Vec<Case>,
    /// The places of other records in its records.
    pub records: Vec<String>,
    /// The rules for recognizing records. One of the rules has to hold, with all of its
    /// conditions.
    pub(crate) rules: Vec<Vec<Condition>>,
}

/// A case: records of a format with additional fields.
#[derive(Debug)]
pub struct Case {
    /// The fields.
    pub fields: Vec<Field>,
    /// The schema of such records, if it differs from the format's.
    pub schema: Option<String>,
    pub(crate) conditions: Vec<Condition>,
}

/// A field of a format.
#[derive(Clone, Debug)]
pub struct Field {
    /// The path of the field, in the notation of policies.
    pub path: String,
    /// The kind of its contents.
    pub holds: Holds,
    pub(crate) steps: Vec<Step>,
}

/// The kind of a field's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// The actor. It stays, or the policy's rule for `identity` applies.
    Who,
    /// The action and its object. They stay.
    What,
    /// A text that mentions the actor, such as a message. It is searched, but addresses stay at
    /// places for the actor.
    Mention,
    /// The origin of the action. It stays, unless addresses have to go.
    Where,
    /// An id that looks like a secret and is none. Nothing looks at it.
    Opaque,
    /// A secret. It goes.
    Secret,
}

impl Holds {
    /// All kinds. If several paths match a value, the first kind in this order decides.
    pub const ALL: [Holds; 6] =
        [Holds::Secret, Holds::Opaque, Holds::Who, Holds::What, Holds::Mention, Holds::Where];

    /// Returns the key under which a format lists such fields.
    pub fn key(self) -> &'static str {
        match self {
            Holds::Who => "who",
            Holds::What => "what",
            Holds::Mention => "mentions",
            Holds::Where => "where",
            Holds::Opaque => "opaque",
            Holds::Secret => "secrets",
        }
    }
}

static FORMATS: LazyLock<Vec<Format>> = LazyLock::new(|| {
    // A test checks that all of them can be read.
    TEXTS.iter().filter_map(|(name, text, mapping)| read::format(name, text, *mapping).ok()).collect()
});

/// Returns all formats.
pub fn formats() -> &'static [Format] {
    &FORMATS
}

/// Returns the index of a format in the catalogue.
pub(crate) fn index_of(node: &Node) -> Read<usize> {
    let name = text(node, "a format")?.as_str();
    formats().iter().position(|format| format.name == name).ok_or_else(|| {
        let known: Vec<&str> = formats().iter().map(|format| format.name).collect();
        problem(node, unknown("format", name, &known))
    })
}

/// Returns the field of a format, or of one of its cases, at a path in the notation of
/// evidence: keys separated by dots, `[]` for an element.
pub fn field<'f>(format: &'f Format, path: &str) -> Option<&'f Field> {
    let place = crate::paths::parse(path).ok()?;
    let cases = format.cases.iter().flat_map(|case| &case.fields);
    cases.chain(&format.fields).find(|field| fits(&field.steps, &place))
}

/// Checks whether a path leads to a place, or to a container around the place.
fn fits(path: &[Step], place: &[Step]) -> bool {
    match (path, place) {
        ([], _) => true,
        ([Step::Deep, path @ ..], _) => (0..=place.len()).any(|at| fits(path, &place[at..])),
        ([Step::Any, path @ ..], [Step::Member(_) | Step::Element, place @ ..]) => fits(path, place),
        ([step, path @ ..], [other, place @ ..]) => step == other && fits(path, place),
        _ => false,
    }
}

/// Checks that every format and mapping can be read. An error names the first one that
/// cannot.
pub fn check() -> Result<(), (&'static str, Problem)> {
    TEXTS.iter().try_for_each(|(name, text, mapping)| {
        let is_read = read::format(name, text, *mapping).and(mapping.map_or(Ok(()), normalize::check));
        is_read.map_err(|problem| (*name, problem))
    })
}
