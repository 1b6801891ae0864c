//! Who can read a file: the recipients that it is encrypted to, and the
//! decryption keys that open it, as in age-encryption.org/v1.

use crate::Result;
use age::x25519::Recipient;
use age::{DecryptError, Decryptor, EncryptError, Encryptor, IdentityFile};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

/// How many recipients there may be: each costs time and room in every frame.
const RECIPIENTS_MAX: usize = 100;

/// Those for whom it is written. The node is none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipients(Vec<Recipient>);

impl Recipients {
    /// Reads recipients of the kind X25519, `age1…`, with blanks or commas
    /// between them. An error names the one that is none.
    pub fn read(text: &str) -> std::result::Result<Recipients, String> {
        let words = text.split(|char: char| char == ',' || char.is_whitespace());
        let recipients: Vec<Recipient> =
            words.filter(|word| !word.is_empty()).map(read).collect::<std::result::Result<_, _>>()?;
        if recipients.is_empty() {
            return Err("names nobody; without the property nothing is encrypted".to_owned());
        }
        if recipients.len() > RECIPIENTS_MAX {
            return Err(format!("names {}, and more than {RECIPIENTS_MAX} are too many", recipients.len()));
        }
        Ok(Recipients(recipients))
    }

    /// Encrypts something, as an age file in its binary form.
    pub(crate) fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let recipients = self.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = Encryptor::with_recipients(recipients)?;
        let mut file = Vec::with_capacity(plain.len() + 1024);
        let write = || {
            let mut writer = encryptor.wrap_output(&mut file)?;
            writer.write_all(plain)?;
            writer.finish()
        };
        write().map_err(EncryptError::Io)?;
        Ok(file)
    }
}

fn read(word: &str) -> std::result::Result<Recipient, String> {
    if word.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
        return Err("has a secret key, which is not to be on this node; its recipient is age1…".to_owned());
    }
    word.parse().map_err(|_| format!("`{word}` is not an age recipient: age1…, as age-keygen prints it"))
}

/// The keys of some recipients.
pub struct DecryptionKeys(Vec<Box<dyn age::Identity + Send + Sync>>);

/// Why something is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It is for others.
    NotForThese,
    /// It is not what was encrypted.
    Damaged,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Closed::NotForThese => "encrypted to others",
            Closed::Damaged => "not what was encrypted",
        })
    }
}

impl DecryptionKeys {
    /// Reads an identity file, as `age-keygen` makes it: `AGE-SECRET-KEY-1…`, a
    /// line each.
    pub fn read(path: &Path) -> io::Result<DecryptionKeys> {
        let file = IdentityFile::from_buffer(BufReader::new(File::open(path)?))?;
        let identities = file.into_identities().map_err(|_| io::ErrorKind::InvalidData)?;
        if identities.is_empty() {
            return Err(io::Error::other("no identity in it"));
        }
        Ok(DecryptionKeys(identities))
    }

    /// Begins to decrypt an age file.
    pub fn decrypt<'a>(&self, file: &'a [u8]) -> std::result::Result<impl Read + use<'a>, Closed> {
        let identities = self.0.iter().map(|identity| &**identity as &dyn age::Identity);
        let opened = Decryptor::new_buffered(file).and_then(|decryptor| decryptor.decrypt(identities));
        opened.map_err(|error| match error {
            DecryptError::NoMatchingKeys => Closed::NotForThese,
            _ => Closed::Damaged,
        })
    }
}
