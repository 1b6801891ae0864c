//! The component's thread, which makes the calls, and a new instance after one has ended.

use super::desk::{Desk, Next};
use super::report::Report;
use crate::chunk::{Chunk, ChunkId};
use crate::component::{Answer, Component, Delivery, Ended, Instance, Level, Property};
use crate::log::{self, Line};
use crate::settings::Settings;
use anyhow::{Result, anyhow};
use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most chunks that are remembered because they will come again.
const TRIED_CHUNKS_MAX: usize = 4096;

/// The state of the thread.
pub(super) struct Worker {
    component: Component,
    settings: Settings,
    instance: Option<Instance>,
    failures_max: Option<u32>,
    tried: HashMap<ChunkId, Tried>,
    ticks: Option<Ticks>,
    report: Report,
    lines: Vec<Line>,
    desk: Arc<Desk>,
    /// Keeps other processes out of the directory while this worker may write to it.
    _lock: Option<File>,
}

/// The state of a chunk.
#[derive(Clone, Copy, Default)]
struct Tried {
    /// The number of times that the chunk was given to the component.
    attempts: u32,
    /// The number of instances that the chunk has ended.
    failures: u32,
}

struct Ticks {
    interval: Duration,
    next: Instant,
}

/// The reason why there is no instance.
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
            settings: Settings::default(),
            instance: None,
            failures_max,
            tried: HashMap::new(),
            ticks: None,
            report: Report::default(),
            lines: Vec::new(),
            desk,
            _lock: lock,
        }
    }

    /// Works until the output ends.
    pub(super) fn run(mut self) {
        loop {
            match self.desk.next(self.ticks.as_ref().map(|ticks| ticks.next)) {
                Next::Flush(job) => {
                    let answer = self.flush(&job.chunk);
                    self.desk.answer(&job, answer, &mut self.lines);
                }
                Next::Tick => {
                    self.tick();
                    self.desk.keep(&mut self.lines);
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
    pub(super) fn begin_with(&mut self, settings: Settings) -> Result<()> {
        self.settings = settings;
        self.begin().map(|_| ()).map_err(|not| anyhow!(not.reason))
    }

    /// Makes an instance if there is none.
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
            if begun.is_ok() {
                self.report.apply(instance.take_metrics(), &mut self.lines);
            }
            let interval = begun
                .map_err(|ended| not_begun(Level::Error, format!("init: {}", ended.reason)))?
                .map_err(|reason| not_begun(Level::Warn, reason))?;
            self.ticks = interval.map(|interval| Ticks { interval, next: Instant::now() + interval });
            self.instance = Some(instance);
        }
        self.instance.as_mut().ok_or(NotBegun { level: Level::Error, reason: String::new() })
    }

    fn flush(&mut self, chunk: &Arc<Chunk>) -> Answer {
        let deadline = self.deadline();
        // Most chunks need no id, so none is computed for them.
        let tried = if self.tried.is_empty() { None } else { self.tried.get(&chunk.id()).copied() };
        let tried = tried.unwrap_or_default();
        let instance = match self.begin() {
            Ok(instance) => instance,
            Err(NotBegun { level, reason }) => {
                log::push(&mut self.lines, level, &format!("retry: {reason}"));
                return Answer::Retry(reason);
            }
        };
        let tried = Tried { attempts: tried.attempts.saturating_add(1), ..tried };
        let delivery = Delivery { chunk: Arc::clone(chunk), attempt: tried.attempts };
        match instance.flush(deadline, delivery) {
            Ok(answer) => {
                let (mut lines, metrics) = (instance.take_lines(Level::Info), instance.take_metrics());
                self.lines.append(&mut lines);
                match answer {
                    Answer::Retry(_) => self.remember(chunk, tried),
                    Answer::Ok | Answer::Refuse(_) => self.forget(chunk),
                }
                self.report.count(&answer);
                self.report.apply(metrics, &mut self.lines);
                self.unanswered(answer)
            }
            Err(ended) => self.failed(chunk, tried, &ended.reason),
        }
    }

    fn remember(&mut self, chunk: &Chunk, tried: Tried) {
        if self.tried.len() >= TRIED_CHUNKS_MAX {
            self.tried.clear();
        }
        self.tried.insert(chunk.id(), tried);
    }

    fn forget(&mut self, chunk: &Chunk) {
        if !self.tried.is_empty() {
            self.tried.remove(&chunk.id());
        }
    }

    /// Logs why a chunk was not delivered.
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

    /// Handles a chunk that has ended the instance.
    fn failed(&mut self, chunk: &Chunk, tried: Tried, reason: &str) -> Answer {
        self.ended(reason);
        let failures = tried.failures.saturating_add(1);
        if self.failures_max.is_some_and(|max| failures >= max) {
            self.forget(chunk);
            self.unanswered(Answer::Refuse(format!("it has ended the component {failures} times")))
        } else {
            self.remember(chunk, Tried { failures, ..tried });
            Answer::Retry(reason.to_owned())
        }
    }

    /// Handles a call that has ended the instance.
    fn ended(&mut self, reason: &str) {
        self.ticks = None;
        self.report.count_end();
        if let Some(mut instance) = self.instance.take() {
            self.lines.append(&mut instance.take_lines(Level::Error));
        }
        // The last line of the call, after everything that the component has logged.
        let mut last = Vec::new();
        log::push(&mut last, Level::Error, &format!("the component was ended: {reason}"));
        self.lines.append(&mut last);
    }

    fn tick(&mut self) {
        let deadline = self.deadline();
        let Some(instance) = &mut self.instance else {
            return;
        };
        let ticked = instance.tick(deadline);
        if ticked.is_ok() {
            let (mut lines, metrics) = (instance.take_lines(Level::Info), instance.take_metrics());
            self.lines.append(&mut lines);
            self.report.apply(metrics, &mut self.lines);
        }
        if let Some(ticks) = &mut self.ticks {
            ticks.next = Instant::now() + ticks.interval;
        }
        match ticked {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => log::push(&mut self.lines, Level::Error, &format!("tick: {reason}")),
            Err(ended) => self.ended(&format!("tick: {}", ended.reason)),
        }
    }

    fn drain(&mut self, end: Instant) {
        let Some(mut instance) = self.instance.take() else {
            return self.report.end(&mut self.lines);
        };
        let drained = match end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(Ended { reason: "no time is left for it".to_owned() }),
            left => instance.drain(left),
        };
        let printed = if drained.is_ok() { Level::Info } else { Level::Error };
        self.lines.append(&mut instance.take_lines(printed));
        if drained.is_ok() {
            self.report.apply(instance.take_metrics(), &mut self.lines);
        }
        if let Ok(Err(reason)) | Err(Ended { reason }) = drained {
            log::push(&mut self.lines, Level::Error, &format!("drain: {reason}"));
        }
        self.report.end(&mut self.lines);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.desk.gone(&mut self.lines);
    }
}
