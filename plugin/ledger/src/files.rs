//! The files in a ledger's directory, and the closed ones without a manifest.

use crate::frame;
use crate::manifest::{FILE_NAME, closed_name};
use crate::manifests::Manifests;
use crate::open_file::read_closed;
use crate::record_index::RecordIndex;
use crate::runs::Runs;
use crate::{Error, Level, Line, Named, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Returns the number of the file after one.
pub(crate) fn next_number(directory: &Path, number: u64) -> Result<u64> {
    number.checked_add(1).ok_or_else(|| Error::NoNumberLeft { directory: directory.to_path_buf() })
}

/// Returns the number of the open file.
///
/// A closed file without a manifest is an error, so that no file is overwritten. If the
/// manifests are damaged, the missing one may be among the damaged lines. Then the open
/// file gets a number behind all files that exist, and the records of files without a
/// manifest are read from the files themselves.
pub(crate) fn number_of_open_file(
    directory: &Path,
    manifests: &Manifests,
    index: &mut RecordIndex,
    lines: &mut Vec<Line>,
) -> Result<u64> {
    let next = next_number(directory, manifests.files.last())?;
    let files = files(directory)?;
    let Some((at, count)) = manifests.damaged else {
        return match files.range(next..).find(|(_, is_open)| !**is_open) {
            Some((number, _)) => {
                let names = [frame::closed_name(*number), closed_name(*number)];
                let [frames, lines] = names.map(|name| directory.join(name));
                let path = if frames.exists() { frames } else { lines };
                Err(Error::WithoutManifest { path })
            }
            None => Ok(next),
        };
    };
    lines.push((
        Level::Error,
        format!(
                        "{FILE_NAME}: damaged at byte {at}: {count} lines are not valid manifests; they are left as they are"
        ),
    ));
    let number = match files.last_key_value() {
        Some((number, true)) => next.max(*number),
        Some((number, false)) => next.max(next_number(directory, *number)?),
        None => next,
    };
    for file in files.into_keys().filter(|file| *file < number && !manifests.files.has(*file)) {
        let mut runs = Runs::default();
        let read = read_closed(directory, file, &mut |entry| {
            runs.add(entry);
        });
        index.add(file, runs.extents());
        if let Err(error) = read {
            let what = format!("its records are not known, so they may be stored twice: {error}");
            lines.push((Level::Error, what));
        }
    }
    Ok(number)
}

/// Returns the numbers of all files, each with whether one of its files can be appended
/// to. A crash while a file is closed leaves both its open and its closed file.
fn files(directory: &Path) -> Result<BTreeMap<u64, bool>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).named(directory)? {
        let name = entry.named(directory)?.file_name();
        let name = name.to_string_lossy();
        if let Some((number, end @ ("ndjson" | "ndjson.zst" | "frames" | "frames.open"))) =
            name.split_once('.')
            && let Ok(number) = number.parse::<u64>()
        {
            *files.entry(number).or_default() |= matches!(end, "ndjson" | "frames.open");
        }
    }
    Ok(files)
}
