//! The verifiers of other projects, over the same records with seals of their own.

use crate::verify::{RECORDS, best_of, run};
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flb_audit_core::chain::signature::{SecretKey, Seed};
use flb_audit_host::stream::Call;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// The verifier of <https://github.com/hildstrom/mmhashchainsigs>.
const VERIFIER: &str = "mmhashchainsigs-verify";
/// The number of its records after which one is signed: its default.
const SIGNED_AFTER: u64 = 1024;
/// The start of an Ed25519 public key in DER: RFC 8410 section 10.1.
const DER_START: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// Logs records with witness-log, and prints the best time in which it verifies them, in
/// seconds.
const WITNESS: &str = "
import sys, time, witness_log
log = witness_log.WitnessLog.generate()
for line in open(sys.argv[1], 'rb'):
    log.append_result(line)
dossier = log.to_dossier_json()
def turn():
    begun = time.perf_counter()
    witness_log.verify_dossier_json(dossier, 0.66, log.identity_pubkey_hex())
    return time.perf_counter() - begun
print(min(turn() for _ in range(3)))
";

pub(crate) fn measure(dir: &Path, calls: &[Call]) -> Result<()> {
    let (log, key) = (dir.join("rival"), dir.join("rival.pem"));
    match Command::new(VERIFIER).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Err(_) => println!("mmhashchainsigs: skipped: {VERIFIER} is not on PATH"),
        Ok(_) => {
            write_chained(&log, &key, calls)?;
            let verify = || {
                let mut verify = Command::new(VERIFIER);
                verify.arg("--quiet").arg("--publickey").arg(&key).arg(&log);
                run(verify)
            };
            println!("mmhashchainsigs: {}", best_of(verify)?);
        }
    }
    let python = |arguments: &[&str]| {
        let mut python = Command::new("python3");
        python.args(arguments).stdin(Stdio::null());
        python
    };
    let has = python(&["-c", "import witness_log"]).stderr(Stdio::null()).status();
    if !has.is_ok_and(|status| status.success()) {
        println!("witness-log: skipped: the python3 on PATH has no package witness-log");
        return Ok(());
    }
    let mut plain = BufWriter::new(File::create(&log)?);
    for call in calls.iter().cycle().take(RECORDS) {
        writeln!(plain, "{}", call.record)?;
    }
    plain.flush()?;
    let output = python(&["-c", WITNESS]).arg(&log).output()?;
    ensure!(output.status.success(), "witness-log: {}", String::from_utf8_lossy(&output.stderr));
    let seconds: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
    println!(
        "witness-log: {:.0} leaves a second ({seconds:.2} s), by their hashes",
        RECORDS as f64 / seconds
    );
    fs::remove_file(log)?;
    Ok(())
}

/// Writes records as mmhashchainsigs does, and its public key.
fn write_chained(path: &Path, public: &Path, calls: &[Call]) -> Result<()> {
    let key = SecretKey::from_seed(&Seed::from([1; 32]));
    let der = STANDARD.encode([&DER_START[..], key.public().as_bytes()].concat());
    fs::write(public, format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n"))?;
    let hash = |parts: &[&[u8]]| <[u8; 32]>::from(Sha256::digest(parts.concat()));
    let fingerprint = hex(&hash(&[key.public().as_bytes()]));
    let mut head = hash(&[b"MMHASHCHAINSIGS_CHAIN_INIT_V1"]);
    let mut log = BufWriter::new(File::create(path)?);
    for (number, call) in (1u64..).zip(calls.iter().cycle().take(RECORDS)) {
        head = hash(&[&head, &number.to_be_bytes(), call.record.as_bytes()]);
        let of = format!("q=\"{number}\" h=\"{}\"", hex(&head));
        let stated = if number == 1 {
            format!("t=\"I\" {of} f=\"{fingerprint}\"")
        } else if number.is_multiple_of(SIGNED_AFTER) {
            let (from, signature) = (number - SIGNED_AFTER + 1, STANDARD.encode(key.sign(&head)));
            format!("t=\"S\" {of} qf=\"{from}\" qt=\"{number}\" s=\"{signature}\"")
        } else {
            of
        };
        writeln!(log, "[mmhashchainsigs@32473 {stated}]{}", call.record)?;
    }
    log.flush().context("the rival's log")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
