//! Waiting with a time limit.

use anyhow::{Result, bail};
use std::thread;
use std::time::{Duration, Instant};

/// The time limit. Only failures take this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

const STEP: Duration = Duration::from_millis(30);

/// Calls `done` until it returns something, or fails after [`PATIENCE`]. The error has
/// the text of `progress`.
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
