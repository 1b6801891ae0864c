//! A segment's file: records as lines of JSON, first as they come, then, when
//! it is closed, compressed; or as frames, which only others can read.

use crate::frame::{self, Digested, Fault, Frame};
use crate::manifest::{Manifest, active_name, closed_name};
use crate::seen::{Identities, Identity, Life};
use crate::tree::{self, Tree};
use crate::{Error, Named, Recipients, Result};
use flb_audit_core::check::{Checked, Checker};
use flb_audit_core::seal::Place;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How much is compressed at once, in bytes: a frame of its own each.
const FRAME_BYTES: usize = 1 << 20;
/// How much is read at once, in bytes.
const READ_BYTES: usize = 64 << 10;

/// Records to be appended.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) lines: Vec<u8>,
    pub(crate) records: Vec<Entry>,
}

/// A record in a batch.
pub(crate) struct Entry {
    pub(crate) identity: Identity,
    /// The record that its life goes on from, if it is the first.
    pub(crate) link: Option<Place>,
    pub(crate) seconds: u64,
    /// The length of its line, without the line break.
    pub(crate) len: usize,
}

impl Batch {
    pub(crate) fn add(&mut self, line: &[u8], identity: Identity, link: Option<Place>, seconds: u64) {
        self.lines.extend_from_slice(line);
        self.lines.push(b'\n');
        let link = link.filter(|_| identity.sequence == 0);
        self.records.push(Entry { identity, link, seconds, len: line.len() });
    }
}

/// How a segment's file holds its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Lines,
    /// With the digest of the last one.
    Frames(Digested),
}

/// The segment that records are appended to.
pub(crate) struct Active {
    pub(crate) number: u64,
    form: Form,
    path: PathBuf,
    file: File,
    /// How long the file is.
    len: u64,
    /// The records' lines, in bytes.
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    pub(crate) opened: SystemTime,
    pub(crate) tree: Tree,
    pub(crate) held: Identities,
    /// What the lives go on from that begin here.
    pub(crate) links: HashMap<Life, Place>,
    /// The earliest and the latest time of a record.
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// A segment as it is stored when closed.
pub(crate) struct Stored {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

impl Active {
    /// Opens the segment, as an earlier life has left it, or a new one, of frames
    /// if `is_encrypted`. Gives `see` the identities of its records, in order, and
    /// says how many bytes of what is torn at its end were cut off.
    pub(crate) fn open(
        directory: &Path,
        number: u64,
        is_encrypted: bool,
        see: &mut dyn FnMut(&Identity),
    ) -> Result<(Active, u64)> {
        let form = find_form(directory, number, is_encrypted)?;
        let path = match form {
            Form::Lines => directory.join(active_name(number)),
            Form::Frames(_) => directory.join(frame::active_name(number)),
        };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let file = options.open(&path).named(&path)?;
        sync_directory(directory)?;
        let mut active = Active {
            number,
            form,
            path,
            file,
            len: 0,
            bytes: 0,
            records: 0,
            opened: SystemTime::now(),
            tree: Tree::default(),
            held: Identities::new(),
            links: HashMap::new(),
            from: u64::MAX,
            to: 0,
        };
        let cut = match form {
            Form::Lines => active.recover(see)?,
            Form::Frames(_) => active.recover_frames(see)?,
        };
        Ok((active, cut))
    }

    /// Whether its records are encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.form != Form::Lines
    }

    /// Its file's name, for the log.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn recover(&mut self, see: &mut dyn FnMut(&Identity)) -> Result<u64> {
        let mut reader = BufReader::with_capacity(FRAME_BYTES, File::open(&self.path).named(&self.path)?);
        let mut checker = Checker::default();
        let mut line = Vec::new();
        // Where the last whole record ends.
        let (mut end, mut at) = (0, 0);
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).named(&self.path)? as u64;
            if read == 0 {
                break;
            }
            at += read;
            let Some(text) = line.strip_suffix(b"\n") else {
                break;
            };
            if let Ok(Checked::Sealed(sealed)) = checker.check(text) {
                if end + read != at {
                    let path = self.path.display();
                    return Err(Error::new(format!(
                        "{path}: damaged at byte {end}; see docs/output.md, Restore"
                    )));
                }
                let identity = Identity::of(&sealed);
                see(&identity);
                let link = sealed.link.filter(|_| identity.sequence == 0);
                self.add(&Entry { identity, link, seconds: sealed.seconds, len: text.len() });
                self.tree.add(tree::leaf(text));
                end = at;
            }
        }
        let cut = at - end;
        if cut > 0 {
            self.file.set_len(end).and_then(|()| self.file.sync_data()).named(&self.path)?;
        }
        (self.len, self.bytes) = (end, end);
        Ok(cut)
    }

    fn add(&mut self, record: &Entry) {
        let Entry { identity, seconds, .. } = *record;
        self.held.insert(identity);
        if let Some(link) = record.link {
            self.links.insert(identity.life, link);
        }
        self.records += 1;
        self.from = self.from.min(seconds);
        self.to = self.to.max(seconds);
    }

    /// Appends records. If it is of frames, these are for `recipients`. With
    /// `is_synced` they are on the disk after this.
    pub(crate) fn append(
        &mut self,
        batch: &Batch,
        recipients: Option<&Recipients>,
        is_synced: bool,
    ) -> Result<()> {
        let mut at = 0;
        match (self.form, recipients) {
            (Form::Frames(_), None) => return Err(Error::new(format!("{}: for nobody", self.name()))),
            (Form::Frames(_), Some(recipients)) => {
                let frames = self.frames(batch, recipients)?;
                self.write(&frames, is_synced)?;
            }
            (Form::Lines, _) => {
                self.write(&batch.lines, is_synced)?;
                for record in &batch.records {
                    self.add(record);
                    self.tree.add(tree::leaf(&batch.lines[at..at + record.len]));
                    at += record.len + 1;
                }
            }
        }
        self.bytes += batch.lines.len() as u64;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], is_synced: bool) -> Result<()> {
        self.file.write_all(bytes).named(&self.path)?;
        if is_synced {
            self.file.sync_data().named(&self.path)?;
        }
        // A component's writes may fail late.
        let len = self.file.metadata().named(&self.path)?.len();
        let expected = self.len + bytes.len() as u64;
        if len != expected {
            let path = self.path.display();
            return Err(Error::new(format!(
                "{path}: {len} bytes where {expected} were to be: is the disk full?"
            )));
        }
        self.len = len;
        Ok(())
    }

    /// Writes the closed segment's file, or sees to it that what is there is on
    /// the disk. It has its place when `settle` is done.
    pub(crate) fn close(&self, directory: &Path) -> Result<Stored> {
        match self.form {
            Form::Lines => self.compress(directory),
            Form::Frames(_) => self.stored_frames(),
        }
    }

    /// Writes the closed segment's file.
    fn compress(&self, directory: &Path) -> Result<Stored> {
        let path = directory.join(closed_name(self.number));
        let partial = directory.join(format!("{}.partial", closed_name(self.number)));
        let mut source = File::open(&self.path).named(&self.path)?;
        let mut target = File::create(&partial).named(&partial)?;
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
            target.write_all(&frame).named(&partial)?;
        }
        target.sync_all().named(&partial)?;
        if target.metadata().named(&partial)?.len() != len {
            return Err(Error::new(format!("{}: not written: is the disk full?", partial.display())));
        }
        fs::rename(&partial, &path).named(&path)?;
        sync_directory(directory)?;
        Ok(Stored { file: closed_name(self.number), bytes: len, sha256: hex(hash) })
    }
}

/// As frames.
impl Active {
    /// Reads what an earlier life has left. What is behind the last whole frame is
    /// cut off, but not where another one begins in it: then it is no torn end.
    fn recover_frames(&mut self, see: &mut dyn FnMut(&Identity)) -> Result<u64> {
        let mut reader = frame::Reader::new(open_to_read(&self.path)?);
        let mut end = 0;
        while let Some(frame) = whole_frame(&mut reader).named(&self.path)? {
            let link_of = |identity: &Identity| frame.links.iter().find(|(of, _)| of == identity);
            for identity in &frame.records {
                see(identity);
                let link = link_of(identity).map(|(_, link)| *link);
                self.add(&Entry { identity: *identity, link, seconds: frame.header.from, len: 0 });
            }
            self.to = self.to.max(frame.header.to);
            self.bytes += frame.header.bytes;
            let grown = self.tree.grow(frame.records.len() as u64, &frame.grown);
            grown.ok_or_else(|| self.damaged(end))?;
            end = reader.at();
            self.form = Form::Frames(reader.digest());
        }
        let cut = self.file.metadata().named(&self.path)?.len() - end;
        if cut > 0 {
            if has_frame_behind(&self.path, end).named(&self.path)? {
                return Err(self.damaged(end));
            }
            self.file.set_len(end).and_then(|()| self.file.sync_data()).named(&self.path)?;
        }
        self.len = end;
        Ok(cut)
    }

    fn damaged(&self, at: u64) -> Error {
        Error::new(format!("{}: damaged at byte {at}; see docs/output.md, Restore", self.path.display()))
    }

    /// The frames of a batch. Its records count as held with this.
    fn frames(&mut self, batch: &Batch, recipients: &Recipients) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let (mut records, mut lines) = (&batch.records[..], &batch.lines[..]);
        while !records.is_empty() {
            let part;
            (part, records, lines) = frame::split(records, lines);
            let before = self.records;
            let mut at = 0;
            for record in part.records {
                self.add(record);
                self.tree.add(tree::leaf(&part.lines[at..at + record.len]));
                at += record.len + 1;
            }
            if let Form::Frames(digest) = &mut self.form {
                *digest = frame::write(&part, &self.tree.grown(before), recipients, digest, &mut out)?;
            }
        }
        Ok(out)
    }

    fn stored_frames(&self) -> Result<Stored> {
        self.file.sync_all().named(&self.path)?;
        let mut hash = Sha256::new();
        let mut file = open_to_read(&self.path)?;
        let mut len = 0;
        loop {
            let piece = file.fill_buf().named(&self.path)?;
            if piece.is_empty() {
                break;
            }
            hash.update(piece);
            let read = piece.len();
            file.consume(read);
            len += read as u64;
        }
        if len != self.len {
            return Err(Error::new(format!("{}: not as it was written", self.path.display())));
        }
        Ok(Stored { file: frame::closed_name(self.number), bytes: len, sha256: hex(hash) })
    }
}

fn open_to_read(path: &Path) -> Result<BufReader<File>> {
    Ok(BufReader::with_capacity(READ_BYTES, File::open(path).named(path)?))
}

/// The next frame, if it is there and as it was written.
fn whole_frame(reader: &mut frame::Reader<impl BufRead>) -> std::io::Result<Option<Frame>> {
    match reader.next(|_| {}) {
        Ok(frame) => Ok(frame.filter(|frame| frame.is_whole)),
        Err(Fault::Broken { .. }) => Ok(None),
        Err(Fault::Io(error)) => Err(error),
    }
}

/// Whether a frame begins anywhere behind the byte at `start`.
fn has_frame_behind(path: &Path, start: u64) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start + 1))?;
    let mut window = Vec::new();
    loop {
        let read = (&mut file).take(READ_BYTES as u64).read_to_end(&mut window)?;
        if window.windows(frame::START.len()).any(|bytes| bytes == frame::START) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        window.drain(..window.len().saturating_sub(frame::START.len() - 1));
    }
}

fn read_closed_frames(path: &Path) -> Result<Identities> {
    let mut reader = frame::Reader::new(open_to_read(path)?);
    let mut identities = Identities::new();
    let damaged = |what: &dyn std::fmt::Display| Error::new(format!("{}: {what}", path.display()));
    while let Some(frame) = reader.next(|_| {}).map_err(|fault| damaged(&fault))? {
        if !frame.is_whole {
            return Err(damaged(&format!("damaged at byte {}", frame.at)));
        }
        identities.extend(frame.records);
    }
    Ok(identities)
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// In which form a segment is to be opened: that of its file, if that holds
/// anything.
fn find_form(directory: &Path, number: u64, is_encrypted: bool) -> Result<Form> {
    let frames = Form::Frames([0; 32]);
    let (lines_path, frames_path) =
        (directory.join(active_name(number)), directory.join(frame::active_name(number)));
    let is_held = |path: &Path| path.metadata().is_ok_and(|file| file.len() > 0);
    let (form, other) = match (is_held(&lines_path), is_held(&frames_path)) {
        (true, true) => {
            let (lines, frames) = (lines_path.display(), frames_path.display());
            return Err(Error::new(format!(
                "{lines}, {frames}: both here, and only one can be the segment that goes on; see \
                 docs/output.md, Restore"
            )));
        }
        (true, false) => (Form::Lines, frames_path),
        (false, true) => (frames, lines_path),
        (false, false) if is_encrypted => (frames, lines_path),
        (false, false) => (Form::Lines, frames_path),
    };
    remove(&other)?;
    Ok(form)
}

/// Puts the file of a segment in its place, now that the manifest is written.
pub(crate) fn settle(directory: &Path, manifest: &Manifest) -> Result<()> {
    let closed = directory.join(&manifest.file);
    if manifest.file != frame::closed_name(manifest.number) {
        return remove(&directory.join(active_name(manifest.number)));
    }
    let active = directory.join(frame::active_name(manifest.number));
    if active.exists() && !closed.exists() {
        fs::rename(&active, &closed).named(&active)?;
        sync_directory(directory)?;
    }
    Ok(())
}

/// Deletes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => {
            removed.named(path)?;
            path.parent().map_or(Ok(()), sync_directory)
        }
    }
}

/// The identities of a closed segment's records.
pub(crate) fn read_closed(directory: &Path, number: u64) -> Result<Identities> {
    let frames = directory.join(frame::closed_name(number));
    if frames.exists() {
        return read_closed_frames(&frames);
    }
    let path = directory.join(closed_name(number));
    let mut source = BufReader::new(File::open(&path).named(&path)?);
    let mut identities = Identities::new();
    let mut checker = Checker::default();
    let (mut line, mut plain) = (Vec::new(), Vec::new());
    while !source.fill_buf().named(&path)?.is_empty() {
        let damaged = |error| Error::new(format!("{}: damaged: {error}", path.display()));
        let mut frame = StreamingDecoder::new(&mut source).map_err(|error| damaged(error.to_string()))?;
        plain.clear();
        frame.read_to_end(&mut plain).named(&path)?;
        for part in plain.split_inclusive(|&byte| byte == b'\n') {
            line.extend_from_slice(part);
            let Some(text) = line.strip_suffix(b"\n") else {
                break;
            };
            if let Ok(Checked::Sealed(sealed)) = checker.check(text) {
                identities.insert(Identity::of(&sealed));
            }
            line.clear();
        }
    }
    Ok(identities)
}

/// Makes names in the directory last through a loss of power.
pub(crate) fn sync_directory(directory: &Path) -> Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    File::open(directory).and_then(|directory| directory.sync_all()).named(directory)
}
