//! The forms in which a report is written.

use super::details::Asked;
use super::grounds::Grounds;
use super::report::Report;
use super::tally::Tallies;
use super::{html, metrics};
use crate::durable::{check_replaced, replace};
use crate::report::Findings;
use anyhow::{Result, ensure};
use clap::Args;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

/// The forms in which the report is wanted.
#[derive(Args, Clone)]
pub(super) struct Written {
    /// Print the report as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Write the counts of the report to this file, for the textfile collector of
    /// node_exporter (docs/monitoring.md)
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Write the report to this file as an HTML page for auditors, which needs no other
    /// file (docs/monitoring.md)
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Written {
    /// Returns true if a page is wanted.
    pub(super) fn has_page(&self) -> bool {
        self.html.is_some()
    }

    /// Returns the tallies to fill, if the report shows them.
    pub(super) fn tallies(&self) -> Option<Tallies> {
        (self.html.is_some() || self.metrics.is_some()).then(Tallies::default)
    }

    /// Returns the findings to fill, of which a page shows more.
    pub(super) fn findings(&self) -> Findings {
        if self.has_page() { Findings::keeping(html::FINDINGS_MAX) } else { Findings::default() }
    }

    /// Notes the time and the request before a judgement.
    pub(super) fn begin(&self, grounds: &Grounds) -> Result<Begun> {
        if let Some(path) = &self.metrics {
            check_replaced(path, "--metrics", &[metrics::START], "no file of metrics")?;
        }
        if let Some(path) = &self.html {
            check_replaced(path, "--html", &[html::START], "no page of a report")?;
        }
        if let (Some(metrics), Some(html)) = (&self.metrics, &self.html) {
            ensure!(metrics != html, "--metrics and --html name the same file, {}; name two", html.display());
        }
        let asked = self.has_page().then(|| Asked::of(&grounds.files())).transpose()?;
        Ok(Begun { written: self.clone(), asked, at: SystemTime::now(), clock: Instant::now() })
    }
}

/// A judgement that has begun.
pub(super) struct Begun {
    written: Written,
    asked: Option<Asked>,
    at: SystemTime,
    clock: Instant,
}

impl Begun {
    /// Writes and prints the report.
    pub(super) fn end(self, report: &Report) -> Result<()> {
        if let Some(path) = self.written.metrics {
            replace(&path, metrics::openmetrics(report, self.at, self.clock.elapsed()).as_bytes())?;
        }
        if let (Some(path), Some(asked)) = (self.written.html, self.asked) {
            replace(&path, html::page(report, &asked, self.at, self.clock.elapsed()).as_bytes())?;
        }
        report.print(self.written.json)
    }
}
