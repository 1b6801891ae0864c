//! Many records of arbitrary JSON, of which every one comes out.

use crate::case::Place;
use crate::forward::{Client, Entry};
use crate::generate::Generator;
use crate::msgpack::Value;
use crate::pipeline::Pipeline;
use crate::reference::Reference;
use anyhow::Result;

const RECORDS: u32 = 10_000;
const MESSAGE_RECORDS: usize = 500;
const SEED: u64 = 2;

pub(crate) fn through_forward(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    let (forward, port) = Pipeline::forward()?;
    pipeline.input(forward);
    let process = pipeline.start()?;
    let mut client = Client::connect(port)?;
    let reference = Reference::new()?;
    let mut life = reference.start();
    let mut generator = Generator::new(SEED);
    let (mut entries, mut expected) = (Vec::new(), Vec::new());
    for seconds in 1..=RECORDS {
        let record = generator.record();
        entries.push(Entry { seconds, nanoseconds: 0, record: Value::from(&record) });
        expected.push(life.expect("arbitrary", Some((seconds, 0)), &record.to_string())?.alike());
    }
    for entries in entries.chunks(MESSAGE_RECORDS) {
        client.send("arbitrary", entries)?;
    }
    let report = pipeline.finish(process, &expected)?;
    Ok(format!("{} records in {} segments", expected.len(), report.segments()?))
}
