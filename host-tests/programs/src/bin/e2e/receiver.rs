//! A receiver of batches that keeps each idempotency key once: a process of its own, since
//! a case kills it.

use anyhow::{Context, Result};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// The argument with which this program is a receiver.
pub(crate) const RECEIVE: &str = "receive-batches";
/// The file with the batches that are kept: a key and a body, as JSON strings, in each line.
const KEPT: &str = "batches";
/// The file with the keys that came again.
const REPEATED: &str = "repeated";

/// A receiver that runs. It ends with this.
pub(crate) struct Receiver(Child);

impl Receiver {
    pub(crate) fn start(port: u16, dir: &Path) -> Result<Receiver> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(RECEIVE).arg(port.to_string()).arg(dir).stdin(Stdio::null());
        Ok(Receiver(command.spawn()?))
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The batches that a directory holds, each as its key and its body. What a kill has torn
/// off at the end is none.
pub(crate) fn batches(dir: &Path) -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(dir.join(KEPT)).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// The number of batches that came again.
pub(crate) fn repeated(dir: &Path) -> usize {
    fs::read_to_string(dir.join(REPEATED)).unwrap_or_default().lines().count()
}

/// Receives until it is killed.
pub(crate) fn run(port: u16, dir: &Path) -> Result<()> {
    let kept = batches(dir)?;
    let mut keys: HashSet<String> = kept.iter().map(|(key, _)| key.clone()).collect();
    // Without what was torn.
    let lines: String = kept.iter().map(line).collect::<Result<_>>()?;
    fs::write(dir.join(KEPT), lines)?;
    let append = |name| OpenOptions::new().append(true).create(true).open(dir.join(name));
    let (mut kept, mut repeated) = (append(KEPT)?, append(REPEATED)?);
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    for stream in listener.incoming().flatten() {
        // Whoever breaks off sends it again.
        let _ = serve(&stream, &mut keys, &mut kept, &mut repeated);
    }
    Ok(())
}

fn line(batch: &(String, String)) -> Result<String> {
    Ok(serde_json::to_string(batch)? + "\n")
}

fn serve(stream: &TcpStream, keys: &mut HashSet<String>, kept: &mut File, repeated: &mut File) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut key, mut len, mut header) = (String::new(), 0, String::new());
    loop {
        header.clear();
        reader.read_line(&mut header)?;
        match header.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("idempotency-key") => key = value.to_owned(),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => len = value.parse()?,
            None if header.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body)?;
    if keys.insert(key.clone()) {
        kept.write_all(line(&(key, String::from_utf8(body)?))?.as_bytes())?;
        kept.sync_data()?;
    } else {
        repeated.write_all((key + "\n").as_bytes())?;
    }
    // Time for a kill between the batch and the answer.
    thread::sleep(Duration::from_millis(40));
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    Ok(())
}
