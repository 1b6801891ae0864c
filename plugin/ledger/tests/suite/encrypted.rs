//! The contents of an encrypted ledger after crashes, damage and changed settings.

use flb_audit_ledger::frame::{self, Fault, Reader};
use flb_audit_ledger::manifest::{self, Manifest, Statement};
use flb_audit_ledger::{Level, Settings};
use ledger_fixtures::{
    Filter, TAG, bodies, chunk, decrypt, directory, names, numbers, open, plain, recipient, records, text,
};
use sha2::{Digest, Sha256};
use std::fs::{self, OpenOptions};
use std::io::Cursor;
use std::path::Path;

fn small() -> Settings {
    ledger_fixtures::settings(&[("file_size", "2k"), ("recipients", &recipient())])
}

fn large() -> Settings {
    ledger_fixtures::settings(&[("recipients", &recipient())])
}

fn manifests(directory: &Path) -> Vec<Manifest> {
    let statements = text(&directory.join(manifest::FILE_NAME));
    let statement = |line: &str| match manifest::read(line.as_bytes()) {
        Some(Statement::File(manifest)) => Some(manifest),
        _ => None,
    };
    statements.lines().filter_map(statement).collect()
}

/// Stores sealed and unsealed records, in several files and lives, some more than once.
#[test]
fn records_are_held_once_and_nowhere_in_the_clear() {
    let directory = directory();
    let sealed = Filter::new(1).seal(&plain(0, 60));
    for (life, part) in [40..60, 0..20, 20..40, 0..60, 10..30].into_iter().enumerate() {
        let mut ledger = open(&directory, &small());
        ledger.store(TAG, &chunk(&sealed[part])).expect("stored");
        ledger.store(TAG, &chunk(&plain(100 + 10 * life as u32, 10))).expect("stored");
    }
    let mut expected: Vec<u64> = (0..60).chain(100..150).collect();
    assert_eq!(numbers(&directory), expected);
    assert!(names(&directory).contains(&"00000002.frames".to_owned()), "{:?}", names(&directory));
    for name in names(&directory) {
        let bytes = fs::read(directory.path().join(&name)).expect("read");
        let is_in = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(!is_in(b"xxxxxxxx") && !is_in(b"\"text\"") && !is_in(TAG), "{name}");
    }
    for manifest in manifests(directory.path()) {
        let path = directory.path().join(&manifest.file);
        let file = fs::read(&path).expect("read");
        let sha256: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
        let lines = text(&path);
        assert_eq!(manifest.file, frame::closed_name(manifest.number));
        assert_eq!((manifest.stored_bytes, manifest.sha256), (file.len() as u64, sha256));
        assert_eq!((manifest.bytes, manifest.records), (lines.len() as u64, lines.lines().count() as u64));
        let mut tree = flb_audit_ledger::tree::Tree::default();
        lines.lines().for_each(|line| tree.add(flb_audit_ledger::tree::leaf(line.as_bytes())));
        assert_eq!(manifest.root, manifest::root_text(&tree.root()));
    }
    // The ledger continues where it was.
    let mut ledger = open(&directory, &small());
    ledger.store(TAG, &chunk(&sealed)).expect("stored");
    ledger.store(TAG, &chunk(&plain(150, 1))).expect("stored");
    expected.push(150);
    assert_eq!(numbers(&directory), expected);
}

/// Simulates the ends of files that a crash, or a loss of power, leaves.
#[test]
fn a_torn_end_is_cut_and_what_is_lost_comes_again_once() {
    let whole = directory();
    let mut ledger = open(&whole, &large());
    let sealed = Filter::new(1).seal(&plain(0, 6));
    ledger.store(TAG, &chunk(&sealed[..3])).expect("stored");
    ledger.store(TAG, &chunk(&plain(6, 2))).expect("stored");
    let path = whole.path().join(frame::open_name(1));
    let before = fs::read(&path).expect("read").len();
    ledger.store(TAG, &chunk(&sealed[3..])).expect("stored");
    drop(ledger);
    let bytes = fs::read(&path).expect("read");
    for cut in before..=bytes.len() {
        let zeros = bytes[..cut].iter().copied().chain(vec![0; bytes.len() - cut]).collect();
        let with_zeros = (cut % 16 == 0).then_some(zeros);
        for torn in [Some(bytes[..cut].to_vec()), with_zeros].into_iter().flatten() {
            let is_whole = torn == bytes;
            fs::write(&path, &torn).expect("written");
            let mut ledger = open(&whole, &large());
            let lines = ledger.take_lines();
            let is_cut = lines.iter().any(|(level, line)| *level == Level::Warn && line.contains("torn"));
            assert_eq!(is_cut, !is_whole && torn.len() > before, "{cut}: {lines:?}");
            ledger.store(TAG, &chunk(&sealed)).expect("stored");
            assert_eq!(numbers(&whole), (0..8).collect::<Vec<_>>(), "{cut}");
        }
    }
}

/// A frame that was changed, with others behind it, stays as it is. Its whole frames are
/// held, and the ledger goes on.
#[test]
fn damage_is_not_cut_off() {
    type Alter = fn(&mut Vec<u8>, &[usize]);
    let cases: [(&str, Alter, u64); 5] = [
        ("a body", |file, starts| file[starts[2] - 100] ^= 1, 8),
        ("a header", |file, starts| file[starts[1] + 2] ^= 1, 8),
        ("a length, longer", |file, starts| lengthen(file, starts[1]), 8),
        ("a frame left out", |file, starts| drop(file.drain(starts[1]..starts[2])), 6),
        ("frames swapped", |file, starts| file[starts[1]..starts[3]].rotate_left(starts[2] - starts[1]), 4),
    ];
    for (name, alter, held) in cases {
        let directory = directory();
        let sealed = Filter::new(1).seal(&plain(0, 10));
        let mut ledger = open(&directory, &large());
        for part in sealed.chunks(2) {
            ledger.store(TAG, &chunk(part)).expect("stored");
        }
        drop(ledger);
        let path = directory.path().join(frame::open_name(1));
        let mut file = fs::read(&path).expect("read");
        let starts = starts(&file);
        alter(&mut file, &starts);
        fs::write(&path, &file).expect("written");
        let mut ledger = open(&directory, &large());
        let lines = ledger.take_lines();
        let is_said =
            |(level, line): &(Level, String)| *level == Level::Error && line.contains("damaged at byte");
        assert!(lines.iter().any(is_said), "{name}: {lines:?}");
        assert_eq!(fs::read(&path).expect("read"), file, "{name}");
        ledger.store(TAG, &chunk(&sealed)).expect("stored");
        drop(ledger);
        let manifest = manifests(directory.path()).remove(0);
        assert_eq!((manifest.records, &*manifest.file), (held, &*frame::open_name(1)), "{name}");
        assert_eq!(
            text(&directory.path().join(frame::open_name(2))).lines().count() as u64,
            10 - held,
            "{name}"
        );
        // A file that was closed as damaged stays so.
        let mut ledger = open(&directory, &large());
        ledger.store(TAG, &chunk(&sealed)).expect("stored");
        assert_eq!(manifests(directory.path()).len(), 1, "{name}");
        assert_eq!(fs::read(&path).expect("read"), file, "{name}");
    }
}

/// Returns the places where frames begin.
fn starts(file: &[u8]) -> Vec<usize> {
    let windows = file.windows(frame::START.len()).enumerate();
    windows.filter(|(_, window)| *window == frame::START).map(|(at, _)| at).collect()
}

/// Changes a frame's header so that the frame claims to be longer.
fn lengthen(file: &mut [u8], start: usize) {
    let key = b"\"stored_bytes\":";
    let at = file[start..].windows(key.len()).position(|window| window == key).expect("a length");
    let digit = &mut file[start + at + key.len()];
    *digit = if *digit == b'9' { b'8' } else { *digit + 1 };
}

/// The reader reports any changed or missing byte, and reads on.
#[test]
fn no_byte_of_a_frame_can_be_another() {
    let directory = directory();
    let mut ledger = open(&directory, &large());
    for part in Filter::new(1).seal(&plain(0, 6)).chunks(2) {
        ledger.store(TAG, &chunk(part)).expect("stored");
    }
    let file = fs::read(directory.path().join(frame::open_name(1))).expect("read");
    let starts = starts(&file);
    let read = |file: &[u8]| {
        let mut reader = Reader::new(Cursor::new(file));
        let mut whole = Vec::new();
        loop {
            match reader.next(|_| {}) {
                Ok(None) => return whole,
                Ok(Some(frame)) => whole.extend(Some(frame.at as usize).filter(|_| frame.is_whole)),
                Err(Fault::Broken { .. }) => {}
                Err(Fault::Io(error)) => panic!("{error}"),
            }
        }
    };
    assert_eq!(read(&file), starts);
    for at in 0..file.len() {
        for flip in [1, 0x80] {
            let mut altered = file.clone();
            altered[at] ^= flip;
            let whole = read(&altered);
            let of = starts.iter().rposition(|start| *start <= at).expect("a frame");
            // A frame's digest is also an input of the next frame's digest.
            let expected: Vec<usize> = starts.iter().copied().filter(|start| *start != starts[of]).collect();
            let is_digest = starts.get(of + 1).copied().unwrap_or(file.len()) - at <= 32;
            if is_digest {
                assert!(
                    whole.len() + 1 + usize::from(of + 1 < starts.len()) == starts.len(),
                    "{at}: {whole:?}"
                );
            } else {
                assert_eq!(whole, expected, "{at}");
            }
        }
        assert!(read(&file[..at]).len() < starts.len(), "{at}");
    }
}

/// Whoever opens a frame has its lines in memory. So a header that states more than a ledger
/// writes is refused before the frame is opened.
#[test]
fn a_frame_states_no_more_bytes_than_a_ledger_writes() {
    const LINE: u64 = 32 << 20;
    const LINES: u64 = 1 << 20;
    for (records, bytes, is_read) in
        [(1, LINE, true), (1, LINE + 1, false), (1, u64::MAX, false), (2, LINES, true), (2, LINES + 1, false)]
    {
        let directory = directory();
        let mut ledger = open(&directory, &large());
        ledger.store(TAG, &chunk(&Filter::new(1).seal(&plain(0, records)))).expect("stored");
        let mut file = fs::read(directory.path().join(frame::open_name(1))).expect("read");
        let value = b"\"bytes\":";
        let at = value.len() + file.windows(value.len()).position(|part| part == value).expect("a length");
        let digits = file[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        file.splice(at..at + digits, bytes.to_string().into_bytes());
        let end = file.len() - 32;
        let digest = Sha256::new_with_prefix([0; 32]).chain_update(&file[..end]).finalize();
        file[end..].copy_from_slice(&digest);
        let read = Reader::new(Cursor::new(&file)).next(|_| {});
        match read {
            Ok(Some(frame)) => assert!(is_read && frame.is_whole, "{records} {bytes}"),
            Err(fault @ Fault::Broken { .. }) => {
                assert!(!is_read, "{records} {bytes}: {fault}");
                assert!(
                    fault.to_string().contains("more bytes than a frame that a ledger writes has"),
                    "{fault}"
                );
            }
            other => panic!("{records} {bytes}: {other:?}"),
        }
    }
}

#[test]
fn encryption_can_be_turned_on_and_off() {
    let directory = directory();
    let plainly = Settings::default();
    let mut number = 0;
    let mut filter = Filter::new(1);
    let mut sealed = Vec::new();
    for settings in [&plainly, &large(), &plainly, &plainly, &large(), &large(), &plainly] {
        let mut ledger = open(&directory, settings);
        let records = filter.seal(&plain(number, 3));
        ledger.store(TAG, &chunk(&records)).expect("stored");
        ledger.store(TAG, &chunk(&plain(number + 3, 3))).expect("stored");
        sealed.extend(records);
        number += 6;
    }
    let mut ledger = open(&directory, &large());
    ledger.store(TAG, &chunk(&sealed)).expect("stored");
    assert_eq!(numbers(&directory), (0..number.into()).collect::<Vec<_>>());
    let files: Vec<_> = names(&directory).into_iter().filter(|name| name.starts_with('0')).collect();
    let expected = [
        "00000001.ndjson.zst",
        "00000002.frames",
        "00000003.ndjson.zst",
        "00000004.frames",
        "00000005.ndjson.zst",
        "00000006.frames.open",
    ];
    assert_eq!(files, expected);
}

/// Simulates a crash after the manifest was written and before the file is renamed.
#[test]
fn closing_is_finished() {
    let directory = directory();
    let mut ledger = open(&directory, &small());
    let sealed = Filter::new(1).seal(&plain(0, 40));
    for part in sealed.chunks(20) {
        ledger.store(TAG, &chunk(part)).expect("stored");
    }
    drop(ledger);
    let (active, closed) = (frame::open_name(1), frame::closed_name(1));
    fs::rename(directory.path().join(&closed), directory.path().join(&active)).expect("renamed");
    let mut ledger = open(&directory, &small());
    assert!(names(&directory).contains(&closed) && !names(&directory).contains(&active));
    ledger.store(TAG, &chunk(&sealed)).expect("stored");
    assert_eq!(numbers(&directory), (0..40).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_gone_on_with_is_refused() {
    let directory = directory();
    let mut ledger = open(&directory, &small());
    for first in 0..3 {
        ledger.store(TAG, &chunk(&plain(20 * first, 20))).expect("stored");
    }
    drop(ledger);
    let refused = || match flb_audit_ledger::Ledger::open(directory.path(), small(), None) {
        Ok(_) => panic!("opened"),
        Err(error) => error.to_string(),
    };
    let path = directory.path().join(manifest::FILE_NAME);
    let text = fs::read_to_string(&path).expect("read");
    fs::write(&path, text.lines().take(1).map(|line| format!("{line}\n")).collect::<String>())
        .expect("written");
    assert!(refused().contains("00000002.frames: not in manifests.ndjson"), "{}", refused());
    fs::write(&path, &text).expect("written");
    fs::write(directory.path().join(manifest::open_name(3)), "{}\n").expect("written");
    assert!(refused().contains("both exist"), "{}", refused());
}

/// Chunks that do not fit into one frame: too many bytes, one very long record, too many
/// lives.
#[test]
fn large_chunks_become_several_frames() {
    let directory = directory();
    let mut ledger = open(&directory, &large());
    let mut records = plain(0, 5000);
    records[7]["text"] = "y".repeat(3 << 20).into();
    ledger.store(TAG, &chunk(&Filter::new(1).seal(&records))).expect("stored");
    let lives: Vec<_> =
        (0..600_u32).flat_map(|at| Filter::new((at % 200) as u8 + 2).seal(&plain(5000 + at, 1))).collect();
    ledger.store(TAG, &chunk(&lives)).expect("stored");
    let file = fs::read(directory.path().join(frame::open_name(1))).expect("read");
    let frames: Vec<String> = bodies(&file).iter().map(|body| decrypt(body)).collect();
    assert!(frames.len() > 4, "{}", frames.len());
    for lines in &frames {
        assert!(lines.len() <= 1 << 20 || lines.lines().count() == 1, "{}", lines.len());
    }
    drop(ledger);
    let mut ledger = open(&directory, &large());
    ledger.store(TAG, &chunk(&Filter::new(1).seal(&records))).expect("stored");
    assert_eq!(records_count(&directory), 5600);
}

fn records_count(directory: &tempfile::TempDir) -> usize {
    records(directory).len()
}

/// Retention is by what is stored, and tombstones name the files.
#[test]
fn retention_deletes_encrypted_files() {
    let directory = directory();
    let settings =
        ledger_fixtures::settings(&[("file_size", "2k"), ("recipients", &recipient()), ("keep_size", "6k")]);
    let mut ledger = open(&directory, &settings);
    for first in 0..10 {
        ledger.store(TAG, &chunk(&plain(20 * first, 20))).expect("stored");
    }
    let kept: u64 = names(&directory)
        .iter()
        .filter(|name| name.ends_with(".frames"))
        .map(|name| fs::metadata(directory.path().join(name)).expect("a file").len())
        .sum();
    assert!(kept <= 6 << 10, "{kept}");
    assert!(!names(&directory).contains(&"00000001.frames".to_owned()));
    assert!(
        text(&directory.path().join(manifest::FILE_NAME)).contains("\"file\":\"00000001.frames\",\"sha256\"")
    );
}

#[test]
fn recipients_are_read_and_what_is_none_is_named() {
    let read =
        |text: &str| Settings::read([("recipients", text)].into_iter()).map(|settings| settings.recipients);
    let (one, other) = (recipient(), age::x25519::Identity::generate().to_public().to_string());
    for text in [one.clone(), format!("{one},{other}"), format!(" {one}\n{other} , ")] {
        assert!(read(&text).expect("recipients").is_some());
    }
    let secret = "AGE-SECRET-KEY-1QQQQQQQQQQQQ";
    let cases = [
        ("", "names nobody"),
        (" , ", "names nobody"),
        ("age1nobody", "`age1nobody` is not an age recipient"),
        ("ssh-ed25519 AAAA", "`ssh-ed25519` is not an age recipient"),
        (&format!("{one} {}", &other[..40]), &other[..40]),
        (&format!("{one} ").repeat(101), "at most 100 are allowed"),
        (secret, "has a secret key"),
        (&secret.to_lowercase(), "has a secret key"),
    ];
    for (text, expected) in cases {
        let what = read(text).expect_err("an error");
        assert!(what.starts_with("property config.recipients: ") && what.contains(expected), "{what}");
        assert!(!what.to_uppercase().contains("QQQQ"), "{what}");
    }
}

/// An encrypted file is appended to and synced like any other. If that fails, the chunk
/// is answered with retry.
#[test]
fn what_cannot_be_written_is_an_error_and_comes_again() {
    let directory = directory();
    let mut ledger = open(&directory, &large());
    ledger.store(TAG, &chunk(&plain(0, 5))).expect("stored");
    let path = directory.path().join(frame::open_name(1));
    // Another process has appended to the file.
    let mut other = OpenOptions::new().append(true).open(&path).expect("opened");
    std::io::Write::write_all(&mut other, b"{").expect("written");
    assert!(ledger.store(TAG, &chunk(&plain(5, 5))).is_err());
    let (lines, stored) = (ledger.take_lines(), ledger.store(TAG, &chunk(&plain(5, 5))));
    assert!(stored.is_ok(), "{stored:?} {lines:?}");
    assert!(ledger.take_lines().iter().any(|(_, line)| line.contains("damaged") || line.contains("torn")));
    drop(ledger);
}
