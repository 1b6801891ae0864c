//! Enrollments: whom a fleet vouches for, and what checkpoints say of it.

use flb_audit_core::chain::enrollment::{
    self, Enrollment, LentKey, NotEnrolled, Role, chain_of, is_node_name,
};
use flb_audit_core::chain::keyring::KeyRing;
use flb_audit_core::chain::signature::{PublicKey, SecretKey, Seed};
use flb_audit_core::chain::{Chain, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::verify::{Checked, Checker, read_anchor, read_enrollment};
use flb_audit_core::{Event, Sealer};

/// When chains are enrolled.
const NOW: u64 = 1_795_161_600;

fn secret(salt: u8) -> SecretKey {
    SecretKey::from_seed(&Seed::from([salt; 32]))
}

fn fleet() -> PublicKey {
    secret(1).public()
}

fn ring(salt: u8) -> KeyRing {
    let mut count = u64::from(salt) << 32;
    KeyRing::named_after_key(Role::Filter, &mut |seed| {
        count += 1;
        seed[..8].copy_from_slice(&count.to_le_bytes());
        true
    })
    .expect("keys")
}

fn enrolled(ring: &KeyRing, lent: Option<LentKey>, secret: &SecretKey) -> Enrollment {
    enrolled_as(Role::Filter, ring, lent, secret)
}

fn enrolled_as(role: Role, ring: &KeyRing, lent: Option<LentKey>, secret: &SecretKey) -> Enrollment {
    let root = ring.public().expect("a key");
    Enrollment::sign("node-17".to_owned(), (root, role), (NOW, None), lent, secret).expect("memory")
}

/// Lends key 2 the right to enroll chains.
fn lend(by: &SecretKey, since: u64, until: u64, role: Role) -> LentKey {
    LentKey::sign(by, secret(2).public(), (since, until), role).expect("memory")
}

#[test]
fn a_fleet_vouches_for_its_chains_and_no_others() {
    let (chain, other) = (ring(1), ring(2));
    assert_eq!(chain.chain(), chain_of(&chain.public().expect("a key")));
    let own = enrolled(&chain, None, &secret(1));
    assert_eq!(own.verify(&chain.chain(), &fleet()), Ok(()));
    assert_eq!(own.verify(&chain.chain(), &secret(9).public()), Err(NotEnrolled::Signature));
    assert_eq!(own.verify(&other.chain(), &fleet()), Err(NotEnrolled::Chain));
    // A thief's key for a chain that is there: the name does not fit.
    assert_eq!(enrolled(&other, None, &secret(1)).verify(&chain.chain(), &fleet()), Err(NotEnrolled::Chain));
    for altered in [
        Enrollment { node: "node-18".to_owned(), ..own.clone() },
        Enrollment { since: NOW + 1, ..own.clone() },
        Enrollment { until: Some(u64::MAX), ..own.clone() },
        Enrollment { role: Role::Ledger, ..own.clone() },
        Enrollment { role: Role::Filter, ..enrolled_as(Role::Ledger, &chain, None, &secret(1)) },
    ] {
        assert_eq!(altered.verify(&chain.chain(), &fleet()), Err(NotEnrolled::Signature), "{altered:?}");
    }
}

#[test]
fn a_lent_key_vouches_in_its_time_only() {
    let chain = ring(1);
    let verify = |by: &SecretKey, since: u64, until: u64| {
        let lent = lend(by, since, until, Role::Filter);
        enrolled(&chain, Some(lent), &secret(2)).verify(&chain.chain(), &fleet())
    };
    assert_eq!(verify(&secret(1), NOW, NOW + 1), Ok(()));
    assert_eq!(verify(&secret(1), NOW - 9, NOW), Err(NotEnrolled::Time));
    assert_eq!(verify(&secret(1), NOW + 1, NOW + 9), Err(NotEnrolled::Time));
    assert_eq!(verify(&secret(3), NOW, NOW + 1), Err(NotEnrolled::LentKey));
    let lent = lend(&secret(1), NOW, NOW + 1, Role::Filter);
    // Neither a longer time nor a key that was not lent, nor a chain that this one lends to.
    for (altered, by) in
        [(LentKey { until: NOW + 2, ..lent }, 2), (LentKey { public: secret(3).public(), ..lent }, 3)]
    {
        let made = enrolled(&chain, Some(altered), &secret(by));
        assert_eq!(made.verify(&chain.chain(), &fleet()), Err(NotEnrolled::LentKey));
    }
    let stolen = enrolled(&chain, Some(lent), &secret(3));
    assert_eq!(stolen.verify(&chain.chain(), &fleet()), Err(NotEnrolled::Signature));
}

#[test]
fn a_lent_key_enrolls_ledgers_only_if_it_may() {
    let chain = ring(1);
    let verify = |of: Role, lent: LentKey| {
        enrolled_as(of, &chain, Some(lent), &secret(2)).verify(&chain.chain(), &fleet())
    };
    let lent = |role| lend(&secret(1), NOW, NOW + 1, role);
    assert_eq!(verify(Role::Filter, lent(Role::Filter)), Ok(()));
    assert_eq!(verify(Role::Filter, lent(Role::Ledger)), Ok(()));
    assert_eq!(verify(Role::Ledger, lent(Role::Ledger)), Ok(()));
    assert_eq!(verify(Role::Ledger, lent(Role::Filter)), Err(NotEnrolled::Role));
    let altered = LentKey { role: Role::Ledger, ..lent(Role::Filter) };
    assert_eq!(verify(Role::Ledger, altered), Err(NotEnrolled::LentKey));
}

#[test]
fn names_are_plain() {
    for name in ["node-17", "ip-10-0-0-1.ec2.internal", "node-17/ledger", &"n".repeat(253)] {
        assert!(is_node_name(name), "{name}");
    }
    for name in ["", "a b", "a\"", "a\\", "a\n", "zoë", &"n".repeat(254)] {
        assert!(!is_node_name(name), "{name}");
        let root = ring(1).public().expect("a key");
        let of = (root, Role::Filter);
        let made = Enrollment::sign(name.to_owned(), of, (NOW, None), None, &secret(1)).expect("memory");
        assert_eq!(made.verify(&chain_of(&root), &fleet()), Err(NotEnrolled::Signature), "{name}");
    }
}

#[test]
fn a_file_that_is_damaged_holds_no_enrollment() {
    let lent = lend(&secret(1), 0, u64::MAX, Role::Ledger);
    let mut longest = enrolled_as(Role::Ledger, &ring(1), Some(lent), &secret(2));
    longest.node = "n".repeat(enrollment::NODE_BYTES_MAX);
    (longest.since, longest.until) = (u64::MAX, Some(u64::MAX));
    let file = longest.to_file().expect("memory");
    assert!(file.len() <= enrollment::FILE_BYTES_MAX, "{} bytes", file.len());
    let text = enrollment::from_file(&file).expect("an enrollment");
    assert_eq!(read_enrollment(text), Some(longest));
    for at in 0..file.len() {
        assert_eq!(enrollment::from_file(&file[..at]), None, "cut at {at}");
        let mut damaged = file.clone();
        damaged[at] ^= 1;
        assert_eq!(enrollment::from_file(&damaged), None, "damaged at {at}");
    }
}

#[test]
fn checkpoints_and_anchors_state_it_and_other_records_do_not() {
    let ring = ring(1);
    let made = enrolled(&ring, None, &secret(1));
    let file = made.to_file().expect("memory");
    let text = enrollment::from_file(&file).expect("an enrollment");
    let next = Place { segment: 1, run: Run::FIRST, sequence: 0 };
    let (id, algorithm) = (ring.chain(), Algorithm::default());
    let sealed = |enrollment: &[u8]| {
        let chain = Chain { id, algorithm, next, head: GENESIS, link: None };
        let mut sealer = Sealer::new(chain, Notes::NONE, None).expect("memory");
        let mut signer = ring.signer().expect("a signer");
        signer.enroll(enrollment).expect("memory");
        sealer.set_signer(signer).expect("memory");
        sealer.sign_next();
        let event =
            Event { tag: b"t", seconds: 1, nanoseconds: 2, record: Some(b"{\"a\":1}"), record_len: 7 };
        let checkpoint = sealer.seal(&event).to_vec();
        (checkpoint, sealer.signer().expect("a signer").anchor().to_vec(), sealer.seal(&event).to_vec())
    };
    let (checkpoint, anchor, record) = sealed(text);
    let (_, _, without) = sealed(b"");
    // Only the hashes differ, which have one length.
    assert_eq!(record.len(), without.len());
    let mut checker = Checker::default();
    let checked = checker.check(checkpoint.strip_suffix(b"\0").expect("a NUL"));
    let Ok(Checked::Sealed(checked)) = checked else { panic!("{checked:?}") };
    assert!(checked.is_intact);
    let stated = checked.checkpoint().expect("a checkpoint").key.enrollment.expect("an enrollment");
    assert_eq!(*stated, made);
    let anchored = read_anchor(&anchor).expect("an anchor").checkpoint;
    assert_eq!(anchored.key.enrollment.as_deref(), Some(&made));
    assert_eq!(anchored.anchor(false).expect("memory"), anchor);
}
