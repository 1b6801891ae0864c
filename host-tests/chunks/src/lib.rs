//! A component that receives a chunk in both ways that an interface could pass it. `cargo
//! xtask bench` measures both.
#![allow(missing_docs)]

wit_bindgen::generate!({ path: "chunks.wit" });

use flb_audit_ledger::chunk::{Item, items, write_json};

struct Chunks;

impl Guest for Chunks {
    fn as_bytes(chunk: Vec<u8>) -> u64 {
        let mut json = Vec::new();
        let mut len = 0;
        for item in items(&chunk) {
            if let Item::Record(record) = item {
                json.clear();
                len += write_json(record.body, &mut json).map_or(0, |()| json.len() as u64);
            }
        }
        len
    }

    fn count(chunk: Vec<u8>) -> u64 {
        items(&chunk).filter(|item| matches!(item, Item::Record(_))).count() as u64
    }

    fn as_events(events: Vec<Event>) -> u64 {
        events.iter().map(|event| event.body.len() as u64).sum()
    }
}

export!(Chunks);
