//! `flb-audit init --enroll`: has a fleet vouch for a chain.

use crate::durable;
use crate::fleet::{self, EnrollmentKey, Fleet};
use crate::terminal::print_report;
use crate::time;
use crate::whole;
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::enrollment::{self, Enrollment, Role, chain_of};
use flb_audit_core::chain::keyring::{self, KeyRing};
use flb_audit_core::chain::signature::PublicKey;
use flb_audit_core::verify::read_enrollment;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The part of the command line that is about fleets.
#[derive(Args)]
pub(crate) struct Enroll {
    /// Certify the chain with this key, as `flb-audit fleet lend` makes it: then
    /// `verify --fleet` knows the chain without a roster. With --if-missing, the chain is
    /// certified again if its name or role has changed, or if half of its time is over
    #[arg(long, value_name = "KEY", requires = "node")]
    enroll: Option<PathBuf>,
    /// Certify the chain for this time only, such as 365days; records that it seals later are
    /// of an unknown chain
    #[arg(long, value_name = "TIME", requires = "enroll")]
    valid: Option<humantime::Duration>,
}

impl Enroll {
    pub(crate) fn is_asked(&self) -> bool {
        self.enroll.is_some()
    }

    /// Fails if a new chain of a node of this name could not be enrolled. An enrolled
    /// chain that is there needs no key any more.
    pub(crate) fn check(&self, dir: &Path, node: Option<&str>, role: Role) -> Result<()> {
        let (Some(path), Some(node)) = (&self.enroll, node) else { return Ok(()) };
        ensure!(self.valid.is_none_or(|valid| valid.as_secs() > 0), "--valid: must be at least one second");
        fleet::node_name(node).map_err(|what| anyhow!("--node {node}: {what}"))?;
        if dir.join(enrollment::FILE_NAME).exists() {
            return Ok(());
        }
        EnrollmentKey::read(path)?.check(time::seconds(SystemTime::now()), role, path)
    }

    /// Enrolls the chain in a directory, unless it is enrolled already. Without a key,
    /// does nothing.
    pub(crate) fn run(&self, dir: &Path, chain: &ChainId, node: &str, role: Role) -> Result<()> {
        let Some(path) = &self.enroll else { return Ok(()) };
        let now = time::seconds(SystemTime::now());
        let file = dir.join(enrollment::FILE_NAME);
        let before = whole::read(&file).ok();
        let before = before.as_deref().and_then(enrollment::from_file).and_then(read_enrollment);
        let before = before.filter(|before| chain_of(&before.root) == *chain);
        let is_current =
            |before: &&Enrollment| (&*before.node, before.role) == (node, role) && !is_half_over(before, now);
        if let Some(before) = before.as_ref().filter(is_current) {
            // An enrolled chain needs no key any more, so there may be none.
            let key = EnrollmentKey::read(path).ok().filter(|_| role == Role::Ledger);
            let added = key.map_or_else(|| Ok(String::new()), |key| add_fleet(dir, &key))?;
            return print_report(&(shown(before) + &added));
        }
        let root = match &before {
            Some(before) => before.root,
            None => first_key(dir, chain)?,
        };
        let key = EnrollmentKey::read(path)?;
        key.check(now, role, path)?;
        let until = self.valid.map(|valid| now.saturating_add(valid.as_secs()));
        let enrolled = Enrollment::sign(node.to_owned(), (root, role), (now, until), key.lent, &key.secret)
            .map_err(|_| anyhow!("out of memory"))?;
        let bytes = enrolled.to_file().map_err(|_| anyhow!("out of memory"))?;
        durable::replace(&file, &bytes)?;
        let added = if role == Role::Ledger { add_fleet(dir, &key)? } else { String::new() };
        print_report(&(shown(&enrolled) + &added))
    }
}

/// Puts the public part of a fleet's key into a ledger's directory, where the ledger reads it
/// to know whose seals to believe. A file that is there stays. Returns what to say of it.
fn add_fleet(dir: &Path, key: &EnrollmentKey) -> Result<String> {
    let path = dir.join(fleet::PUBLIC_FILE);
    let shown = path.display();
    if path.exists() {
        let is_same = Fleet::read(&path)?.fleet == key.fleet;
        return Ok(if is_same {
            String::new()
        } else {
            format!("{shown} names another fleet, and is left unchanged\n")
        });
    }
    Fleet::of(key.fleet).write(&path)?;
    Ok(format!("{shown}: the ledger believes the chains that this fleet has enrolled\n"))
}

/// Says whether more than half of an enrollment's time is over.
fn is_half_over(enrollment: &Enrollment, now: u64) -> bool {
    let Enrollment { since, until, .. } = enrollment;
    until.is_some_and(|until| now.saturating_sub(*since) >= until.saturating_sub(now))
}

fn shown(enrollment: &Enrollment) -> String {
    let until = enrollment.until.map(|until| format!(" until {}", time::utc(until)));
    let of = if enrollment.role == Role::Ledger { "the ledger " } else { "" };
    format!(
        "enrolled as {of}{} since {}{}: verify --fleet knows the chain\n",
        enrollment.node,
        time::utc(enrollment.since),
        until.unwrap_or_default()
    )
}

/// Returns the key with which a chain begins. It is in the key file until the first
/// record is sealed.
fn first_key(dir: &Path, chain: &ChainId) -> Result<PublicKey> {
    let path = dir.join(keyring::FILE_NAME);
    let shown = path.display();
    let file = whole::read(&path).with_context(|| format!("{shown}: cannot be read"))?;
    let (ring, _) = KeyRing::from_file(&file).with_context(|| format!("{shown}: not the keys of a chain"))?;
    if ring.chain() != *chain || ring.index() > 0 {
        let enrollment = dir.join(enrollment::FILE_NAME);
        ensure!(
            !enrollment.exists(),
            "{}: damaged, and the chain cannot be enrolled again, because {shown} no longer has its first key; restore \
             the file from a backup",
            enrollment.display()
        );
        bail!(
            "{shown}: the chain sealed records before it was enrolled, so it can no longer be enrolled; make another \
             chain with `flb-audit init` in another directory"
        );
    }
    let key = ring.public().context("no key")?;
    ensure!(
        chain_of(&key) == *chain,
        "{shown}: the chain is not named after its key, so no fleet can enroll it"
    );
    Ok(key)
}
