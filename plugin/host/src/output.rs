//! An output: a component on its own thread, on which no caller has to wait.

mod desk;
mod report;
mod worker;

pub use desk::Reply;

use crate::component::{Component, Level, Limits, Property};
use crate::log::Line;
use crate::settings::Settings;
use anyhow::{Context, Result, anyhow, bail};
use desk::{Desk, GRACE};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use worker::Worker;

/// The thread's stack in bytes. WebAssembly has its own stacks.
const STACK_BYTES: usize = 1 << 20;

/// A running output.
pub struct Output {
    desk: Arc<Desk>,
    thread: JoinHandle<()>,
}

/// Starts an output. `setting` is asked for `config.NAME` and `secret.NAME` of each property
/// that the component has. What is to be logged is added to `lines`, also if it does not start.
pub fn start(
    path: &Path,
    limits: Limits,
    failures_max: Option<u32>,
    setting: impl Fn(&str) -> Option<String>,
    lines: &mut Vec<Line>,
) -> Result<Output> {
    let lock = match &limits.directory {
        Some(directory) if limits.is_writable => Some(lock(directory)?),
        _ => None,
    };
    let (component, no_cache) = Component::from_file(path, limits)?;
    if let Some(why) = no_cache {
        lines.push((Level::Warn, format!("compiled again, because there is no cache: {why}")));
    }
    let deadline = component.limits().deadline;
    let desk = Arc::new(Desk::new(deadline));
    let worker = Worker::new(component, failures_max, lock, Arc::clone(&desk));
    let (asks, asked) = channel();
    let (tells, told) = channel();
    let (begins, begun) = channel();
    let thread = thread::Builder::new()
        .name("out_wasm".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || run(worker, &asks, &told, &begins))
        .context("cannot start a thread")?;
    // Covers making an instance and calling it.
    let longest = 2 * deadline + GRACE;
    let properties: Result<Vec<Property>> = wait(&asked, longest, "properties", lines)?;
    let names: Vec<String> = properties?.into_iter().map(|property| property.name).collect();
    let settings = Settings::ask(&names, setting)?;
    tells.send(settings).map_err(|_| anyhow!("the component's thread is gone"))?;
    wait(&begun, longest, "init", lines)??;
    Ok(Output { desk, thread })
}

/// A result, and the lines to log.
type Told<T> = (Result<T>, Vec<Line>);

/// Runs the component's thread: exchanges properties and settings with the starter,
/// begins, and then works.
fn run(
    mut worker: Worker,
    asks: &Sender<Told<Vec<Property>>>,
    told: &Receiver<Settings>,
    begins: &Sender<Told<()>>,
) {
    let properties = worker.properties();
    let lines = worker.take_lines();
    let worker = properties.is_ok().then_some(worker);
    let is_told = asks.send((properties, lines)).is_ok();
    let (Some(mut worker), true, Ok(settings)) = (worker, is_told, told.recv()) else {
        return;
    };
    let result = worker.begin_with(settings);
    let lines = worker.take_lines();
    // After an error, the caller may open the directory again, so the lock is released
    // first.
    let worker = result.is_ok().then_some(worker);
    if let (Ok(()), Some(worker)) = (begins.send((result, lines)), worker) {
        worker.run();
    }
}

fn wait<T>(
    results: &Receiver<Told<T>>,
    longest: Duration,
    call: &str,
    lines: &mut Vec<Line>,
) -> Result<Result<T>> {
    let (result, mut logged) = results
        .recv_timeout(longest)
        .map_err(|_| anyhow!("{call}: it hangs outside the component, for example in a write to a disk"))?;
    lines.append(&mut logged);
    Ok(result)
}

/// Locks a directory, so that nothing else writes to it.
fn lock(directory: &Path) -> Result<File> {
    let name = directory.display();
    let file = File::open(directory).with_context(|| format!("dir {name}: cannot be opened"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("dir {name}: another output writes there; each needs a directory of its own")
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("dir {name}: cannot be locked"))
        }
    }
}

impl Output {
    /// Delivers a chunk and waits for a short time. If the component needs longer,
    /// returns `retry`, and returns the component's answer when the chunk comes again.
    /// Several threads may call this.
    pub fn offer(&self, tag: &[u8], chunk: &[u8]) -> Reply {
        self.desk.deliver(tag, chunk, false)
    }

    /// Delivers a chunk, and waits for the component's answer.
    pub fn flush(&self, tag: &[u8], chunk: &[u8]) -> Reply {
        self.desk.deliver(tag, chunk, true)
    }

    /// Ends the output within the deadline. Returns the lines to log.
    pub fn drain(self) -> Vec<Line> {
        let (is_gone, lines) = self.desk.end();
        if is_gone {
            // A panic was reported before.
            let _ = self.thread.join();
        }
        lines
    }
}
