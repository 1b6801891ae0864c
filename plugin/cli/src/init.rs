//! `flb-audit init`: a directory in which a filter remembers its chain.

use crate::durable::{create_new, sync_directory};
use crate::roster::{Entry, Roster};
use crate::stdout::print;
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::anchor;
use flb_audit_core::chain::keyring::{self, KeyRing};
use flb_audit_core::chain::state::{FILE_NAME, Header};
use flb_audit_core::hash;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Make a state directory, and in it a new chain
///
/// The directory then goes into `accessible_paths` of one filter. Each filter
/// needs one of its own.
#[derive(Args)]
pub(crate) struct Init {
    /// The directory; it may be there already
    dir: PathBuf,
    /// The node's name: the chain gets keys, and its checkpoints are signed
    #[arg(long, value_name = "NAME", value_parser = node_name)]
    node: Option<String>,
    /// Add the public key to this roster, which is made if it is not there
    #[arg(long, value_name = "FILE", requires = "node")]
    roster: Option<PathBuf>,
    /// The chain's hash function
    #[arg(long, value_enum, default_value_t = Algorithm::Sha512_256)]
    algorithm: Algorithm,
}

#[derive(Clone, Copy, ValueEnum)]
enum Algorithm {
    /// SHA-256
    #[value(name = "sha-256")]
    Sha256,
    /// SHA-512/256: needs a quarter less CPU in Fluent Bit's interpreter
    #[value(name = "sha-512/256")]
    Sha512_256,
}

fn node_name(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() || text.contains(char::is_control) {
        return Err("a node's name has at least one character, and no control characters");
    }
    Ok(text.to_owned())
}

impl Init {
    pub(crate) fn run(self) -> Result<()> {
        let dir = self.dir.display();
        // What is wrong with it is said before there is a chain.
        let roster = self.roster.as_deref().map(Roster::read_if_there).transpose()?;
        fs::create_dir_all(&self.dir).with_context(|| format!("{dir}: cannot be made"))?;
        let path = self.dir.join(FILE_NAME);
        let mut random = [0; 9];
        getrandom::fill(&mut random).context("no randomness to be had")?;
        let algorithm = match self.algorithm {
            Algorithm::Sha256 => hash::Algorithm::Sha256,
            Algorithm::Sha512_256 => hash::Algorithm::Sha512_256,
        };
        let header = Header { id: ChainId::from_random(random), algorithm };
        let mut file = match create_new(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!(
                    "{dir} holds a chain already; a chain that starts anew would look like one that was \
                     cut, so choose another directory, or move this one away and keep it with its logs"
                )
            }
            file => file.with_context(|| format!("{}: cannot be made", path.display()))?,
        };
        let entry = self.node.map(|node| make_keys(&self.dir, header.id, node)).transpose();
        // A chain without its keys would look like one that never had any.
        let entry = entry.inspect_err(|_| drop(fs::remove_file(&path)))?;
        file.write_all(&header.to_file())
            .and_then(|()| file.sync_all())
            .and_then(|()| sync_directory(&self.dir))
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        let mut said = format!(
            "chain {} in {}, {}\nthe filter: accessible_paths {dir}\n",
            header.id,
            path.display(),
            algorithm.name()
        );
        let mut added = Ok(());
        if let Some(entry) = entry {
            said += &format!(
                "public key {}; keep this entry where the node cannot write:\n{}\n",
                entry.key,
                serde_json::to_string(&entry)?
            );
            if let (Some(path), Some(mut roster)) = (&self.roster, roster) {
                roster.entries.push(entry);
                added = roster.write(path);
                if added.is_ok() {
                    said += &format!("added to {}\n", path.display());
                }
            }
        }
        print(&said).with_context(|| {
            format!("{dir} holds a chain now; if its public key is nowhere else, make another elsewhere")
        })?;
        added
    }
}

/// Makes the files for the chain's keys and its checkpoints. Gives what is
/// public of them.
fn make_keys(dir: &Path, chain: ChainId, node: String) -> Result<Entry> {
    let ring = KeyRing::new(chain, &mut |seed| getrandom::fill(seed).is_ok())
        .map_err(|_| anyhow!("no randomness to be had"))?;
    let key = ring.public().context("no key")?;
    for (name, bytes) in
        [(keyring::FILE_NAME, ring.to_file()), (anchor::FILE_NAME, vec![0; anchor::FILE_BYTES].into())]
    {
        let path = dir.join(name);
        create_new(&path)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .with_context(|| format!("{}: cannot be made", path.display()))?;
    }
    let created = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    Ok(Entry { node, chain, key, created })
}
