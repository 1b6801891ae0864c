//! One record: the statements in its seal, its hashes, and its checkpoint.

use crate::json::Value;
use crate::memo::Memo;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256, Sha512_256};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A segment, a run, and a number.
pub type Place = (u64, String, u64);

/// The record that a segment continues, and maybe the first record that may not have been
/// delivered, with the head before it.
pub type Link = (Place, Option<(Place, [u8; 32])>);
/// The head before the first record of a chain.
pub const GENESIS: [u8; 32] = [0; 32];
/// Members that outputs add.
const OUTPUT_MEMBERS: [&str; 3] = ["date", "@timestamp", "_flb-key"];

/// The result of reading a record.
#[derive(Clone, Debug)]
pub enum Read {
    /// The text is not JSON, or has an unknown version
    Unreadable,
    /// A record without `audit`
    Unsealed,
    /// An `audit` that no filter can have written
    Malformed,
    /// A record with a seal
    Sealed(Box<Record>),
}

/// A record with a seal.
#[derive(Clone, Debug)]
pub struct Record {
    /// The name of the chain
    pub chain: String,
    /// The place in the chain
    pub place: Place,
    /// The head before the record
    pub prev: [u8; 32],
    /// The head after the record
    pub head: [u8; 32],
    /// The seconds of its time
    pub seconds: u64,
    /// The member `v`
    pub version: String,
    /// The member `policy`
    pub policy: Option<String>,
    /// The record that it continues
    pub link: Option<Link>,
    /// The member `notes`
    pub notes: Vec<String>,
    /// True if its hashes fit
    pub is_intact: bool,
    /// The record's statements about its key, and the signature
    pub key: Option<(Value, String)>,
}

/// A valid checkpoint: its key, and the handovers in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Good {
    /// The number of the key
    pub n: u64,
    /// The handovers: key, place, and the head before it
    pub since: Vec<(u64, Place, [u8; 32])>,
    /// True if key 0 says that the chain is a ledger's
    pub is_of_ledger: bool,
    /// The checkpoint's statement about a fleet
    pub enrollment: Option<Enrollment>,
}

/// The reason why a checkpoint does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// The key is not certified for the chain
    NotCertified,
    /// The text differs from what the key signed
    Tampered,
}

// Caches, because games of one fleet ask the same questions again and again.
thread_local! {
    static READ: RefCell<Memo<Read>> = RefCell::default();
    static SIGNED: RefCell<Memo<bool>> = RefCell::default();
}

fn is_base64url(text: &str, characters: usize) -> bool {
    text.len() == characters && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Decodes base64url without padding. Accepts the one canonical form only.
pub fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// Encodes bytes in base64url without padding.
pub fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns the name of a chain.
pub fn chain(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let is_name = is_base64url(text, 12) || text.strip_prefix('~').is_some_and(|rest| is_base64url(rest, 11));
    is_name.then(|| text.to_owned())
}

fn place(value: &Value) -> Option<Place> {
    let run = value.get("run")?.as_str().filter(|run| is_base64url(run, 6))?.to_owned();
    let segment = value.get("seg")?.as_integer().filter(|segment| *segment > 0)?;
    let number = value.get("seq")?.as_integer().filter(|number| *number < u64::MAX)?;
    Some((segment, run, number))
}

fn read_link(value: &Value) -> Option<Link> {
    let to = place(value)?;
    let unsettled = match value.get("unsettled") {
        Some(from) => Some((place(from)?, hash(from.get("head")?)?)),
        None => None,
    };
    let is_before = |from: &Place| (from.0, u128::from(from.2)) <= (to.0, u128::from(to.2) + 1);
    unsettled.as_ref().is_none_or(|(from, _)| is_before(from)).then_some((to, unsettled))
}

fn hash(value: &Value) -> Option<[u8; 32]> {
    bytes(value.as_str()?)
}

fn seconds(value: &Value) -> Option<u64> {
    let (seconds, rest) = value.as_str()?.split_once('.')?;
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = are_digits(seconds) && are_digits(rest) && rest.len() == 9;
    seconds.parse().ok().filter(|number: &u64| is_time && number.to_string() == seconds)
}

fn is_version(text: &str) -> bool {
    let rest = text.strip_prefix("1.1").or_else(|| text.strip_prefix("1.2"));
    rest.is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('.').is_some_and(|digest| is_base64url(digest, 8))
    })
}

/// Hashes with the function that `v` names.
pub fn digest(version: &str, parts: &[&[u8]]) -> [u8; 32] {
    let all = parts.concat();
    if version.starts_with("1.1") { Sha256::digest(&all).into() } else { Sha512_256::digest(&all).into() }
}

/// Returns the leaf of a record without the members that outputs added, and its head.
pub fn hashes(record: &Value, version: &str, prev: &[u8; 32]) -> Option<([u8; 32], [u8; 32])> {
    let mut record = record.clone();
    for (key, value) in record.members_mut()? {
        if key == "audit" {
            let is_signed = value.get("key").is_some();
            let is_left_out = |name: &str| name == "prev" || name == "head" || name == "sig" && is_signed;
            value.members_mut()?.retain(|(name, _)| !is_left_out(name));
        }
    }
    let leaf = digest(version, &[b"flb-audit leaf v1\n", record.canonical()?.as_bytes()]);
    Some((leaf, digest(version, &[b"flb-audit head v1\n", prev, &leaf])))
}

/// Returns true if the hashes fit for some choice of members that outputs may have added.
fn is_intact(record: &Value, version: &str, prev: &[u8; 32], head: &[u8; 32]) -> bool {
    let members = record.members();
    let of_outputs: Vec<usize> =
        (0..members.len()).filter(|at| OUTPUT_MEMBERS.contains(&&*members[*at].0)).collect();
    let fits = |left_out: &[usize]| {
        let kept = (0..members.len()).filter(|at| !left_out.contains(at)).map(|at| members[at].clone());
        hashes(&Value::Object(kept.collect()), version, prev).is_some_and(|(_, now)| now == *head)
    };
    // Tries every choice of the first seven members. Later ones are kept.
    let tried = &of_outputs[..of_outputs.len().min(7)];
    (0..1u32 << tried.len()).any(|choice| {
        let is_left_out = |bit: &usize| choice >> bit & 1 == 1;
        let left_out: Vec<usize> = (0..tried.len()).filter(is_left_out).map(|bit| tried[bit]).collect();
        let is_behind =
            |out: usize| (0..out).any(|at| !left_out.contains(&at) && members[at].0 == members[out].0);
        !left_out.iter().any(|out| is_behind(*out)) && fits(&left_out)
    })
}

/// Returns the elements of a line that is an array, and of arrays in it, as lines.
pub fn elements(line: &str) -> Vec<String> {
    fn push(value: &Value, all: &mut Vec<String>) {
        match value {
            Value::Array(elements) => elements.iter().for_each(|element| push(element, all)),
            _ => all.push(value.text()),
        }
    }
    let Some(value @ Value::Array(_)) =
        Some(line).filter(|line| line.trim_start().starts_with('[')).and_then(Value::parse)
    else {
        return vec![line.to_owned()];
    };
    let mut all = Vec::new();
    push(&value, &mut all);
    all
}

/// Reads a line of a log.
pub fn read(line: &str) -> Read {
    READ.with_borrow_mut(|memo| memo.get(line, || read_anew(line)))
}

fn read_anew(line: &str) -> Read {
    let Some(value) = Value::parse(line) else { return Read::Unreadable };
    if !matches!(value, Value::Object(_)) {
        return Read::Unreadable;
    }
    let Some(audit) = value.get("audit") else { return Read::Unsealed };
    if value.members().iter().filter(|(name, _)| name == "audit").count() > 1 {
        return Read::Malformed;
    }
    match audit.get("v") {
        Some(Value::String(version)) if !is_version(version) => Read::Unreadable,
        _ => record(&value, audit).map_or(Read::Malformed, |record| Read::Sealed(Box::new(record))),
    }
}

fn record(value: &Value, audit: &Value) -> Option<Record> {
    let optional = |name: &str| audit.get(name);
    let is_string = |value: &Value| value.as_str().is_some();
    let is_strings = |value: &Value| value.as_array().is_some_and(|all| all.iter().all(is_string));
    let are = |names: &[&str], is_form: &dyn Fn(&Value) -> bool| {
        names.iter().all(|name| optional(name).is_none_or(is_form))
    };
    let are_forms = are(&["notes", "redacted", "invalid"], &is_strings)
        && are(&["normalized", "renamed", "schema", "disposition", "unchecked", "error"], &is_string)
        && are(&["invalid_count", "raw_bytes"], &|value| value.as_integer().is_some())
        && are(&["policy"], &|value| hash(value).is_some())
        && are(&["sig"], &|value| value.as_str().is_some_and(|text| bytes::<64>(text).is_some()))
        && are(&["key"], &|value| matches!(value, Value::Object(_)));
    let link = match optional("link") {
        Some(link) => Some(read_link(link)?),
        None => None,
    };
    let version = audit.get("v")?.as_str()?.to_owned();
    let (prev, head) = (hash(audit.get("prev")?)?, hash(audit.get("head")?)?);
    let signature = optional("sig").and_then(Value::as_str).map(str::to_owned);
    let is_paired = optional("key").is_some() == signature.is_some();
    let place = place(audit)?;
    let is_policy_signed = optional("policy").is_none() || optional("key").is_some();
    if !are_forms || !is_paired || !is_policy_signed || link.is_some() && place.2 > 0 {
        return None;
    }
    audit.get("tag")?.as_str()?;
    Some(Record {
        chain: chain(audit.get("chain")?)?,
        seconds: seconds(audit.get("time")?)?,
        policy: optional("policy").and_then(Value::as_str).map(str::to_owned),
        notes: optional("notes")
            .and_then(Value::as_array)
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        is_intact: is_intact(value, &version, &prev, &head),
        key: optional("key").cloned().zip(signature),
        place,
        prev,
        head,
        version,
        link,
    })
}

/// Reads an anchor as a record of which only the checkpoint is known.
pub fn read_anchor(line: &str) -> Option<Record> {
    read_outer_anchor(line).filter(has_all_parts)
}

/// Returns true if all parts of a checkpoint are there and have their forms.
fn has_all_parts(checkpoint: &Record) -> bool {
    let mut are_read = false;
    // Key 0 is asked for when all parts were read.
    let _ = judge(checkpoint, |_| {
        are_read = true;
        Err(Bad::NotCertified)
    });
    are_read
}

fn read_outer_anchor(line: &str) -> Option<Record> {
    let value = Value::parse(line)?;
    // An object with a duplicate key has no canonical form.
    value.canonical()?;
    let signature = value.get("sig")?.as_str()?.to_owned();
    Some(Record {
        chain: chain(value.get("chain")?)?,
        place: place(&value)?,
        prev: GENESIS,
        head: hash(value.get("head")?)?,
        seconds: 0,
        version: "1.2".to_owned(),
        policy: None,
        link: None,
        notes: Vec::new(),
        is_intact: true,
        key: Some((value.get("key")?.clone(), signature)),
    })
}

/// Returns true if an anchor says that its record was delivered.
pub fn is_delivered(line: &str) -> bool {
    let anchor = Value::parse(line).unwrap_or(Value::Null);
    anchor.get("delivered").is_some_and(|said| said.text() == "true")
}

/// Returns true if a key has signed a text.
pub fn has_signed(key: &[u8; 32], message: &str, signature: &str) -> bool {
    let signed = || {
        let signature = Signature::from_bytes(&bytes(signature)?);
        VerifyingKey::from_bytes(key).ok()?.verify_strict(message.as_bytes(), &signature).ok()
    };
    let asked = format!("{signature} {} {message}", text(key));
    SIGNED.with_borrow_mut(|memo| memo.get(&asked, || signed().is_some()))
}

/// Returns the text that a certificate signs.
pub fn certificate_text(chain: &str, n: u64, public: &str, is_ledger: bool) -> String {
    format!("flb-audit key v1\n{chain}\n{n}\n{public}\n{}", role_line(is_ledger))
}

/// Returns the text that a handover signs.
pub fn handover_text(chain: &str, n: u64, place: &Place, head: &[u8; 32]) -> String {
    let (segment, run, number) = place;
    format!("flb-audit handover v1\n{chain}\n{n}\n{segment}.{run}.{number}\n{}\n", text(head))
}

/// Returns the text that a checkpoint signs.
pub fn checkpoint_text(chain: &str, n: u64, place: &Place, head: &[u8; 32]) -> String {
    let ((segment, run, number), head) = (place, STANDARD.encode(head));
    let size = u128::from(*number) + 1;
    format!("flb-audit/{chain}/{segment}.{run}\n{size}\n{head}\nkey {n}\n")
}

/// A fleet's statement on a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrollment {
    /// The node's name
    pub node: String,
    /// Key 0
    pub key_0: [u8; 32],
    /// When it was signed
    pub since: u64,
    /// The end of the time in which the enrollment counts (exclusive)
    pub until: Option<u64>,
    /// True if the chain is a ledger's
    pub is_ledger: bool,
    /// Public part, since, until, role and signature of a key that was lent
    by: Option<([u8; 32], u64, u64, bool, String)>,
    signature: String,
}

/// Returns whether a statement says that a chain is a ledger's, or `None` if it says
/// something else of its role.
fn is_ledger(of: &Value) -> Option<bool> {
    match of.get("role") {
        None => Some(false),
        Some(role) => (role.as_str()? == "ledger").then_some(true),
    }
}

impl Enrollment {
    fn read(of: &Value) -> Option<Enrollment> {
        let optional = |name: &str| match of.get(name) {
            Some(value) => value.as_integer().map(Some),
            None => Some(None),
        };
        let signature = |of: &Value| {
            let text = of.get("sig")?.as_str()?;
            bytes::<64>(text).map(|_| text.to_owned())
        };
        let number = |of: &Value, name: &str| of.get(name)?.as_integer();
        let lent = |by: &Value| {
            let (since, until) = (number(by, "since")?, number(by, "until")?);
            Some((hash(by.get("pub")?)?, since, until, is_ledger(by)?, signature(by)?))
        };
        Some(Enrollment {
            node: of.get("node")?.as_str().filter(|node| node.len() <= 253)?.to_owned(),
            key_0: hash(of.get("pub")?)?,
            since: number(of, "since")?,
            until: optional("until")?,
            is_ledger: is_ledger(of)?,
            by: match of.get("by") {
                Some(by) => Some(lent(by)?),
                None => None,
            },
            signature: signature(of)?,
        })
    }

    /// Checks that a fleet vouches for this chain.
    pub fn is_of(&self, chain: &str, fleet: &[u8; 32]) -> bool {
        let is_plain = |byte: u8| (b'!'..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
        let signer = match &self.by {
            None => *fleet,
            Some((key, since, until, may_enroll_ledgers, signature)) => {
                let lent = lent_text(&text(key), *since, *until, *may_enroll_ledgers);
                let is_of_role = *may_enroll_ledgers || !self.is_ledger;
                let is_lent = has_signed(fleet, &lent, signature) && is_of_role;
                if !is_lent || self.since < *since || self.since >= *until {
                    return false;
                }
                *key
            }
        };
        let signed =
            enrollment_text(chain, &text(&self.key_0), &self.node, (self.since, self.until), self.is_ledger);
        chain == chain_of(&self.key_0)
            && !self.node.is_empty()
            && self.node.bytes().all(is_plain)
            && has_signed(&signer, &signed, &self.signature)
    }
}

/// The name of a chain that begins with a key.
pub fn chain_of(key_0: &[u8; 32]) -> String {
    text(&digest("1.2", &[b"flb-audit chain v1\n", key_0])[..9])
}

/// The text of a lent key.
pub fn lent_text(public: &str, since: u64, until: u64, is_ledger: bool) -> String {
    format!("flb-audit lent key v1\n{public}\n{since}\n{until}\n{}", role_line(is_ledger))
}

fn role_line(is_ledger: bool) -> &'static str {
    if is_ledger { "ledger\n" } else { "" }
}

/// The text of an enrollment.
pub fn enrollment_text(
    chain: &str,
    key_0: &str,
    node: &str,
    (since, until): (u64, Option<u64>),
    is_ledger: bool,
) -> String {
    let until = until.map(|until| until.to_string()).unwrap_or_default();
    let role = role_line(is_ledger);
    format!("flb-audit enrollment v1\n{chain}\n{key_0}\n{node}\n{since}\n{until}\n{role}")
}

/// Judges a checkpoint of a chain whose key 0 follows from what it says of its enrollment.
pub fn judge(
    record: &Record,
    key_0: impl FnOnce(Option<&Enrollment>) -> Result<[u8; 32], Bad>,
) -> Result<Good, Bad> {
    let (key, signature) = record.key.as_ref().ok_or(Bad::Tampered)?;
    let chain = &record.chain;
    let number = |value: &Value| value.get("n")?.as_integer().filter(|n| *n < 1 << 32);
    let string = |value: &Value, name: &str| value.get(name)?.as_str().map(str::to_owned);
    let n = number(key).ok_or(Bad::Tampered)?;
    let list = |name: &str| {
        let list = key.get(name).and_then(Value::as_array);
        list.filter(|list| list.len() <= 40).ok_or(Bad::Tampered)
    };
    let is_signature = |text: &String| bytes::<64>(text).is_some();
    let certificate = |of: &Value| {
        let public = string(of, "pub")?;
        let key: [u8; 32] = bytes(&public)?;
        Some((number(of)?, public, key, is_ledger(of)?, string(of, "sig").filter(is_signature)?))
    };
    let handover = |of: &Value| {
        let head = hash(of.get("head")?)?;
        Some((number(of)?, place(of)?, head, string(of, "sig").filter(is_signature)?))
    };
    // Require all parts before judging any.
    let certificates: Option<Vec<_>> = list("certs")?.iter().map(certificate).collect();
    let handovers: Option<Vec<_>> = list("since")?.iter().map(handover).collect();
    let (certificates, handovers) = certificates.zip(handovers).ok_or(Bad::Tampered)?;
    let enrollment = match key.get("fleet") {
        Some(of) => Some(Enrollment::read(of).ok_or(Bad::Tampered)?),
        None => None,
    };
    let key_0 = key_0(enrollment.as_ref())?;

    let mut keys = BTreeMap::from([(0, key_0)]);
    let mut is_of_ledger = false;
    for (of, public, bytes, is_ledger, signature) in certificates {
        if keys.last_key_value().is_some_and(|(last, _)| *last >= of) {
            return Err(Bad::NotCertified);
        }
        let signer = keys.get(&(of & of.wrapping_sub(1))).ok_or(Bad::NotCertified)?;
        if !has_signed(signer, &certificate_text(chain, of, &public, is_ledger), &signature) {
            return Err(Bad::NotCertified);
        }
        is_of_ledger |= is_ledger && of.is_power_of_two();
        keys.insert(of, bytes);
    }
    let mut since = Vec::new();
    for (of, at, head, signature) in handovers {
        let signer = of.checked_sub(1).and_then(|of| keys.get(&of)).ok_or(Bad::NotCertified)?;
        if !has_signed(signer, &handover_text(chain, of, &at, &head), &signature) {
            return Err(Bad::NotCertified);
        }
        since.push((of, at, head));
    }
    let expected = [n, n.saturating_sub(1)].into_iter().filter(|n| *n > 0);
    if !since.iter().map(|(of, ..)| *of).eq(expected) {
        return Err(Bad::NotCertified);
    }
    let signer = keys.get(&n).ok_or(Bad::NotCertified)?;
    if !has_signed(signer, &checkpoint_text(chain, n, &record.place, &record.head), signature) {
        return Err(Bad::Tampered);
    }
    let position = |place: &Place| (place.0, place.2);
    if since.iter().any(|(_, at, _)| position(at) > position(&record.place)) {
        return Err(Bad::NotCertified);
    }
    Ok(Good { n, since, is_of_ledger, enrollment })
}
