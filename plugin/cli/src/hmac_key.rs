//! `flb-audit hmac-key`: makes a key for HMACs, so that equal values get equal tokens.

use crate::durable::{create_new, make_directory};
use crate::terminal::print_report;
use anyhow::{Context, Result, bail};
use clap::Args;
use flb_audit_core::redact::{HmacKey, KEY_FILE_NAME};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

/// Make a key for the policy's action hmac
///
/// Put the file into an accessible path of every filter that has to replace equal values
/// by equal tokens. Anybody who has the key can test guesses of the values.
#[derive(Args)]
pub(crate) struct HmacKeyCommand {
    /// The directory for hmac.key. It is created if it does not exist
    dir: PathBuf,
    /// The key's name, which is part of every token
    #[arg(long)]
    id: String,
}

impl HmacKeyCommand {
    pub(crate) fn run(self) -> Result<()> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).context("the system's random source failed")?;
        let Some(text) = HmacKey::to_file(&self.id, &secret) else {
            bail!("--id takes up to 16 letters, digits, `-` and `_`");
        };
        make_directory(&self.dir)?;
        let path = self.dir.join(KEY_FILE_NAME);
        let mut file = match create_new(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!(
                    "{}: exists already, and is left unchanged; tokens of another key would not match those \
                     made with it",
                    path.display()
                )
            }
            file => file.with_context(|| format!("{}: cannot be made", path.display()))?,
        };
        file.write_all(&text).and_then(|()| file.sync_all()).with_context(|| path.display().to_string())?;
        print_report(&format!("key {} in {}\n", self.id, path.display()))
    }
}
