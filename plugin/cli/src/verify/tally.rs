//! Counts of the seals' statements: redactions by rule and path, and records by schema.
//!
//! Only reports that show these counts collect them. Anybody who writes a log can make up
//! rules, paths and schemas. So each count has a limit, and everything beyond it is
//! counted together.

use flb_audit_core::chain::{ChainId, Life};
use flb_audit_core::verify::{Sealed, SealedRecord, Validity};
use std::collections::BTreeMap;

/// The maximum number of rules, and of schemas, that are distinguished for a chain.
const NAMES_MAX: usize = 100;
/// The maximum number of rows of redactions, and of violations, that are distinguished
/// for a chain.
const ROWS_MAX: usize = 1000;
/// The maximum number of these rows for all chains together.
const ALL_ROWS_MAX: usize = 50_000;
/// The maximum number of days that are distinguished.
const DAYS_MAX: usize = 4000;
/// The maximum length of the name of a rule or a schema, in characters.
const NAME_CHARACTERS_MAX: usize = 100;
/// The maximum length of a path, in characters.
const PATH_CHARACTERS_MAX: usize = 300;
/// A day, in seconds.
pub(super) const DAY_SECONDS: u64 = 86_400;

/// The statements of one record's seal on redactions and its schema.
pub(super) struct Said {
    pub(super) redacted: Vec<(Redaction, u64)>,
    pub(super) schema: Option<String>,
    pub(super) violations: Vec<Violation>,
}

/// A rule, its action, and the path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Redaction {
    pub(super) rule: String,
    pub(super) action: String,
    pub(super) path: String,
}

/// A schema, the keyword that was not met, and its place in the schema.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Violation {
    pub(super) schema: String,
    pub(super) keyword: String,
    pub(super) place: String,
}

impl Said {
    /// Reads the statements of a seal. Returns `None` if it has none, as most seals do.
    pub(super) fn of(record: &SealedRecord<'_>) -> Option<Box<Said>> {
        let schema = record.schema().map(|name| cut(&name, NAME_CHARACTERS_MAX));
        let redacted: Vec<_> = record.redacted().map(|entry| redaction(&entry)).collect();
        let of = schema.as_deref().unwrap_or_default();
        let violations: Vec<_> = record.invalid().map(|entry| violation(of, &entry)).collect();
        let says = schema.is_some() || !redacted.is_empty() || !violations.is_empty();
        says.then(|| Box::new(Said { redacted, schema, violations }))
    }
}

/// Reads an entry of `redacted`: `RULE ACTION*COUNT PATH`.
fn redaction(entry: &str) -> (Redaction, u64) {
    let mut parts = entry.splitn(3, ' ');
    let mut part = || parts.next().unwrap_or_default();
    let (rule, action, path) = (part(), part(), part());
    let (action, count) = action.split_once('*').unwrap_or((action, "1"));
    let redaction = Redaction {
        rule: cut(rule, NAME_CHARACTERS_MAX),
        action: cut(action, NAME_CHARACTERS_MAX),
        path: cut(path, PATH_CHARACTERS_MAX),
    };
    (redaction, count.parse().unwrap_or(1))
}

/// Reads an entry of `invalid`: the place in the record, the keyword, the place in the
/// schema.
fn violation(schema: &str, entry: &str) -> Violation {
    let mut parts = entry.splitn(3, ' ').skip(1);
    let mut part = |characters_max| cut(parts.next().unwrap_or_default(), characters_max);
    Violation {
        schema: schema.to_owned(),
        keyword: part(NAME_CHARACTERS_MAX),
        place: part(PATH_CHARACTERS_MAX),
    }
}

fn cut(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Counts by name, up to a limit.
pub(super) struct Counts<K> {
    pub(super) counts: BTreeMap<K, u64>,
    /// The count of everything beyond the limit.
    pub(super) others: u64,
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Counts { counts: BTreeMap::new(), others: 0 }
    }
}

impl<K: Ord> Counts<K> {
    /// Adds to a count. Returns whether the name is new.
    fn add(&mut self, name: K, count: u64, max: usize) -> bool {
        if let Some(counted) = self.counts.get_mut(&name) {
            *counted = counted.saturating_add(count);
            return false;
        }
        if self.counts.len() < max {
            self.counts.insert(name, count);
            return true;
        }
        self.others = self.others.saturating_add(count);
        false
    }
}

/// The numbers of records of one schema, by the result that their seals state.
#[derive(Clone, Copy, Default)]
pub(super) struct OfSchema {
    pub(super) valid: u64,
    pub(super) invalid: u64,
    pub(super) unchecked: u64,
}

/// The statements of one chain's seals.
#[derive(Default)]
pub(super) struct Tally {
    /// Records with redactions.
    pub(super) redacted_records: u64,
    /// The number of redactions by each rule.
    pub(super) rules: Counts<String>,
    pub(super) redactions: Counts<Redaction>,
    /// The records by schema. Records of schemas beyond the limit are counted under an
    /// empty name.
    pub(super) schemas: BTreeMap<String, OfSchema>,
    pub(super) violations: Counts<Violation>,
}

/// The statements of all chains' seals.
#[derive(Default)]
pub(super) struct Tallies {
    /// The tallies by chain. All chains that the roster does not have are one.
    pub(super) of_chains: BTreeMap<Option<ChainId>, Tally>,
    /// The number of records by day, in days since 1970.
    pub(super) days: Counts<u64>,
    /// The times of the earliest and of the latest record of each life.
    pub(super) times: BTreeMap<Life, (u64, u64)>,
    rows: usize,
}

impl Tallies {
    /// Adds an intact record. `is_known` is true if the roster has its chain, or if there
    /// is no roster.
    pub(super) fn add(&mut self, sealed: &Sealed, said: Option<&Said>, is_known: bool) {
        let seconds = sealed.seconds;
        let (from, to) = self.times.entry(sealed.place.life(sealed.chain)).or_insert((seconds, seconds));
        (*from, *to) = (seconds.min(*from), seconds.max(*to));
        if is_known {
            self.days.add(seconds / DAY_SECONDS, 1, DAYS_MAX);
        }
        let Some(said) = said else { return };
        let tally = self.of_chains.entry(is_known.then_some(sealed.chain)).or_default();
        let rows_max = if self.rows < ALL_ROWS_MAX { ROWS_MAX } else { 0 };
        tally.redacted_records += u64::from(!said.redacted.is_empty());
        for (redaction, count) in &said.redacted {
            tally.rules.add(redaction.rule.clone(), *count, NAMES_MAX);
            self.rows += usize::from(tally.redactions.add(redaction.clone(), *count, rows_max));
        }
        for violation in &said.violations {
            self.rows += usize::from(tally.violations.add(violation.clone(), 1, rows_max));
        }
        if let Some(schema) = &said.schema {
            let has_place = tally.schemas.len() < NAMES_MAX || tally.schemas.contains_key(schema);
            let name = if has_place { schema.clone() } else { String::new() };
            let of_schema = tally.schemas.entry(name).or_default();
            match sealed.validity {
                Validity::NoSchema => {}
                Validity::Valid => of_schema.valid += 1,
                Validity::Invalid => of_schema.invalid += 1,
                Validity::NotChecked => of_schema.unchecked += 1,
            }
        }
    }
}
