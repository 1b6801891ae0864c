//! The chain's keys: puts them into force and uses them before each record.

use crate::abi::{Access, Errno, File, fill_random, find_in_preopens};
use flb_audit_core::Sealer;
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::anchor;
use flb_audit_core::chain::enrollment;
use flb_audit_core::chain::keyring::{self, Newest};
use flb_audit_core::chain::rotation::Rotation;
use flb_audit_core::chain::writer::AnchorWriter;
use flb_audit_core::record::notes::Notes;

/// The keys of one chain, in this life of the filter.
pub(crate) struct Keys {
    pub(crate) rotation: Rotation<File>,
    anchors: Option<AnchorWriter<File>>,
    /// The chain's enrollment, which checkpoints state; empty without one.
    enrollment: &'static [u8],
    /// True if the record that is being sealed is a checkpoint.
    is_checkpoint: bool,
}

impl Keys {
    /// Opens the first key file among the accessible paths, or returns `None` if the chain
    /// has no keys. Returns with it the handover to the key in force, and notes on the other
    /// files.
    pub(crate) fn open(chain: ChainId) -> Result<Option<(Keys, Option<Newest>, Notes)>, Notes> {
        let file = match find_in_preopens(keyring::FILE_NAME, Access::ReadAndWrite) {
            Ok(Some(file)) => file,
            // Only a chain with keys has a file for checkpoints. If that file is there, the
            // keys are lost.
            Ok(None) if matches!(find_in_preopens(anchor::FILE_NAME, Access::Read), Ok(None)) => {
                return Ok(None);
            }
            _ => return Err(Notes::KEY_DAMAGED),
        };
        let (rotation, newest) = Rotation::open(file, chain).map_err(|_| Notes::KEY_DAMAGED)?;
        let anchors = open_anchors().ok().flatten();
        let (enrollment, notes) = match read_enrollment() {
            Some(enrollment) => (enrollment, Notes::NONE),
            None => (&[][..], Notes::ENROLLMENT_DAMAGED),
        };
        Ok(Some((Keys { rotation, anchors, enrollment, is_checkpoint: false }, newest, notes)))
    }

    /// Decides before each record whether it is a checkpoint, and which key signs it.
    pub(crate) fn prepare(&mut self, sealer: &mut Sealer, now: u64) {
        let prepared = self.rotation.prepare(sealer.chain(), now, false, &mut |seed| fill_random(seed));
        let enrollment = self.enrollment;
        let is_set = prepared.signer.is_none_or(|mut signer| {
            signer.enroll(enrollment).and_then(|()| sealer.set_signer(signer)).is_ok()
        });
        if prepared.failed.is_some() || !is_set {
            sealer.note(Notes::KEY_NOT_WRITTEN);
        }
        self.is_checkpoint = prepared.is_checkpoint;
        if prepared.is_checkpoint {
            sealer.sign_next();
        }
    }

    /// Writes a new checkpoint into the file that others read.
    pub(crate) fn write_checkpoint(&mut self, sealer: &Sealer) {
        if self.is_checkpoint
            && let (Some(anchors), Some(signer)) = (&mut self.anchors, sealer.signer())
        {
            // A failure does not matter here: the record contains the checkpoint.
            let _ = anchors.write(signer.anchor());
        }
    }
}

/// Returns the chain's enrollment, as checkpoints state it. It is empty if the chain has
/// none, and `None` if its file cannot be used.
#[inline(never)]
fn read_enrollment() -> Option<&'static [u8]> {
    let Some(file) = find_in_preopens(enrollment::FILE_NAME, Access::Read).ok()? else { return Some(&[]) };
    // The guest reads it once in its life.
    let read: &'static [u8] = file.read(enrollment::FILE_BYTES_MAX).unwrap_or_default().leak();
    enrollment::from_file(read)
}

fn open_anchors() -> Result<Option<AnchorWriter<File>>, Errno> {
    find_in_preopens(anchor::FILE_NAME, Access::ReadAndWrite)?.map(AnchorWriter::open).transpose()
}
