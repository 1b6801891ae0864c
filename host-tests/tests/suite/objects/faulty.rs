//! A web server that serves one body with a fault.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The faults of answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    None,
    /// Each answer ends in the middle of the remaining bytes.
    Breaks,
    /// Each answer ends early, and there is no ETag.
    BreaksWithoutTag,
    /// The first answer ends early, and then the object is a different one.
    Changes,
    /// The first two answers are errors.
    FailsTwice,
    /// The object does not exist.
    NotThere,
}

/// A server that runs until the tests end.
pub(super) struct Server {
    port: u16,
    /// The first line of each request.
    pub(super) requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) fn start(body: String, fault: Fault) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        thread::spawn(move || {
            let count = AtomicUsize::new(0);
            for stream in listener.incoming().flatten() {
                // If a client disconnects, only its own answer is lost.
                let _ = answer(stream, body.as_bytes(), fault, &count, &seen);
            }
        });
        Server { port, requests }
    }

    pub(super) fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }
}

fn answer(
    mut stream: TcpStream,
    body: &[u8],
    fault: Fault,
    count: &AtomicUsize,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let Some(request) = lines.next().transpose()? else { return Ok(()) };
    let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    seen.lock().expect("no panic").push(request);
    let header = |name: &str| {
        head.iter().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let number = count.fetch_add(1, Ordering::Relaxed);
    let tag = if fault == Fault::Changes && number > 0 { "\"new\"" } else { "\"old\"" };
    if fault == Fault::NotThere {
        return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    if fault == Fault::FailsTwice && number < 2 {
        return write!(stream, "HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    if header("if-match").is_some_and(|wanted| wanted != tag) {
        return write!(stream, "HTTP/1.1 412 Changed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let from = header("range").and_then(|range| {
        range.strip_prefix("bytes=")?.split('-').next().and_then(|from| from.parse::<usize>().ok())
    });
    let rest = &body[from.unwrap_or(0)..];
    match from {
        Some(from) => write!(
            stream,
            "HTTP/1.1 206 Partial\r\nContent-Range: bytes {from}-{}/{}\r\n",
            body.len() - 1,
            body.len()
        )?,
        None => write!(stream, "HTTP/1.1 200 OK\r\n")?,
    }
    if fault != Fault::BreaksWithoutTag {
        write!(stream, "ETag: {tag}\r\n")?;
    }
    write!(stream, "Content-Length: {}\r\nConnection: close\r\n\r\n", rest.len())?;
    let breaks = match fault {
        Fault::Breaks => rest.len() > 4096,
        Fault::BreaksWithoutTag | Fault::Changes => true,
        _ => false,
    };
    stream.write_all(if breaks { &rest[..rest.len() / 2] } else { rest })
}
