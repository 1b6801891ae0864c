//! `flb-audit find`: looks for a value in sealed logs, as its HMAC and in the clear.
//!
//! A token names its class and its key. So every token of that key is compared with the
//! token that the value would have in the same class.

mod number;
mod paths;
mod texts;

use crate::complain;

use crate::exit;
use crate::ignored::IgnoredKeys;
use crate::input::{self, At, Record, Seen, Source, Unread};
use crate::listed::{LISTED_MAX, Listed};
use crate::stdout::shown;
use crate::terminal::print_report;
use crate::whole;
use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use flb_audit_core::Tape;
use flb_audit_core::record::tape::Dialect;
use flb_audit_core::redact::HmacKey;
use flb_audit_core::text::NAME_BYTES_MAX;
use flb_audit_core::verify::{Checked, Checker};
use memchr::{memchr, memmem};
use number::Number;
use paths::Paths;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use texts::{Text, walk};

/// Look for a value in sealed logs: for tokens of the action hmac, and for the value
/// itself
///
/// Prints the file, the line or element, and the path of each place. Numbers are compared by
/// their value. If some input cannot be read, the rest is still searched, and the exit code is 1.
#[derive(Args)]
pub(crate) struct Find {
    /// The value as it stood in the record. `-` reads it from the first line of standard
    /// input, so that it shows in no list of processes
    #[arg(long, allow_hyphen_values = true)]
    value: String,
    /// The key file that the filters used
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The logs, as outputs wrote them or stores return them
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    ignored: IgnoredKeys,
}

/// A record that contains the value.
struct Hit {
    /// The paths of the value's tokens, if there are any.
    tokens: String,
    /// The paths of the value itself, if there are any.
    clear: String,
    is_intact: bool,
}

/// The maximum length of a value, in bytes: no record is longer.
const VALUE_BYTES_MAX: u64 = flb_audit_core::RECORD_BYTES_MAX as u64;

/// The number of characters of the HMAC in a token.
const MAC_CHARACTERS: usize = 22;

impl Find {
    pub(crate) fn run(self) -> Result<u8> {
        let name = self.key.display();
        let file = whole::read(&self.key).with_context(|| format!("{name}: cannot be read"))?;
        let key = HmacKey::from_file(&file)
            .ok_or_else(|| anyhow!("{name}: not a key file; `flb-audit hmac-key` makes one"))?;
        let value = match &*self.value {
            "-" => {
                let line = BufReader::new(std::io::stdin().take(VALUE_BYTES_MAX + 1)).lines().next();
                line.context("no value on standard input")??
            }
            value => value.to_owned(),
        };
        ensure!(
            value.len() as u64 <= VALUE_BYTES_MAX,
            "--value: more than {VALUE_BYTES_MAX} bytes, which no record has; name the value to find"
        );
        ensure!(
            !value.is_empty(),
            "--value: empty, and an empty value is never redacted; name the value to find"
        );
        let sources = Source::all(self.files)?;
        let ignored = self.ignored.all();
        let worker = || {
            let mut checker = Checker::new(ignored.clone());
            let searched = Searched::new(&key, &value);
            let mut tape = Tape::new();
            move |at: At, record: Result<Record<'_>, Unread>| match record {
                Ok(record) => searched.find_in(&mut checker, &mut tape, &record).map(|found| (at, found)),
                Err(torn @ Unread::Torn) => Seen::Record((at, Err(Unsearched::Half(torn.to_string())))),
                Err(unread) => Seen::Record((at, Err(Unsearched::Rest(unread.to_string())))),
            }
        };
        let (mut hits, mut in_clear) = (Listed::new(), 0);
        // The first reason is enough for each source, and for that there is enough
        // memory.
        let mut unread: BTreeMap<usize, (u64, String)> = BTreeMap::new();
        let mut is_read_to_end = true;
        input::read_encrypted(&sources, None, worker, |(at, found)| {
            match found {
                Ok(Some(hit)) => {
                    in_clear += u64::from(!hit.clear.is_empty());
                    hits.add(at, hit);
                }
                Ok(None) => {}
                Err(unsearched) => {
                    let (Unsearched::Half(reason) | Unsearched::Rest(reason)) = &unsearched;
                    is_read_to_end &= matches!(unsearched, Unsearched::Half(_));
                    let first = unread.entry(at.source).or_insert_with(|| (at.number, reason.clone()));
                    if at.number < first.0 {
                        *first = (at.number, reason.clone());
                    }
                }
            }
            Ok(())
        })?;
        for (source, (number, reason)) in &unread {
            complain(format_args!("{}:{number}: {reason}", sources[*source].name()));
        }
        let is_found = hits.count() > 0;
        print_report(&report(hits, in_clear, &sources))?;
        Ok(match () {
            () if !is_read_to_end => exit::FAILED,
            () if is_found => exit::FOUND,
            // The value may have been in the torn part of a line.
            () if !unread.is_empty() => exit::FAILED,
            () => exit::NOT_FOUND,
        })
    }
}

/// Returns the report on the hits, of which `in_clear` have the value itself.
fn report(hits: Listed<Hit>, in_clear: u64, sources: &[Source]) -> String {
    let mut report = String::new();
    let count = hits.count();
    let (first, others) = hits.into_first();
    for (At { source, number }, hit) in &first {
        let seal = if hit.is_intact { "intact" } else { "NOT as it was sealed, or not sealed" };
        for (paths, how) in [(&hit.tokens, ""), (&hit.clear, " in the clear")] {
            if !paths.is_empty() {
                let paths = shown(paths);
                report += &format!("{}:{number}: {paths}{how} ({seal})\n", sources[*source].name());
            }
        }
    }
    if others > 0 {
        report += &format!("{others} more records; only the first {LISTED_MAX} are listed\n");
    }
    if in_clear > 0 {
        report +=
            &format!("the value itself stands in {in_clear} records, in the clear: the policy kept it\n");
    }
    report += &format!("found in {count} records\n");
    report
}

/// Text that was not searched, and the reason.
enum Unsearched {
    /// The torn part of a record. The whole record behind it was searched.
    Half(String),
    /// The rest of an input, or a whole record.
    Rest(String),
}

/// The value that is searched for, with the patterns for it.
struct Searched<'a> {
    key: &'a HmacKey,
    value: &'a str,
    /// The value as a number, if it is one: it can be written in several ways.
    number: Option<Number>,
    /// The key's name as it stands in tokens.
    key_name: memmem::Finder<'static>,
    clear: memmem::Finder<'a>,
}

impl<'a> Searched<'a> {
    fn new(key: &'a HmacKey, value: &'a str) -> Self {
        let name = [b":", key.id(), b":"].concat();
        let key_name = memmem::Finder::new(&name).into_owned();
        Searched { key, value, number: Number::of(value), key_name, clear: memmem::Finder::new(value) }
    }

    /// Searches a record. The record is checked and decoded only if a quick search finds a
    /// candidate, or an escape that may hide one. Any text but a record may hide one in other
    /// ways.
    fn find_in(
        &self,
        checker: &mut Checker,
        tape: &mut Tape,
        record: &Record<'_>,
    ) -> Seen<Result<Option<Hit>, Unsearched>> {
        let text = record.text;
        let read = tape.read_value(text, Dialect::Json);
        if memchr(b'\\', text).is_none()
            && self.number.is_none()
            && self.key_name.find(text).is_none()
            && self.clear.find(text).is_none()
            && read.is_ok()
            && input::is_record(tape, text)
        {
            return Seen::Record(Ok(None));
        }
        let checked = checker.check(text);
        let is_intact = matches!(&checked, Ok(Checked::Sealed(sealed)) if sealed.is_intact);
        let is_record = !matches!(checked, Ok(Checked::Unsealed) | Err(_));
        let found =
            read.map_err(|error| Unsearched::Rest(format!("cannot be searched: {error}"))).map(|()| {
                let within = record.place.path();
                let (mut tokens, mut clear) = (Paths::default(), Paths::default());
                walk(tape, text, |path, is_in_seal, text| {
                    if matches!(text, Text::Words(text) if self.has_token(text.as_bytes())) {
                        tokens.add(within, path);
                    }
                    if !is_in_seal && self.is_value(&text) {
                        clear.add(within, path);
                    }
                });
                let (tokens, clear) = (tokens.into_text(), clear.into_text());
                (!tokens.is_empty() || !clear.is_empty()).then_some(Hit { tokens, clear, is_intact })
            });
        if is_record { Seen::Record(found) } else { Seen::Other(found) }
    }

    /// Checks whether a text contains the value, or a number is the value.
    fn is_value(&self, text: &Text<'_>) -> bool {
        match text {
            Text::Words(text) => self.has_value(text),
            Text::Number(token) => self.number.is_some() && Number::of(token) == self.number,
        }
    }

    fn has_token(&self, text: &[u8]) -> bool {
        self.key_name.find_iter(text).any(|at| is_token(text, at, self.key, self.value.as_bytes()))
    }

    /// Checks whether a text contains the value, and not only as part of a longer word.
    fn has_value(&self, text: &str) -> bool {
        let is_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
        self.clear.find_iter(text.as_bytes()).any(|at| {
            let (before, after) = (&text[..at], &text[at + self.value.len()..]);
            let starts_inside = is_word(self.value.chars().next()) && is_word(before.chars().next_back());
            let ends_inside = is_word(self.value.chars().next_back()) && is_word(after.chars().next());
            !starts_inside && !ends_inside
        })
    }
}

/// Checks whether the token with its key's name at `at` stands for `value`.
fn is_token(text: &[u8], at: usize, key: &HmacKey, value: &[u8]) -> bool {
    // The search goes back only as far as the longest name of a class.
    let first = at.saturating_sub(NAME_BYTES_MAX + 1);
    let Some(bracket) = text[first..at].iter().rposition(|byte| *byte == b'[') else {
        return false;
    };
    let start = first + bracket;
    let end = at + key.id().len() + 2 + MAC_CHARACTERS + 1;
    let mut token = Vec::new();
    key.write_token(&text[start + 1..at], value, &mut token).is_ok()
        && text.get(start..end) == Some(&token[..])
}
