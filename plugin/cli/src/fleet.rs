//! `flb-audit fleet`: the key that vouches for the chains of many nodes, in place of a
//! roster.
//!
//! `fleet.key` stays off the nodes, and lends keys that may enroll chains for a time.
//! `fleet.json` is what `verify --fleet` trusts: the key's public part, and which nodes
//! were retired. It is kept where the nodes cannot write.

use crate::durable::{self, create_new, sync_directory};
use crate::input::{self, At, Record, Seen, Source};
use crate::roster::Roster;
use crate::status::show_status;
use crate::stdout::print;
use crate::text;
use crate::time;
use crate::whole;
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Args, Subcommand};
use flb_audit_core::chain::enrollment::{LentKey, Role, is_node_name};
use flb_audit_core::chain::signature::{PublicKey, SecretKey, Seed, Signature};
use flb_audit_core::text::base64url::{hash_from_text, hash_text};
use flb_audit_core::verify::{Checked, Checker, read_anchor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The name of the fleet's key, which stays off the nodes.
const KEY_FILE: &str = "fleet.key";
/// The name of its public part.
pub(crate) const PUBLIC_FILE: &str = "fleet.json";

/// Make keys that enroll the chains of many nodes, in place of a roster
#[derive(Args)]
pub(crate) struct FleetCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a fleet's key, fleet.key, and its public part, fleet.json
    ///
    /// fleet.json is for `verify --fleet`. fleet.key belongs where no node reads it:
    /// whoever has it can enroll chains.
    Init {
        /// The directory; it is made if it is not there
        dir: PathBuf,
    },
    /// Lend a key that may enroll chains for some time, for `init --enroll` on nodes
    Lend {
        /// The directory with the fleet's key
        dir: PathBuf,
        /// The file to make
        key: PathBuf,
        /// The time for which the key may enroll, from now on
        #[arg(long, value_name = "TIME", default_value = "90days")]
        valid: humantime::Duration,
        /// The key may also enroll the chains of ledgers: whoever has it can account for missing
        /// records with forged manifests, so do not lend such a key to nodes without a ledger
        #[arg(long)]
        ledger: bool,
    },
    /// Print each node in one line, as the last `verify --state` saw it: the last record and
    /// its age, the chain, its last segment, the policy, and the findings
    Status {
        /// The directory of `verify --state`
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
    },
    /// State in fleet.json that a node is gone: from then on, the node is not silent, and
    /// records that its chains seal are a finding
    ///
    /// If a node of this name is enrolled afterwards, it counts as another node. The fleet must
    /// have enrolled a node of this name, or the roster must have one.
    Retire {
        /// The directory with fleet.json
        dir: PathBuf,
        /// The node's name
        #[arg(value_parser = node_name)]
        node: String,
        /// Anchors or logs that have a checkpoint of the node
        #[arg(required_unless_present = "roster")]
        files: Vec<PathBuf>,
        /// A roster that has the node
        #[arg(long, value_name = "FILE")]
        roster: Option<PathBuf>,
        /// The day or time at which it was retired, in UTC [default: now]
        #[arg(long, value_name = "TIME", value_parser = time::parse)]
        at: Option<SystemTime>,
    },
}

/// Checks the name of a node that is enrolled.
pub(crate) fn node_name(text: &str) -> Result<String, &'static str> {
    is_node_name(text).then(|| text.to_owned()).ok_or(
        "an enrolled node's name is up to 253 characters of ASCII, without spaces, quotes and backslashes",
    )
}

impl FleetCommand {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::Init { dir } => init(&dir),
            Command::Lend { dir, key, valid, ledger } => lend(&dir, &key, *valid, role_of(ledger)),
            Command::Status { state } => show_status(&state),
            Command::Retire { dir, node, files, roster, at } => {
                retire(&dir, node, files, roster.as_deref(), at.unwrap_or_else(SystemTime::now))
            }
        }
    }
}

fn init(dir: &Path) -> Result<()> {
    durable::make_directory(dir)?;
    let (path, public) = (dir.join(KEY_FILE), dir.join(PUBLIC_FILE));
    ensure!(!public.exists(), "{}: this directory holds a fleet already", dir.display());
    let key = EnrollmentKey::new()?;
    let fleet = Fleet::of(key.fleet);
    key.write(&path)?;
    fleet.write(&public)?;
    print(&format!(
        "the fleet's key in {}: keep it where no node reads it\nits public part in {}, for verify --fleet:\n{}\n",
        path.display(),
        public.display(),
        fleet.fleet
    ))
}

/// Returns the role that an option `--ledger` asks for.
pub(crate) fn role_of(is_ledger: bool) -> Role {
    if is_ledger { Role::Ledger } else { Role::Filter }
}

fn lend(dir: &Path, path: &Path, valid: Duration, role: Role) -> Result<()> {
    let fleet = EnrollmentKey::read(&dir.join(KEY_FILE))?;
    ensure!(
        fleet.lent.is_none(),
        "{}: this key is lent, and cannot lend others; use the fleet's own key",
        dir.join(KEY_FILE).display()
    );
    let since = time::seconds(SystemTime::now());
    let until = since.saturating_add(valid.as_secs());
    ensure!(since < until, "--valid: must be at least one second");
    let mut key = EnrollmentKey { fleet: fleet.fleet, ..EnrollmentKey::new()? };
    let lent = LentKey::sign(&fleet.secret, key.secret.public(), (since, until), role);
    key.lent = Some(lent.map_err(|_| anyhow!("out of memory"))?);
    key.write(path)?;
    let of = if role == Role::Ledger { ", also of ledgers," } else { "" };
    print(&format!("{} enrolls chains{of} until {}: init --enroll\n", path.display(), time::utc(until)))
}

fn retire(
    dir: &Path,
    node: String,
    files: Vec<PathBuf>,
    roster: Option<&Path>,
    at: SystemTime,
) -> Result<()> {
    let path = dir.join(PUBLIC_FILE);
    let mut known = BTreeSet::new();
    if let Some(roster) = roster {
        known.extend(Roster::read(roster)?.entries().iter().map(|entry| entry.node.clone()));
    }
    if !files.is_empty() {
        known.extend(enrolled_in(files, &Fleet::read(&path)?.fleet)?);
    }
    ensure!(known.iter().any(|name| is_name_of(name, &node)), "{}", unknown(&node, &known));
    let _lock = durable::lock_directory_of(&path)?;
    let mut fleet = Fleet::read(&path)?;
    fleet.retired.push(Retired { node, at: humantime::format_rfc3339_seconds(at).to_string() });
    fleet.write(&path)
}

/// Returns the names of the nodes that a fleet has enrolled, as the checkpoints in some
/// files state it.
fn enrolled_in(files: Vec<PathBuf>, fleet: &PublicKey) -> Result<BTreeSet<String>> {
    let sources = Source::all(files)?;
    let worker = || {
        let mut checker = Checker::default();
        move |_: At, record: Result<Record<'_>, String>| {
            let Ok(Record { text, .. }) = record else { return Seen::Record(None) };
            let (checkpoint, is_record) = match checker.check(text) {
                Ok(Checked::Sealed(sealed)) => (sealed.checkpoint(), true),
                _ => (read_anchor(text).map(|anchor| anchor.checkpoint), false),
            };
            let is_record = is_record || checkpoint.is_some();
            let enrolled = checkpoint.and_then(|checkpoint| {
                let enrollment = checkpoint.key.enrollment?;
                enrollment.verify(&checkpoint.chain, fleet).ok().map(|()| enrollment.node)
            });
            if is_record { Seen::Record(enrolled) } else { Seen::Other(None) }
        }
    };
    let mut nodes = BTreeSet::new();
    input::read(&sources, worker, |node: Option<String>| {
        nodes.extend(node);
        Ok(())
    })?;
    Ok(nodes)
}

/// The maximum number of names that a message suggests.
const NAMES_MAX: usize = 3;

/// Returns the message on a name that no node has, with names like it.
fn unknown(node: &str, known: &BTreeSet<String>) -> String {
    let names: BTreeSet<&str> = known.iter().map(|name| name.split('/').next().unwrap_or(name)).collect();
    let mut close: Vec<(usize, &str)> =
        names.iter().map(|name| (strsim::damerau_levenshtein(node, name), *name)).collect();
    close.retain(|(distance, name)| *distance <= 1 + name.len() / 4);
    close.sort_unstable();
    let close: Vec<String> = close.iter().take(NAMES_MAX).map(|(_, name)| format!("`{name}`")).collect();
    let hint = match close.is_empty() {
        true => format!("{} other nodes are in these files", names.len()),
        false => format!("did you mean {}?", close.join(" or ")),
    };
    format!("no node `{node}` was ever enrolled, as far as these files say; {hint}")
}

/// A fleet, as who verifies knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fleet {
    /// The public part of the fleet's key.
    #[serde(with = "text::key")]
    pub(crate) fleet: PublicKey,
    /// Nodes that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired: Vec<Retired>,
}

/// A node that is gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Retired {
    node: String,
    /// The time of the retirement, in the form of RFC 3339.
    at: String,
}

impl Fleet {
    /// Returns the public part of a fleet's key.
    pub(crate) fn of(fleet: PublicKey) -> Fleet {
        Fleet { fleet, retired: Vec::new() }
    }

    /// Writes fleet.json.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        durable::replace(path, (serde_json::to_string_pretty(self)? + "\n").as_bytes())
    }

    /// Reads fleet.json.
    pub(crate) fn read(path: &Path) -> Result<Fleet> {
        let text = whole::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        // The parser's message about a file with a private key would show the key.
        let fleet: Option<Fleet> = serde_json::from_slice(&text).ok();
        let fleet = fleet.with_context(|| {
            format!(
                "{}: not the public part of a fleet's key, as `flb-audit fleet init` writes it",
                path.display()
            )
        })?;
        for Retired { node, at } in &fleet.retired {
            time::stated(at).with_context(|| {
                format!(
                    "{}: `at` of the retired node {node:?} is {at:?}, which is not a time in UTC such as {}; write the \
                     time since when the node is gone",
                    path.display(),
                    time::EXAMPLE
                )
            })?;
        }
        Ok(fleet)
    }

    /// Returns when a node was retired that was enrolled at this time.
    pub(crate) fn retired_at(&self, node: &str, since: u64) -> Option<u64> {
        let of = self.retired.iter().filter(|retired| is_name_of(node, &retired.node));
        of.filter_map(|retired| time::stated(&retired.at)).filter(|at| *at > since).min()
    }
}

/// Says whether a name is that of a node, or of one of its chains: `NODE` or `NODE/CHAIN`.
pub(crate) fn is_name_of(name: &str, node: &str) -> bool {
    name.strip_prefix(node).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A key that enrolls chains: a fleet's own, or one that it has lent. Nothing prints it.
pub(crate) struct EnrollmentKey {
    pub(crate) secret: SecretKey,
    seed: Seed,
    pub(crate) lent: Option<LentKey>,
    /// The public part of the fleet's own key.
    pub(crate) fleet: PublicKey,
}

/// The file of such a key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    /// The seed of the private key, in base64url.
    enrollment_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lent: Option<LentFile>,
}

/// The fleet's statement on a lent key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LentFile {
    /// The public part of the fleet's key, for the directories of ledgers.
    #[serde(with = "text::key")]
    fleet: PublicKey,
    #[serde(with = "text::key")]
    public: PublicKey,
    since: u64,
    until: u64,
    #[serde(default, skip_serializing_if = "text::role::is_filter", with = "text::role")]
    role: Role,
    #[serde(with = "text::signature")]
    signature: Signature,
}

impl EnrollmentKey {
    fn new() -> Result<EnrollmentKey> {
        let mut seed = Seed::default();
        getrandom::fill(&mut *seed).context("the system's random source failed")?;
        let secret = SecretKey::from_seed(&seed);
        Ok(EnrollmentKey { fleet: secret.public(), secret, seed, lent: None })
    }

    /// Reads a key. Errors do not show what is in the file.
    pub(crate) fn read(path: &Path) -> Result<EnrollmentKey> {
        let shown = path.display();
        let text = whole::read(path).with_context(|| format!("{shown}: cannot be read"))?;
        let key = serde_json::from_slice(&text).ok().and_then(EnrollmentKey::from_file);
        key.with_context(|| {
            format!("{shown}: not a key that enrolls chains, as `flb-audit fleet init` and `lend` make them")
        })
    }

    fn from_file(file: KeyFile) -> Option<EnrollmentKey> {
        let seed = Seed::from(hash_from_text(file.enrollment_key.as_bytes())?);
        let secret = SecretKey::from_seed(&seed);
        let (lent, fleet) = match file.lent {
            Some(LentFile { fleet, public, since, until, role, signature }) if public == secret.public() => {
                (Some(LentKey { public, since, until, role, signature }), fleet)
            }
            Some(_) => return None,
            None => (None, secret.public()),
        };
        Some(EnrollmentKey { secret, seed, lent, fleet })
    }

    /// Writes the key into a new file that its owner alone reads.
    fn write(&self, path: &Path) -> Result<()> {
        let what = || format!("{}: cannot be made", path.display());
        let lent = self.lent.map(|LentKey { public, since, until, role, signature }| LentFile {
            fleet: self.fleet,
            public,
            since,
            until,
            role,
            signature,
        });
        let enrollment_key = String::from_utf8_lossy(&hash_text(&self.seed)).into_owned();
        let text = serde_json::to_string(&KeyFile { enrollment_key, lent })? + "\n";
        let mut file = match create_new(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("{}: exists already, and is left unchanged", path.display())
            }
            file => file.with_context(what)?,
        };
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(what)?;
        sync_directory(durable::directory_of(path)).with_context(what)
    }

    /// Fails unless the key may enroll chains of this role at this time.
    pub(crate) fn check(&self, now: u64, role: Role, path: &Path) -> Result<()> {
        ensure!(
            self.lent.is_none_or(|lent| lent.role >= role),
            "{}: this key enrolls the chains of filters only; `flb-audit fleet lend --ledger` makes a key for ledgers",
            path.display()
        );
        // The ledger believes the fleet that the key names.
        ensure!(
            role == Role::Filter || self.lent.is_none_or(|lent| lent.is_of(&self.fleet)),
            "{}: the fleet that this key names did not lend it; `flb-audit fleet lend --ledger` makes another",
            path.display()
        );
        let Some(lent) = self.lent.filter(|lent| !lent.is_valid_at(now)) else { return Ok(()) };
        bail!(
            "{}: this key may enroll only from {} to {}; `flb-audit fleet lend` makes another",
            path.display(),
            time::utc(lent.since),
            time::utc(lent.until)
        )
    }
}
