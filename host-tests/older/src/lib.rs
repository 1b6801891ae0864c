//! An output of the first version of the interface, which must still run.
#![allow(missing_docs)]

wit_bindgen::generate!({ path: "../../wit/0.1", world: "component" });

use exports::fluent_bit::output::output::{Answer, Guest, Property, Setting};
use fluent_bit::output::logging::{Level, log};

struct Older;

impl Guest for Older {
    fn properties() -> Vec<Property> {
        vec![Property { name: "greeting".into(), description: "what to say".into() }]
    }

    fn init(settings: Vec<Setting>) -> Result<(), String> {
        settings.iter().for_each(|setting| log(Level::Debug, &setting.value));
        Ok(())
    }

    fn flush(tag: Vec<u8>, chunk: Vec<u8>) -> Answer {
        log(Level::Warn, &format!("{} bytes", chunk.len()));
        match &tag[..] {
            b"retry" => Answer::Retry("as it was told".into()),
            b"refuse" => Answer::Refuse("as it was told".into()),
            _ => Answer::Ok,
        }
    }

    fn drain() -> Result<(), String> {
        Err("as it was told".into())
    }
}

export!(Older);
