//! `out_audit.wasm`: an output of Fluent Bit that keeps an audit ledger.
//!
//! The ledger is `flb-audit-ledger`; here is what the host calls.
#![allow(missing_docs)]

wit_bindgen::generate!({ path: "../../wit", world: "component" });

use exports::fluent_bit::output::output::{Answer, Guest, Property, Setting};
use flb_audit_ledger::{Ledger, PROPERTIES, Settings};
use fluent_bit::output::logging;
use std::cell::RefCell;
use std::path::Path;

/// The policy of records that come without a seal, if the directory has none.
static DEFAULT_POLICY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/default.policy"));

thread_local! {
    static LEDGER: RefCell<Option<Ledger>> = const { RefCell::new(None) };
}

struct Output;

impl Guest for Output {
    fn properties() -> Vec<Property> {
        let property = |(name, description): (&str, &str)| Property {
            name: name.to_owned(),
            description: description.to_owned(),
        };
        PROPERTIES.map(property).into()
    }

    fn init(settings: Vec<Setting>) -> Result<Option<u32>, String> {
        let settings = settings.iter().map(|setting| (setting.name.as_str(), setting.value.as_str()));
        let settings = Settings::read(settings)?;
        let directory = Path::new("/");
        if std::fs::read_dir(directory).is_err() {
            return Err("property dir is missing: the ledger's directory".to_owned());
        }
        let policy = policy(directory)?;
        let mut ledger =
            Ledger::open(directory, settings, Some(policy)).map_err(|error| error.to_string())?;
        log(&mut ledger);
        LEDGER.set(Some(ledger));
        Ok(None)
    }

    fn flush(tag: Vec<u8>, chunk: Vec<u8>) -> Answer {
        with_ledger(|ledger| ledger.store(&tag, &chunk).map_err(|error| error.to_string()))
            .map_or_else(Answer::Retry, |()| Answer::Ok)
    }

    fn tick() -> Result<(), String> {
        Ok(())
    }

    fn drain(_left: u32) -> Result<(), String> {
        with_ledger(|ledger| ledger.close().map_err(|error| error.to_string()))
    }
}

export!(Output);

/// The policy in the directory, or the one that came with this.
fn policy(directory: &Path) -> Result<flb_audit_core::policy::Policy<'static>, String> {
    use flb_audit_core::policy::{FILE_NAME, Policy};
    let table = match std::fs::read(directory.join(FILE_NAME)) {
        Ok(table) => table.leak(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => DEFAULT_POLICY,
        Err(error) => return Err(format!("{FILE_NAME}: {error}")),
    };
    Policy::check(table).map_err(|error| format!("{FILE_NAME}: {error:?}"))
}

fn with_ledger<T>(work: impl FnOnce(&mut Ledger) -> Result<T, String>) -> Result<T, String> {
    LEDGER.with_borrow_mut(|ledger| {
        let ledger = ledger.as_mut().ok_or("init was not called")?;
        let result = work(ledger);
        log(ledger);
        result
    })
}

fn log(ledger: &mut Ledger) {
    for (level, line) in ledger.take_lines() {
        let level = match level {
            flb_audit_ledger::Level::Error => logging::Level::Error,
            flb_audit_ledger::Level::Warn => logging::Level::Warn,
            flb_audit_ledger::Level::Info => logging::Level::Info,
        };
        logging::log(level, &line);
    }
}
