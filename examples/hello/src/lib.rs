//! A Fluent Bit output: logs a greeting for every chunk.

wit_bindgen::generate!({ path: "../../wit", world: "component" });

use exports::fluent_bit::output::output::{Answer, Guest, Property, Setting};
use fluent_bit::output::logging::{Level, log};
use std::sync::OnceLock;

static GREETING: OnceLock<String> = OnceLock::new();

struct Hello;

impl Guest for Hello {
    fn properties() -> Vec<Property> {
        vec![Property { name: "greeting".into(), description: "What to say; `hello`".into() }]
    }

    fn init(settings: Vec<Setting>) -> Result<Option<u32>, String> {
        let greeting = settings.into_iter().next().map_or("hello".into(), |setting| setting.value);
        GREETING.set(greeting).map(|()| None).map_err(|_| "init came twice".into())
    }

    fn flush(tag: Vec<u8>, chunk: Vec<u8>) -> Answer {
        let greeting = GREETING.get().map_or("", String::as_str);
        log(Level::Info, &format!("{greeting}, {}: {} bytes", String::from_utf8_lossy(&tag), chunk.len()));
        Answer::Ok
    }

    fn tick() -> Result<(), String> {
        Ok(())
    }

    fn drain(_left: u32) -> Result<(), String> {
        log(Level::Info, "good bye");
        Ok(())
    }
}

export!(Hello);
