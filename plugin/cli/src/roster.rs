//! The roster: the chains of each node, with the public key that each chain began with.
//! It is kept where the nodes cannot write.
//!
//! The file is a JSON array with one object for each chain, in the order of their
//! creation. Chains that a fleet has enrolled need no entry.

use crate::durable;
use crate::fleet::Fleet;
use crate::text;
use crate::time;
use crate::whole;
use anyhow::{Context, Result, bail};
use clap::Args;
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::signature::PublicKey;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// One chain of a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The node's name.
    pub(crate) node: String,
    #[serde(with = "text::chain")]
    pub(crate) chain: ChainId,
    /// The public part of key 0.
    #[serde(with = "text::key")]
    pub(crate) key: PublicKey,
    /// The time of its creation, as in RFC 3339.
    pub(crate) created: String,
}

impl Entry {
    /// Returns the time of its creation, in seconds from 1970. `None` if it is not a time in UTC.
    pub(crate) fn created_at(&self) -> Option<u64> {
        time::stated(&self.created)
    }
}

/// The files that say which chains are known.
#[derive(Args, Clone)]
pub(crate) struct Trusted {
    /// The public keys of the nodes' chains, as `flb-audit init` writes them
    #[arg(long, value_name = "FILE")]
    pub(crate) roster: Option<PathBuf>,
    /// The public part of a fleet's key, as `flb-audit fleet init` writes it: the chains that
    /// the fleet has enrolled need no roster
    #[arg(long, value_name = "FILE")]
    pub(crate) fleet: Option<PathBuf>,
}

impl Trusted {
    /// True if one of the files is named.
    pub(crate) fn is_given(&self) -> bool {
        self.roster.is_some() || self.fleet.is_some()
    }

    /// Reads the files. `None` if there are none: then no chain is known.
    pub(crate) fn read(&self) -> Result<Option<Roster>> {
        let roster = self.roster.as_deref().map(Roster::read).transpose()?;
        Ok(match self.fleet.as_deref().map(Fleet::read).transpose()? {
            None => roster,
            fleet => Some(Roster { fleet, ..roster.unwrap_or_default() }),
        })
    }
}

/// All of them, and the fleet that vouches for other chains.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster {
    entries: Vec<Entry>,
    /// The index of each chain's entry.
    by_chain: HashMap<ChainId, usize>,
    fleet: Option<Fleet>,
}

impl Roster {
    /// Reads a roster.
    pub(crate) fn read(path: &Path) -> Result<Roster> {
        let text = whole::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        let entries: Vec<Entry> = serde_json::from_slice(&text).with_context(|| {
            format!("{}: not a roster, as `flb-audit init --roster` writes it", path.display())
        })?;
        let mut roster = Roster::default();
        for (number, entry) in (1..).zip(entries) {
            let chain = entry.chain;
            if entry.created_at().is_none() {
                bail!(
                    "{}: entry {number}, of chain {chain}: `created` is {:?}, which is not a time in UTC such as {}; write \
                     the time at which `flb-audit init` created the chain",
                    path.display(),
                    entry.created,
                    time::EXAMPLE
                );
            }
            if !roster.push(entry) {
                bail!("{}: chain {chain} has two entries", path.display());
            }
        }
        Ok(roster)
    }

    /// Adds an entry, unless its chain has one. Returns whether it was added.
    fn push(&mut self, entry: Entry) -> bool {
        let is_new = !self.by_chain.contains_key(&entry.chain);
        if is_new {
            self.by_chain.insert(entry.chain, self.entries.len());
            self.entries.push(entry);
        }
        is_new
    }

    /// Returns all entries, in the order of their creation.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Reads a roster. A file that does not exist is an empty roster.
    pub(crate) fn read_if_there(path: &Path) -> Result<Roster> {
        match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Roster::default()),
            _ => Roster::read(path),
        }
    }

    /// Adds an entry to the roster in a file, which is created if it does not exist. An
    /// existing entry of the chain is kept. Processes that add at the same time wait for
    /// each other.
    pub(crate) fn add(path: &Path, entry: Entry) -> Result<()> {
        let _lock = durable::lock_directory_of(path)?;
        let mut roster = Roster::read_if_there(path)?;
        if !roster.push(entry) {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&roster.entries)? + "\n";
        durable::replace(path, text.as_bytes())
    }

    /// Returns the fleet, if one is trusted.
    pub(crate) fn fleet(&self) -> Option<&Fleet> {
        self.fleet.as_ref()
    }

    /// Returns the entry of a chain.
    pub(crate) fn of(&self, chain: &ChainId) -> Option<&Entry> {
        self.entries.get(*self.by_chain.get(chain)?)
    }
}
