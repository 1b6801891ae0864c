//! Made-up chains, with any content in their seals.

use host_tests::specification::{base64url, seal};
use serde_json::{Value, json};

/// The start time of the chains, in seconds since 1970.
const BEGUN: u64 = 1_795_161_600;

/// A made-up chain that grows record by record.
pub(super) struct MadeUp {
    chain: String,
    next: u64,
    head: String,
}

impl MadeUp {
    pub(super) fn new(number: usize) -> Self {
        MadeUp { chain: format!("{number:012}"), next: 0, head: base64url(&[0; 32]) }
    }

    /// Returns the next record, with `more` as additional members of its seal.
    pub(super) fn record(&mut self, record: Value, more: Value) -> String {
        let mut record = record;
        record["audit"] = json!({
            "chain": self.chain, "run": "aaaaaa", "seg": 1, "seq": self.next, "tag": "t", "v": "1.1",
            "time": format!("{}.000000000", BEGUN + self.next), "prev": self.head, "head": "",
        });
        for (name, value) in more.as_object().expect("an object") {
            record["audit"][name] = value.clone();
        }
        self.head = base64url(&seal(&record.to_string()).head);
        record["audit"]["head"] = json!(self.head);
        self.next += 1;
        record.to_string() + "\n"
    }
}
