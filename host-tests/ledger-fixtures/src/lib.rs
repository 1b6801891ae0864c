//! Chunks as Fluent Bit makes them, and readers for the files in a ledger's directory.
//! The ledger's own tests use this crate, so it does not depend on wasmtime.
#![forbid(unsafe_code)]

pub mod properties;

pub mod schedule;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use flb_audit_core::chain::anchor;
use flb_audit_core::chain::keyring::{self, KeyRing};
use flb_audit_core::chain::state::{FILE_NAME, Header};
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::text::base64url::{hash_from_text, hash_text};
use flb_audit_core::verify::{Checked, Checker, Sealed};
use flb_audit_core::{Event, Sealer};
use flb_audit_ledger::frame::Reader;
use flb_audit_ledger::{Ledger, Settings, manifest, roster};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;

/// The tag of all chunks.
pub const TAG: &[u8] = b"some.tag";

/// Creates a directory with a new chain, as `flb-audit init` does.
pub fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let id = ChainId::from_random([7; 9]);
    let mut next = 0;
    let ring = KeyRing::new(id, &mut |seed| {
        next += 1;
        *seed = [next; 32];
        true
    });
    let header = Header { id, algorithm: Algorithm::Sha512_256 };
    fs::write(directory.path().join(FILE_NAME), header.to_file()).expect("written");
    let ring = ring.unwrap_or_else(|_| panic!("no keys"));
    fs::write(directory.path().join(keyring::FILE_NAME), &*ring.to_file()).expect("written");
    fs::write(directory.path().join(anchor::FILE_NAME), vec![0; anchor::FILE_BYTES]).expect("written");
    believe(directory.path(), &[ChainId::from_random([1; 9])]);
    directory
}

/// Writes a roster that trusts these chains. Nobody has the private keys.
pub fn believe(directory: &Path, chains: &[ChainId]) {
    let entry = |chain: &ChainId| json!({"node": "n", "chain": chain.to_string(), "key": "A".repeat(43), "created": "2026-11-20T08:00:00Z"});
    let roster = Value::Array(chains.iter().map(entry).collect());
    fs::write(directory.join(roster::FILE_NAME), roster.to_string()).expect("written");
}

/// Opens the ledger in a directory.
pub fn open(directory: &TempDir, settings: &Settings) -> Ledger {
    Ledger::open(directory.path(), settings.clone(), None).expect("opened")
}

/// Returns the identity that decrypts what the tests encrypt.
pub fn key() -> &'static Identity {
    static KEY: OnceLock<Identity> = OnceLock::new();
    KEY.get_or_init(Identity::generate)
}

/// Returns its recipient, as a configuration names it.
pub fn recipient() -> String {
    key().to_public().to_string()
}

/// Writes an identity file, as `age-keygen` does.
pub fn key_file(path: &Path, key: &Identity) {
    let text =
        format!("# created: today\n# public key: {}\n{}\n", key.to_public(), key.to_string().expose_secret());
    fs::write(path, text).expect("written");
}

/// Returns settings with these properties.
pub fn settings(properties: &[(&str, &str)]) -> Settings {
    Settings::read(properties.iter().copied()).expect("settings")
}

/// Writes a value as MessagePack.
pub fn pack(value: &Value, out: &mut Vec<u8>) {
    let head = |out: &mut Vec<u8>, marker: u8, len: usize| {
        out.push(marker);
        out.extend_from_slice(&(len as u32).to_be_bytes());
    };
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(value) => out.push(0xc2 + u8::from(*value)),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => {
                out.push(0xcf);
                out.extend_from_slice(&number.to_be_bytes());
            }
            (_, Some(number), _) => {
                out.push(0xd3);
                out.extend_from_slice(&number.to_be_bytes());
            }
            (.., number) => {
                out.push(0xcb);
                out.extend_from_slice(&number.unwrap_or_default().to_be_bytes());
            }
        },
        Value::String(text) => {
            head(out, 0xdb, text.len());
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(values) => {
            head(out, 0xdd, values.len());
            values.iter().for_each(|value| pack(value, out));
        }
        Value::Object(members) => {
            head(out, 0xdf, members.len());
            for (key, value) in members {
                pack(&json!(key), out);
                pack(value, out);
            }
        }
    }
}

/// Returns a chunk with these records, in the layout of Fluent Bit 5.
pub fn chunk(records: &[Value]) -> Vec<u8> {
    let mut chunk = Vec::new();
    for (at, record) in records.iter().enumerate() {
        chunk.extend_from_slice(&[0x92, 0x92, 0xd7, 0x00]);
        chunk.extend_from_slice(&1_795_161_600u32.to_be_bytes());
        chunk.extend_from_slice(&(at as u32).to_be_bytes());
        chunk.push(0x80);
        pack(record, &mut chunk);
    }
    chunk
}

/// Returns `count` records without seals, numbered from `first` on.
pub fn plain(first: u32, count: u32) -> Vec<Value> {
    (first..first + count).map(|number| json!({"number": number, "text": "x".repeat(40)})).collect()
}

/// A sealer of one life of a chain.
pub struct Filter(Sealer<'static>);

impl Filter {
    /// Creates a filter in this life of its chain.
    pub fn new(life: u8) -> Self {
        let next = Place { segment: life.into(), run: Run::from_random([life; 6]), sequence: 0 };
        let id = ChainId::from_random([1; 9]);
        let chain = Chain { id, algorithm: Algorithm::Sha512_256, next, head: GENESIS, link: None };
        Filter(Sealer::new(chain, Notes::NONE, None).expect("a sealer"))
    }

    /// Creates a filter with a chain of its own.
    pub fn of(number: u32) -> Self {
        let mut random = [2; 9];
        random[..4].copy_from_slice(&number.to_le_bytes());
        let (id, run) = (ChainId::from_random(random), Run::from_random([1; 6]));
        let next = Place { segment: 1, run, sequence: 0 };
        let chain = Chain { id, algorithm: Algorithm::Sha512_256, next, head: GENESIS, link: None };
        Filter(Sealer::new(chain, Notes::NONE, None).expect("a sealer"))
    }

    /// Returns the name of its chain.
    pub fn chain(&self) -> ChainId {
        self.0.chain().id
    }

    /// Seals records.
    pub fn seal(&mut self, records: &[Value]) -> Vec<Value> {
        let seal = |record: &Value| {
            let text = record.to_string();
            let event = Event {
                tag: TAG,
                seconds: 1_795_161_600,
                nanoseconds: 0,
                record: Some(text.as_bytes()),
                record_len: text.len(),
            };
            let sealed = self.0.seal(&event);
            serde_json::from_slice(&sealed[..sealed.len() - 1]).expect("JSON")
        };
        records.iter().map(seal).collect()
    }
}

/// Seals records again from an index on, as anybody can without a key: each continues the
/// record before it. Their numbers must be integers, and their keys ASCII.
pub fn reseal(records: &mut [Value], from: usize) {
    let mut prev = match from.checked_sub(1) {
        Some(before) => records[before]["audit"]["head"].clone(),
        None => records[0]["audit"]["prev"].clone(),
    };
    for record in &mut records[from..] {
        let members = record["audit"].as_object_mut().expect("a seal");
        for name in ["sig", "key", "prev", "head"] {
            members.remove(name);
        }
        let before = hash_from_text(prev.as_str().expect("a head").as_bytes()).expect("a head");
        let leaf = Algorithm::Sha512_256.leaf([sorted(record).as_bytes(), b"", b"", b""]);
        let head = hash_text(&Algorithm::Sha512_256.head(&before, &leaf));
        record["audit"]["prev"] = prev;
        prev = json!(String::from_utf8(head.into()).expect("text"));
        record["audit"]["head"] = prev.clone();
        let text = record.to_string();
        let checked = Checker::default()
            .check(text.as_bytes())
            .is_ok_and(|checked| matches!(checked, Checked::Sealed(sealed) if sealed.is_intact));
        assert!(checked, "{text}");
    }
}

/// Prints a value as JSON with sorted keys.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().collect();
            let members = members.into_iter().map(|(key, value)| format!("{}:{}", json!(key), sorted(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(sorted).collect::<Vec<_>>().join(",")),
        _ => value.to_string(),
    }
}

/// Returns the names in a directory.
pub fn names(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).expect("a directory");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name().into_string()).collect();
    names.sort();
    names.into_iter().map(|name| name.expect("a name")).collect()
}

/// Returns the text of a file, decompressed and decrypted.
pub fn text(path: &Path) -> String {
    let bytes = fs::read(path).expect("a file");
    let mut text = String::new();
    let mut rest = &bytes[..];
    if path.to_string_lossy().contains(".frames") {
        return bodies(&bytes).into_iter().map(|body| decrypt(&body)).collect();
    }
    if path.extension().is_some_and(|extension| extension == "zst") {
        while !rest.is_empty() {
            let mut frame = ruzstd::decoding::StreamingDecoder::new(&mut rest).expect("a frame");
            frame.read_to_string(&mut text).expect("text");
        }
    } else {
        text = String::from_utf8(bytes).expect("text");
    }
    text
}

/// Returns the bodies of frames. Every frame must be complete.
pub fn bodies(file: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(Cursor::new(file));
    let mut bodies = Vec::new();
    loop {
        let mut body = Vec::new();
        match reader.next(|piece| body.extend_from_slice(piece)).expect("a frame") {
            Some(frame) => assert!(frame.is_whole, "{frame:?}"),
            None => return bodies,
        }
        bodies.push(body);
    }
}

/// Returns the lines in a body.
pub fn decrypt(body: &[u8]) -> String {
    let compressed = age::decrypt(key(), body).expect("decrypted");
    let mut text = String::new();
    let mut frame = ruzstd::decoding::StreamingDecoder::new(&compressed[..]).expect("a frame");
    frame.read_to_string(&mut text).expect("text");
    text
}

/// Returns all records in the ledger, in the order of its files.
pub fn records(directory: &TempDir) -> Vec<String> {
    let is_file =
        |name: &String| (name.contains(".ndjson") || name.contains(".frames")) && name != manifest::FILE_NAME;
    let lines = |name: String| -> Vec<String> {
        text(&directory.path().join(name)).lines().map(str::to_owned).collect()
    };
    names(directory).into_iter().filter(is_file).flat_map(lines).collect()
}

/// Checks that every record is intact and that no life of any chain has a gap. Returns
/// the numbers of all records.
pub fn numbers(directory: &TempDir) -> Vec<u64> {
    let mut checker = Checker::default();
    let mut lives: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    let mut numbers = Vec::new();
    let manifests = text(&directory.path().join(manifest::FILE_NAME));
    let records = records(directory);
    for line in records.iter().map(String::as_str).chain(manifests.lines()) {
        let Sealed { chain, place, .. } = match checker.check(line.as_bytes()) {
            Ok(Checked::Sealed(sealed)) if sealed.is_intact => *sealed,
            _ => panic!("not intact: {line}"),
        };
        lives.entry((chain, place.segment, place.run)).or_default().push(place.sequence);
        let record: Value = serde_json::from_str(line).expect("JSON");
        numbers.extend(record["number"].as_u64().filter(|_| record.get("ledger").is_none()));
    }
    for (life, mut sequences) in lives {
        sequences.sort_unstable();
        assert_eq!(sequences, (0..sequences.len() as u64).collect::<Vec<_>>(), "{life:?}");
    }
    numbers.sort_unstable();
    numbers
}
