//! `flb-audit` on ledgers and exports, complete and altered.
//!
//! Each file in `cases/stores` is a table of alterations of a store. `do` has the steps.
//! A finding must have the `verdict` and say `what`.

mod encrypted;
mod export;
mod frames;
mod ledger;
mod roles;

use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::{Event, Sealer};
use host_tests::cases;
use ledger_fixtures::TAG;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// One row of a table.
struct Altered {
    name: String,
    steps: Vec<Value>,
    /// The readers who can find it: `reader`, who has an identity, or `all`.
    by: String,
    verdict: String,
    what: String,
}

fn altered(table: &str) -> Vec<Altered> {
    let text = fs::read_to_string(cases("stores").join(table)).expect("a table");
    let rows: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = rows.iter().map(|row| Altered {
        name: text(row, "name"),
        steps: row["do"].as_array().expect("steps").clone(),
        by: text(row, "by"),
        verdict: text(row, "verdict"),
        what: text(row, "what"),
    });
    rows.collect()
}

impl Altered {
    /// Alters a store by these steps.
    fn alter(&self, store: &Path) {
        for step in &self.steps {
            let (name, what) = step.as_object().and_then(|step| step.iter().next()).expect("a step");
            take(store, name, what);
        }
    }

    fn is_in(&self, report: &Value) -> bool {
        report["findings"].as_array().expect("findings").iter().any(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap_or_default();
            let said = |source: String| format!("{source}: {}", text("what"));
            let source = text("source").to_owned();
            let with_number = format!("{source}:{}", finding["number"]);
            text("verdict") == self.verdict
                && [source, with_number].into_iter().any(|source| said(source).contains(&self.what))
        })
    }
}

/// Returns the findings, without those that are due to the missing roster.
fn findings(report: &Value) -> Vec<&Value> {
    let findings = report["findings"].as_array().expect("findings").iter();
    findings.filter(|finding| finding["verdict"] != "unsigned").collect()
}

/// Returns the path of a file in a store. `open` stands for the last file, which is still
/// being written.
fn at(store: &Path, name: &Value) -> PathBuf {
    match text(name) {
        "open" => {
            let entries = fs::read_dir(store).expect("a directory");
            let names = entries.map(|entry| entry.expect("an entry").file_name());
            let is_numbered = |name: &OsString| name.as_encoded_bytes()[0].is_ascii_digit();
            store.join(names.filter(is_numbered).max().expect("a file"))
        }
        name => store.join(name),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// Returns an index. A negative number counts from the end.
fn index(value: &Value, length: usize) -> usize {
    let at = value.as_i64().expect("a number");
    if at < 0 { length - at.unsigned_abs() as usize } else { at as usize }
}

/// Returns the index of a line. Lines are numbered from 1.
fn line(value: &Value) -> usize {
    value.as_u64().expect("a line") as usize - 1
}

fn take(store: &Path, name: &str, what: &Value) {
    let path = at(store, if what.is_array() { &what[0] } else { what });
    match name {
        "remove" => fs::remove_file(path).expect("removed"),
        "copy" => drop(fs::copy(path, at(store, &what[1])).expect("copied")),
        "flip" => edit(&path, |file| {
            let at = index(&what[1], file.len());
            file[at] ^= 1;
        }),
        "cut" => edit(&path, |file| file.truncate(file.len() - index(&what[1], file.len()))),
        "append" => edit(&path, |file| {
            let times = what[2].as_u64().expect("a number") as usize;
            file.extend(text(&what[1]).as_bytes().repeat(times));
        }),
        "replace" => edit_lines(&path, |lines| {
            let line = &mut lines[line(&what[1])];
            assert!(line.contains(text(&what[2])), "{what}");
            *line = line.replacen(text(&what[2]), text(&what[3]), 1);
        }),
        "set_line" => edit_lines(&path, |lines| lines[line(&what[1])] = text(&what[2]).into()),
        "remove_line" => edit_lines(&path, |lines| drop(lines.remove(line(&what[1])))),
        "swap_lines" => edit_lines(&path, |lines| lines.swap(line(&what[1]), line(&what[2]))),
        "repeat_line" => edit_lines(&path, |lines| lines.push(lines[line(&what[1])].clone())),
        "forge_line" => edit_lines(&path, |lines| match &what[1] {
            Value::String(_) => lines.push(forged()),
            number => lines[line(number)] = forged(),
        }),
        "copy_signature" => edit_lines(&path, |lines| {
            let signature = |line: &str| line.rsplit_once("\"sig\":\"").expect("one").1[..86].to_owned();
            let (from, to) = (signature(&lines[line(&what[1])]), line(&what[2]));
            lines[to] = lines[to].replace(&signature(&lines[to]), &from);
        }),
        name => edit(&path, |file| frames::take(file, name, what)),
    }
}

fn edit(path: &Path, alter: impl FnOnce(&mut Vec<u8>)) {
    let mut file = fs::read(path).expect("read");
    alter(&mut file);
    fs::write(path, file).expect("written");
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("read").lines().map(str::to_owned).collect()
}

fn edit_lines(path: &Path, alter: impl FnOnce(&mut Vec<String>)) {
    let mut lines = lines(path);
    alter(&mut lines);
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).expect("written");
}

/// Returns an unsigned record of a made-up chain.
fn forged() -> String {
    let next = Place { segment: 1, run: Run::from_random([9; 6]), sequence: 0 };
    let id = ChainId::from_random([9; 9]);
    let chain = Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None };
    let mut sealer = Sealer::new(chain, Notes::NONE, None).expect("a sealer");
    let record = Some(&b"{\"number\":7}"[..]);
    let sealed =
        sealer.seal(&Event { tag: TAG, seconds: 1_795_161_600, nanoseconds: 0, record, record_len: 12 });
    String::from_utf8(sealed[..sealed.len() - 1].to_vec()).expect("text")
}
