//! `flb-audit find`: looks for a value in sealed logs, as its HMAC and in the clear.
//!
//! A token names its class and its key. So every token of that key is held
//! against the one that the value would have in the same class.

mod texts;

use crate::complain;

use crate::exit;
use crate::input::{self, At, Record, Seen, Source, Unread};
use crate::stdout::{print, shown};
use crate::verify::IgnoredKeys;
use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use flb_audit_core::redact::HmacKey;
use flb_audit_core::text::NAME_BYTES_MAX;
use flb_audit_core::verify::{Checked, Checker};
use memchr::{memchr, memmem};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use texts::walk;

/// Look for a value in sealed logs: for tokens that the action hmac left, and for
/// the value itself
///
/// Prints where: file, line or element, path. Exits with 0 if it was found, 40
/// if not, 1 if not all could be read: what could is searched all the same.
#[derive(Args)]
pub(crate) struct Find {
    /// The value, as it stood in the record; `-` reads it from the first line
    /// of standard input, so that it shows up in no list of processes
    #[arg(long, allow_hyphen_values = true)]
    value: String,
    /// The key file that the filters had
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The logs, as outputs wrote them or stores return them
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    ignored: IgnoredKeys,
}

/// A record that has the value in it.
struct Hit {
    /// Paths at which a token of the value stands.
    tokens: Vec<String>,
    /// Paths at which the value itself stands.
    clear: Vec<String>,
    is_intact: bool,
}

/// The characters of a token's HMAC.
const MAC_CHARACTERS: usize = 22;

impl Find {
    pub(crate) fn run(self) -> Result<u8> {
        let name = self.key.display();
        let file = fs::read(&self.key).with_context(|| format!("{name}: cannot be read"))?;
        let key = HmacKey::from_file(&file)
            .ok_or_else(|| anyhow!("{name}: not a key file; `flb-audit hmac-key` makes one"))?;
        let value = match &*self.value {
            "-" => std::io::stdin().lines().next().context("no value on standard input")??,
            value => value.to_owned(),
        };
        ensure!(!value.is_empty(), "an empty value is never redacted");
        let sources = Source::all(self.files)?;
        let ignored = self.ignored.all();
        let worker = || {
            let mut checker = Checker::new(ignored.clone());
            let searched = Searched::new(&key, &value);
            move |at: At, record: Result<Record<'_>, Unread>| match record {
                Ok(record) => searched.find_in(&mut checker, &record).map(|found| (at, found)),
                Err(torn @ Unread::Torn) => Seen::Record((at, Err(Unsearched::Half(torn.to_string())))),
                Err(unread) => Seen::Record((at, Err(Unsearched::Rest(unread.to_string())))),
            }
        };
        let mut hits = Vec::new();
        // Of each source the first reason is enough, and as many as there are sources.
        let mut unread: BTreeMap<usize, (u64, String)> = BTreeMap::new();
        let mut is_read_to_end = true;
        input::read_encrypted(&sources, None, worker, |(at, found)| {
            match found {
                Ok(hit) => hits.extend(hit.map(|hit| (at, hit))),
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
        hits.sort_by_key(|(at, _)| *at);
        for (source, (number, reason)) in &unread {
            complain(format_args!("{}:{number}: {reason}", sources[*source].name()));
        }
        print(&report(&hits, &sources))?;
        Ok(match () {
            () if !is_read_to_end => exit::FAILED,
            () if !hits.is_empty() => exit::FOUND,
            // The value may have stood in the half of a torn line.
            () if !unread.is_empty() => exit::FAILED,
            () => exit::NOT_FOUND,
        })
    }
}

fn report(hits: &[(At, Hit)], sources: &[Source]) -> String {
    let mut report = String::new();
    for (At { source, number }, hit) in hits {
        let seal = if hit.is_intact { "intact" } else { "NOT as it was sealed, or not sealed" };
        for (paths, how) in [(&hit.tokens, ""), (&hit.clear, " in the clear")] {
            if !paths.is_empty() {
                let paths = shown(&paths.join(", "));
                report += &format!("{}:{number}: {paths}{how} ({seal})\n", sources[*source].name());
            }
        }
    }
    let clear = hits.iter().filter(|(_, hit)| !hit.clear.is_empty()).count();
    if clear > 0 {
        report += &format!("the value itself stands in {clear} records, in the clear: the policy kept it\n");
    }
    report += &format!("found in {} records\n", hits.len());
    report
}

/// Text that was not searched, and the reason.
enum Unsearched {
    /// Half of a record, with a whole one behind it, which was searched.
    Half(String),
    /// All of an input from here on, or a whole record.
    Rest(String),
}

/// What is looked for in every record.
struct Searched<'a> {
    key: &'a HmacKey,
    value: &'a str,
    /// The key's name, as it stands in tokens.
    key_name: memmem::Finder<'static>,
    clear: memmem::Finder<'a>,
}

impl<'a> Searched<'a> {
    fn new(key: &'a HmacKey, value: &'a str) -> Self {
        let name = [b":", key.id(), b":"].concat();
        let key_name = memmem::Finder::new(&name).into_owned();
        Searched { key, value, key_name, clear: memmem::Finder::new(value) }
    }

    /// Looks into a record. Only if there may be something, or something that is
    /// escaped or in another text, it is decoded.
    fn find_in(&self, checker: &mut Checker, record: &Record<'_>) -> Seen<Result<Option<Hit>, Unsearched>> {
        let text = record.text;
        if memchr(b'\\', text).is_none()
            && is_plain(text)
            && !self.is_number()
            && self.key_name.find(text).is_none()
            && self.clear.find(text).is_none()
        {
            return Seen::Record(Ok(None));
        }
        let checked = checker.check(text);
        let is_intact = matches!(&checked, Ok(Checked::Sealed(sealed)) if sealed.is_intact);
        let is_record = !matches!(checked, Ok(Checked::Unsealed) | Err(_));
        let (mut tokens, mut clear) = (Vec::new(), Vec::new());
        let walked = walk(text, |path, text| {
            if self.has_token(text.as_bytes()) {
                tokens.push(path.to_owned());
            }
            if !is_of_seal(path) && self.has_value(text) {
                clear.push(path.to_owned());
            }
        });
        let found =
            walked.map_err(|error| Unsearched::Rest(format!("cannot be searched: {error}"))).map(|()| {
                for paths in [&mut tokens, &mut clear] {
                    paths.sort();
                    let within = record.place.path();
                    if !within.is_empty() {
                        paths.iter_mut().for_each(|path| *path = format!("{within}.{path}"));
                    }
                }
                (!tokens.is_empty() || !clear.is_empty()).then_some(Hit { tokens, clear, is_intact })
            });
        if is_record { Seen::Record(found) } else { Seen::Other(found) }
    }

    /// A number may be written in several ways.
    fn is_number(&self) -> bool {
        self.value.parse::<f64>().is_ok()
    }

    fn has_token(&self, text: &[u8]) -> bool {
        self.key_name.find_iter(text).any(|at| is_token(text, at, self.key, self.value.as_bytes()))
    }

    /// True if the value stands in a text, and not as a part of a longer word.
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

/// True if a text is a record as filters write them, its seal behind its members.
fn is_plain(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.starts_with(b"{\"")
        && text.ends_with(b"\"}}")
        && memmem::rfind(text, b",\"audit\":{\"").is_some()
        && is_one_object(text)
}

/// Checks that a text without backslashes is one object, and no half with a whole one
/// behind it, by its quotes and braces.
fn is_one_object(text: &[u8]) -> bool {
    let (mut depth, mut is_in_string) = (0u32, false);
    for at in memchr::memchr3_iter(b'"', b'{', b'}', text) {
        match text[at] {
            b'"' => is_in_string = !is_in_string,
            _ if is_in_string => {}
            b'{' => depth += 1,
            _ => depth = depth.saturating_sub(1),
        }
        if depth == 0 && !is_in_string && at + 1 < text.len() {
            return false;
        }
    }
    depth == 0 && !is_in_string
}

/// The seal has names of its own, which are no values.
fn is_of_seal(path: &str) -> bool {
    path.strip_prefix("audit").is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// True if the token whose key is named at `at` stands for `value`.
fn is_token(text: &[u8], at: usize, key: &HmacKey, value: &[u8]) -> bool {
    // No further back than a class's name reaches.
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
