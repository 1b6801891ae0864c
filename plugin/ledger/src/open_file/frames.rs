//! The open file in frames, which the node writes but cannot decrypt.

use super::{Form, OpenFile, open_if_there};
use crate::batch::{Beginning, Entry, Part};
use crate::frame::{self, Fault, Frame, Reader};
use crate::manifest::{Damage, DamageKind, Link};
use crate::recovery::Recovery;
use crate::tree::Node;
use crate::{Error, Named, Recipients, Result, tree};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

/// The number of bytes that are read at once.
const READ_BYTES: usize = 64 << 10;

impl OpenFile {
    /// Reads the file that an earlier life has left. Bytes behind the last whole frame are
    /// cut off as torn. If another frame begins in them, they are damage, and stay.
    pub(super) fn recover_frames(&mut self, recovery: &mut Recovery) -> Result<u64> {
        let file = File::open(&self.path).named(&self.path)?;
        let mut reader = Reader::new(BufReader::with_capacity(READ_BYTES, file));
        let mut damage = Damage { kind: DamageKind::Damaged, at: 0, lines: 0, before: 0, after: 0 };
        loop {
            recovery.reach(reader.at(), || reader.digest());
            let at = reader.at();
            let Some(next) = next(&mut reader).named(&self.path)? else {
                break;
            };
            // The tree after a damaged frame is not known.
            let frame = next.filter(|frame| damage.lines > 0 || self.recover_tree(frame));
            let Some(frame) = frame else {
                damage.lines += 1;
                continue;
            };
            let entries: Vec<Entry> = entries(&frame).collect();
            recovery.see(at, self.records, &reader.digest(), &entries);
            self.recover_frame(&frame, &entries);
            if damage.lines > 0 {
                damage.after += frame.records.len() as u64;
                continue;
            }
            (damage.at, damage.before) = (reader.at(), self.records);
            self.form = Form::Frames(reader.digest());
        }
        self.len = self.file.metadata().named(&self.path)?.len();
        let is_torn = damage.lines == 1 && damage.after == 0 && recovery.is_clean(damage.at);
        let cut = self.len - damage.at;
        if is_torn && cut > 0 {
            self.file.set_len(damage.at).and_then(|()| self.file.sync_data()).named(&self.path)?;
            self.len = damage.at;
            return Ok(cut);
        }
        self.damage = recovery.judge(self.len, Some(damage).filter(|damage| damage.lines > 0));
        Ok(0)
    }

    /// Adds a frame to the tree. Returns false if the frame's subtrees do not fit.
    fn recover_tree(&mut self, frame: &Frame) -> bool {
        let mut tree = self.tree.clone();
        let grown = tree.grow(frame.records.len() as u64, &frame.grown);
        if grown.is_some() {
            self.tree = tree;
        }
        grown.is_some()
    }

    fn recover_frame(&mut self, frame: &Frame, entries: &[Entry]) {
        entries.iter().for_each(|entry| self.add(entry));
        self.to = self.to.max(frame.header.to);
        self.bytes += frame.header.bytes;
    }

    /// Returns records as frames, with the digest of each frame. The records count as
    /// held from here on.
    pub(super) fn frames(&mut self, part: Part<'_>, recipients: &Recipients) -> Result<(Vec<u8>, Vec<Node>)> {
        let (mut out, mut digests) = (Vec::new(), Vec::new());
        let (mut records, mut lines) = (part.records, part.lines);
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
                digests.push(*digest);
            }
        }
        Ok((out, digests))
    }
}

/// Returns the next frame. The inner `None` is a frame that is broken or not as it was
/// written, the outer one the end of the file.
fn next(reader: &mut Reader<BufReader<File>>) -> io::Result<Option<Option<Frame>>> {
    match reader.next(|_| {}) {
        Ok(frame) => Ok(frame.map(|frame| Some(frame).filter(|frame| frame.is_whole))),
        Err(Fault::Broken { .. }) => Ok(Some(None)),
        Err(Fault::Io(error)) => Err(error),
    }
}

/// Returns the records of a frame, with the data that its header has about them.
fn entries(frame: &Frame) -> impl Iterator<Item = Entry> {
    frame.entries().map(|(id, extent, prev)| Entry {
        id,
        prev,
        is_checkpoint: extent.signed == Some(id.sequence),
        keys: extent.keys.filter(|_| extent.signed == Some(id.sequence)),
        beginning: (id.sequence == 0)
            .then(|| Beginning { link: extent.link.as_ref().and_then(Link::read), notes: extent.notes() }),
        seconds: frame.header.from,
        len: 0,
    })
}

/// Passes the records of a closed file of frames to `see`. Returns false if there is no
/// such file. If the file is damaged, only whole frames are read.
pub(super) fn read_closed(directory: &Path, number: u64, see: &mut dyn FnMut(&Entry)) -> Result<bool> {
    for (name, is_damaged) in [(frame::closed_name(number), false), (frame::open_name(number), true)] {
        let path = directory.join(name);
        let Some(source) = open_if_there(&path)? else {
            continue;
        };
        let mut reader = Reader::new(source);
        while let Some(next) = next(&mut reader).named(&path)? {
            match next {
                Some(frame) => entries(&frame).for_each(|entry| see(&entry)),
                None if is_damaged => {}
                None => return Err(Error::Damaged { path }),
            }
        }
        return Ok(true);
    }
    Ok(false)
}
