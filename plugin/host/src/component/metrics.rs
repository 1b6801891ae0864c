//! Numbers that components report about their work.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The most metrics of an output. All of them fit into one line of the log.
const METRICS_MAX: usize = 32;
const NAME_BYTES_MAX: usize = 48;

/// The metrics of a component, or the changes by one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(BTreeMap<String, Metric>);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Metric {
    Counter(u64),
    Gauge(f64),
}

impl Metrics {
    /// Changes one metric. Returns why this is not possible.
    pub(super) fn change(&mut self, name: &str, change: Metric) -> Result<(), String> {
        let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_fine) {
            return Err(format!(
                "the metric `{name}` is dropped: a name has 1 to {NAME_BYTES_MAX} of a-z, 0-9 and `_`"
            ));
        }
        if self.0.len() >= METRICS_MAX && !self.0.contains_key(name) {
            return Err(format!("the metric `{name}` is dropped: there are {METRICS_MAX} others"));
        }
        let new = match (self.0.get(name), change) {
            (Some(Metric::Counter(sum)), Metric::Counter(more)) => Metric::Counter(sum.saturating_add(more)),
            (_, change) => change,
        };
        self.0.insert(name.to_owned(), new);
        Ok(())
    }

    /// Applies the changes of a call. Returns why some could not be applied.
    pub(crate) fn apply(&mut self, changes: Metrics) -> Vec<String> {
        changes.0.iter().filter_map(|(name, change)| self.change(name, *change).err()).collect()
    }

    /// True if there is no metric.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the metrics as an object, in the order of their names.
    pub fn to_json(&self) -> Map<String, Value> {
        let value = |metric: &Metric| match *metric {
            Metric::Counter(sum) => Value::from(sum),
            Metric::Gauge(value) => Value::from(value),
        };
        self.0.iter().map(|(name, metric)| (name.clone(), value(metric))).collect()
    }
}
