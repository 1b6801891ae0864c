//! Reads a seal. All of its members must have the form that a filter writes.

use super::members::Members;
use super::sealed::{Sealed, Validity};
use crate::chain::id::{ChainId, Link, Unsettled};
use crate::hash::Algorithm;
use crate::policy::DIGEST_TEXT_BYTES;
use crate::record::tape::Tape;
use crate::schema::Disposition;
use crate::seal::VERSION;
use crate::text::base64url::{hash_from_text, is_base64url};

/// The number of digits in the fraction of a second.
const NANOSECOND_DIGITS: usize = 9;

/// The members of a seal that are arrays of strings.
const LISTS: [&str; 3] = ["notes", "redacted", "invalid"];

/// The members of a seal that are strings.
const TEXTS: [&str; 6] = ["normalized", "renamed", "schema", "disposition", "unchecked", "error"];

/// The members of a seal that are counts.
const COUNTS: [&str; 2] = ["invalid_count", "raw_bytes"];

/// The reason why the value of `audit` is not a seal.
pub(super) enum NoSeal {
    Malformed,
    UnknownVersion,
}

/// The keys of the closing members, which the leaf does not cover: `prev`, `head`, `sig`.
pub(super) type Closing = [Option<usize>; 3];

/// Reads the seal at node `audit`. Returns it with the keys of its closing members.
pub(super) fn read_seal(tape: &Tape, text: &[u8], audit: usize) -> Result<(Sealed, Closing), NoSeal> {
    let members = Members::of_many(tape, text, audit);
    if !members.is_string("v") {
        return Err(NoSeal::Malformed);
    }
    let version = members.string("v").and_then(|version| Version::from_text(&version));
    let version = version.ok_or(NoSeal::UnknownVersion)?;
    read_members(&members, version).ok_or(NoSeal::Malformed)
}

/// The parts of `v`.
struct Version {
    algorithm: Algorithm,
    policy_prefix: Option<[u8; DIGEST_TEXT_BYTES]>,
}

impl Version {
    fn from_text(text: &[u8]) -> Option<Version> {
        let [version, b'.', algorithm, policy @ ..] = text else {
            return None;
        };
        let algorithm = Algorithm::from_id(algorithm.wrapping_sub(b'0'));
        let algorithm = algorithm.filter(|_| *version == b'0' + VERSION)?;
        let policy_prefix = match policy {
            [] => None,
            [b'.', digest @ ..] if digest.iter().all(is_base64url) => Some(digest.try_into().ok()?),
            _ => return None,
        };
        Some(Version { algorithm, policy_prefix })
    }
}

fn read_members(members: &Members<'_>, version: Version) -> Option<(Sealed, Closing)> {
    let place = members.place()?;
    let link = match members.within("link") {
        Some(link) if place.sequence == 0 => Some(read_link(&link)?),
        Some(_) => return None,
        None => None,
    };
    let is_formed = members.is_string("tag")
        && LISTS.iter().all(|name| members.is_list_or_absent(name))
        && TEXTS.iter().all(|name| members.is_string_or_absent(name))
        && COUNTS.iter().all(|name| members.is_count_or_absent(name));
    if !is_formed {
        return None;
    }
    let policy = match members.key("policy") {
        Some(_) => Some(hash_from_text(&members.string("policy")?)?),
        None => None,
    };
    let (validity, disposition) = read_validity(members);
    let sealed = Sealed {
        chain: ChainId::from_text(&members.string("chain")?)?,
        algorithm: version.algorithm,
        place,
        previous: hash_from_text(&members.string("prev")?)?,
        head: hash_from_text(&members.string("head")?)?,
        link,
        seconds: seconds_of(&members.string("time")?)?,
        policy_prefix: version.policy_prefix,
        policy,
        notes: members.notes(),
        is_raw: members.key("error").is_some(),
        is_intact: false,
        unsealed_keys: 0,
        ignored_limit_hit: false,
        is_checkpoint: members.key("key").is_some(),
        validity,
        disposition,
    };
    let signature = members.key("sig");
    // Only a checkpoint is signed, and it names its key. The parts of the key are judged
    // with the signature.
    let is_whole = match sealed.is_checkpoint {
        true => members.is_object("key") && members.signature().is_some(),
        false => signature.is_none() && sealed.policy.is_none(),
    };
    is_whole.then_some((sealed, [members.key("prev"), members.key("head"), signature]))
}

fn read_link(link: &Members<'_>) -> Option<Link> {
    let place = link.place()?;
    let unsettled = match link.within("unsettled") {
        Some(unsettled) => {
            Some(Unsettled { place: unsettled.place()?, head: hash_from_text(&unsettled.string("head")?)? })
        }
        None => None,
    };
    // Unsettled records end with the record that the link refers to.
    let is_before = |unsettled: Unsettled| unsettled.place.position() <= place.after().position();
    unsettled.is_none_or(is_before).then_some(Link { place, unsettled })
}

/// Returns the seconds of a time: the seconds since 1970, a point, and nine digits.
fn seconds_of(time: &[u8]) -> Option<u64> {
    let (seconds, fraction) = time.split_at_checked(time.len().checked_sub(NANOSECOND_DIGITS + 1)?)?;
    let is_canonical = matches!(seconds, [b'0'] | [b'1'..=b'9', ..])
        && seconds.iter().chain(fraction.get(1..)?).all(u8::is_ascii_digit)
        && fraction.first() == Some(&b'.');
    core::str::from_utf8(seconds).ok().filter(|_| is_canonical)?.parse().ok()
}

fn read_validity(members: &Members<'_>) -> (Validity, Disposition) {
    let validity = match () {
        () if members.key("invalid").is_some() => Validity::Invalid,
        () if members.key("unchecked").is_some() => Validity::NotChecked,
        () if members.key("schema").is_some() => Validity::Valid,
        () => Validity::NoSchema,
    };
    let named = members.string("disposition").unwrap_or_default();
    let known = Disposition::ALL.into_iter().find(|known| *known.name().as_bytes() == *named);
    (validity, known.unwrap_or_default())
}
