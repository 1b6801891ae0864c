//! Pages of stores' answers without records: the last page of a search, a page without events, and
//! the message with which CloudWatch checks the destination of a subscription.
//!
//! A page has only members that are listed here, and no text that could be a record's: else an
//! unsealed record could hide in it.

use memchr::memmem;
use serde::Deserialize;

/// The maximum length of a page without records, in bytes. The token of a search over many shards
/// takes most of it.
const PAGE_BYTES_MAX: usize = 64 << 10;

/// Checks whether a text is exactly a page without records. A member that comes twice is refused,
/// as is any unknown one.
pub(super) fn is_empty(text: &[u8]) -> bool {
    // Nearly no text is a page, and a search for a member costs far less than a failed parse.
    let has = |member: &str| memmem::find(text, member.as_bytes()).is_some();
    text.len() <= PAGE_BYTES_MAX
        && (has(r#""hits""#) && is::<Search>(text)
            || has(r#""events""#) && is::<Events>(text)
            || has(r#""logEvents""#) && is::<Check>(text)
            || has(r#""Records""#) && is::<Records>(text))
}

fn is<'a, T: Deserialize<'a>>(text: &'a [u8]) -> bool {
    serde_json::from_slice::<T>(text).is_ok()
}

/// An array without elements.
type Empty = [u8; 0];

/// Hits of Elasticsearch and OpenSearch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the types of the members count")]
struct Search {
    hits: Hits,
    took: Option<u64>,
    timed_out: Option<bool>,
    terminated_early: Option<bool>,
    num_reduce_phases: Option<u64>,
    status: Option<u64>,
    _scroll_id: Option<Token>,
    pit_id: Option<Token>,
    _shards: Option<Shards>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the types of the members count")]
struct Hits {
    hits: Empty,
    total: Option<Total>,
    max_score: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the types of the members count")]
enum Total {
    Number(u64),
    Related(Related),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the types of the members count")]
struct Related {
    value: u64,
    relation: Option<Relation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Relation {
    Eq,
    Gte,
}

/// The number of shards. If some failed, the answer also has the reasons, and is no such page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the types of the members count")]
struct Shards {
    total: u64,
    successful: Option<u64>,
    skipped: Option<u64>,
    failed: Option<u64>,
}

/// Events of CloudWatch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "only the types of the members count")]
struct Events {
    events: Empty,
    next_token: Option<Token>,
    next_forward_token: Option<Token>,
    next_backward_token: Option<Token>,
    searched_log_streams: Option<Vec<Searched>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "only the types of the members count")]
struct Searched {
    log_stream_name: Token,
    searched_completely: bool,
}

/// The check of a destination by a subscription of CloudWatch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "only the types of the members count")]
struct Check {
    message_type: CheckType,
    owner: Option<Token>,
    log_group: Option<Token>,
    log_stream: Option<Token>,
    subscription_filters: Option<Vec<Token>>,
    log_events: [CheckEvent; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum CheckType {
    ControlMessage,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the types of the members count")]
struct CheckEvent {
    id: Token,
    timestamp: u64,
    message: CheckText,
}

/// Records of Kinesis.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[expect(dead_code, reason = "only the types of the members count")]
struct Records {
    records: Empty,
    next_shard_iterator: Option<Token>,
    millis_behind_latest: u64,
    child_shards: Option<Empty>,
}

/// A text without spaces, quotes and braces, as names and tokens of stores are.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Token;

impl TryFrom<String> for Token {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Token, &'static str> {
        let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-.,:|~$@#%[]".contains(&byte);
        if text.bytes().all(is_of_token) { Ok(Token) } else { Err("not a token") }
    }
}

/// The text of a check.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct CheckText;

impl TryFrom<String> for CheckText {
    type Error = &'static str;

    fn try_from(text: String) -> Result<CheckText, &'static str> {
        /// The maximum length of the destination's name, in bytes.
        const NAME_BYTES_MAX: usize = 32;
        let name = text.strip_prefix("CWL CONTROL MESSAGE: Checking health of destination ");
        let name = name.and_then(|name| name.strip_suffix('.'));
        let is_name = |name: &str| {
            name.len() <= NAME_BYTES_MAX
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
        };
        if name.is_some_and(is_name) { Ok(CheckText) } else { Err("not a check") }
    }
}
