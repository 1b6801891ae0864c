//! The component's thread: it makes the calls, and a new instance where one has ended.

use super::chunk_id::ChunkId;
use super::desk::{Desk, Next};
use crate::component::{Answer, Component, Ended, Instance, Level, Property, Setting};
use crate::log::{self, Line};
use anyhow::{Result, anyhow};
use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The number of chunks that are remembered because they ended an instance.
const FAILED_CHUNKS_MAX: usize = 1024;

/// The state of the thread.
pub(super) struct Worker {
    component: Component,
    settings: Vec<Setting>,
    instance: Option<Instance>,
    failures_max: Option<u32>,
    /// The number of instances that a chunk has ended.
    failures: HashMap<ChunkId, u32>,
    lines: Vec<Line>,
    desk: Arc<Desk>,
    /// Keeps others off the directory for as long as this may write there.
    _lock: Option<File>,
}

/// There is no instance.
struct NotBegun {
    level: Level,
    reason: String,
}

impl Worker {
    pub(super) fn new(
        component: Component,
        failures_max: Option<u32>,
        lock: Option<File>,
        desk: Arc<Desk>,
    ) -> Worker {
        Worker {
            component,
            settings: Vec::new(),
            instance: None,
            failures_max,
            failures: HashMap::new(),
            lines: Vec::new(),
            desk,
            _lock: lock,
        }
    }

    /// Works until there is nothing more to come.
    pub(super) fn run(mut self) {
        loop {
            match self.desk.next() {
                Next::Flush(job) => {
                    let answer = self.flush(&job.tag, &job.chunk);
                    self.desk.answer(&job, answer, &mut self.lines);
                }
                Next::Drain(end) => {
                    self.desk.clear();
                    return self.drain(end);
                }
            }
        }
    }

    pub(super) fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    fn deadline(&self) -> Duration {
        self.component.limits().deadline
    }

    pub(super) fn properties(&mut self) -> Result<Vec<Property>> {
        let mut instance = self.component.instantiate(self.deadline())?;
        let properties = instance.properties(self.deadline());
        let printed = if properties.is_ok() { Level::Info } else { Level::Error };
        self.lines.append(&mut instance.take_lines(printed));
        properties.map_err(|ended| anyhow!("properties: {}", ended.reason))
    }

    /// Makes the first instance.
    pub(super) fn begin_with(&mut self, settings: Vec<Setting>) -> Result<()> {
        self.settings = settings;
        self.begin().map(|_| ()).map_err(|not| anyhow!(not.reason))
    }

    /// Sees to it that there is an instance.
    fn begin(&mut self) -> Result<&mut Instance, NotBegun> {
        if self.instance.is_none() {
            let not_begun = |level, reason| NotBegun { level, reason };
            let mut instance = self
                .component
                .instantiate(self.deadline())
                .map_err(|error| not_begun(Level::Error, format!("{error:#}")))?;
            let begun = instance.init(self.deadline(), &self.settings);
            let printed = if begun.is_ok() { Level::Info } else { Level::Error };
            self.lines.append(&mut instance.take_lines(printed));
            begun
                .map_err(|ended| not_begun(Level::Error, format!("init: {}", ended.reason)))?
                .map_err(|reason| not_begun(Level::Warn, reason))?;
            self.instance = Some(instance);
        }
        self.instance.as_mut().ok_or(NotBegun { level: Level::Error, reason: String::new() })
    }

    fn flush(&mut self, tag: &[u8], chunk: &[u8]) -> Answer {
        let deadline = self.deadline();
        let instance = match self.begin() {
            Ok(instance) => instance,
            Err(NotBegun { level, reason }) => {
                log::push(&mut self.lines, level, &format!("retry: {reason}"));
                return Answer::Retry(reason);
            }
        };
        match instance.flush(deadline, tag, chunk) {
            Ok(answer) => {
                let mut lines = instance.take_lines(Level::Info);
                self.lines.append(&mut lines);
                if !self.failures.is_empty() {
                    self.failures.remove(&ChunkId::of(tag, chunk));
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
            Answer::Retry(reason) => log::push(&mut self.lines, Level::Warn, &format!("retry: {reason}")),
            Answer::Refuse(reason) => {
                log::push(&mut self.lines, Level::Error, &format!("chunk dropped: {reason}"));
            }
        }
        answer
    }

    /// A chunk has ended the instance.
    fn failed(&mut self, tag: &[u8], chunk: &[u8], reason: &str) -> Answer {
        if let Some(mut instance) = self.instance.take() {
            self.lines.append(&mut instance.take_lines(Level::Error));
        }
        // The last line of the call, whatever the component has logged.
        let mut last = Vec::new();
        log::push(&mut last, Level::Error, &format!("the component was ended: {reason}"));
        self.lines.append(&mut last);
        let key = ChunkId::of(tag, chunk);
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

    fn drain(&mut self, end: Instant) {
        let Some(mut instance) = self.instance.take() else {
            return;
        };
        let drained = match end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(Ended { reason: "no time is left for it".to_owned() }),
            left => instance.drain(left),
        };
        let printed = if drained.is_ok() { Level::Info } else { Level::Error };
        self.lines.append(&mut instance.take_lines(printed));
        if let Ok(Err(reason)) | Err(Ended { reason }) = drained {
            log::push(&mut self.lines, Level::Error, &format!("drain: {reason}"));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.desk.gone(&mut self.lines);
    }
}
