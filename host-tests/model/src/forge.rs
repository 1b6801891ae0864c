//! Seals records correctly or incorrectly: a test can choose every part.

use crate::json::Value;
use crate::seal::{self, GENESIS, Place};
use ed25519_dalek::{Signer, SigningKey};
use std::collections::BTreeMap;

/// A chain all of whose keys are known.
#[derive(Clone, Debug)]
pub struct Forge {
    /// The chain's name
    pub chain: String,
    /// The number of the key in force, or none for a chain without keys
    pub key: Option<u64>,
    /// A number that makes this chain's keys differ from those of other chains
    pub salt: u8,
    /// The places at which keys 1, 2 … came into force, and the heads before them
    pub handovers: Vec<(Place, [u8; 32])>,
    /// The place of the next record
    pub place: Place,
    /// The head before it
    pub head: [u8; 32],
    /// The heads before the records of this segment
    pub heads: BTreeMap<u64, [u8; 32]>,
    /// The `link` of the next record
    pub link: Option<Value>,
    /// The member `v`
    pub version: &'static str,
    /// True if key 0 says that it is a ledger's
    pub is_ledger: bool,
    /// `fleet` in what checkpoints say of their keys
    pub enrollment: Option<Value>,
}

/// A key that enrolls chains.
pub struct Enroller {
    key: SigningKey,
    lent: Option<Value>,
}

impl Enroller {
    /// Returns a fleet's key: another one for each salt.
    pub fn fleet(salt: u8) -> Self {
        Enroller { key: SigningKey::from_bytes(&[salt; 32]), lent: None }
    }

    /// Returns its public part.
    pub fn public(&self) -> String {
        seal::text(self.key.verifying_key().as_bytes())
    }

    fn sign(&self, text: &str) -> String {
        seal::text(&self.key.sign(text.as_bytes()).to_bytes())
    }

    /// Lends another key the right to enroll the chains of filters.
    pub fn lend(&self, salt: u8, since: u64, until: u64) -> Self {
        self.lend_as(false, salt, since, until)
    }

    /// Lends another key the right to enroll chains, also those of ledgers if it is to.
    pub fn lend_as(&self, is_ledger: bool, salt: u8, since: u64, until: u64) -> Self {
        let lent = Enroller::fleet(salt);
        let signature = self.sign(&seal::lent_text(&lent.public(), since, until, is_ledger));
        let mut of = vec![
            ("pub".to_owned(), string(&lent.public())),
            ("since".to_owned(), number(since)),
            ("until".to_owned(), number(until)),
            ("sig".to_owned(), string(&signature)),
        ];
        of.extend(is_ledger.then(|| ("role".to_owned(), string("ledger"))));
        Enroller { lent: Some(Value::Object(of)), ..lent }
    }

    /// Enrolls a filter's chain, or what is said to be one.
    pub fn enroll(&self, chain: &str, key_0: &str, node: &str, since: u64, until: Option<u64>) -> Value {
        self.enroll_as(false, (chain, key_0), node, since, until)
    }

    /// Enrolls a chain as that of a ledger or a filter.
    pub fn enroll_as(
        &self,
        is_ledger: bool,
        (chain, key_0): (&str, &str),
        node: &str,
        since: u64,
        until: Option<u64>,
    ) -> Value {
        let text = seal::enrollment_text(chain, key_0, node, (since, until), is_ledger);
        let signature = self.sign(&text);
        let mut members = vec![
            ("node".to_owned(), string(node)),
            ("pub".to_owned(), string(key_0)),
            ("since".to_owned(), number(since)),
            ("sig".to_owned(), string(&signature)),
        ];
        members.extend(until.map(|until| ("until".to_owned(), number(until))));
        members.extend(is_ledger.then(|| ("role".to_owned(), string("ledger"))));
        members.extend(self.lent.clone().map(|lent| ("by".to_owned(), lent)));
        Value::Object(members)
    }
}

/// Returns a string as JSON.
pub fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// Returns a number as JSON.
pub fn number(number: u64) -> Value {
    Value::Number(number.to_string())
}

/// Returns an object as JSON.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn of_place(place: &Place) -> [(&'static str, Value); 3] {
    [("run", string(&place.1)), ("seg", number(place.0)), ("seq", number(place.2))]
}

impl Forge {
    /// Creates a chain with key 0, before its first record.
    pub fn new(chain: &str, salt: u8) -> Self {
        let place = (1, "run--1".to_owned(), 0);
        let (head, version) = (GENESIS, "1.2");
        Forge {
            chain: chain.to_owned(),
            key: Some(0),
            salt,
            handovers: Vec::new(),
            place,
            head,
            heads: BTreeMap::new(),
            link: None,
            version,
            is_ledger: false,
            enrollment: None,
        }
    }

    /// Returns a new chain that is named after its key 0.
    pub fn named_after_key(salt: u8) -> Self {
        let mut forge = Forge::new("", salt);
        forge.chain = seal::chain_of(forge.secret(0).verifying_key().as_bytes());
        forge
    }

    /// Has the chain enrolled as that of a node.
    pub fn enroll(&mut self, by: &Enroller, node: &str, since: u64, until: Option<u64>) {
        self.enrollment = Some(by.enroll(&self.chain, &self.public(0), node, since, until));
    }

    fn secret(&self, n: u64) -> SigningKey {
        let mut seed = [self.salt; 32];
        seed[..8].copy_from_slice(&n.to_le_bytes());
        SigningKey::from_bytes(&seed)
    }

    /// Returns the public part of key `n`.
    pub fn public(&self, n: u64) -> String {
        seal::text(self.secret(n).verifying_key().as_bytes())
    }

    /// Signs a text with key `n`.
    pub fn sign(&self, n: u64, text: &str) -> String {
        seal::text(&self.secret(n).sign(text.as_bytes()).to_bytes())
    }

    /// Returns the chain's entry of a roster.
    pub fn roster(&self) -> Value {
        object([
            ("node", string(&self.chain)),
            ("chain", string(&self.chain)),
            ("key", string(&self.public(0))),
            ("created", string("2026-11-20T00:00:00Z")),
        ])
    }

    /// Puts the next key into force, from the next record on.
    pub fn rotate(&mut self) {
        if let Some(n) = &mut self.key {
            *n += 1;
            self.handovers.push((self.place.clone(), self.head));
        }
    }

    /// Begins a segment. `unsettled` is a number in the segment before: from there on,
    /// the new segment says, records may not have been delivered.
    pub fn restart(&mut self, run: &str, unsettled: Option<u64>) {
        let last = self.place.2.checked_sub(1).map(|number| (self.place.0, self.place.1.clone(), number));
        self.link = last.map(|last| {
            let mut members: Vec<(String, Value)> =
                of_place(&last).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let from = unsettled.map(|from| {
                let head = self.heads.get(&from).unwrap_or(&self.head);
                let mut members = of_place(&(last.0, last.1.clone(), from)).to_vec();
                members.push(("head", string(&seal::text(head))));
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            });
            members.extend(from.map(|from| ("unsettled".to_owned(), from)));
            Value::Object(members)
        });
        self.heads.clear();
        self.place = (self.place.0 + 1, run.to_owned(), 0);
    }

    /// Returns a certificate.
    pub fn certificate(&self, n: u64) -> Value {
        self.certificate_as(self.is_ledger && n.is_power_of_two(), n)
    }

    /// Returns a certificate that says whether the chain is a ledger's.
    pub fn certificate_as(&self, is_ledger: bool, n: u64) -> Value {
        let (public, signer) = (self.public(n), n & (n - 1));
        let signature = self.sign(signer, &seal::certificate_text(&self.chain, n, &public, is_ledger));
        let mut members = vec![
            ("n".to_owned(), number(n)),
            ("pub".to_owned(), string(&public)),
            ("sig".to_owned(), string(&signature)),
        ];
        members.extend(is_ledger.then(|| ("role".to_owned(), string("ledger"))));
        Value::Object(members)
    }

    /// Returns a handover to a key.
    pub fn handover(&self, n: u64, place: &Place, head: &[u8; 32]) -> Value {
        let signature = self.sign(n - 1, &seal::handover_text(&self.chain, n, place, head));
        let [run, segment, sequence] = of_place(place);
        object([
            ("n", number(n)),
            ("head", string(&seal::text(head))),
            run,
            segment,
            sequence,
            ("sig", string(&signature)),
        ])
    }

    /// Returns what a checkpoint says about its key `n`.
    pub fn key(&self, n: u64) -> Value {
        let mut needed = Vec::new();
        for mut key in [n, n.saturating_sub(1), n.saturating_sub(2)] {
            while key > 0 {
                needed.push(key);
                key &= key - 1;
            }
        }
        needed.sort_unstable();
        needed.dedup();
        let certificates = needed.into_iter().map(|n| self.certificate(n)).collect();
        let handovers = [n, n.saturating_sub(1)].into_iter().filter(|n| *n > 0);
        let since = handovers.map(|n| {
            let (place, head) = &self.handovers[n as usize - 1];
            self.handover(n, place, head)
        });
        let mut members = vec![
            ("n".to_owned(), number(n)),
            ("certs".to_owned(), Value::Array(certificates)),
            ("since".to_owned(), Value::Array(since.collect())),
        ];
        members.extend(self.enrollment.clone().map(|of| ("fleet".to_owned(), of)));
        Value::Object(members)
    }

    /// Seals the next record, with additional members of `audit`.
    pub fn seal(&mut self, body: &str, is_checkpoint: bool, more: &[(&str, Value)]) -> Value {
        let mut audit = vec![("chain".to_owned(), string(&self.chain))];
        audit.extend(self.link.take().map(|link| ("link".to_owned(), link)));
        audit.extend(of_place(&self.place).map(|(name, value)| (name.to_owned(), value)));
        audit.push(("tag".to_owned(), string("some.tag")));
        audit.push(("time".to_owned(), string(&format!("{}.000000005", 1_795_161_600 + self.place.2))));
        audit.push(("v".to_owned(), string(self.version)));
        let key = self.key.filter(|_| is_checkpoint).map(|n| self.key(n));
        audit.extend(key.map(|key| ("key".to_owned(), key)));
        for (name, value) in more {
            audit.retain(|(other, _)| other != name);
            audit.push(((*name).to_owned(), value.clone()));
        }
        audit.push(("prev".to_owned(), string(&seal::text(&self.head))));
        let mut record = Value::parse(body).unwrap_or(Value::Null);
        if let Some(members) = record.members_mut() {
            members.push(("audit".to_owned(), Value::Object(audit)));
        }
        self.resign(&mut record);
        self.heads.insert(self.place.2, self.head);
        if let Some(head) = head_of(&record) {
            self.head = head;
        }
        self.place.2 += 1;
        record
    }

    /// Computes a record's hash again, and its signature if the record names a key.
    pub fn resign(&self, record: &mut Value) {
        let Some(head) = rehash(record) else { return };
        let Some(audit) = audit_mut(record) else { return };
        let of = |audit: &Vec<(String, Value)>, name: &str| {
            audit.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        };
        let n = of(audit, "key").and_then(|key| key.get("n")?.as_integer());
        let place = || {
            let run = of(audit, "run")?.as_str()?.to_owned();
            Some((of(audit, "seg")?.as_integer()?, run, of(audit, "seq")?.as_integer()?))
        };
        if let (Some(n), Some(place)) = (n, place()) {
            let chain =
                of(audit, "chain").and_then(|chain| chain.as_str().map(str::to_owned)).unwrap_or_default();
            let signature = self.sign(n, &seal::checkpoint_text(&chain, n, &place, &head));
            set(audit, "sig", string(&signature));
        }
    }
}

/// Sets a member.
pub fn set(members: &mut Vec<(String, Value)>, name: &str, value: Value) {
    match members.iter_mut().find(|(key, _)| key == name) {
        Some((_, old)) => *old = value,
        None => members.push((name.to_owned(), value)),
    }
}

/// Returns the members of a record's seal.
pub fn audit_mut(record: &mut Value) -> Option<&mut Vec<(String, Value)>> {
    record.members_mut()?.iter_mut().find(|(name, _)| name == "audit")?.1.members_mut()
}

/// Returns the head that a record states.
pub fn head_of(record: &Value) -> Option<[u8; 32]> {
    seal::bytes(record.get("audit")?.get("head")?.as_str()?)
}

/// Computes a record's hash again, as anybody can without a key. Returns the head.
pub fn rehash(record: &mut Value) -> Option<[u8; 32]> {
    let audit = record.get("audit")?;
    let version = audit.get("v")?.as_str()?.to_owned();
    let prev = seal::bytes(audit.get("prev")?.as_str()?)?;
    let (_, head) = seal::hashes(record, &version, &prev)?;
    set(audit_mut(record)?, "head", string(&seal::text(&head)));
    Some(head)
}

/// Returns the anchor for a checkpoint's record.
pub fn anchor(record: &Value) -> Option<Value> {
    let audit = record.get("audit")?;
    let names = ["chain", "run", "seg", "seq", "head", "key", "sig"];
    let members = names.into_iter().map(|name| Some((name.to_owned(), audit.get(name)?.clone())));
    members.collect::<Option<Vec<_>>>().map(Value::Object)
}
