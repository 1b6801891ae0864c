//! `flb-audit init`: sets up a state directory with a new chain.

use crate::durable::{self, Replacement, create_new, sync_directory};
use crate::enroll::Enroll;
use crate::fleet::role_of;
use crate::roster::{Entry, Roster};
use crate::terminal::print_report;
use crate::whole;
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Args, ValueEnum};
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::anchor;
use flb_audit_core::chain::enrollment::Role;
use flb_audit_core::chain::keyring::{self, KeyRing};
use flb_audit_core::chain::signature::PublicKey;
use flb_audit_core::chain::state::{FILE_NAME, Header, State};
use flb_audit_core::hash;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::process::Command;
use std::time::SystemTime;

/// Create a state directory with a new chain
///
/// Name the directory in the `accessible_paths` of one filter. Each filter needs a
/// directory of its own.
#[derive(Args)]
pub(crate) struct Init {
    /// The directory. It may exist already
    dir: PathBuf,
    /// The node's name. With it, the chain gets keys, and its checkpoints are signed
    #[arg(long, value_name = "NAME", value_parser = node_name)]
    node: Option<String>,
    /// The chain is a ledger's, so its manifests and tombstones count. Needed with --enroll;
    /// without it, a new chain becomes a ledger's when a ledger first uses it
    #[arg(long, requires = "node")]
    ledger: bool,
    #[command(flatten)]
    enroll: Enroll,
    /// Add the public key to this roster, which is created if it does not exist
    #[arg(long, value_name = "FILE", requires = "node")]
    roster: Option<PathBuf>,
    /// If the directory has a chain already, use that chain: print its entry again, and
    /// add the entry to the roster if it is missing there
    #[arg(long)]
    if_missing: bool,
    /// Give the directory and its files to this user and group, for example 1000:1000
    #[arg(long, value_name = "USER[:GROUP]", value_parser = owner)]
    owner: Option<Owner>,
    /// The chain's hash function
    #[arg(long, value_enum, default_value_t = Algorithm::Sha512_256)]
    algorithm: Algorithm,
    /// A command to run afterwards, which replaces this program
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The numbers of a user and a group.
#[derive(Clone, Copy)]
struct Owner {
    user: u32,
    group: Option<u32>,
}

fn owner(text: &str) -> Result<Owner, &'static str> {
    let number = |text: &str| text.parse().map_err(|_| "a user and a group are numbers: 1000, or 1000:1000");
    Ok(match text.split_once(':') {
        None => Owner { user: number(text)?, group: None },
        Some((user, group)) => Owner { user: number(user)?, group: Some(number(group)?) },
    })
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
        // A faulty roster, or one that cannot be written, is reported before a chain is created.
        let roster = self.roster.as_deref().map(Roster::read_if_there).transpose()?;
        let role = role_of(self.ledger);
        self.enroll.check(&self.dir, self.node.as_deref(), role)?;
        let missing = self.dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists());
        let mut made = Made(missing.map(Path::to_owned).collect());
        made.0.reverse();
        durable::make_directory(&self.dir)?;
        // The roster may be in a directory that was made just now.
        if let Some(roster) = self.roster.as_deref().filter(|_| !self.dir.join(FILE_NAME).exists()) {
            Replacement::check(roster)?;
        }
        let path = self.dir.join(FILE_NAME);
        let (header, entry) = match create_new(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && self.if_missing => {
                self.read(&path, roster.as_ref())?
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!(
                    "{dir} holds a chain already; a second chain in its place would look like a chain that was \
                     cut, so choose another directory, or move this one away and keep it with its logs; \
                     --if-missing uses the existing chain"
                )
            }
            file => {
                let file = file.with_context(|| format!("{}: cannot be made", path.display()))?;
                self.make(&path, file, &mut made)?
            }
        };
        // The roster comes before the report, because without its entry the chain is removed.
        if let (Some(entry), Some(path)) = (&entry, &self.roster) {
            Roster::add(path, entry.clone())?;
        }
        made.stay();
        let mut said = format!(
            "chain {} in {}, {}\n{}\n",
            header.id,
            path.display(),
            header.algorithm.name(),
            if self.ledger {
                format!("the ledger: dir: {dir}")
            } else {
                format!("the filter: accessible_paths {dir}")
            }
        );
        if let Some(entry) = &entry {
            said += &format!(
                "public key {}; keep this entry where the node cannot write{}:\n{}\n",
                entry.key,
                if self.enroll.is_asked() { ", if the logs are verified with a roster" } else { "" },
                serde_json::to_string(entry)?
            );
            if let Some(path) = &self.roster {
                said += &format!("added to {}\n", path.display());
            }
        }
        print_report(&said).with_context(|| {
            format!(
                "{dir} holds a chain now; if no roster has its public key, make another chain in \
                 another directory"
            )
        })?;
        if let (Some(_), Some(path)) = (&entry, &self.roster) {
            self.copy_roster(path)?;
        }
        if let Some(node) = &self.node {
            self.enroll.run(&self.dir, &header.id, node, role)?;
        }
        if let Some(owner) = self.owner {
            give(&self.dir, owner).with_context(|| {
                format!(
                    "{dir}: holds a chain now, but its owner cannot be changed; run the command again with --if-missing, \
                     as a user who may change it"
                )
            })?;
        }
        self.run_command()
    }

    /// Replaces this program by the command, if there is one.
    #[cfg(unix)]
    fn run_command(&self) -> Result<()> {
        let Some((program, arguments)) = self.command.split_first() else { return Ok(()) };
        let error = std::os::unix::process::CommandExt::exec(Command::new(program).args(arguments));
        Err(error).with_context(|| format!("{}: cannot be run", Path::new(program).display()))
    }

    /// Fails if there is a command, because a command can replace this program only on
    /// Unix.
    #[cfg(not(unix))]
    fn run_command(&self) -> Result<()> {
        ensure!(self.command.is_empty(), "a command can be run on Unix only");
        Ok(())
    }

    /// Copies the roster into the directory, where a ledger reads it to know whose seals
    /// to believe.
    fn copy_roster(&self, roster: &Path) -> Result<()> {
        let copy = self.dir.join(flb_audit_ledger::roster::FILE_NAME);
        let text = whole::read(roster).with_context(|| format!("{}: cannot be read", roster.display()))?;
        if whole::read(&copy).is_ok_and(|there| there == text) {
            return Ok(());
        }
        durable::replace(&copy, &text)
    }

    /// Creates a chain and its keys.
    fn make(&self, path: &Path, mut file: File, made: &mut Made) -> Result<(Header, Option<Entry>)> {
        made.0.push(path.to_owned());
        let algorithm = match self.algorithm {
            Algorithm::Sha256 => hash::Algorithm::Sha256,
            Algorithm::Sha512_256 => hash::Algorithm::Sha512_256,
        };
        let role = role_of(self.ledger);
        let entry = self.node.clone().map(|node| make_keys(&self.dir, node, role, made)).transpose()?;
        let id = entry.as_ref().map_or_else(random_name, |entry| Ok(entry.chain))?;
        let header = Header { id, algorithm };
        file.write_all(&header.to_file())
            .and_then(|()| file.sync_all())
            .and_then(|()| sync_directory(&self.dir))
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        Ok((header, entry))
    }

    /// Reads the existing chain. The roster has the chain's first key, and so has its key
    /// file until the first change of keys.
    fn read(&self, path: &Path, roster: Option<&Roster>) -> Result<(Header, Option<Entry>)> {
        let name = path.display();
        let file = whole::read(path).with_context(|| format!("{name}: cannot be read"))?;
        let state = State::read(&file).with_context(|| format!("{name}: not the state of a chain"))?;
        let header = state.header;
        let Some(node) = &self.node else { return Ok((header, None)) };
        if let Some(entry) = roster.and_then(|roster| roster.of(&header.id)) {
            ensure!(
                entry.node == *node,
                "{name}: the roster says that this chain is of node {}, and --node says {node}",
                entry.node
            );
            return Ok((header, Some(entry.clone())));
        }
        let path = self.dir.join(keyring::FILE_NAME);
        let ring = whole::read(&path).ok().and_then(|file| KeyRing::from_file(&file));
        let ring = ring.filter(|(ring, _)| ring.chain() == header.id).map(|(ring, _)| ring);
        let first = ring.as_ref().filter(|ring| ring.index() == 0).and_then(KeyRing::public);
        match first {
            Some(key) => Ok((header, Some(entry(node.clone(), header.id, key)))),
            // Its entry was printed when the chain was created.
            None if self.roster.is_none() && ring.is_some() => Ok((header, None)),
            None => bail!(
                "{}: it no longer has the chain's first key, and the roster has no entry for the chain; add the entry that \
                 `flb-audit init` printed when it made the chain",
                path.display()
            ),
        }
    }
}

/// The directories and the files that were made. They are removed again, unless they may stay: a
/// chain without its keys would look like one that never had any, and a second run would refuse
/// the directory of a chain that no roster knows.
struct Made(Vec<PathBuf>);

impl Made {
    fn stay(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            // A directory with other files in it stays.
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
}

/// Gives a directory and its files to a user. The directory comes last, because its owner
/// could put links into it.
#[cfg(unix)]
fn give(dir: &Path, owner: Owner) -> std::io::Result<()> {
    use std::os::unix::fs::{chown, lchown};
    for entry in fs::read_dir(dir)? {
        lchown(entry?.path(), Some(owner.user), owner.group)?;
    }
    chown(dir, Some(owner.user), owner.group)
}

/// Fails, because files have such owners only on Unix.
#[cfg(not(unix))]
fn give(_: &Path, _: Owner) -> std::io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

fn entry(node: String, chain: ChainId, key: PublicKey) -> Entry {
    let created = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    Entry { node, chain, key, created }
}

/// Returns the name of a chain without keys.
fn random_name() -> Result<ChainId> {
    let mut random = [0; 9];
    getrandom::fill(&mut random).context("the system's random source failed")?;
    Ok(ChainId::from_random(random))
}

/// Creates the files for the chain's keys and checkpoints. Returns the public entry.
fn make_keys(dir: &Path, node: String, role: Role, made: &mut Made) -> Result<Entry> {
    let ring = KeyRing::named_after_key(role, &mut |seed| getrandom::fill(seed).is_ok())
        .map_err(|_| anyhow!("the system's random source failed"))?;
    let key = ring.public().context("no key")?;
    for (name, bytes) in
        [(keyring::FILE_NAME, ring.to_file()), (anchor::FILE_NAME, vec![0; anchor::FILE_BYTES].into())]
    {
        let path = dir.join(name);
        let what = || format!("{}: cannot be made", path.display());
        let mut file = create_new(&path).with_context(what)?;
        made.0.push(path.clone());
        file.write_all(&bytes).and_then(|()| file.sync_all()).with_context(what)?;
    }
    Ok(entry(node, ring.chain(), key))
}
