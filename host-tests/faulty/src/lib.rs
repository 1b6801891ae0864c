//! An output that does what the tag of a chunk says, whatever that is.
#![allow(missing_docs)]

wit_bindgen::generate!({ path: "../../wit", world: "component" });

use exports::fluent_bit::output::output::{Answer, Guest, Property, Setting};
use fluent_bit::output::logging::{Level, log};
use std::sync::atomic::{AtomicU32, Ordering};

/// The number of chunks that this instance was given.
static CHUNKS: AtomicU32 = AtomicU32::new(0);

struct Faulty;

impl Guest for Faulty {
    fn properties() -> Vec<Property> {
        vec![Property { name: "init".into(), description: "what init does".into() }]
    }

    fn init(settings: Vec<Setting>) -> Result<(), String> {
        match settings.first().map(|setting| setting.value.as_str()) {
            Some("trap") => panic!("as it was told"),
            Some(other) => Err(format!("property config.init: {other}")),
            None => Ok(()),
        }
    }

    fn flush(tag: Vec<u8>, _chunk: Vec<u8>) -> Answer {
        let chunks = CHUNKS.fetch_add(1, Ordering::Relaxed) + 1;
        match &tag[..] {
            b"panic" => panic!("as it was told"),
            b"hang" => loop {
                std::hint::spin_loop();
            },
            b"memory" => {
                let mut kept = Vec::new();
                loop {
                    kept.push(vec![1u8; 1 << 20]);
                }
            }
            b"stack" => Answer::Retry(deeper(&[0; 1024]).to_string()),
            b"exit" => std::process::exit(1),
            b"network" => match std::net::TcpStream::connect("127.0.0.1:1") {
                Ok(_) => Answer::Ok,
                Err(error) => Answer::Refuse(error.to_string()),
            },
            b"files" => match std::fs::read_dir("/") {
                Ok(entries) => Answer::Refuse(entries.count().to_string()),
                Err(error) => Answer::Refuse(error.to_string()),
            },
            b"write" => match std::fs::write("/file", b"text") {
                Ok(()) => Answer::Ok,
                Err(error) => Answer::Refuse(error.to_string()),
            },
            b"retry" => Answer::Retry("as it was told".into()),
            b"refuse" => Answer::Refuse("as it was told".into()),
            b"chatter" => {
                for _ in 0..1000 {
                    log(Level::Info, &"x".repeat(10_000));
                }
                Answer::Ok
            }
            _ => {
                log(Level::Info, &format!("chunk {chunks}"));
                Answer::Ok
            }
        }
    }

    fn drain() -> Result<(), String> {
        Err("as it was told".into())
    }
}

#[inline(never)]
#[expect(unconditional_recursion)]
fn deeper(before: &[u8; 1024]) -> u64 {
    let here = std::hint::black_box([before[0].wrapping_add(1); 1024]);
    deeper(&here) + u64::from(here[5])
}

export!(Faulty);
