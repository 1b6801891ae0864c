//! Words for records.

use flb_audit_core::chain::Position;

/// Names a record.
pub(super) fn named(position: Position) -> String {
    format!("record {} of segment {}", position.sequence, position.segment)
}

/// Names consecutive records, and their number.
pub(super) fn extent(first: u64, last: u64) -> String {
    if first == last {
        format!("record {first}")
    } else {
        format!("records {first} to {last} ({})", (last - first).saturating_add(1))
    }
}
