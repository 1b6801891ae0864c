//! Logs of very many lives or chains, as no recorded stream has them.

use anyhow::{Context, Result};
use flb_audit_core::chain::keyring::KeyRing;
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Link, Place, Run};
use flb_audit_core::hash::{Algorithm, Hash};
use flb_audit_core::record::notes::Notes;
use flb_audit_core::{Event, Sealer};
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

const RECORD: &str = r#"{"kind":"Event","verb":"get","user":{"username":"system:node"},"code":200}"#;

/// Writes a chain whose lives have one record each, as Fluent Bit 4.0 makes them: each record
/// is a checkpoint under a new key. The roster beside the log has the chain.
pub(crate) fn write_lives(path: &Path, lives: usize) -> Result<()> {
    let mut count = 0u64;
    let mut random = |seed: &mut [u8; 32]| {
        count += 1;
        seed[..8].copy_from_slice(&count.to_le_bytes());
        true
    };
    let id = ChainId::from_random([2; 9]);
    let mut ring = KeyRing::new(id, &mut random).ok().context("no keys")?;
    let key = ring.public().context("no key")?.to_string();
    let entry =
        json!([{"node": "lives", "chain": id.to_string(), "key": key, "created": "2026-01-01T00:00:00Z"}]);
    fs::write(path.with_extension("roster"), entry.to_string())?;
    let mut log = BufWriter::new(File::create(path)?);
    let (mut head, mut link) = (GENESIS, None);
    for segment in 1..=lives as u64 {
        let run = Run::from_random(*segment.to_le_bytes().first_chunk().context("six bytes")?);
        let place = Place { segment, run, sequence: 0 };
        if segment > 1 {
            ring = ring.hand_over(place, head, &mut random).ok().context("no next key")?;
        }
        let mut sealer = sealer(id, place, head, link)?;
        sealer.set_signer(ring.signer().ok().context("no signer")?).ok().context("no memory")?;
        sealer.sign_next();
        seal(&mut sealer, &mut log)?;
        head = sealer.chain().head;
        link = Some(Link { place, unsettled: None });
    }
    log.flush()?;
    Ok(())
}

/// Writes the records of many chains in turns. The chains have no keys.
pub(crate) fn write_chains(path: &Path, chains: usize, records: usize) -> Result<()> {
    let mut log = BufWriter::new(File::create(path)?);
    let place = Place { segment: 1, run: Run::FIRST, sequence: 0 };
    let id = |number: usize| ChainId::from_text(format!("chain-{number:06}").as_bytes()).context("a name");
    let sealers: Result<Vec<_>> =
        (0..chains).map(|number| sealer(id(number)?, place, GENESIS, None)).collect();
    let mut sealers = sealers?;
    for _ in 0..records {
        sealers.iter_mut().try_for_each(|sealer| seal(sealer, &mut log))?;
    }
    log.flush()?;
    Ok(())
}

fn sealer(id: ChainId, next: Place, head: Hash, link: Option<Link>) -> Result<Sealer<'static>> {
    let chain = Chain { id, algorithm: Algorithm::default(), next, head, link };
    Sealer::new(chain, Notes::NONE, None).ok().context("no memory")
}

fn seal(sealer: &mut Sealer<'_>, log: &mut impl Write) -> Result<()> {
    let sealed = sealer.seal(&Event {
        tag: b"kube.audit",
        seconds: 1_795_161_600,
        nanoseconds: 0,
        record: Some(RECORD.as_bytes()),
        record_len: RECORD.len(),
    });
    log.write_all(sealed.strip_suffix(b"\0").context("no end")?)?;
    log.write_all(b"\n")?;
    Ok(())
}
