//! An enrollment: a fleet's certificate of a node's chain. It makes an entry in a roster
//! needless.
//!
//! The fleet's key signs it, or a key that the fleet's key has lent the right for a time.
//! The filter writes it into each checkpoint, so whoever knows the fleet's public key
//! knows the chain from any of its checkpoints. The chain is named after its key 0. So
//! no enrollment gives a chain that is there another key 0.
//!
//! | bytes | the file beside the chain's keys |
//! |---|---|
//! | 0..4 | CRC-32 of all behind it |
//! | 4.. | the enrollment, as checkpoints have it |

use crate::chain::id::ChainId;
use crate::chain::signature::{PublicKey, SIGNATURE_BYTES, SecretKey, Signature, signature_text};
use crate::crc::crc32;
use crate::hash::Algorithm;
use crate::memory::{OutOfMemory, put};
use crate::text::digits::Digits;
use alloc::string::String;
use alloc::vec::Vec;

/// The file's name in its directory.
pub const FILE_NAME: &str = "chain.enrollment";
/// The length of the longest file, in bytes.
pub const FILE_BYTES_MAX: usize = 1024;
/// The longest name of a node, with the name of one of its chains, in bytes.
pub const NODE_BYTES_MAX: usize = 253;

/// The statements that a chain may make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The chain is a filter's: its records prove only themselves.
    #[default]
    Filter,
    /// The chain is a ledger's: its manifests and tombstones account for other records.
    Ledger,
}

impl Role {
    /// The name of the ledger's role. A filter's role has no name, because it is stated by
    /// saying nothing.
    pub const LEDGER: &'static str = "ledger";
}

/// The statement that a chain is one of a fleet's node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrollment {
    /// The node's name, as [`is_node_name`] has it. Where a node has several chains, a
    /// slash and the name of one of them follow.
    pub node: String,
    /// The public part of the chain's key 0.
    pub root: PublicKey,
    /// The statements that the chain may make.
    pub role: Role,
    /// When it was signed, in seconds since 1970.
    pub since: u64,
    /// The end of the time in which the chain may seal (exclusive). `None` means no end.
    pub until: Option<u64>,
    /// The key that has signed it, if it is not the fleet's own.
    pub lent: Option<LentKey>,
    /// The signature of that key.
    pub signature: Signature,
}

/// A key that may enroll chains for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LentKey {
    /// The public part of the lent key.
    pub public: PublicKey,
    /// The start of the time in which the key may enroll, in seconds since 1970.
    pub since: u64,
    /// The end of that time (exclusive).
    pub until: u64,
    /// `Ledger` if it may enroll ledgers, too.
    pub role: Role,
    /// The signature of the fleet's key.
    pub signature: Signature,
}

/// Says whether this is a node's name as enrollments have it: printable ASCII without a
/// quotation mark or a backslash, so that it stands in JSON as it is.
pub fn is_node_name(name: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'\\');
    (1..=NODE_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain)
}

/// Returns the name of a chain that begins with this key.
pub fn chain_of(root: &PublicKey) -> ChainId {
    let hash = Algorithm::Sha512_256.digest(&[b"flb-audit chain v1\n", root.as_bytes()]);
    let mut name = [0; 9];
    name.copy_from_slice(&hash[..9]);
    ChainId::from_random(name)
}

/// The reason for which an enrollment proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NotEnrolled {
    /// The fleet has not lent the key that has signed it.
    LentKey,
    /// The key was lent for another time.
    Time,
    /// The key was lent for the chains of filters, and this one is a ledger's.
    Role,
    /// The signature is not that of the key that has to sign it.
    Signature,
    /// The chain is not named after the key that it states.
    Chain,
}

impl LentKey {
    /// Returns the text that the fleet's key signs.
    pub fn message(
        public: &PublicKey,
        (since, until): (u64, u64),
        role: Role,
    ) -> Result<Vec<u8>, OutOfMemory> {
        let mut text = Vec::new();
        put(&mut text, b"flb-audit lent key v1\n")?;
        put(&mut text, &public.text())?;
        for number in [since, until] {
            put(&mut text, b"\n")?;
            put(&mut text, Digits::of(number).as_bytes())?;
        }
        put(&mut text, b"\n")?;
        put_role_line(&mut text, role)?;
        Ok(text)
    }

    /// Lends a key the right to enroll chains.
    pub fn sign(
        fleet: &SecretKey,
        public: PublicKey,
        (since, until): (u64, u64),
        role: Role,
    ) -> Result<Self, OutOfMemory> {
        let signature = fleet.sign(&LentKey::message(&public, (since, until), role)?);
        Ok(LentKey { public, since, until, role, signature })
    }

    /// Checks that a fleet has lent the key.
    pub fn is_of(&self, fleet: &PublicKey) -> bool {
        LentKey::message(&self.public, (self.since, self.until), self.role)
            .is_ok_and(|message| fleet.has_signed(&message, &self.signature))
    }

    /// Says whether the key may enroll chains at this time.
    pub fn is_valid_at(&self, seconds: u64) -> bool {
        (self.since..self.until).contains(&seconds)
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        put(out, b"{\"pub\":\"")?;
        put(out, &self.public.text())?;
        put(out, b"\"")?;
        put_role(out, self.role)?;
        put(out, b",\"sig\":\"")?;
        put(out, &signature_text(&self.signature))?;
        put(out, b"\",\"since\":")?;
        put(out, Digits::of(self.since).as_bytes())?;
        put(out, b",\"until\":")?;
        put(out, Digits::of(self.until).as_bytes())?;
        put(out, b"}")
    }
}

impl Enrollment {
    /// Enrolls the chain that begins with the key `root`. `secret` is the fleet's key, or
    /// the one that it has lent.
    pub fn sign(
        node: String,
        (root, role): (PublicKey, Role),
        (since, until): (u64, Option<u64>),
        lent: Option<LentKey>,
        secret: &SecretKey,
    ) -> Result<Self, OutOfMemory> {
        let signature = [0; SIGNATURE_BYTES];
        let mut enrollment = Enrollment { node, root, role, since, until, lent, signature };
        enrollment.signature = secret.sign(&enrollment.message()?);
        Ok(enrollment)
    }

    /// Returns the text that is signed.
    pub fn message(&self) -> Result<Vec<u8>, OutOfMemory> {
        let mut text = Vec::new();
        put(&mut text, b"flb-audit enrollment v1\n")?;
        put(&mut text, chain_of(&self.root).as_bytes())?;
        put(&mut text, b"\n")?;
        put(&mut text, &self.root.text())?;
        put(&mut text, b"\n")?;
        put(&mut text, self.node.as_bytes())?;
        put(&mut text, b"\n")?;
        put(&mut text, Digits::of(self.since).as_bytes())?;
        put(&mut text, b"\n")?;
        if let Some(until) = self.until {
            put(&mut text, Digits::of(until).as_bytes())?;
        }
        put(&mut text, b"\n")?;
        put_role_line(&mut text, self.role)?;
        Ok(text)
    }

    /// Checks that a fleet vouches for this chain.
    pub fn verify(&self, chain: &ChainId, fleet: &PublicKey) -> Result<(), NotEnrolled> {
        if chain_of(&self.root) != *chain {
            return Err(NotEnrolled::Chain);
        }
        let signer = match &self.lent {
            None => *fleet,
            Some(lent) if !lent.is_of(fleet) => return Err(NotEnrolled::LentKey),
            Some(lent) if !lent.is_valid_at(self.since) => return Err(NotEnrolled::Time),
            Some(lent) if lent.role < self.role => return Err(NotEnrolled::Role),
            Some(lent) => lent.public,
        };
        let message = self.message().map_err(|_| NotEnrolled::Signature)?;
        let is_signed = is_node_name(&self.node) && signer.has_signed(&message, &self.signature);
        if is_signed { Ok(()) } else { Err(NotEnrolled::Signature) }
    }

    /// Writes it as a checkpoint has it under `key.fleet`, in canonical form.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        put(out, b"{")?;
        if let Some(lent) = &self.lent {
            put(out, b"\"by\":")?;
            lent.write(out)?;
            put(out, b",")?;
        }
        put(out, b"\"node\":\"")?;
        put(out, self.node.as_bytes())?;
        put(out, b"\",\"pub\":\"")?;
        put(out, &self.root.text())?;
        put(out, b"\"")?;
        put_role(out, self.role)?;
        put(out, b",\"sig\":\"")?;
        put(out, &signature_text(&self.signature))?;
        put(out, b"\",\"since\":")?;
        put(out, Digits::of(self.since).as_bytes())?;
        if let Some(until) = self.until {
            put(out, b",\"until\":")?;
            put(out, Digits::of(until).as_bytes())?;
        }
        put(out, b"}")
    }

    /// Returns the file that a chain's writer reads.
    pub fn to_file(&self) -> Result<Vec<u8>, OutOfMemory> {
        let mut file = Vec::new();
        put(&mut file, &[0; 4])?;
        self.write(&mut file)?;
        let crc = crc32(&file[4..]);
        file[..4].copy_from_slice(&crc.to_le_bytes());
        Ok(file)
    }
}

/// Writes the member that states a ledger's role.
pub(super) fn put_role(out: &mut Vec<u8>, role: Role) -> Result<(), OutOfMemory> {
    put(out, if role == Role::Ledger { b",\"role\":\"ledger\"" } else { b"" })
}

/// Writes the line that states a ledger's role in a signed text.
pub(super) fn put_role_line(out: &mut Vec<u8>, role: Role) -> Result<(), OutOfMemory> {
    put(out, if role == Role::Ledger { b"ledger\n" } else { b"" })
}

/// Returns the enrollment in a file, as checkpoints have it. `None` if the file is
/// damaged.
pub fn from_file(file: &[u8]) -> Option<&[u8]> {
    let (crc, text) = file.split_first_chunk()?;
    (file.len() <= FILE_BYTES_MAX && *crc == crc32(text).to_le_bytes() && !text.is_empty()).then_some(text)
}
