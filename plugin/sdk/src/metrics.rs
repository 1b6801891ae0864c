//! Numbers for the operator. The host keeps them across instances and logs them as one line,
//! at most once a minute, and at the end.
//!
//! A name has 1 to 48 of a-z, 0-9 and `_`, and an output has 32 metrics at most. What a call
//! has changed is dropped if the call panics.

use crate::bindings::fluent_bit::output::metrics;

/// Adds to a counter.
pub fn add(name: &str, value: u64) {
    metrics::add(name, value);
}

/// Sets a gauge.
pub fn set(name: &str, value: f64) {
    metrics::set(name, value);
}
