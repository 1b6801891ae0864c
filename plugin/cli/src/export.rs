//! `flb-audit export`: copies records out of a ledger, with proofs that the records were
//! in it.

use crate::durable::{check_directory, directory_of};
use crate::frames::{self, Identity, Unopened};
use crate::input::{LINE_BYTES_MAX, check_is_file};
use crate::lines::{lines, read_line};
use crate::prove::chain_id;
use crate::terminal::{self, print_report};
use crate::verify::{NOT_LISTED, path_of, record_files};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use flb_audit_core::chain::ChainId;
use flb_audit_core::text::base64url::hash_from_text;
use flb_audit_core::verify::{Checked, Checker, Sealed};
use flb_audit_ledger::DecryptionKeys;
use flb_audit_ledger::frame::{Fault, Reader};
use flb_audit_ledger::manifest::{self, FILE_NAME, Manifest, Statement};
use flb_audit_ledger::statements::{ClosedFile, Statements};
use flb_audit_ledger::tree::{self, Node};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
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
        // The copy is read, so that files and statements belong together.
        let copied = made.path().join(FILE_NAME);
        copy_manifests(&self.ledger, &copied)?;
        let stated = self.stated(&copied).with_context(|| format!("{output}: cannot be read"))?;
        let (files, deleted) = self.files(&stated)?;
        let len = |path: &PathBuf| path.metadata().ok().map(|file| file.len());
        let progress = terminal::progress(files.iter().map(|(path, _)| len(path)).sum());
        let mut out = Out { records: create(RECORDS)?, proofs: create(PROOFS)?, count: 0, progress };
        for (path, manifest) in files {
            self.copy(&path, manifest, identities, &mut out)?;
        }
        out.progress.finish_and_clear();
        let what = || format!("{output}: cannot be written");
        out.records.flush().and_then(|()| out.proofs.flush()).with_context(what)?;
        fs::rename(made.path(), &self.output).with_context(what)?;
        let mut said = String::new();
        if deleted > 0 {
            said += &format!(
                "{deleted} files that may have had more of these records were deleted, as tombstones state\n"
            );
        }
        said += &format!("{} records in {}\n", out.count, self.output.display());
        if let Some(state) = stated.statements.state() {
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

    /// Checks whether a file may have requested records. Records that are in no extent, and those
    /// of a damaged file, may be of any chain.
    fn may_have(&self, manifest: &Manifest) -> bool {
        let is_of = |chain: &ChainId| manifest.extents.iter().any(|extent| extent.chain == chain.to_string());
        manifest.to >= Self::seconds(self.since, 0)
            && manifest.from < Self::seconds(self.until, u64::MAX)
            && (self.chain.is_empty()
                || manifest.loose > 0
                || manifest.damaged.is_some()
                || self.chain.iter().any(is_of))
    }

    /// Puts the manifests together. Their signatures are checked by `flb-audit verify`.
    fn stated(&self, manifests: &Path) -> io::Result<Stated> {
        let mut stated = Stated { is_whole: true, ..Stated::default() };
        let mut checker = Checker::default();
        for line in lines(BufReader::new(File::open(manifests)?)) {
            let line = line?;
            let sealed = match checker.check(&line) {
                Ok(Checked::Sealed(sealed)) if sealed.is_intact && sealed.is_statement() => sealed,
                _ => {
                    stated.is_whole = false;
                    continue;
                }
            };
            let Some(mut statement) = manifest::read(&line) else {
                stated.is_whole = false;
                continue;
            };
            // The extents of all files together may not fit into memory.
            let wanted = match &mut statement {
                Statement::File(manifest) => {
                    let is_wanted = self.may_have(manifest);
                    manifest.extents = Vec::new();
                    is_wanted.then_some(manifest.number)
                }
                Statement::Deleted(_) => None,
            };
            if stated.statements.add(statement, &sealed) {
                stated.wanted.extend(wanted);
            }
        }
        Ok(stated)
    }

    /// Returns the files to be read, those that are closed with their manifests, and the number of
    /// deleted files that may have had requested records. Fails if the ledger has records of which
    /// no manifest says in which file they are, since the export would lack them.
    fn files<'a>(&self, stated: &'a Stated) -> Result<(Vec<Listed<'a>>, usize)> {
        let Stated { statements, wanted, is_whole } = stated;
        let (mut files, mut deleted) = (Vec::new(), 0);
        for ClosedFile { manifest, is_deleted } in statements.iter() {
            match wanted.contains(&manifest.number) {
                false => {}
                true if *is_deleted => deleted += 1,
                true => files.push((path_of(&self.ledger, manifest), Some(manifest))),
            }
        }
        let ledger = self.ledger.display();
        let here = record_files(&self.ledger, statements, *is_whole);
        for file in here.with_context(|| format!("{ledger}: cannot be read"))? {
            let path = file.path.display();
            ensure!(
                file.is_own || file.number.is_none(),
                "{path}: {NOT_LISTED}, so the export would lack its records; see `flb-audit verify {ledger}`. If \
                 {FILE_NAME} is not whole, restore it from a backup. If somebody has put the file there, move it away"
            );
            // A crash while a file was closed has left the closed file beside the open one.
            if file.number > Some(statements.last()) && is_open(&file.path) {
                files.push((file.path, None));
            }
        }
        Ok((files, deleted))
    }

    /// Copies the requested records of a file. A closed file has a manifest. One line is held in
    /// memory at a time, since somebody may have made files of any size.
    fn copy(
        &self,
        path: &Path,
        manifest: Option<&Manifest>,
        identities: Option<&DecryptionKeys>,
        out: &mut Out,
    ) -> Result<()> {
        let name = path.display();
        check_is_file(path).with_context(|| format!("{name}: cannot be read"))?;
        let is_whole = manifest.is_some_and(|manifest| manifest.damaged.is_none());
        let progress = out.progress.clone();
        let mut copying =
            Copying { leaves: Vec::new(), wanted: Vec::new(), checker: Checker::default(), lines: 0 };
        let mut take = |line: &[u8]| {
            let is_wanted = |sealed: &Sealed| self.is_wanted(sealed);
            copying.take(line, (manifest.is_some(), is_whole), is_wanted, &mut out.records)
        };
        let read = if frames::is_frames(path) {
            decrypt(path, identities, is_whole, &progress, &mut take)
        } else {
            let bytes = manifest.filter(|_| is_whole).map_or(u64::MAX, |manifest| manifest.bytes);
            read_plain(path, is_whole, bytes, &progress, &mut take)
        };
        read.with_context(|| format!("{name}: cannot be read"))?;
        let Copying { mut leaves, wanted, .. } = copying;
        leaves.truncate(manifest.map_or(0, |manifest| proven(manifest, leaves.len())));
        let levels = levels(leaves);
        let records = levels[0].len();
        for index in wanted {
            let proof = manifest.filter(|_| index < records).map(|manifest| Proof {
                file: manifest.number,
                index: index as u64,
                records: records as u64,
                path: path_to_root(&levels, index),
            });
            serde_json::to_writer(&mut out.proofs, &proof)?;
            out.proofs.write_all(b"\n")?;
            out.count += 1;
        }
        Ok(())
    }
}

/// A file with records, and its manifest if it is closed.
type Listed<'a> = (PathBuf, Option<&'a Manifest>);

/// The statements of a ledger.
#[derive(Default)]
struct Stated {
    /// The statements, without their extents.
    statements: Statements,
    /// The numbers of the files that may have requested records.
    wanted: BTreeSet<u64>,
    /// True if all lines are statements.
    is_whole: bool,
}

/// Checks whether a file has the name of an open file.
fn is_open(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".ndjson") || name.ends_with(".frames.open")
}

/// A file that is being copied.
struct Copying {
    /// The leaf of each line of a closed file.
    leaves: Vec<Node>,
    /// The numbers of the lines that were copied, from 0 on.
    wanted: Vec<usize>,
    checker: Checker,
    lines: usize,
}

impl Copying {
    /// Takes the next line, and copies it if it is wanted.
    fn take(
        &mut self,
        line: &[u8],
        (is_closed, is_whole): (bool, bool),
        is_wanted: impl Fn(&Sealed) -> bool,
        out: &mut impl Write,
    ) -> Result<()> {
        ensure!(self.lines < LINES_MAX, "it has more than {LINES_MAX} lines, which is the limit");
        let index = self.lines;
        self.lines += 1;
        if is_closed {
            self.leaves.push(tree::leaf(line));
        }
        match self.checker.check(line) {
            Ok(Checked::Sealed(sealed)) => {
                if is_wanted(&sealed) {
                    out.write_all(line)?;
                    out.write_all(b"\n")?;
                    self.wanted.push(index);
                }
            }
            // The line may be incomplete yet, or its manifest says that it is damaged.
            _ if !is_whole => {}
            _ => bail!("line {}: not a sealed record; see `flb-audit verify`", index + 1),
        }
        Ok(())
    }
}

/// The maximum size of a ledger's manifests, in bytes. What they state of files is held in memory.
const MANIFESTS_BYTES_MAX: u64 = 256 << 20;

/// Copies the manifests of a ledger, as far as they go now.
fn copy_manifests(ledger: &Path, to: &Path) -> Result<()> {
    let from = ledger.join(FILE_NAME);
    let copy = || -> io::Result<u64> {
        check_is_file(&from)?;
        io::copy(&mut File::open(&from)?.take(MANIFESTS_BYTES_MAX + 1), &mut File::create_new(to)?)
    };
    let shown = from.display();
    let copied =
        copy().with_context(|| format!("{shown}: cannot be copied; is {} a ledger?", ledger.display()))?;
    ensure!(
        copied <= MANIFESTS_BYTES_MAX,
        "{shown}: it has more than {MANIFESTS_BYTES_MAX} bytes, which is the limit"
    );
    Ok(())
}

/// The maximum number of lines of a file. The leaf of each is held in memory.
const LINES_MAX: usize = 1 << 21;

/// Passes on the lines of a file that is not encrypted, up to the one with this number of bytes of
/// the whole file. Fails at a line that is too long.
fn read_plain(
    path: &Path,
    is_compressed: bool,
    bytes: u64,
    progress: &ProgressBar,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let file = BufReader::new(progress.wrap_read(File::open(path)?));
    let text: Box<dyn BufRead> = match is_compressed {
        true => Box::new(BufReader::new(zstd::stream::read::Decoder::new(file)?)),
        false => Box::new(file),
    };
    let mut text = text.take(bytes.saturating_add(1));
    let mut line = Vec::new();
    loop {
        let read = read_line(&mut text, &mut line)?;
        ensure!(
            read <= LINE_BYTES_MAX,
            "it has a line of more than {LINE_BYTES_MAX} bytes, which is the limit"
        );
        if read == 0 {
            return Ok(());
        }
        take(line.strip_suffix(b"\n").unwrap_or(&line))?;
    }
}

/// Returns the number of a closed file's lines that are under its root. In damaged
/// frames, these are the lines before the damage.
fn proven(manifest: &Manifest, lines: usize) -> usize {
    match &manifest.damaged {
        Some(damage) if manifest.is_encrypted() => lines.min(usize::try_from(damage.before).unwrap_or(lines)),
        _ => lines,
    }
}

/// Passes on the lines of an encrypted file. If the file may be damaged or incomplete, these are
/// only the readable lines.
fn decrypt(
    path: &Path,
    identities: Option<&DecryptionKeys>,
    is_whole: bool,
    progress: &ProgressBar,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let identities = identities.context("it is encrypted, and no --identity was given")?;
    let mut reader = Reader::new(BufReader::new(progress.wrap_read(File::open(path)?)));
    let mut body = Vec::new();
    loop {
        body.clear();
        let frame = match reader.next(|piece| body.extend_from_slice(piece)) {
            Ok(None) => return Ok(()),
            Ok(Some(frame)) if frame.is_whole => frame,
            Ok(Some(frame)) if is_whole => bail!("damaged at byte {}; see `flb-audit verify`", frame.at),
            Err(fault @ Fault::Broken { .. }) if is_whole => bail!("{fault}; see `flb-audit verify`"),
            Err(Fault::Io(error)) => return Err(error.into()),
            // The frame may be incomplete yet, or its manifest says that it is damaged.
            Ok(Some(_)) | Err(Fault::Broken { .. }) => continue,
        };
        match frames::open(identities, &frame, &body) {
            Ok(text) => frames::lines(&text).try_for_each(&mut *take)?,
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

/// Computes the tree over some leaves, from these up. A node without a neighbour
/// moves up unchanged, which gives the tree of RFC 6962.
fn levels(leaves: Vec<Node>) -> Vec<Vec<Node>> {
    let mut levels: Vec<Vec<Node>> = vec![leaves];
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
