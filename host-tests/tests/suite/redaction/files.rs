//! Files in a filter's accessible path: a policy that overrides the module's, and the key
//! for HMACs.

use fixtures::policies::{EVERYTHING, key, table};
use fixtures::records::parse;
use flb_audit_core::policy::policy_text;
use flb_audit_core::policy::{self, FILE_NAME, POLICY_BYTES_MAX, Policy};
use flb_audit_core::redact::{HmacKey, KEY_FILE_NAME};
use flb_audit_host::filter::{Generation, Host};
use host_tests::guest::{FILTER, directory, intact, limits, notes, returned};
use serde_json::Value;
use std::fs;

const OWN: &str = "version: 1
redact:
  detectors: {email: hmac}
  patterns: [{name: word, pattern: 'own secret', action: mask}]
";

/// Passes a record. The module's policy finds the address and the password in it, and the
/// file's policy finds the address and the words.
#[track_caller]
fn pass(host: &mut Host<'_>) -> (Value, Vec<String>) {
    let record = br#"{"a":"bob@example.com","b":"own secret","password":"hunter2"}"#;
    let text = returned(host.call_bytes(b"tag", 0, 0, record).expect("a call"));
    intact(&text);
    (parse(&text), notes(&text))
}

/// Returns the version in a seal that was made with a policy.
fn version(table: &[u8]) -> String {
    let digest = policy_text(&policy::digest(table));
    format!("1.2.{}", String::from_utf8_lossy(&digest))
}

#[test]
fn a_policy_file_overrides_the_policy_in_the_module() {
    let table = table(OWN);
    for generation in Generation::ALL {
        let directory = directory(Default::default());
        let mut host = FILTER.host(generation, limits(&directory));
        let (record, _) = pass(&mut host);
        assert_eq!((&record["a"], &record["b"]), (&"[email]".into(), &"own secret".into()));
        assert_eq!(record["password"], "[secret-key]");
        let in_module = record["audit"]["v"].clone();

        fs::write(directory.path().join(FILE_NAME), &table).expect("a file");
        host.restart();
        for _ in 0..2 {
            let (record, notes) = pass(&mut host);
            assert_eq!((&record["a"], &record["b"]), (&"[email]".into(), &"[word]".into()));
            assert_eq!(record["password"], "hunter2");
            assert_eq!(record["audit"]["v"], version(&table));
            assert_eq!(notes, ["hmac-key-missing"]);
        }

        fs::remove_file(directory.path().join(FILE_NAME)).expect("a file");
        host.restart();
        assert_eq!(pass(&mut host).0["audit"]["v"], in_module);
    }
}

/// If the file is unusable, the module's policy stays in use, and every record says so.
#[test]
fn a_damaged_policy_file_is_noted_by_every_record() {
    let table = table(OWN);
    let altered = |at: usize| {
        let mut table = table.clone();
        table[at] ^= 1;
        table
    };
    let resealed = {
        // An invalid table, but with the right digest.
        let mut table = altered(84);
        let digest = policy::digest(&table);
        table[16..48].copy_from_slice(&digest);
        assert!(Policy::check(&table).is_err());
        table
    };
    let cases: [(&str, Vec<u8>); 9] = [
        ("empty", Vec::new()),
        ("a policy in YAML", OWN.into()),
        ("cut", table[..table.len() - 1].to_vec()),
        ("longer", [&table[..], b"\0"].concat()),
        ("another layout", altered(8)),
        ("another digest", altered(20)),
        ("other contents", altered(table.len() - 1)),
        ("rules that do not hold together", resealed),
        ("too long", vec![0; POLICY_BYTES_MAX + 1]),
    ];
    let directory = directory(Default::default());
    let mut host = FILTER.host(Generation::Lasting, limits(&directory));
    let in_module = pass(&mut host).0["audit"]["v"].clone();
    for (what, file) in cases {
        fs::write(directory.path().join(FILE_NAME), file).expect("a file");
        host.restart();
        for _ in 0..3 {
            let (record, notes) = pass(&mut host);
            assert_eq!(notes, ["policy-damaged"], "{what}");
            assert_eq!(record["audit"]["v"], in_module, "{what}");
            assert_eq!((&record["a"], &record["password"]), (&"[email]".into(), &"[secret-key]".into()));
        }
    }
    // A directory with that name is not a policy either.
    fs::remove_file(directory.path().join(FILE_NAME)).expect("a file");
    fs::create_dir(directory.path().join(FILE_NAME)).expect("a directory");
    host.restart();
    assert_eq!(pass(&mut host).1, ["policy-damaged"]);
    fs::remove_dir(directory.path().join(FILE_NAME)).expect("a directory");
    host.restart();
    assert_eq!(pass(&mut host).1, [""; 0]);
}

/// Tries a table with every kind of part, with any of its bytes changed. It never causes
/// a trap, and with a wrong digest it is never used.
#[test]
fn a_policy_file_with_any_damage_does_no_harm() {
    let table = table(EVERYTHING);
    let directory = directory(Default::default());
    let mut host = FILTER.host(Generation::Lasting, limits(&directory));
    for step in 0..60 {
        let mut damaged = table.clone();
        damaged[step * (table.len() / 60)] ^= 0x55;
        fs::write(directory.path().join(FILE_NAME), damaged).expect("a file");
        host.restart();
        assert_eq!(pass(&mut host).1, ["policy-damaged"], "{step}");
    }
}

#[test]
fn a_key_file_makes_tokens() {
    let directory = directory(Default::default());
    fs::write(directory.path().join(FILE_NAME), table(OWN)).expect("a file");
    let path = directory.path().join(KEY_FILE_NAME);
    let mut host = FILTER.host(Generation::Lasting, limits(&directory));
    let file = HmacKey::to_file("k1", &[7; 32]).expect("a name");
    let mut token = Vec::new();
    key().write_token(b"email", b"bob@example.com", &mut token).expect("memory");
    let text = String::from_utf8(file.clone()).expect("UTF-8");
    let of_windows = text.replace('\n', "\r\n");
    for (what, file) in [("as it is made", &*text), ("with other ends of lines", &*of_windows)] {
        fs::write(&path, file).expect("a file");
        host.restart();
        let (record, notes) = pass(&mut host);
        assert_eq!(record["a"].as_str().map(str::as_bytes), Some(&*token), "{what}");
        assert_eq!(notes, [""; 0], "{what}");
    }
    let cases = [
        ("empty", String::new()),
        ("without a key", text.lines().take(2).collect()),
        ("another version", text.replace("v1", "v2")),
        ("a name that is none", text.replace("id k1", "id k]")),
        ("a short key", text.replace("key B", "key ")),
        ("more behind it", text.clone() + "more"),
        ("too long", text.clone() + &"\n".repeat(300)),
    ];
    for (what, file) in cases {
        fs::write(&path, file).expect("a file");
        host.restart();
        let (record, notes) = pass(&mut host);
        assert_eq!((&record["a"], &*notes), (&"[email]".into(), &["hmac-key-missing".into()][..]), "{what}");
    }
}
