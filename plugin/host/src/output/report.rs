//! The metrics of an output, as lines of the log.

use crate::component::{Answer, Level, Metrics};
use crate::log::{self, Line};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The shortest time between two reports.
const INTERVAL: Duration = Duration::from_secs(60);

/// The metrics that the component has reported, and what the host has counted.
#[derive(Default)]
pub(super) struct Report {
    metrics: Metrics,
    /// Answers of the component.
    ok: u64,
    retry: u64,
    refuse: u64,
    /// Instances that a call has ended.
    ended: u64,
    last: Option<Instant>,
    has_changed: bool,
}

impl Report {
    /// Counts an answer of the component.
    pub(super) fn count(&mut self, answer: &Answer) {
        match answer {
            Answer::Ok => self.ok += 1,
            Answer::Retry(_) => self.retry += 1,
            Answer::Refuse(_) => self.refuse += 1,
        }
        self.has_changed = true;
    }

    /// Counts an instance that a call has ended.
    pub(super) fn count_end(&mut self) {
        self.ended += 1;
        self.has_changed = true;
    }

    /// Applies the changes of a call that has returned. Adds a line if a report is due.
    pub(super) fn apply(&mut self, changes: Metrics, lines: &mut Vec<Line>) {
        self.has_changed |= !changes.is_empty();
        for why in self.metrics.apply(changes) {
            log::push(lines, Level::Warn, &why);
        }
        if self.last.is_none_or(|last| last.elapsed() >= INTERVAL) {
            self.end(lines);
        }
    }

    /// Adds a line if anything has changed since the last one. A component without metrics
    /// has no lines.
    pub(super) fn end(&mut self, lines: &mut Vec<Line>) {
        if self.metrics.is_empty() || !self.has_changed {
            return;
        }
        let Report { ok, retry, refuse, ended, .. } = self;
        let component = Value::from(self.metrics.to_json());
        let report = format!(
            r#"{{"ok":{ok},"retry":{retry},"refuse":{refuse},"ended":{ended},"component":{component}}}"#
        );
        // The component may have logged as many lines as a call can.
        let mut line = Vec::new();
        log::push(&mut line, Level::Info, &format!("metrics {report}"));
        lines.append(&mut line);
        self.last = Some(Instant::now());
        self.has_changed = false;
    }
}
