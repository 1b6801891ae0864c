//! The ledger's properties, and the settings that they make.

use crate::Recipients;
use flb_audit_core::text::quantity;
use std::time::Duration;

/// The ledger's properties: the name, and its description with the default last.
pub const PROPERTIES: [(&str, &str); 8] = [
    ("file_size", "close a file at this size, in bytes, with k, M or G; 64M, 1k to 1G"),
    ("file_age", "close a file after this time, in seconds, or with m, h or d; 1h"),
    ("keep_size", "delete the oldest closed files while they are larger together; never"),
    ("keep_age", "delete closed files after this time; never"),
    ("recipients", "encrypt files to these age recipients, age1…, one or several; to nobody"),
    (
        "roster",
        "believe the seals of chains in this roster, a file in the directory; roster.json, if it is there",
    ),
    (
        "fleet",
        "believe the seals of chains that this fleet has enrolled, a file in the directory; fleet.json, if it is there",
    ),
    ("sync", "off: answer ok before records are on the disk; on"),
];

/// The settings of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The size at which a file is closed, in bytes of its records.
    pub file_bytes: u64,
    /// The time after which a file is closed.
    pub file_age: Duration,
    /// The maximum size of all closed files together, in stored bytes.
    pub keep_bytes: Option<u64>,
    /// The time for which closed files are kept.
    pub keep_age: Option<Duration>,
    /// The recipients that files are encrypted to. `None` leaves them unencrypted.
    pub recipients: Option<Recipients>,
    /// The name of the roster in the ledger's directory, if it is not `roster.json`.
    /// Records of chains that are not in the roster are treated as records without a
    /// seal.
    pub roster: Option<String>,
    /// The name of the fleet's public part in the ledger's directory, if it is not
    /// `fleet.json`.
    pub fleet: Option<String>,
    /// True if records are synced to the disk before the answer is ok.
    pub is_synced: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            file_bytes: 64 << 20,
            file_age: Duration::from_secs(3600),
            keep_bytes: None,
            keep_age: None,
            recipients: None,
            roster: None,
            fleet: None,
            is_synced: true,
        }
    }
}

impl Settings {
    /// Reads properties. An error names the property that is wrong.
    pub fn read<'a>(properties: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Settings, String> {
        let mut settings = Settings::default();
        for (name, text) in properties {
            let text = text.trim();
            let wrong = |expected: &str| format!("property config.{name}: `{text}` is not {expected}");
            let size = || {
                quantity::bytes(text).ok_or_else(|| wrong("a size, such as 64M, 512k or a number of bytes"))
            };
            let age = || duration(text).ok_or_else(|| wrong("a time, such as 30s, 15m, 1h or 90d"));
            match name {
                "file_size" => {
                    settings.file_bytes = size()?;
                    if !(1 << 10..=1 << 30).contains(&settings.file_bytes) {
                        return Err(wrong("from 1k to 1G"));
                    }
                }
                "file_age" => settings.file_age = age()?,
                "keep_size" => settings.keep_bytes = Some(size()?),
                "keep_age" => settings.keep_age = Some(age()?),
                "recipients" => {
                    let recipients = Recipients::read(text);
                    let recipients = recipients.map_err(|what| format!("property config.{name}: {what}"))?;
                    settings.recipients = Some(recipients);
                }
                "roster" | "fleet" => {
                    if text.is_empty() || text.contains(['/', '\\']) {
                        return Err(wrong("a file's name"));
                    }
                    let setting = if name == "fleet" { &mut settings.fleet } else { &mut settings.roster };
                    *setting = Some(text.to_owned());
                }
                "sync" => {
                    settings.is_synced = quantity::switch(text).ok_or_else(|| wrong("on or off"))?;
                }
                _ => return Err(format!("property config.{name} does not exist")),
            }
        }
        Ok(settings)
    }
}

/// Reads a time, which has to be longer than zero.
fn duration(text: &str) -> Option<Duration> {
    quantity::milliseconds(text).filter(|milliseconds| *milliseconds > 0).map(Duration::from_millis)
}
