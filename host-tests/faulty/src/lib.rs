//! An output that does what a chunk's tag says.
#![allow(missing_docs)]

wit_bindgen::generate!({ path: "../../wit", world: "component" });

use exports::fluent_bit::output::output::{Answer, Guest, Property, Setting};
use fluent_bit::output::delivery;
use fluent_bit::output::logging::{Level, log};
use fluent_bit::output::metrics;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// The number of chunks that this instance has received.
static CHUNKS: AtomicU32 = AtomicU32::new(0);

/// The number of ticks that this instance has had.
static TICKS: AtomicU32 = AtomicU32::new(0);
static DRAIN_SLEEPS: AtomicBool = AtomicBool::new(false);

/// Longer than any test runs.
const LONG: Duration = Duration::from_secs(3600);

struct Faulty;

impl Guest for Faulty {
    fn properties() -> Vec<Property> {
        vec![Property { name: "init".into(), description: "what init does".into() }]
    }

    fn init(settings: Vec<Setting>) -> Result<Option<u32>, String> {
        match settings.first().map(|setting| setting.value.as_str()) {
            Some("trap") => panic!("as it was told"),
            Some("sleep") => {
                std::thread::sleep(LONG);
                Ok(None)
            }
            Some("tick") => Ok(Some(50)),
            Some(other) => Err(format!("property config.init: {other}")),
            None => Ok(None),
        }
    }

    fn flush(tag: Vec<u8>, _chunk: Vec<u8>) -> Answer {
        let chunks = CHUNKS.fetch_add(1, Ordering::Relaxed) + 1;
        match &tag[..] {
            b"panic" => panic!("as it was told"),
            b"hang" => loop {
                std::hint::spin_loop();
            },
            b"sleep" => {
                std::thread::sleep(LONG);
                Answer::Ok
            }
            b"nap" => {
                std::thread::sleep(Duration::from_millis(1500));
                log(Level::Info, &format!("chunk {chunks}, late"));
                Answer::Ok
            }
            b"nap, then retry" => {
                std::thread::sleep(Duration::from_millis(1500));
                Answer::Retry("as it was told".into())
            }
            b"pipe" => match std::fs::read("/pipe") {
                Ok(_) => Answer::Ok,
                Err(error) => Answer::Refuse(error.to_string()),
            },
            b"drain sleeps" => {
                DRAIN_SLEEPS.store(true, Ordering::Relaxed);
                Answer::Ok
            }
            b"delivery" => {
                let id: String = delivery::chunk_id().iter().map(|byte| format!("{byte:02x}")).collect();
                log(Level::Info, &format!("{id} {}", delivery::attempt()));
                if delivery::attempt() < 3 { Answer::Retry("as it was told".into()) } else { Answer::Ok }
            }
            b"metrics" | b"metrics, then panic" => {
                metrics::add("chunks", 1);
                metrics::add("chunks", 2);
                metrics::set("level", 0.5);
                metrics::add("Not a name", 1);
                assert!(tag == b"metrics", "as it was told");
                Answer::Ok
            }
            b"many metrics" => {
                (0..40).for_each(|number| metrics::add(&format!("metric_{number}"), 1));
                Answer::Ok
            }
            b"talk" => {
                println!("a first line\nred: \u{1b}[31m, {}", "long ".repeat(2000));
                panic!("as it\nwas told");
            }
            b"memory" => {
                let mut kept = Vec::new();
                loop {
                    kept.push(vec![1u8; 1 << 20]);
                }
            }
            b"stack" => Answer::Retry(deeper(&[0; 1024]).to_string()),
            b"exit" => std::process::exit(1),
            b"network" => connect("127.0.0.1:1"),
            [b't', b'c', b'p', b' ', address @ ..] => connect(&String::from_utf8_lossy(address)),
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

    fn tick() -> Result<(), String> {
        match TICKS.fetch_add(1, Ordering::Relaxed) + 1 {
            2 => Err("as it was told".into()),
            // No chunk is being delivered in this call.
            3 => Err(delivery::attempt().to_string()),
            ticks => {
                log(Level::Info, &format!("tick {ticks}"));
                Ok(())
            }
        }
    }

    fn drain(left: u32) -> Result<(), String> {
        log(Level::Debug, &format!("{left} ms left"));
        if DRAIN_SLEEPS.load(Ordering::Relaxed) {
            std::thread::sleep(LONG);
        }
        Err("as it was told".into())
    }
}

/// Connects, and asks to be served.
fn connect(address: &str) -> Answer {
    match std::net::TcpStream::connect(address).and_then(|mut stream| stream.write_all(b"hello")) {
        Ok(()) => Answer::Ok,
        Err(error) => Answer::Refuse(error.to_string()),
    }
}

#[inline(never)]
#[expect(unconditional_recursion)]
fn deeper(before: &[u8; 1024]) -> u64 {
    let here = std::hint::black_box([before[0].wrapping_add(1); 1024]);
    deeper(&here) + u64::from(here[5])
}

export!(Faulty);
