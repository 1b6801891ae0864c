//! Bulk requests: each action line states the operation for the record on the next line.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The maximum length of an action line, in bytes. An index's name and an id have up to
/// 512 bytes.
const ACTION_BYTES_MAX: usize = 4096;

/// The members that an action may have.
const MEMBERS: [&str; 15] = [
    "_id",
    "_index",
    "_parent",
    "_routing",
    "_type",
    "_version",
    "if_primary_term",
    "if_seq_no",
    "list_executed_pipelines",
    "pipeline",
    "require_alias",
    "retry_on_conflict",
    "routing",
    "version",
    "version_type",
];

/// An action line.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action<'a> {
    #[serde(borrow)]
    Create(Members<'a>),
    #[serde(borrow)]
    Delete(Members<'a>),
    #[serde(borrow)]
    Index(Members<'a>),
    #[serde(borrow)]
    Update(Members<'a>),
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Checks whether a text is an action line of a bulk request to Elasticsearch or
/// OpenSearch. It must have exactly one action, with known members only, none of them a
/// container.
pub(super) fn is_action(text: &[u8]) -> bool {
    if text.len() > ACTION_BYTES_MAX || !text.trim_ascii_start().starts_with(b"{") {
        return false;
    }
    let Ok(action) = serde_json::from_slice::<Action<'_>>(text) else { return false };
    let (Action::Create(members)
    | Action::Delete(members)
    | Action::Index(members)
    | Action::Update(members)) = action;
    members
        .iter()
        .all(|(name, value)| MEMBERS.contains(&name.as_str()) && !value.get().starts_with(['{', '[']))
}
