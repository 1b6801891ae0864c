//! Outputs of Fluent Bit as WebAssembly components.
//!
//! Implement [`Output`] and hand the type to [`export!`]. [`Chunk::records`] decodes what
//! Fluent Bit delivers; [`log`] writes to Fluent Bit's log, and [`metrics`] counts; [`http`] sends requests. The
//! interface below this is `fluent-bit:output`, in `wit`; [`bindings`] has all of it.
//!
//! ```no_run
//! use flb_audit_output::{Answer, Chunk, Output, Settings};
//!
//! struct Counter(u64);
//!
//! impl Output for Counter {
//!     fn init(_: &Settings) -> Result<Self, String> {
//!         Ok(Counter(0))
//!     }
//!
//!     fn flush(&mut self, chunk: &Chunk) -> Answer {
//!         self.0 += chunk.records().filter(Result::is_ok).count() as u64;
//!         flb_audit_output::log::info(&format!("{} records", self.0));
//!         Answer::Ok
//!     }
//! }
//!
//! flb_audit_output::export!(Counter);
//! # fn main() {}
//! ```
#![forbid(unsafe_op_in_unsafe_fn)]

mod chunk;
pub mod http;
mod json;
pub mod log;
pub mod metrics;
mod value;

pub use bindings::exports::fluent_bit::output::output::Answer;
pub use chunk::{Chunk, Group, Malformed, Record, Records, Time};
pub use value::{Array, Map, Text, Value};

use std::time::Duration;

/// The interface itself.
#[allow(missing_docs)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "component",
        pub_export_macro: true,
        default_bindings_module: "flb_audit_output::bindings",
    });
}

/// An output.
///
/// A panic ends the instance, and its message is logged as an error. The chunk comes
/// again, to a new instance.
pub trait Output: Sized + 'static {
    /// The properties that it has: a name in lower case, without `config.`, and one line
    /// for people.
    const PROPERTIES: &'static [(&'static str, &'static str)] = &[];

    /// The time between calls of [`Output::tick`].
    const TICK: Option<Duration> = None;

    /// Begins. An error names the property that is wrong; Fluent Bit then does not start.
    fn init(settings: &Settings) -> Result<Self, String>;

    /// Delivers a chunk. The same chunk may come again, also after `ok`:
    /// [`Chunk::id`] tells.
    fn flush(&mut self, chunk: &Chunk) -> Answer;

    /// Does what is due without a chunk. An error is logged.
    fn tick(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Ends, in the time that is left. An error is logged.
    fn drain(&mut self, left: Duration) -> Result<(), String> {
        let _ = left;
        Ok(())
    }
}

/// The properties that were configured.
#[derive(Clone, Debug, Default)]
pub struct Settings(Vec<(String, String)>);

impl Settings {
    /// Makes them of names and values, for tests.
    pub fn new(settings: impl IntoIterator<Item = (String, String)>) -> Settings {
        Settings(settings.into_iter().collect())
    }

    /// Returns the value of a property, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// Returns the value of a property as another type; an error names the property.
    pub fn parse<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let wrong = || format!("property config.{name}: `{text}` is not valid");
        text.trim().parse().map(Some).map_err(|_| wrong())
    }
}

/// Makes a type that implements [`Output`] the output of this component.
#[macro_export]
macro_rules! export {
    ($output:ty) => {
        const _: () = {
            use $crate::bindings::exports::fluent_bit::output::output::{Answer, Guest, Property, Setting};

            ::std::thread_local! {
                static OUTPUT: ::std::cell::RefCell<Option<$output>> = const { ::std::cell::RefCell::new(None) };
            }

            struct Component;

            impl Guest for Component {
                fn properties() -> Vec<Property> {
                    let property = |(name, description): &(&str, &str)| Property {
                        name: (*name).to_owned(),
                        description: (*description).to_owned(),
                    };
                    <$output as $crate::Output>::PROPERTIES.iter().map(property).collect()
                }

                fn init(settings: Vec<Setting>) -> Result<Option<u32>, String> {
                    let settings =
                        $crate::Settings::new(settings.into_iter().map(|setting| (setting.name, setting.value)));
                    OUTPUT.set(Some(<$output as $crate::Output>::init(&settings)?));
                    let tick = <$output as $crate::Output>::TICK;
                    Ok(tick.map(|tick| u32::try_from(tick.as_millis()).unwrap_or(u32::MAX)))
                }

                fn flush(tag: Vec<u8>, chunk: Vec<u8>) -> Answer {
                    let chunk = $crate::Chunk::new(tag, chunk);
                    OUTPUT.with_borrow_mut(|output| match output {
                        Some(output) => $crate::Output::flush(output, &chunk),
                        None => Answer::Retry("init was not called".to_owned()),
                    })
                }

                fn tick() -> Result<(), String> {
                    OUTPUT.with_borrow_mut(|output| output.as_mut().map_or(Ok(()), $crate::Output::tick))
                }

                fn drain(left: u32) -> Result<(), String> {
                    let left = ::std::time::Duration::from_millis(left.into());
                    OUTPUT.with_borrow_mut(|output| match output {
                        Some(output) => $crate::Output::drain(output, left),
                        None => Ok(()),
                    })
                }
            }

            $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
    };
}
