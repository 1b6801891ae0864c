//! An output: a component on a thread of its own, for which nobody has to wait.

mod desk;
mod worker;

use crate::component::{Answer, Component, Level, Limits, Property, Setting};
use crate::log::Line;
use anyhow::{Context, Result, anyhow, bail};
use desk::Desk;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use worker::Worker;

/// The time in which an interrupted call has to return. One that hangs
/// in the kernel does not.
const GRACE: Duration = Duration::from_secs(5);
/// The thread's stack, in bytes. WebAssembly has stacks of its own.
const STACK_BYTES: usize = 1 << 20;

/// An output that runs.
pub struct Output {
    desk: Arc<Desk>,
    thread: JoinHandle<()>,
}

/// The result of a call, and the log's lines until then.
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// The log's lines, in their order.
    pub lines: Vec<Line>,
}

/// Starts an output. `setting` is asked for each property that the component
/// has. What is to be logged is added to `lines`, also if it does not start.
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
        lines.push((Level::Warn, format!("compiled anew, since there is no cache: {why}")));
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
        .context("no thread to be had")?;
    // An instance is made, and called.
    let longest = 2 * deadline + GRACE;
    let properties: Result<Vec<Property>> = wait(&asked, longest, "properties", lines)?;
    let with_value = |property: Property| {
        let value = setting(&property.name)?;
        Some(Setting { name: property.name, value })
    };
    let settings = properties?.into_iter().filter_map(with_value).collect();
    tells.send(settings).map_err(|_| anyhow!("the component's thread is gone"))?;
    wait(&begun, longest, "init", lines)??;
    Ok(Output { desk, thread })
}

/// A result, and what is to be logged.
type Told<T> = (Result<T>, Vec<Line>);

/// Runs the component's thread: it starts the component as it is told, then works.
fn run(
    mut worker: Worker,
    asks: &Sender<Told<Vec<Property>>>,
    told: &Receiver<Vec<Setting>>,
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
    // The caller may open the directory anew after an error.
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
        .map_err(|_| anyhow!("{call}: it hangs outside of the component, as in a disk's write"))?;
    lines.append(&mut logged);
    Ok(result)
}

/// Sees to it that nobody else writes into this directory.
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
    /// Delivers a chunk, and waits for a short time: an answer that takes longer is
    /// `retry`, and the component's answer is returned when the chunk comes again. It can
    /// be called from several threads.
    pub fn offer(&self, tag: &[u8], chunk: &[u8]) -> Reply {
        self.desk.deliver(tag, chunk, false)
    }

    /// Delivers a chunk, and waits for the component's answer.
    pub fn flush(&self, tag: &[u8], chunk: &[u8]) -> Reply {
        self.desk.deliver(tag, chunk, true)
    }

    /// Ends, within the deadline. Returns what is to be logged.
    pub fn drain(self) -> Vec<Line> {
        let (is_gone, lines) = self.desk.end();
        if is_gone {
            // If it has panicked, that was said.
            let _ = self.thread.join();
        }
        lines
    }
}
