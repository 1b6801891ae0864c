//! An adversary who has a node's keys from some time on, and seals records with them.

use super::adversary::of;
use crate::json::Value;
use crate::model::{Log, Report};
use crate::seal;
use flb_audit_core::chain::keyring::KeyRing;
use flb_audit_core::chain::{Chain, ChainId, Link, Place, Run, Unsettled};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::{Event, Sealer};

/// A node's keys, as somebody copied them.
#[derive(Clone, Debug)]
pub struct Stolen {
    /// The chain
    pub chain: String,
    /// Segment and number of the first record under the oldest of these keys
    pub since: (u64, u64),
    /// The number of the oldest of these keys
    key: u32,
    /// The key file
    pub file: Vec<u8>,
}

/// The thief, with the key in force in the copied key file.
pub(super) struct Thief {
    ring: KeyRing,
    made: u64,
}

impl Thief {
    pub(super) fn new(stolen: &Stolen) -> Option<Thief> {
        Some(Thief { ring: KeyRing::from_file(&stolen.file)?.0, made: 0 })
    }

    /// Seals records that continue one of the log, in its life or in a new one, or that
    /// replace it. The key may be handed over before, at any place.
    pub(super) fn act(&mut self, log: &mut Log, at: usize, how: usize) -> Option<()> {
        let chain = self.ring.chain();
        let of_chain = |line: &String| {
            let record = Value::parse(line)?;
            (of(&record, "chain")?.as_str()? == chain.to_string()).then_some(record)
        };
        let all: Vec<Value> = log.lines.iter().filter_map(of_chain).collect();
        let target = all.get(at.checked_rem(all.len())?)?;
        let place = place(target)?;
        let (head, prev) = (head(target, "head")?, head(target, "prev")?);
        let mut chain =
            Chain { id: chain, algorithm: Algorithm::default(), next: place.after(), head, link: None };
        match how & 3 {
            0 => (chain.next, chain.head) = (place, prev),
            1 => {}
            _ => {
                self.made += 1;
                let run = Run::from_random(*[self.made.to_le_bytes(), [99; 8]].concat().first_chunk()?);
                let segment = place.segment.checked_add(1 + (how >> 2 & 3) as u64)?;
                chain.next = Place { segment, run, sequence: 0 };
                let sequence = place.sequence.saturating_sub((how >> 4 & 3) as u64);
                let unsettled = Unsettled { place: Place { sequence, ..place }, head: prev };
                chain.link = Some(Link { place, unsettled: (how & 0x40 > 0).then_some(unsettled) });
            }
        }
        if how & 0x80 > 0 {
            let made = &mut self.made;
            let (at, head) = if how & 0x100 > 0 { (place, prev) } else { (chain.next, chain.head) };
            let mut random = |bytes: &mut [u8; 32]| {
                *made += 1;
                *bytes = [77; 32];
                bytes[..8].copy_from_slice(&made.to_le_bytes());
                true
            };
            self.ring = self.ring.hand_over(at, head, &mut random).ok()?;
        }
        let notes = if how & 0x200 > 0 { Notes::STATE_SET_BACK } else { Notes::NONE };
        let mut sealer = Sealer::new(chain, notes, None).ok()?;
        sealer.set_signer(self.ring.signer().ok()?).ok()?;
        for number in 0..=how >> 10 & 3 {
            if how & 0x1000 > 0 || number == 0 {
                sealer.sign_next();
            }
            let event = Event {
                tag: b"some.tag",
                seconds: 1_795_161_700,
                nanoseconds: 0,
                record: Some(b"{\"thief\":1}"),
                record_len: 11,
            };
            let sealed = sealer.seal(&event);
            let line = String::from_utf8_lossy(sealed.strip_suffix(b"\0").unwrap_or(sealed)).into_owned();
            log.lines.push(line);
        }
        Some(())
    }
}

fn place(record: &Value) -> Option<Place> {
    Some(Place {
        segment: of(record, "seg")?.as_integer().filter(|segment| *segment > 0)?,
        run: Run::from_text(of(record, "run")?.as_str()?.as_bytes())?,
        sequence: of(record, "seq")?.as_integer().filter(|number| *number < u64::MAX - 8)?,
    })
}

fn head(record: &Value, name: &str) -> Option<[u8; 32]> {
    seal::bytes(of(record, name)?.as_str()?)
}

impl Stolen {
    /// Copies a key file, if it has a usable key.
    pub(super) fn copy(chain: ChainId, file: Vec<u8>) -> Option<Stolen> {
        let (ring, _) = KeyRing::from_file(&file)?;
        let newest = ring.newest()?;
        let (since, key) = (newest.handover.place, newest.handover.index);
        Some(Stolen { chain: chain.to_string(), since: (since.segment, since.sequence), key, file })
    }

    /// Returns true if a later key came into force twice. Then no finding says whether the copied key
    /// has a handover.
    pub(super) fn is_hidden(&self, chain: &str, report: &Report) -> bool {
        let twice = report.findings.get("conflict").into_iter().flatten();
        let mut keys = twice.filter_map(|what| {
            what.strip_prefix(chain)?.strip_prefix(": key ")?.strip_suffix(" in two places")?.parse().ok()
        });
        keys.any(|key: u32| key > self.key)
    }
}
