//! Private keys, and the check that they stay in their file.

use crate::case::Place;
use anyhow::{Context, Result, ensure};
use flb_audit_core::chain::keyring::FILE_NAME;
use host_tests::secrets;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The private keys that were seen in a key file.
pub(crate) struct Private {
    file: PathBuf,
    seen: BTreeSet<[u8; 32]>,
}

impl Private {
    /// Reads the private keys of a state directory.
    pub(crate) fn new(state: &Path) -> Result<Self> {
        let mut private = Private { file: state.join(FILE_NAME), seen: BTreeSet::new() };
        private.look()?;
        Ok(private)
    }

    /// Reads the keys that are there now. Returns how many of them are new.
    pub(crate) fn look(&mut self) -> Result<usize> {
        let before = self.seen.len();
        self.seen.extend(secrets::in_key_file(&fs::read(&self.file)?));
        Ok(self.seen.len() - before)
    }

    /// Fails if a key is in any other file below the case's directory, such as outputs,
    /// logs, configs, and other files of the state.
    pub(crate) fn ensure_kept(&self, place: &Place) -> Result<()> {
        ensure!(!self.seen.is_empty(), "{}: no private keys", self.file.display());
        self.search(&place.at(""))
    }

    fn search(&self, dir: &Path) -> Result<()> {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                self.search(&path)?;
            } else if path != self.file {
                let text = fs::read(&path).with_context(|| path.display().to_string())?;
                let leaked = self.seen.iter().any(|secret| secrets::leaks(&text, secret));
                ensure!(!leaked, "{} has a private key", path.display());
            }
        }
        Ok(())
    }
}
