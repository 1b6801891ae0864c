//! The game with ledgers: an honest fleet's records in a ledger with manifests and
//! retention, an adversary with its directory, and a verifier that must say nothing that
//! is not so. The model knows no ledgers, so the truth is what the fleet has sealed. In a
//! second game, the adversary is a client that reads the ledger, has no keys, and sends
//! records. In a third, nobody changes anything, and retention must not make a verdict worse. `GAMES`
//! is another number of games, `SEED` another seed.

use flb_audit_ledger::{Ledger, Settings};
use flb_audit_model::forge::{number, object, rehash, string};
use flb_audit_model::game::{Fleet, Step, honest};
use flb_audit_model::json;
use flb_audit_model::model::VERDICTS;
use flb_audit_model::seal::{self, Read, Record, read};
use ledger_fixtures::schedule::{filter, set_up};
use ledger_fixtures::{TAG, chunk, plain};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The member of a client's records.
const FORGED: &str = "forged";

/// Verdicts that say nothing against a log.
const FINE: [&str; 3] = ["intact", "tail_unanchored", "unsigned"];

/// Verdicts of honest logs with crashes, or without records.
const QUIET: [&str; 2] = ["unclean_stop", "nothing_found"];

/// A record: its chain, its place in order, and its head.
type Key = (String, (u64, String, u64), [u8; 32]);

/// A ledger's directory, and what an adversary may know of its past.
struct Store {
    directory: TempDir,
    /// The files as they were halfway
    earlier: BTreeMap<PathBuf, Vec<u8>>,
    /// Everything that the ledger or the fleet has sealed
    sealed: BTreeSet<Key>,
    is_honest: bool,
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.to_string_lossy().contains(".ndjson")).collect();
    paths.sort();
    paths
}

/// The magic number of a zstd frame (RFC 8878 section 3.1.1).
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The lines of a file, as far as it can be read. Like the verifier, this goes by the
/// content and not by the name: an attacker can rename files.
fn lines(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).expect("a file");
    let mut text = Vec::new();
    if bytes.starts_with(ZSTD) {
        // The text that was read before an error counts.
        let _ = zstd::Decoder::new(&bytes[..]).expect("a decoder").read_to_end(&mut text);
    } else {
        text = bytes;
    }
    String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
}

fn key(record: Record) -> Key {
    (record.chain, record.place, record.head)
}

/// The intact records of some files.
fn intact<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> BTreeSet<Key> {
    let sealed = |text: &str| match read(text) {
        Read::Sealed(record) if record.is_intact => Some(key(*record)),
        _ => None,
    };
    let lines = paths.into_iter().flat_map(|path| lines(path));
    // Like the verifier, this also reads a whole record behind half of one.
    let behind = |line: &str| line.match_indices('{').find_map(|(at, _)| sealed(&line[at..]));
    lines.filter_map(|line| sealed(&line).or_else(|| behind(&line))).collect()
}

impl Store {
    /// Stores what the fleet has sealed, and among it what a client sends, which is deleted
    /// before the fleet goes on.
    fn new(fleet: &Fleet, client: Option<&[Step]>, pace: usize, keep: u8) -> Store {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        set_up(path, &filter().1);
        let roster = path.join("roster.json");
        let mut entries: Vec<Value> =
            serde_json::from_slice(&fs::read(&roster).expect("a roster")).expect("JSON");
        entries.truncate(1);
        entries.extend(serde_json::from_str::<Vec<Value>>(&fleet.roster).expect("JSON"));
        fs::write(&roster, Value::Array(entries).to_string()).expect("written");
        let keep_bytes = (keep & 1 > 0).then_some(u64::from(keep) * 40);
        let settings = Settings { file_bytes: 2000 << (keep / 4 % 3), keep_bytes, ..Settings::default() };
        let mut ledger = Ledger::open(path, settings, None).expect("opened");
        let records: Vec<Value> =
            fleet.lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let chunks: Vec<&[Value]> = records.chunks(pace).collect();
        let (mut earlier, mut sealed) = (BTreeMap::new(), BTreeSet::new());
        let mut known: Vec<String> = Vec::new();
        for (number, records) in chunks.iter().enumerate() {
            if number == chunks.len() / 2 {
                earlier = files(path)
                    .into_iter()
                    .map(|path| (path.clone(), fs::read(path).expect("read")))
                    .collect();
            }
            ledger.store(TAG, &chunk(records)).expect("stored");
            sealed.extend(intact(&files(path)));
            known.extend(records.iter().map(Value::to_string));
            let half = chunks.len().div_ceil(2);
            for step in client.into_iter().flatten().filter(|step| usize::from(step.0 >> 4) % half == number)
            {
                let Some(line) = forged(&known, *step) else { continue };
                let record = serde_json::from_str(&line).expect("JSON");
                ledger.store(TAG, &chunk(&[record])).expect("stored");
                known.push(line);
            }
            // Retention deletes what the client has sent. Then the fleet goes on.
            if number + 1 == half && client.is_some() {
                (0..4).for_each(|round| ledger.store(TAG, &chunk(&plain(round * 40, 40))).expect("stored"));
            }
        }
        let is_honest = !fleet.has_lost_state && !fleet.has_lost_records;
        Store { directory, earlier, sealed, is_honest }
    }

    fn verify(&self) -> Value {
        let path = self.directory.path();
        let arguments = ["verify".into(), "--roster".into(), path.join("roster.json").into(), path.into()];
        let report = flb_audit::verify::report(arguments.into_iter().collect::<Vec<_>>()).expect("a report");
        serde_json::from_str(&report).expect("JSON")
    }

    /// Changes the directory as a step says.
    fn attack(&self, (kind, one, two): Step) {
        let all = files(self.directory.path());
        let Some(path) = all.get(usize::from(one) % all.len().max(1)) else { return };
        let other = &all[usize::from(two) % all.len()];
        let edit = |change: &dyn Fn(&mut Vec<String>)| {
            if path.extension().is_some_and(|extension| extension == "ndjson") {
                let mut lines = lines(path);
                change(&mut lines);
                fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>())
                    .expect("written");
            }
        };
        let at = |lines: &Vec<String>| usize::from(two).checked_rem(lines.len()).unwrap_or(0);
        match kind % 14 {
            0 => fs::remove_file(path).expect("removed"),
            1 => {
                let bytes = fs::read(path).expect("read");
                fs::write(path, &bytes[..usize::from(two) % (bytes.len() + 1)]).expect("written");
            }
            2 => {
                let mut bytes = fs::read(path).expect("read");
                let len = bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(usize::from(two) % len) {
                    *byte ^= 1 << (kind % 8);
                }
                fs::write(path, bytes).expect("written");
            }
            3 => drop(fs::copy(path, self.directory.path().join(format!("{:08}.ndjson.zst", two % 12)))),
            4 => drop(fs::copy(path, self.directory.path().join(format!("{:08}.ndjson", two % 12)))),
            5 => drop(fs::copy(path, other)),
            6 => drop(fs::rename(path, other)),
            7 => edit(&|lines| drop((!lines.is_empty()).then(|| lines.remove(at(lines))))),
            8 => edit(&|lines| lines.extend(lines.get(at(lines)).cloned())),
            9 => edit(&|lines| lines.reverse()),
            10 => edit(&|lines| lines.truncate(at(lines))),
            11 => {
                let earlier = self.earlier.iter().nth(usize::from(one) % self.earlier.len().max(1));
                earlier.into_iter().for_each(|(path, bytes)| fs::write(path, bytes).expect("written"));
            }
            12 => edit(&|lines| {
                let at = at(lines);
                if let Some(line) = lines.get_mut(at) {
                    *line = line.replacen("\"value\":", "\"value\":1", 1).replacen("file", "f\\u0069le", 1);
                }
            }),
            _ => {
                // The directory as it was halfway.
                all.iter().for_each(|path| drop(fs::remove_file(path)));
                self.earlier.iter().for_each(|(path, bytes)| fs::write(path, bytes).expect("written"));
            }
        }
    }
}

/// Returns a record that somebody without keys forges after one that the ledger has.
fn forged(known: &[String], (kind, one, two): Step) -> Option<String> {
    let like = json::Value::parse(known.get(usize::from(one) % known.len().max(1))?)?;
    let audit = like.get("audit")?;
    let text = |name: &str| Some(audit.get(name)?.as_str()?.to_owned());
    let (run, segment, sequence) =
        (text("run")?, audit.get("seg")?.as_integer()?, audit.get("seq")?.as_integer()?);
    let (run_of_link, unknown) = (run.clone(), seal::text(&[two as u8; 32]));
    let (place, prev) = match kind % 5 {
        0 => ((segment, run, sequence + 1), text("head")?),
        1 => ((segment, run, sequence), unknown),
        2 => ((segment, run, sequence + u64::from(two % 8)), unknown),
        3 => ((segment, run, sequence + u64::from(two % 8)), text("head")?),
        _ => ((segment + 1 + u64::from(two % 3), "forged".to_owned(), 0), text("head")?),
    };
    let link = [("run", string(&run_of_link)), ("seg", number(segment)), ("seq", number(sequence))];
    let mut seal = vec![
        ("chain".to_owned(), string(&text("chain")?)),
        ("run".to_owned(), string(&place.1)),
        ("seg".to_owned(), number(place.0)),
        ("seq".to_owned(), number(place.2)),
        ("tag".to_owned(), string("t")),
        ("time".to_owned(), string("1795161600.000000000")),
        ("v".to_owned(), string(&text("v")?)),
        ("prev".to_owned(), string(&prev)),
    ];
    seal.extend((kind % 5 == 4).then(|| ("link".to_owned(), object(link))));
    let mut record = object([(FORGED, number(two.into()))]);
    record.members_mut()?.push(("audit".to_owned(), json::Value::Object(seal)));
    rehash(&mut record)?;
    record.canonical()
}

fn play(fleet: &[Step], moves: &[Step], pace: usize, keep: u8) -> Result<(), TestCaseError> {
    let store = Store::new(&honest(fleet), None, pace, keep);
    let before_files = files(store.directory.path());
    let is_closed = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "zst");
    let closed: Vec<(&PathBuf, BTreeSet<Key>)> =
        before_files.iter().filter(is_closed).map(|path| (path, intact([path]))).collect();
    let before = intact(&before_files);
    let honest = store.verify();
    let fine = |report: &Value| FINE.contains(&report["verdict"].as_str().expect("a verdict"));
    let is_quiet = fine(&honest) || QUIET.contains(&honest["verdict"].as_str().expect("a verdict"));
    prop_assert!(is_quiet || !store.is_honest, "honest, and {honest:#}");
    moves.iter().for_each(|step| store.attack(*step));
    let report = store.verify();
    let after = intact(&files(store.directory.path()));
    let genuine = after.intersection(&store.sealed).count() as u64;
    let signed = report["signed"].as_u64().expect("a number");
    prop_assert!(signed <= genuine, "signatures are said to reach {signed} of {genuine}: {report:#}");
    if !fine(&honest) {
        return Ok(());
    }
    // Records behind the last one of a chain that is here cannot be missed.
    let ends: BTreeMap<&String, &(u64, String, u64)> =
        after.iter().map(|(chain, place, _)| (chain, place)).collect();
    let is_missed = |(chain, place, _): &&Key| ends.get(chain).is_some_and(|end| place < end);
    let gone: Vec<&Key> = before.difference(&after).filter(is_missed).collect();
    let places: BTreeSet<_> = after.iter().map(|(chain, place, _)| (chain, place)).collect();
    let is_noticed = !fine(&report);
    let lost = gone.iter().find(|key| {
        let (chain, place, _) = key;
        closed.iter().any(|(_, records)| records.contains(**key)) || !places.contains(&(chain, place))
    });
    prop_assert!(is_noticed || lost.is_none(), "{lost:?} is gone, and nothing says so: {report:#}");
    // If the directory is as it was before a file was closed, no manifest states that file.
    let manifests = fs::read_to_string(store.directory.path().join("manifests.ndjson")).unwrap_or_default();
    let is_stated = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| manifests.contains(name))
    };
    let from_closed = gone
        .iter()
        .find(|key| closed.iter().any(|(path, records)| is_stated(path) && records.contains(**key)));
    let is_excused = report["verdict"] == "unclean_stop";
    prop_assert!(!is_excused || from_closed.is_none(), "{from_closed:?} was in a closed file: {report:#}");
    Ok(())
}

/// Plays one game with a client. While its records are here, one of them and the node's own can
/// have the same place: the log looks tampered. After retention has deleted them, the
/// report must be as good as if they had never been sent.
fn play_client(fleet: &[Step], client: &[Step], pace: usize, keep: u8) -> Result<(), TestCaseError> {
    let verdict_after = |client| {
        let store = Store::new(&honest(fleet), Some(client), pace, keep | 1);
        let report = store.verify();
        let paths = files(store.directory.path());
        let member = format!("\"{FORGED}\":");
        let is_here = paths.iter().flat_map(|path| lines(path)).any(|line| line.contains(&member));
        (report["verdict"].as_str().expect("a verdict").to_owned(), is_here, report)
    };
    let is_quiet = |verdict: &str| FINE.contains(&verdict) || QUIET.contains(&verdict);
    let (verdict, is_here, report) = verdict_after(client);
    if is_here || is_quiet(&verdict) {
        return Ok(());
    }
    let (without, ..) = verdict_after(&[]);
    prop_assert!(!is_quiet(&without), "{without} without a client's records, which are gone, and {report:#}");
    Ok(())
}

/// Stores a fleet's records, also those of nodes whose state was set back, with retention and without
/// it. Some records that follow one another may be lost. To delete files must not make the verdict
/// worse, and must not hide that records are missing.
fn play_retention(fleet: &[Step], more: &[Step], pace: usize, keep: u8) -> Result<(), TestCaseError> {
    let mut fleet = honest(&[fleet, more].concat());
    if let Some((_, at, count)) = more.last().filter(|_| keep & 2 > 0) {
        let at = usize::from(*at) % (fleet.lines.len() + 1);
        fleet.lines.drain(at..fleet.lines.len().min(at + usize::from(*count) % 16));
    }
    let report = |keep| Store::new(&fleet, None, pace, keep).verify();
    let (kept, whole) = (report(keep | 1), report(keep & !1));
    let rank = |verdict: &Value| VERDICTS.iter().position(|of| verdict == *of);
    let (before, after) = (rank(&whole["verdict"]), rank(&kept["verdict"]));
    prop_assert!(after <= before, "{} without retention, and {kept:#}", whole["verdict"]);
    for chain in kept["chains"].as_array().into_iter().flatten() {
        let name = &chain["chain"];
        let lacks_records = |report: &Value| {
            let findings = report["findings"].as_array().into_iter().flatten();
            let worst =
                findings.filter(|of| of["chain"] == *name).filter_map(|of| rank(&of["verdict"])).max();
            worst >= rank(&"gap".into())
        };
        prop_assert!(
            !lacks_records(&whole) || lacks_records(&kept),
            "{whole:#} without retention, and {kept:#}"
        );
    }
    Ok(())
}

/// Plays one game: the scripts of the fleet and of its adversary, how many records come
/// together, and what the ledger keeps.
type Play = fn(&[Step], &[Step], usize, u8) -> Result<(), TestCaseError>;

/// Plays games with random scripts.
fn play_all(play: Play) {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse::<u32>().ok());
    let config = Config {
        cases: number("GAMES").unwrap_or(20),
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    let seed = [number("SEED").unwrap_or(0) as u8; 32];
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let step = || (any::<u8>(), any::<u16>(), any::<u16>());
    let games = (vec(step(), 1..6), vec(step(), 0..4), 1usize..9, any::<u8>());
    let played = runner.run(&games, |(fleet, moves, pace, keep)| play(&fleet, &moves, pace, keep));
    if let Err(lost) = played {
        panic!("{lost}");
    }
}

#[test]
fn the_verifier_wins_with_ledgers() {
    play_all(play);
}

#[test]
fn retention_makes_no_verdict_worse_and_hides_no_gap() {
    play_all(play_retention);
}

#[test]
fn a_client_without_keys_leaves_nothing_behind() {
    play_all(play_client);
}
