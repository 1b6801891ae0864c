//! Opening a ledger: first the manifests, over several calls, and then all other files.

use super::{Opened, Opening};
use crate::batch::Batch;
use crate::closed_files::FILES_MAX;
use crate::disk::remove;
use crate::files::number_of_open_file;
use crate::intake::Intake;
use crate::ledger_chain::StoredChain;
use crate::manifest;
use crate::manifests::{Manifests, Reading};
use crate::open_file::{OpenFile, settle};
use crate::record_index::RecordIndex;
use crate::recovery::Recovery;
use crate::retention::Retention;
use crate::roster::Roster;
use crate::tail::Expected;
use crate::{Level, Line, Result, Settings};
use flb_audit_core::policy::Policy;
use std::path::Path;

impl Opening {
    pub(super) fn begin(directory: &Path, lines: &mut Vec<Line>) -> Result<Opening> {
        let (found, journal) = StoredChain::open(directory)?;
        if found.is_mended {
            lines.push((
                Level::Error,
                "chain.state: damaged; the chain continues from the data in ledger.intents".into(),
            ));
        }
        let expected =
            journal.appended.as_ref().map(|appended| Expected::manifests(appended, journal.secret()));
        let reading = Reading::open(directory, found.chain(), expected)?;
        Ok(Opening { found, journal, index: RecordIndex::default(), reading })
    }

    /// Opens all other files after the manifests have been read.
    pub(super) fn finish(
        self,
        directory: &Path,
        settings: &Settings,
        policy: Option<Policy<'static>>,
        retention: &mut Retention,
        lines: &mut Vec<Line>,
    ) -> Result<Opened> {
        let Opening { found, journal, mut index, reading } = self;
        let manifests = reading.finish();
        let chain = found.chain();
        let (appended, secret) = (journal.appended.as_ref(), journal.secret());
        report_cut(manifest::FILE_NAME, manifests.cut_bytes, lines);
        report_beyond(&manifests, lines);
        if manifests.is_proven {
            finish_what_was_begun(directory, &manifests)?;
        }
        let number = number_of_open_file(directory, &manifests, &mut index, lines)?;
        let roster = Roster::open(directory, settings.roster.as_deref(), settings.fleet.as_deref())?;
        let written = appended.and_then(|appended| appended.before.last);
        let expected = Expected::open(appended, secret, number);
        let mut recovery = Recovery::new(chain, expected, manifests.last.or(written));
        let is_encrypted = settings.recipients.is_some();
        let (active, cut) = OpenFile::open(directory, number, is_encrypted, &mut recovery)?;
        report_cut(&active.name(), cut, lines);
        let own = found.go_on(directory, recovery.last, policy)?;
        if let Some(why) = own.distrust() {
            lines.push((
                Level::Warn,
                format!("verify will call this ledger's statements `key not certified`: {why}"),
            ));
        }
        let last = own.chain().link.map(|link| (link.place, own.chain().head));
        let mut opened = Opened {
            own,
            last,
            active,
            manifests,
            journal,
            index,
            closed: None,
            intake: Intake::new(chain, roster),
            batch: Batch::default(),
        };
        opened.close_damaged(directory, settings, retention, lines)?;
        Ok(opened)
    }
}

/// Finishes the closing and deleting of files that a crash has interrupted, as the
/// manifests say.
fn finish_what_was_begun(directory: &Path, manifests: &Manifests) -> Result<()> {
    for (file, is_deleted) in manifests.files.recent() {
        if *is_deleted {
            remove(&directory.join(file.name()))?;
        } else {
            settle(directory, file)?;
        }
    }
    Ok(())
}

fn report_beyond(manifests: &Manifests, lines: &mut Vec<Line>) {
    let beyond = manifests.files.beyond();
    if beyond > 0 {
        let what = format!(
            "retention knows only the {FILES_MAX} oldest closed files: {beyond} more are not deleted before a \
                          restart; a larger file_size makes fewer files"
        );
        lines.push((Level::Warn, what));
    }
}

fn report_cut(file: &str, bytes: u64, lines: &mut Vec<Line>) {
    if bytes > 0 {
        lines.push((Level::Warn, format!("{file}: {bytes} bytes of a torn record were cut off at its end")));
    }
}
