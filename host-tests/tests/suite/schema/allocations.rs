//! After its first records, a sealer allocates no memory for schemas, whatever happens to
//! the records.

use super::table;
use allocation_counter::measure;
use fixtures::policies::{checked, sealer};
use fixtures::records;
use host_tests::cases;
use serde_json::Value;
use std::fs;

#[test]
fn a_warm_sealer_takes_no_memory() {
    let kinds = cases("schema/kinds");
    let table = table(&kinds);
    let mut sealer = sealer(checked(&table), None);
    let cases: Vec<Value> =
        serde_json::from_str(&fs::read_to_string(kinds.join("records.json")).expect("records"))
            .expect("JSON");
    let mut count = 0;
    // A member `audit` of the original record gets a new name, which takes memory.
    for case in cases.iter().filter(|case| case["seal"].get("renamed").is_none()) {
        let [tag, record] = ["tag", "record"].map(|name| case[name].as_str().expect("a text").as_bytes());
        let event = records::event(tag, record);
        sealer.seal(&event);
        sealer.seal(&event);
        let taken = measure(|| _ = sealer.seal(&event));
        assert_eq!(taken.count_total, 0, "{}", case["what"]);
        count += 1;
    }
    assert!(count > 20, "{count} records");
}
