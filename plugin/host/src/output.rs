//! An output: a component on a thread of its own, with a new instance where
//! one has ended.

use crate::component::{Answer, Component, Ended, Instance, Level, Limits, Line, Property, Setting};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use wasmtime::Engine;

/// The time in which an interrupted call has to return. One that hangs
/// in the kernel does not.
const GRACE: Duration = Duration::from_secs(5);
/// The thread's stack, in bytes: that of WebAssembly is on it.
const STACK_BYTES: usize = 4 << 20;
/// The number of chunks that are remembered because they ended an instance.
const FAILED_CHUNKS_MAX: usize = 1024;

/// An output that runs.
pub struct Output {
    turn: Mutex<Turn>,
    engine: Engine,
    deadline: Duration,
    thread: Option<JoinHandle<()>>,
    /// Keeps others off the directory.
    _lock: Option<File>,
}

/// Whose holder speaks with the thread.
struct Turn {
    requests: Sender<Request>,
    replies: Receiver<Reply>,
    /// A reply that nobody waits for any more is still to come.
    is_overdue: bool,
}

enum Request {
    Flush { tag: Vec<u8>, chunk: Vec<u8> },
    Drain,
}

/// The result of a call, and its log lines.
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// The log's lines, in their order.
    pub lines: Vec<Line>,
}

/// Starts an output. `setting` is asked for each property that the component
/// has. Gives with it what is to be logged.
pub fn start(
    path: &Path,
    limits: Limits,
    failures_max: Option<u32>,
    setting: impl Fn(&str) -> Option<String>,
) -> Result<(Output, Vec<Line>)> {
    let lock = match &limits.directory {
        Some(directory) if limits.is_writable => Some(lock(directory)?),
        _ => None,
    };
    let (component, no_cache) = Component::from_file(path, limits)?;
    let mut lines = Vec::new();
    if let Some(why) = no_cache {
        lines.push((Level::Warn, format!("compiled anew, since there is no cache: {why}")));
    }
    let (engine, deadline) = (component.engine().clone(), component.limits().deadline);
    let (requests, requested) = channel();
    let (replied, replies) = channel();
    let mut worker = Worker {
        component,
        settings: Vec::new(),
        instance: None,
        failures_max,
        failures: HashMap::new(),
        hasher: RandomState::new(),
        lines: Vec::new(),
    };
    let properties = interrupted_after(&engine, deadline, || worker.properties())?;
    for property in properties {
        if let Some(value) = setting(&property.name) {
            worker.settings.push(Setting { name: property.name, value });
        }
    }
    interrupted_after(&engine, deadline, || worker.begin()).map_err(|reason| anyhow!(reason))?;
    lines.append(&mut worker.lines);
    let thread = thread::Builder::new()
        .name("out_wasm".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || worker.run(&requested, &replied))
        .context("no thread to be had")?;
    let turn = Mutex::new(Turn { requests, replies, is_overdue: false });
    Ok((Output { turn, engine, deadline, thread: Some(thread), _lock: lock }, lines))
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

/// Does something within the deadline.
fn interrupted_after<T: Send>(engine: &Engine, deadline: Duration, work: impl FnOnce() -> T + Send) -> T {
    let (done, is_done) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if is_done.recv_timeout(deadline) == Err(RecvTimeoutError::Timeout) {
                engine.increment_epoch();
            }
        });
        let result = work();
        drop(done);
        result
    })
}

impl Output {
    /// Delivers a chunk. It can be called from several threads; they take
    /// turns.
    pub fn flush(&self, tag: &[u8], chunk: &[u8]) -> Reply {
        self.ask(Request::Flush { tag: tag.to_vec(), chunk: chunk.to_vec() })
    }

    /// Ends. Gives what is to be logged.
    pub fn drain(mut self) -> Vec<Line> {
        let reply = self.ask(Request::Drain);
        if let (Some(thread), false) = (self.thread.take(), self.is_overdue()) {
            let _ = thread.join();
        }
        let mut lines = reply.lines;
        match reply.answer {
            Answer::Ok => {}
            Answer::Retry(reason) | Answer::Refuse(reason) => {
                lines.push((Level::Error, format!("drain: {reason}")));
            }
        }
        lines
    }

    fn is_overdue(&self) -> bool {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).is_overdue
    }

    fn ask(&self, request: Request) -> Reply {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        turn.ask(request, &self.engine, self.deadline).unwrap_or_else(|reason| Reply {
            lines: vec![(Level::Error, reason.to_owned())],
            answer: Answer::Retry(reason.to_owned()),
        })
    }
}

impl Turn {
    fn ask(&mut self, request: Request, engine: &Engine, deadline: Duration) -> Result<Reply, &'static str> {
        const GONE: &str = "the component's thread is gone";
        const STUCK: &str = "a call past its deadline hangs outside of the component, as in a disk's write";
        if self.is_overdue {
            // What it says is about a chunk that was answered `retry`.
            self.replies.try_recv().map_err(|_| STUCK)?;
            self.is_overdue = false;
        }
        self.requests.send(request).map_err(|_| GONE)?;
        match self.replies.recv_timeout(deadline) {
            Err(RecvTimeoutError::Timeout) => engine.increment_epoch(),
            reply => return reply.map_err(|_| GONE),
        }
        self.replies.recv_timeout(GRACE).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                self.is_overdue = true;
                STUCK
            }
            RecvTimeoutError::Disconnected => GONE,
        })
    }
}

/// The state of the thread.
struct Worker {
    component: Component,
    settings: Vec<Setting>,
    instance: Option<Instance>,
    failures_max: Option<u32>,
    /// The number of instances that a chunk has ended.
    failures: HashMap<u64, u32>,
    hasher: RandomState,
    lines: Vec<Line>,
}

impl Worker {
    fn run(mut self, requests: &Receiver<Request>, replies: &Sender<Reply>) {
        while let Ok(request) = requests.recv() {
            let is_last = matches!(request, Request::Drain);
            let answer = match request {
                Request::Flush { tag, chunk } => self.flush(&tag, &chunk),
                Request::Drain => self.drain(),
            };
            let reply = Reply { answer, lines: std::mem::take(&mut self.lines) };
            if replies.send(reply).is_err() || is_last {
                return;
            }
        }
    }

    fn properties(&mut self) -> Result<Vec<Property>> {
        let mut instance = self.component.instantiate()?;
        instance.properties().map_err(|ended| anyhow!("properties: {}", ended.reason))
    }

    /// Sees to it that there is an instance.
    fn begin(&mut self) -> Result<&mut Instance, String> {
        if self.instance.is_none() {
            let mut instance = self.component.instantiate().map_err(|error| format!("{error:#}"))?;
            let begun = instance.init(&self.settings);
            self.lines.append(&mut instance.take_lines());
            match begun {
                Ok(begun) => begun?,
                Err(Ended { reason }) => return Err(format!("init: {reason}")),
            }
            self.instance = Some(instance);
        }
        self.instance.as_mut().ok_or_else(String::new)
    }

    fn flush(&mut self, tag: &[u8], chunk: &[u8]) -> Answer {
        let instance = match self.begin() {
            Ok(instance) => instance,
            Err(reason) => return self.unanswered(Answer::Retry(reason)),
        };
        let answer = instance.flush(tag, chunk);
        let mut lines = if answer.is_ok() { instance.take_lines() } else { Vec::new() };
        self.lines.append(&mut lines);
        match answer {
            Ok(answer) => {
                if !self.failures.is_empty() {
                    self.failures.remove(&self.hasher.hash_one((tag, chunk)));
                }
                self.unanswered(answer)
            }
            Err(ended) => self.failed(tag, chunk, &ended.reason),
        }
    }

    /// Logs why a chunk is not where it belongs.
    fn unanswered(&mut self, answer: Answer) -> Answer {
        match &answer {
            Answer::Ok => {}
            Answer::Retry(reason) => self.lines.push((Level::Warn, format!("retry: {reason}"))),
            Answer::Refuse(reason) => self.lines.push((Level::Error, format!("chunk dropped: {reason}"))),
        }
        answer
    }

    /// A chunk has ended the instance.
    fn failed(&mut self, tag: &[u8], chunk: &[u8], reason: &str) -> Answer {
        if let Some(mut instance) = self.instance.take() {
            self.lines.append(&mut instance.take_lines());
        }
        self.lines.push((Level::Error, format!("the component was ended: {reason}")));
        let key = self.hasher.hash_one((tag, chunk));
        if self.failures.len() >= FAILED_CHUNKS_MAX {
            self.failures.clear();
        }
        let count = self.failures.entry(key).or_default();
        *count += 1;
        let count = *count;
        if self.failures_max.is_some_and(|max| count >= max) {
            self.failures.remove(&key);
            self.unanswered(Answer::Refuse(format!("it has ended the component {count} times")))
        } else {
            Answer::Retry(reason.to_owned())
        }
    }

    fn drain(&mut self) -> Answer {
        let Some(mut instance) = self.instance.take() else {
            return Answer::Ok;
        };
        let drained = instance.drain();
        self.lines.append(&mut instance.take_lines());
        match drained {
            Ok(Ok(())) => Answer::Ok,
            Ok(Err(reason)) | Err(Ended { reason }) => Answer::Retry(reason),
        }
    }
}
