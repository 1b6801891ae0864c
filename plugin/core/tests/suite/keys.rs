//! Keys: how they follow one another, and what a checkpoint proves about them.

use flb_audit_core::chain::anchor;
use flb_audit_core::chain::certificate::{Certificate, KnownKeys, NotCertified};
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::chain::enrollment::Role;
use flb_audit_core::chain::keyring::{FILE_BYTES, KeyRing, NoNextKey, SLOT_BYTES};
use flb_audit_core::chain::signature::PublicKey;
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::verify::{Anchor, Checked, Checker, read_anchor};
use flb_audit_core::{Event, Sealer};

fn id() -> ChainId {
    ChainId::from_text(b"chain-000001").expect("a chain's name")
}

/// Returns a source of seeds that all differ.
fn seeds() -> impl FnMut(&mut [u8; 32]) -> bool {
    let mut count = 0_u64;
    move |seed| {
        count += 1;
        seed[..8].copy_from_slice(&count.to_le_bytes());
        true
    }
}

fn place(segment: u64) -> Place {
    Place { segment, run: Run::from_text(b"run-01").expect("a run's name"), sequence: 0 }
}

/// Returns a checkpoint as the sealer makes it under the key in force.
fn checkpoint(ring: &KeyRing, next: Place, head: [u8; 32]) -> Checkpoint {
    let chain = Chain { id: id(), algorithm: Algorithm::default(), next, head, link: None };
    let mut sealer = Sealer::new(chain, Notes::NONE, None).expect("memory");
    sealer.set_signer(ring.signer().expect("a signer")).expect("memory");
    sealer.sign_next();
    let event =
        Event { tag: b"t", seconds: 1, nanoseconds: 2, record: Some(br#"{"zz":1,"a":2}"#), record_len: 14 };
    let out = sealer.seal(&event).strip_suffix(b"\0").expect("a NUL").to_vec();
    let mut checker = Checker::default();
    let checkpoint = match checker.check(&out) {
        Ok(Checked::Sealed(sealed)) if sealed.is_intact && sealed.is_checkpoint => sealed.checkpoint(),
        other => panic!("{other:?}: {}", String::from_utf8_lossy(&out)),
    };
    let checkpoint = checkpoint.expect("a checkpoint");
    let kept = |is_delivered| Some(Anchor { checkpoint: checkpoint.clone(), is_delivered });
    assert_eq!(read_anchor(sealer.signer().expect("a signer").anchor()), kept(false));
    for is_delivered in [false, true] {
        assert_eq!(read_anchor(&checkpoint.anchor(is_delivered).expect("memory")), kept(is_delivered));
    }
    // A signature without its key is no part of a seal.
    let text = String::from_utf8(out).expect("UTF-8");
    let without = text.replacen("\"key\":", "\"kex\":", 1);
    assert!(matches!(checker.check(without.as_bytes()), Ok(Checked::Malformed)));
    checkpoint
}

fn verify(root: PublicKey, checkpoint: &Checkpoint) -> Result<bool, NotCertified> {
    let key = KnownKeys::new(id(), root).verify(&checkpoint.key)?;
    Ok(key.has_signed(&checkpoint.message().expect("memory"), &checkpoint.signature))
}

#[test]
fn every_key_leads_to_the_first_by_itself() {
    let mut random = seeds();
    let mut ring = KeyRing::new(id(), &mut random).expect("keys");
    let root = ring.public().expect("a key");
    let mut known = KnownKeys::new(id(), root);
    for index in 0..=300_u32 {
        assert_eq!(ring.index(), index);
        let made = checkpoint(&ring, place(u64::from(index) + 1), [7; 32]);
        assert_eq!(verify(root, &made), Ok(true), "key {index}");
        assert_eq!(known.verify(&made.key), Ok(ring.public().expect("a key")));
        assert!(made.key.certificates.len() <= index.count_ones() as usize + 10);
        // Reading returns what was written, and both slots hold it.
        let mut file = ring.to_file().to_vec();
        assert_eq!(file.len(), FILE_BYTES);
        let (read, slot) = KeyRing::from_file(&file).expect("keys");
        assert_eq!((read.index(), read.chain(), slot), (index, id(), 0));
        let next = read.hand_over(place(u64::from(index) + 2), [7; 32], &mut random).expect("a key");
        let mut bytes = vec![0; SLOT_BYTES];
        next.write_slot(&mut bytes);
        let at = KeyRing::slot_offset(1) as usize;
        file[at..].copy_from_slice(&bytes);
        let (both, slot) = KeyRing::from_file(&file).expect("keys");
        assert_eq!((both.index(), slot), (index + 1, 1));
        // If the newer slot is torn, the older one is used.
        file[at + 300] ^= 1;
        assert_eq!(KeyRing::from_file(&file).expect("keys").0.index(), index);
        ring = next;
    }
}

/// Key 0 says that the chain is a ledger's, and every later checkpoint shows it.
#[test]
fn a_chain_becomes_a_ledgers_while_key_0_is_in_force() {
    let mut random = seeds();
    let filter = KeyRing::new(id(), &mut random).expect("keys");
    let mut ring = filter.of_ledger().expect("memory").expect("a ring");
    assert_eq!((ring.public(), ring.role()), (filter.public(), Role::Ledger));
    assert_eq!(ring.secret_for(b"purpose"), filter.secret_for(b"purpose"));
    let root = ring.public().expect("a key");
    for index in 1..=70_u32 {
        let place = place(u64::from(index) + 1);
        ring = ring.hand_over(place, [7; 32], &mut random).expect("a key");
        ring = KeyRing::from_file(&ring.to_file()).expect("keys").0;
        let made = checkpoint(&ring, place, [7; 32]);
        assert_eq!((verify(root, &made), made.key.role()), (Ok(true), Role::Ledger), "key {index}");
        for at in 0..made.key.certificates.len() {
            let mut other = made.clone();
            let certificate = &mut other.key.certificates[at];
            let states_it = certificate.role == Role::Ledger;
            assert_eq!(states_it, certificate.index.is_power_of_two());
            certificate.role = if states_it { Role::Filter } else { Role::Ledger };
            let failed = NotCertified::Certificate(certificate.index);
            assert_eq!(verify(root, &other), Err(failed), "key {index}");
        }
    }
    let used = filter.hand_over(place(1), GENESIS, &mut random).expect("a key");
    assert!(used.of_ledger().expect("memory").is_none());
    assert_eq!(checkpoint(&used, place(1), GENESIS).key.role(), Role::Filter);
}

#[test]
fn a_key_is_gone_after_it_has_handed_over() {
    let mut random = seeds();
    let ring = KeyRing::new(id(), &mut random).expect("keys");
    let next = ring.hand_over(place(1), GENESIS, &mut random).expect("a key");
    let secret = [1, 0, 0, 0, 0, 0, 0, 0];
    let holds = |file: &[u8]| file.windows(32).any(|seed| seed[..8] == secret && seed[8..] == [0; 24]);
    assert!(holds(&ring.to_file()));
    assert!(!holds(&next.to_file()));
}

#[test]
fn what_is_not_signed_so_is_refused() {
    let mut random = seeds();
    let mut ring = KeyRing::new(id(), &mut random).expect("keys");
    let root = ring.public().expect("a key");
    for segment in 1..=6 {
        ring = ring.hand_over(place(segment), [3; 32], &mut random).expect("a key");
    }
    let good = checkpoint(&ring, place(6), [3; 32]);
    assert_eq!(good.key.certificates.iter().map(|it| it.index).collect::<Vec<_>>(), [4, 5, 6]);
    let stranger = KeyRing::new(id(), &mut random).expect("keys").public().expect("a key");
    type Change = fn(&mut Checkpoint);
    let cases: [(&str, Change, Result<bool, NotCertified>); 11] = [
        ("nothing", |_| (), Ok(true)),
        ("the head", |it| it.head[0] ^= 1, Ok(false)),
        ("the number", |it| it.place.sequence += 1, Ok(false)),
        ("the chain", |it| it.chain = ChainId::from_random([1; 9]), Ok(false)),
        ("the signature", |it| it.signature[1] ^= 1, Ok(false)),
        ("a certificate", |it| it.key.certificates[1].signature[0] ^= 1, Err(NotCertified::Certificate(5))),
        (
            "a public key",
            |it| it.key.certificates[2].public = it.key.certificates[0].public,
            Err(NotCertified::Certificate(6)),
        ),
        ("no certificates", |it| it.key.certificates.clear(), Err(NotCertified::Handover(6))),
        ("a handover's place", |it| it.key.since[0].place.segment -= 1, Err(NotCertified::Handover(6))),
        ("a handover's head", |it| it.key.since[1].head[0] ^= 1, Err(NotCertified::Handover(5))),
        ("a handover less", |it| it.key.since.truncate(1), Err(NotCertified::Handover(6))),
    ];
    for (what, change, expected) in cases {
        let mut bad = good.clone();
        change(&mut bad);
        assert_eq!(verify(root, &bad), expected, "{what}");
    }
    assert_eq!(verify(stranger, &good), Err(NotCertified::Certificate(4)));
    assert_eq!(Certificate::signer(6), 4);
}

#[test]
fn without_randomness_there_is_no_key() {
    let mut calls = 0;
    let mut random = |_: &mut [u8; 32]| {
        calls += 1;
        calls < 20
    };
    assert!(matches!(KeyRing::new(id(), &mut random), Err(NoNextKey::NoRandomness)));
}

#[test]
fn files_that_are_damaged_are_none() {
    let file = KeyRing::new(id(), &mut seeds()).expect("keys").to_file();
    for at in [0, 8, 12, 61, 64, 70, 72, 100, 330, 400] {
        let mut file = file.to_vec();
        file[at] ^= 0x40;
        assert!(KeyRing::from_file(&file).is_none(), "byte {at}");
    }
    for len in [0, 63, 64, 4000] {
        assert!(KeyRing::from_file(&file[..len]).is_none(), "{len} bytes");
    }
}

#[test]
fn the_last_whole_checkpoint_is_found() {
    let mut file = vec![0; anchor::FILE_BYTES];
    assert_eq!(anchor::from_file(&file), None);
    for (count, text) in [(1, "one"), (2, "two"), (3, "three, and longer"), (4, "4")] {
        let slot = anchor::to_slot(count, text.as_bytes()).expect("memory");
        let at = anchor::slot_offset(count) as usize;
        file[at..at + slot.len()].copy_from_slice(&slot);
        assert_eq!(anchor::from_file(&file), Some((count, text.as_bytes())));
    }
    // If the last slot is torn, the one before it is used.
    file[anchor::slot_offset(4) as usize + 16] ^= 1;
    assert_eq!(anchor::from_file(&file), Some((3, &b"three, and longer"[..])));
    assert!(anchor::to_slot(1, &[0; anchor::SLOT_BYTES]).is_err());
}
