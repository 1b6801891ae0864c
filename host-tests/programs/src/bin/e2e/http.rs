//! A server that receives and stores what `http` outputs send.

use anyhow::{Context, Result};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

/// A faulty answer of the server to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answers without storing the body.
    Lost,
    /// Stores the body, and answers that it failed.
    KeptAndFailed,
    /// Stores the body, and closes the connection without an answer.
    KeptAndClosed,
}

/// A server on its own port. It appends the body of a request and a line break to the
/// file that the path names.
///
/// Its threads end with the program, and each at the end of its connection.
pub(crate) struct Server {
    port: u16,
    state: Arc<State>,
}

struct State {
    dir: PathBuf,
    files: Mutex<HashMap<String, File>>,
    /// The faults for the next requests, last first.
    faults: Mutex<Vec<Fault>>,
}

impl Server {
    /// Starts the server, which stores files in `dir`.
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port for the HTTP server")?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            dir: dir.to_path_buf(),
            files: Mutex::new(HashMap::new()),
            faults: Mutex::new(Vec::new()),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that disconnects early must send everything again.
                thread::spawn(move || state.serve(stream));
            }
        });
        Ok(Server { port, state })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Makes the next requests get these faults, one each.
    pub(crate) fn fail(&self, faults: &[Fault]) {
        let mut waiting = self.state.faults.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        waiting.extend(faults.iter().rev());
    }
}

impl State {
    fn serve(&self, stream: TcpStream) -> Result<()> {
        let mut answers = stream.try_clone()?;
        let mut requests = BufReader::new(stream);
        while let Some((name, body)) = read_request(&mut requests)? {
            let fault = self.faults.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
            if fault != Some(Fault::Lost) {
                self.keep(&name, &body)?;
            }
            let status = match fault {
                None => "200 OK",
                Some(Fault::Lost | Fault::KeptAndFailed) => "503 Service Unavailable",
                Some(Fault::KeptAndClosed) => return Ok(()),
            };
            write!(answers, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")?;
        }
        Ok(())
    }

    fn keep(&self, name: &str, body: &[u8]) -> Result<()> {
        let mut files = self.files.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !files.contains_key(name) {
            let file = OpenOptions::new().append(true).create(true).open(self.dir.join(name))?;
            files.insert(name.to_owned(), file);
        }
        if let Some(file) = files.get_mut(name) {
            // One write, because somebody may read at any time.
            file.write_all(&[body, b"\n"].concat())?;
        }
        Ok(())
    }
}

/// Returns the last part of the path and the body, or none at the end.
fn read_request(stream: &mut impl BufRead) -> Result<Option<(String, Vec<u8>)>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).context("no path")?;
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let mut len = 0;
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            None => break,
            Some((header, value)) if header.eq_ignore_ascii_case("content-length") => {
                len = value.trim().parse().context("a Content-Length")?;
            }
            Some(_) => {}
        }
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body)?;
    Ok(Some((name, body)))
}
