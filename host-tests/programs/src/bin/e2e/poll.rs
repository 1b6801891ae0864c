//! Waiting for something, with an end to it.

use anyhow::{Result, bail};
use std::thread;
use std::time::{Duration, Instant};

/// The longest wait for anything. Only what has failed takes that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

const STEP: Duration = Duration::from_millis(30);

/// Tries until `done` gives something, or for [`PATIENCE`]. `progress` says
/// how far it had come.
pub(crate) fn until<T>(
    what: &str,
    mut done: impl FnMut() -> Result<Option<T>>,
    progress: impl Fn() -> String,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = done()? {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            bail!("waited {} s for {what}: {}", PATIENCE.as_secs(), progress());
        }
        thread::sleep(STEP);
    }
}
