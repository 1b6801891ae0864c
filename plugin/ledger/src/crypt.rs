//! Access to encrypted files: the recipients that a file is encrypted to, and the
//! decryption keys that open it, as in age-encryption.org/v1.

use crate::Result;
use age::x25519::Recipient;
use age::{DecryptError, Decryptor, EncryptError, Encryptor, IdentityFile};
use std::fmt;
use std::io::{self, Read, Write};

/// The maximum number of recipients. Each one costs time and space in every frame.
const RECIPIENTS_MAX: usize = 100;

/// The recipients that files are encrypted to. The node itself is not one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipients(Vec<Recipient>);

impl Recipients {
    /// Reads X25519 recipients (`age1…`), separated by blanks or commas. An error names
    /// the word that is not a recipient.
    pub fn read(text: &str) -> std::result::Result<Recipients, String> {
        let words = text.split(|char: char| char == ',' || char.is_whitespace());
        let recipients: Vec<Recipient> =
            words.filter(|word| !word.is_empty()).map(read).collect::<std::result::Result<_, _>>()?;
        if recipients.is_empty() {
            return Err("names nobody; without the property nothing is encrypted".to_owned());
        }
        if recipients.len() > RECIPIENTS_MAX {
            return Err(format!(
                "names {} recipients; at most {RECIPIENTS_MAX} are allowed",
                recipients.len()
            ));
        }
        Ok(Recipients(recipients))
    }

    /// Encrypts bytes as an age file in its binary form.
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
        return Err("has a secret key, which must not be on this node; name its recipient, age1…".to_owned());
    }
    word.parse().map_err(|_| format!("`{word}` is not an age recipient: age1…, as age-keygen prints it"))
}

/// The secret keys of recipients.
pub struct DecryptionKeys {
    identities: Vec<Box<dyn age::Identity + Send + Sync>>,
    recipients: Vec<String>,
}

/// The reason why an age file cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The file is encrypted to other recipients.
    NotForThese,
    /// The file was changed after it was encrypted.
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
    /// Reads the text of an identity file as `age-keygen` writes it: one `AGE-SECRET-KEY-1…` a line.
    pub fn read(text: &[u8]) -> io::Result<DecryptionKeys> {
        let file = IdentityFile::from_buffer(text)?;
        let mut public = Vec::new();
        file.write_recipients_file(&mut public).map_err(|_| io::Error::other("it has no identity"))?;
        let identities = file.into_identities().map_err(|_| io::ErrorKind::InvalidData)?;
        let mut recipients: Vec<String> =
            String::from_utf8_lossy(&public).lines().map(str::to_owned).collect();
        recipients.sort_unstable();
        recipients.dedup();
        Ok(DecryptionKeys { identities, recipients })
    }

    /// Returns the recipients of the keys (`age1…`), which are public, each once and in order.
    pub fn recipients(&self) -> &[String] {
        &self.recipients
    }

    /// Begins to decrypt an age file.
    pub fn decrypt<'a>(&self, file: &'a [u8]) -> std::result::Result<impl Read + use<'a>, Closed> {
        let identities = self.identities.iter().map(|identity| &**identity as &dyn age::Identity);
        let opened = Decryptor::new_buffered(file).and_then(|decryptor| decryptor.decrypt(identities));
        opened.map_err(|error| match error {
            DecryptError::NoMatchingKeys => Closed::NotForThese,
            _ => Closed::Damaged,
        })
    }
}
