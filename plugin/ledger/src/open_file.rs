//! The ledger's files. The open file holds records as lines of JSON or as encrypted
//! frames. When it is closed, lines are compressed, and frames stay as they are.

use crate::batch::{Entry, Part};
use crate::closed_files::ClosedFile;
use crate::disk::{private, remove, sync_directory};
use crate::frame::{self, Digested, LINE_BYTES_MAX};
use crate::manifest::{Damage, DamageKind, closed_name, open_name};
use crate::record_id::RecordIds;
use crate::recovery::Recovery;
use crate::runs::Runs;
use crate::tail::Mark;
use crate::tree::{self, Node, Tree};
use crate::{Error, Named, Recipients, Result, faults};
use flb_audit_core::hash::Hash;
use flb_audit_core::record::tape::Unreadable;
use flb_audit_core::text::hex;
use flb_audit_core::verify::{Checked, Checker};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

mod frames;

/// The number of bytes that are compressed at once. Each piece is a zstd frame of its
/// own.
const FRAME_BYTES: usize = 1 << 20;

/// The form in which a file holds its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Lines,
    /// Frames, with the digest of the last one.
    Frames(Digested),
}

/// The file that records are appended to.
pub(crate) struct OpenFile {
    pub(crate) number: u64,
    form: Form,
    path: PathBuf,
    file: File,
    /// The file's length, in bytes.
    len: u64,
    /// The length of the records' lines, in bytes.
    pub(crate) bytes: u64,
    /// The number of its records. If the file is damaged: of its lines.
    pub(crate) records: u64,
    /// The damage, if some of the file cannot be read. Then nothing is appended to it or
    /// cut off.
    pub(crate) damage: Option<Damage>,
    /// If the file is damaged: the heads of records of the own chain that the ledger has
    /// written.
    pub(crate) proven: HashSet<Hash>,
    pub(crate) opened: SystemTime,
    pub(crate) tree: Tree,
    pub(crate) held: RecordIds,
    pub(crate) runs: Runs,
    /// The number of records that are in no run.
    pub(crate) loose: u64,
    /// The earliest and the latest time of a record.
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// A file as it is stored after closing.
pub(crate) struct Stored {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

impl OpenFile {
    /// Opens the file that an earlier life has left, or creates a new one, of frames if
    /// `is_encrypted`. Returns the number of bytes of a torn record that were cut off at
    /// its end.
    pub(crate) fn open(
        directory: &Path,
        number: u64,
        is_encrypted: bool,
        recovery: &mut Recovery,
    ) -> Result<(OpenFile, u64)> {
        let form = find_form(directory, number, is_encrypted)?;
        let path = match form {
            Form::Lines => directory.join(open_name(number)),
            Form::Frames(_) => directory.join(frame::open_name(number)),
        };
        let file = private().read(true).append(true).create(true).open(&path).named(&path)?;
        sync_directory(directory)?;
        let mut active = OpenFile {
            number,
            form,
            path,
            file,
            len: 0,
            bytes: 0,
            records: 0,
            damage: None,
            proven: HashSet::new(),
            opened: SystemTime::now(),
            tree: Tree::default(),
            held: RecordIds::default(),
            runs: Runs::default(),
            loose: 0,
            from: u64::MAX,
            to: 0,
        };
        let cut = match form {
            Form::Lines => active.recover(recovery)?,
            Form::Frames(_) => active.recover_frames(recovery)?,
        };
        active.proven = std::mem::take(&mut recovery.heads);
        Ok((active, cut))
    }

    /// Checks whether the file's records are encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.form != Form::Lines
    }

    /// Returns the file's name, for the log.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Returns the state of the file's end.
    pub(crate) fn mark(&self) -> Mark {
        match self.form {
            // An empty file has the same mark in both forms.
            Form::Lines if self.len == 0 => Mark::default(),
            Form::Lines => Mark { bytes: self.len, digest: self.tree.root() },
            Form::Frames(digest) => Mark { bytes: self.len, digest },
        }
    }

    fn recover(&mut self, recovery: &mut Recovery) -> Result<u64> {
        let mut reader = BufReader::with_capacity(FRAME_BYTES, File::open(&self.path).named(&self.path)?);
        let mut checker = Checker::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            recovery.reach(self.len, || self.mark().digest);
            let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            let read = read.named(&self.path)? as u64;
            if read == 0 {
                break;
            }
            let text = line.strip_suffix(b"\n");
            let is_torn = text.is_none() && read < LINE_BYTES_MAX;
            if is_torn && self.damage.is_none() && recovery.is_clean(self.len) {
                self.file.set_len(self.len).and_then(|()| self.file.sync_data()).named(&self.path)?;
                return Ok(read);
            }
            let leaf = tree::leaf(text.unwrap_or(&line));
            match text.map(|text| checker.check(text)) {
                Some(Ok(Checked::Sealed(sealed))) => {
                    let entry = Entry::of(&sealed, &line[..line.len() - 1]);
                    recovery.see(self.len, self.records, &leaf, std::slice::from_ref(&entry));
                    self.add(&entry);
                    if let Some(damage) = &mut self.damage {
                        damage.after += 1;
                    }
                }
                // Too little memory is no damage of the file.
                Some(Err(Unreadable::OutOfMemory)) => return Err(flb_audit_core::OutOfMemory.into()),
                _ => {
                    recovery.see(self.len, self.records, &leaf, &[]);
                    self.recover_damage();
                }
            }
            self.tree.add(leaf);
            self.len += read;
            self.bytes = self.len;
        }
        self.damage = recovery.judge(self.len, self.damage.take());
        Ok(0)
    }

    fn recover_damage(&mut self) {
        let (at, before) = (self.bytes, self.records);
        let damage =
            self.damage.get_or_insert(Damage { kind: DamageKind::Damaged, at, lines: 0, before, after: 0 });
        damage.lines += 1;
        self.records += 1;
    }

    fn add(&mut self, record: &Entry) {
        let seconds = record.seconds;
        self.held.insert(&record.id);
        let is_in_run = self.runs.add(record);
        self.loose += u64::from(!is_in_run);
        self.records += 1;
        self.from = self.from.min(seconds);
        self.to = self.to.max(seconds);
    }

    /// Takes in records, and returns the bytes to append for them, with the hash of each
    /// line or frame. Frames are encrypted to `recipients`.
    pub(crate) fn take<'a>(
        &mut self,
        part: Part<'a>,
        recipients: Option<&Recipients>,
    ) -> Result<(Cow<'a, [u8]>, Vec<Node>)> {
        self.bytes += part.lines.len() as u64;
        match (self.form, recipients) {
            (Form::Frames(_), None) => Err(Error::NoRecipient { name: self.name() }),
            (Form::Frames(_), Some(recipients)) => {
                let (frames, units) = self.frames(part, recipients)?;
                Ok((Cow::Owned(frames), units))
            }
            (Form::Lines, _) => {
                let mut units = Vec::with_capacity(part.records.len());
                let mut at = 0;
                for record in part.records {
                    self.add(record);
                    let leaf = tree::leaf(&part.lines[at..at + record.len]);
                    self.tree.add(leaf);
                    units.push(leaf);
                    at += record.len + 1;
                }
                Ok((Cow::Borrowed(part.lines), units))
            }
        }
    }

    /// Appends bytes. If `is_synced`, they are on the disk when this returns.
    pub(crate) fn append(&mut self, bytes: &[u8], is_synced: bool) -> Result<()> {
        faults::append(&mut self.file, bytes).named(&self.path)?;
        if is_synced {
            self.file.sync_data().named(&self.path)?;
        }
        // A component's writes may fail late, and the directory may have been removed. So
        // the length is looked up by the file's name.
        let len = fs::metadata(&self.path).named(&self.path)?.len();
        let expected = self.len + bytes.len() as u64;
        if len != expected {
            return Err(Error::NotWritten { path: self.path.clone(), len, expected });
        }
        self.len = len;
        Ok(())
    }

    /// Writes the file in the form in which it stays after closing. A damaged file stays
    /// unchanged. Frames get their final name in `settle`.
    pub(crate) fn store(&self, directory: &Path) -> Result<Stored> {
        let file = match (&self.damage, self.form) {
            (None, Form::Lines) => return self.compress(directory),
            (None, Form::Frames(_)) => frame::closed_name(self.number),
            (Some(_), _) => self.name(),
        };
        self.file.sync_all().named(&self.path)?;
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut reader = BufReader::with_capacity(FRAME_BYTES, File::open(&self.path).named(&self.path)?);
        loop {
            let piece = reader.fill_buf().named(&self.path)?;
            if piece.is_empty() {
                break;
            }
            hash.update(piece);
            let len = piece.len();
            bytes += len as u64;
            reader.consume(len);
        }
        Ok(Stored { file, bytes, sha256: hex::encode(&hash.finalize()) })
    }

    fn compress(&self, directory: &Path) -> Result<Stored> {
        let path = directory.join(closed_name(self.number));
        let partial = directory.join(format!("{}.partial", closed_name(self.number)));
        let mut source = File::open(&self.path).named(&self.path)?;
        let mut target = private().write(true).create(true).truncate(true).open(&partial).named(&partial)?;
        let (mut hash, mut len) = (Sha256::new(), 0);
        let mut piece = Vec::with_capacity(FRAME_BYTES);
        loop {
            piece.clear();
            (&mut source).take(FRAME_BYTES as u64).read_to_end(&mut piece).named(&self.path)?;
            if piece.is_empty() {
                break;
            }
            let frame = compress_to_vec(&piece[..], CompressionLevel::Fastest);
            hash.update(&frame);
            len += frame.len() as u64;
            faults::append(&mut target, &frame).named(&partial)?;
        }
        target.sync_all().named(&partial)?;
        let written = target.metadata().named(&partial)?.len();
        if written != len {
            return Err(Error::NotWritten { path: partial, len: written, expected: len });
        }
        fs::rename(&partial, &path).named(&path)?;
        sync_directory(directory)?;
        Ok(Stored { file: closed_name(self.number), bytes: len, sha256: hex::encode(&hash.finalize()) })
    }
}

/// Returns the form in which a file is to be opened: the form of the file that exists, if
/// it holds anything.
fn find_form(directory: &Path, number: u64, is_encrypted: bool) -> Result<Form> {
    let frames = Form::Frames([0; 32]);
    let (lines_path, frames_path) =
        (directory.join(open_name(number)), directory.join(frame::open_name(number)));
    let is_held = |path: &Path| path.metadata().is_ok_and(|file| file.len() > 0);
    let (form, other) = match (is_held(&lines_path), is_held(&frames_path)) {
        (true, true) => {
            return Err(Error::TwoOpenFiles { lines: lines_path, frames: frames_path });
        }
        (true, false) => (Form::Lines, frames_path),
        (false, true) => (frames, lines_path),
        (false, false) if is_encrypted => (frames, lines_path),
        (false, false) => (Form::Lines, frames_path),
    };
    remove(&other)?;
    Ok(form)
}

/// Gives a closed file its final name, after its manifest was written.
pub(crate) fn settle(directory: &Path, file: &ClosedFile) -> Result<()> {
    let (number, name) = (file.number, file.name());
    if file.is_damaged {
        return Ok(());
    }
    if name != frame::closed_name(number) {
        return remove(&directory.join(open_name(number)));
    }
    let closed = directory.join(name);
    let active = directory.join(frame::open_name(number));
    if active.exists() && !closed.exists() {
        fs::rename(&active, &closed).named(&active)?;
        sync_directory(directory)?;
    }
    Ok(())
}

/// Passes the records of a closed file to `see`. Passes none if the file does not exist.
pub(crate) fn read_closed(directory: &Path, number: u64, see: &mut dyn FnMut(&Entry)) -> Result<()> {
    if frames::read_closed(directory, number, see)? {
        return Ok(());
    }
    let mut held = Lines { checker: Checker::default(), line: Vec::new(), see };
    let (closed, damaged) = (directory.join(closed_name(number)), directory.join(open_name(number)));
    if let Some(mut source) = open_if_there(&closed)? {
        let mut plain = Vec::new();
        while !source.fill_buf().named(&closed)?.is_empty() {
            let mut frame = StreamingDecoder::new(&mut source)
                .map_err(|error| Error::NotCompressed { path: closed.clone(), what: error.to_string() })?;
            plain.clear();
            frame.read_to_end(&mut plain).named(&closed)?;
            held.read(&plain);
        }
    } else if let Some(mut source) = open_if_there(&damaged)? {
        loop {
            let piece = source.fill_buf().named(&damaged)?;
            let len = piece.len();
            if len == 0 {
                break;
            }
            held.read(piece);
            source.consume(len);
        }
    }
    Ok(())
}

fn open_if_there(path: &Path) -> Result<Option<BufReader<File>>> {
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        file => Ok(Some(BufReader::with_capacity(FRAME_BYTES, file.named(path)?))),
    }
}

/// The beginning of a line whose end has not come yet.
struct Lines<'a> {
    checker: Checker,
    /// The start of a line.
    line: Vec<u8>,
    see: &'a mut dyn FnMut(&Entry),
}

impl Lines<'_> {
    fn read(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            let Some(text) = self.line.strip_suffix(b"\n") else {
                break;
            };
            if let Ok(Checked::Sealed(sealed)) = self.checker.check(text) {
                (self.see)(&Entry::of(&sealed, text));
            }
            self.line.clear();
        }
    }
}
