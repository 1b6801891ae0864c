//! `flb-audit export`: copies records out of a ledger, with proofs that the records were
//! in it.

use crate::durable::{check_directory, directory_of};
use crate::frames::{self, Identity, Unopened};
use crate::input::{LINE_BYTES_MAX, check_is_file};
use crate::prove::chain_id;
use crate::terminal::{self, print_report};
use crate::verify::path_of;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use flb_audit_core::chain::ChainId;
use flb_audit_core::text::base64url::hash_from_text;
use flb_audit_core::verify::{Checked, Checker, Sealed};
use flb_audit_ledger::DecryptionKeys;
use flb_audit_ledger::frame::{self, Fault};
use flb_audit_ledger::manifest::{self, FILE_NAME, Manifest, open_name};
use flb_audit_ledger::statements::{ClosedFile, Statements};
use flb_audit_ledger::tree::{self, Node};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Copy records out of a ledger, with their proofs
///
/// Writes a directory with three files. records.ndjson has the records as they are
/// stored. proofs.ndjson has one line for each record, in the same order.
/// manifests.ndjson is a copy of the ledger's manifests, to which the proofs lead. A
/// proof has the file's number, the record's index in it, the number of records in it,
/// and the path to its root as in RFC 6962 section 2.1.1. The proof is null for a record
/// of a file that is not closed yet. `flb-audit verify --export` checks the directory.
#[derive(Args)]
pub(crate) struct Export {
    /// The ledger's directory
    ledger: PathBuf,
    /// The directory to create
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    identity: Identity,
    /// Start of a period: copy only records from this day or time (RFC 3339) on
    #[arg(long, value_name = "TIME", value_parser = crate::time::parse)]
    since: Option<SystemTime>,
    /// End of the period (exclusive)
    #[arg(long, value_name = "TIME", value_parser = crate::time::parse)]
    until: Option<SystemTime>,
    /// Copy only records of this chain. Can be given several times
    #[arg(long, value_name = "CHAIN", value_parser = chain_id, allow_hyphen_values = true)]
    chain: Vec<ChainId>,
}

/// The file of records, one a line.
pub(crate) const RECORDS: &str = "records.ndjson";
/// The file of proofs, one for each record, in the same order.
pub(crate) const PROOFS: &str = "proofs.ndjson";

/// The proof that a record is in a file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Proof {
    pub(crate) file: u64,
    pub(crate) index: u64,
    pub(crate) records: u64,
    /// The path from the record's neighbour to the root, in base64url.
    path: Vec<String>,
}

impl Proof {
    /// Returns the root to which the path leads from this record. Returns `None` if the
    /// path is invalid.
    pub(crate) fn root(&self, line: &[u8]) -> Option<String> {
        let path = self.path.iter().map(|node| hash_from_text(node.as_bytes()));
        let path: Vec<Node> = path.collect::<Option<_>>()?;
        tree::root_by(&path, tree::leaf(line), self.index, self.records)
            .map(|root| manifest::root_text(&root))
    }
}

impl Export {
    pub(crate) fn run(self) -> Result<()> {
        let identities = self.identity.read()?;
        let identities = identities.as_ref();
        ensure!(
            Self::seconds(self.since, 0) < Self::seconds(self.until, u64::MAX),
            "--until must be later than --since"
        );
        let manifests = self.ledger.join(FILE_NAME);
        let text = read_manifests(&manifests).with_context(|| {
            format!("{}: cannot be read; is {} a ledger?", manifests.display(), self.ledger.display())
        })?;
        let output = self.output.display();
        ensure!(
            fs::symlink_metadata(&self.output).is_err(),
            "{output}: exists already; name a directory that does not"
        );
        check_directory(directory_of(&self.output)).with_context(|| format!("{output}: cannot be made"))?;
        // Until it is complete, the directory has a temporary name. It is removed if
        // anything fails.
        let mut builder = tempfile::Builder::new();
        builder.prefix(".flb-audit-export-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755));
        let made = builder
            .tempdir_in(directory_of(&self.output))
            .with_context(|| format!("{output}: cannot be made"))?;
        let create = |name: &str| -> Result<BufWriter<File>> {
            let file = File::create_new(made.path().join(name));
            Ok(BufWriter::new(file.with_context(|| format!("{output}/{name}: cannot be made"))?))
        };
        let mut deleted = 0;
        let stated = stated(&text);
        let mut files = Vec::new();
        for ClosedFile { manifest, is_deleted } in stated.iter().filter(|it| self.may_have(&it.manifest)) {
            if *is_deleted {
                deleted += 1;
            } else {
                files.push((path_of(&self.ledger, manifest), Some(manifest)));
            }
        }
        let active = stated.last().saturating_add(1);
        let active = [open_name(active), frame::open_name(active)].map(|name| self.ledger.join(name));
        files.extend(active.into_iter().filter(|active| active.is_file()).map(|active| (active, None)));
        let len = |path: &PathBuf| path.metadata().ok().map(|file| file.len());
        let progress = terminal::progress(files.iter().map(|(path, _)| len(path)).sum());
        let mut out = Out { records: create(RECORDS)?, proofs: create(PROOFS)?, count: 0, progress };
        for (path, manifest) in files {
            self.copy(&path, manifest, identities, &mut out)?;
        }
        out.progress.finish_and_clear();
        let what = || format!("{output}: cannot be written");
        out.records.flush().and_then(|()| out.proofs.flush()).with_context(what)?;
        fs::write(made.path().join(FILE_NAME), &text).with_context(what)?;
        fs::rename(made.path(), &self.output).with_context(what)?;
        let mut said = String::new();
        if deleted > 0 {
            said += &format!(
                "{deleted} files that may have had more of these records were deleted, as tombstones state\n"
            );
        }
        said += &format!("{} records in {}\n", out.count, self.output.display());
        if let Some(state) = stated.state() {
            said += &format!(
                "the ledger's last statement in it is {state}: whoever receives the export compares this line with the \
                 one that `flb-audit verify --export` prints\n"
            );
        }
        print_report(&said)
    }

    fn seconds(time: Option<SystemTime>, default: u64) -> u64 {
        time.map_or(default, |time| {
            time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
        })
    }

    fn is_wanted(&self, sealed: &Sealed) -> bool {
        (Self::seconds(self.since, 0)..Self::seconds(self.until, u64::MAX)).contains(&sealed.seconds)
            && (self.chain.is_empty() || self.chain.contains(&sealed.chain))
    }

    fn may_have(&self, manifest: &Manifest) -> bool {
        let is_of = |chain: &ChainId| manifest.extents.iter().any(|extent| extent.chain == chain.to_string());
        manifest.to >= Self::seconds(self.since, 0)
            && manifest.from < Self::seconds(self.until, u64::MAX)
            && (self.chain.is_empty() || self.chain.iter().any(is_of))
    }

    /// Copies the requested records of a file. A closed file has a manifest.
    fn copy(
        &self,
        path: &Path,
        manifest: Option<&Manifest>,
        identities: Option<&DecryptionKeys>,
        out: &mut Out,
    ) -> Result<()> {
        let name = path.display();
        check_is_file(path).with_context(|| format!("{name}: cannot be read"))?;
        let is_damaged = manifest.is_some_and(|manifest| manifest.damaged.is_some());
        let read = || -> io::Result<Vec<Vec<u8>>> {
            let file = BufReader::new(out.progress.wrap_read(File::open(path)?));
            let lines: Box<dyn BufRead> = match manifest {
                Some(_) if !is_damaged => Box::new(BufReader::new(zstd::stream::read::Decoder::new(file)?)),
                _ => Box::new(file),
            };
            let bytes = manifest.filter(|_| !is_damaged).map_or(u64::MAX, |manifest| manifest.bytes);
            read_lines(lines.take(bytes.saturating_add(1)))
        };
        let is_whole = manifest.is_some() && !is_damaged;
        let lines = if frames::is_frames(path) {
            decrypt(path, identities, is_whole, &out.progress)
        } else {
            read().map_err(anyhow::Error::from)
        };
        let lines = lines.with_context(|| format!("{name}: cannot be read"))?;
        let proven = manifest.map_or(0, |manifest| proven(manifest, lines.len()));
        let levels = levels(&lines[..proven]);
        let mut checker = Checker::default();
        for (index, line) in lines.iter().enumerate() {
            let sealed = match checker.check(line) {
                Ok(Checked::Sealed(sealed)) => sealed,
                // The line may be incomplete yet, or its manifest says that it is
                // damaged.
                _ if manifest.is_none() || is_damaged => continue,
                _ => bail!("{name}:{}: not a sealed record; see `flb-audit verify`", index + 1),
            };
            if !self.is_wanted(&sealed) {
                continue;
            }
            let proof = manifest.filter(|_| index < proven).map(|manifest| Proof {
                file: manifest.number,
                index: index as u64,
                records: proven as u64,
                path: path_to_root(&levels, index),
            });
            out.records.write_all(line)?;
            out.records.write_all(b"\n")?;
            serde_json::to_writer(&mut out.proofs, &proof)?;
            out.proofs.write_all(b"\n")?;
            out.count += 1;
        }
        Ok(())
    }
}

/// The maximum size of a ledger's manifests, in bytes. They are held in memory.
const MANIFESTS_BYTES_MAX: u64 = 256 << 20;

fn read_manifests(path: &Path) -> io::Result<Vec<u8>> {
    check_is_file(path)?;
    let mut text = Vec::new();
    File::open(path)?.take(MANIFESTS_BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MANIFESTS_BYTES_MAX {
        return Err(io::Error::other(format!(
            "it has more than {MANIFESTS_BYTES_MAX} bytes, which is the limit"
        )));
    }
    Ok(text)
}

/// The maximum number of lines of a file. They are held in memory, and each takes some
/// even if it is empty.
const LINES_MAX: usize = 1 << 21;

/// Reads lines of limited length and number.
fn read_lines(mut bytes: impl BufRead) -> io::Result<Vec<Vec<u8>>> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        let read = bytes.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(lines);
        }
        if read > LINE_BYTES_MAX {
            return Err(io::Error::other(format!(
                "it has a line of more than {LINE_BYTES_MAX} bytes, which is the limit"
            )));
        }
        if lines.len() == LINES_MAX {
            return Err(io::Error::other(format!("it has more than {LINES_MAX} lines, which is the limit")));
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        lines.push(line);
    }
}

/// Puts the manifests together. Their signatures are checked by `flb-audit verify`.
fn stated(text: &[u8]) -> Statements {
    let (mut stated, mut checker) = (Statements::default(), Checker::default());
    for line in text.split(|&byte| byte == b'\n') {
        if let (Some(statement), Ok(Checked::Sealed(sealed))) = (manifest::read(line), checker.check(line)) {
            stated.add(statement, &sealed);
        }
    }
    stated
}

/// Returns the number of a closed file's lines that are under its root. In damaged
/// frames, these are the lines before the damage.
fn proven(manifest: &Manifest, lines: usize) -> usize {
    match &manifest.damaged {
        Some(damage) if manifest.is_encrypted() => lines.min(usize::try_from(damage.before).unwrap_or(lines)),
        _ => lines,
    }
}

/// Returns the lines of an encrypted file. If the file may be damaged or incomplete, only
/// the readable lines are returned.
fn decrypt(
    path: &Path,
    identities: Option<&DecryptionKeys>,
    is_whole: bool,
    progress: &ProgressBar,
) -> Result<Vec<Vec<u8>>> {
    let identities = identities.context("it is encrypted, and no --identity was given")?;
    let mut reader = frame::Reader::new(BufReader::new(progress.wrap_read(File::open(path)?)));
    let (mut lines, mut body) = (Vec::new(), Vec::new());
    loop {
        body.clear();
        let frame = match reader.next(|piece| body.extend_from_slice(piece)) {
            Ok(None) => return Ok(lines),
            Ok(Some(frame)) if frame.is_whole => frame,
            Ok(Some(frame)) if is_whole => bail!("damaged at byte {}; see `flb-audit verify`", frame.at),
            Err(fault @ Fault::Broken { .. }) if is_whole => bail!("{fault}; see `flb-audit verify`"),
            Err(Fault::Io(error)) => return Err(error.into()),
            // The frame may be incomplete yet, or its manifest says that it is damaged.
            Ok(Some(_)) | Err(Fault::Broken { .. }) => continue,
        };
        match frames::open(identities, &frame, &body) {
            Ok(text) => lines.extend(frames::lines(&text).map(<[u8]>::to_vec)),
            Err(Unopened::NotForThese) => {
                bail!("the frame at byte {} is encrypted, and none of the identities opens it", frame.at)
            }
            Err(Unopened::Damaged(what)) => bail!("the frame at byte {} is damaged: {what}", frame.at),
        }
    }
}

struct Out {
    records: BufWriter<File>,
    proofs: BufWriter<File>,
    count: u64,
    /// The bytes that were read of the ledger's files.
    progress: ProgressBar,
}

/// Computes the tree over some lines, from the leaves up. A node without a neighbour
/// moves up unchanged, which gives the tree of RFC 6962.
fn levels(lines: &[Vec<u8>]) -> Vec<Vec<Node>> {
    let mut levels: Vec<Vec<Node>> = vec![lines.iter().map(|line| tree::leaf(line)).collect()];
    while let Some(level) = levels.last().filter(|level| level.len() > 1) {
        let above = level.chunks(2).map(|pair| match pair {
            [left, right] => tree::parent(left, right),
            alone => alone[0],
        });
        let above = above.collect();
        levels.push(above);
    }
    levels
}

fn path_to_root(levels: &[Vec<Node>], index: usize) -> Vec<String> {
    let neighbour = |(height, level): (usize, &Vec<Node>)| level.get((index >> height) ^ 1).copied();
    levels.iter().enumerate().filter_map(neighbour).map(|node| manifest::root_text(&node)).collect()
}
