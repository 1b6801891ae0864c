//! A Fluent Bit output: counts records by tag, each chunk once, and logs the counts.

use flb_audit_output::{Answer, Chunk, Output, Settings, export, log};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

/// The number of chunks that are remembered, in case they come again.
const CHUNKS_MAX: usize = 1024;

struct Count {
    /// A file in the directory that the operator has given.
    file: PathBuf,
    counts: BTreeMap<String, u64>,
    chunks: VecDeque<String>,
    is_logged: bool,
}

impl Output for Count {
    const PROPERTIES: &'static [(&'static str, &'static str)] =
        &[("file", "The name of the file with the counts, in `dir`; `counts`")];
    const TICK: Option<Duration> = Some(Duration::from_secs(10));

    fn init(settings: &Settings) -> Result<Self, String> {
        let file = PathBuf::from("/").join(settings.get("file").unwrap_or("counts"));
        let mut output = Count { file, counts: BTreeMap::new(), chunks: VecDeque::new(), is_logged: true };
        match fs::read_to_string(&output.file) {
            Ok(text) => output.read(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("property dir: {}: {error}", output.file.display())),
        }
        Ok(output)
    }

    fn flush(&mut self, chunk: &Chunk) -> Answer {
        let id: String = chunk.id().iter().map(|byte| format!("{byte:02x}")).collect();
        if self.chunks.contains(&id) {
            return Answer::Ok;
        }
        let tag = chunk.tag().lossy().replace(char::is_whitespace, "_");
        let mut count = 0;
        for record in chunk.records() {
            match record {
                Ok(_) => count += 1,
                Err(malformed) => log::warn(&format!("{tag}: {malformed}")),
            }
        }
        *self.counts.entry(tag.clone()).or_default() += count;
        self.chunks.push_back(id);
        if let Err(error) = self.write() {
            // The chunk is not counted.
            *self.counts.entry(tag).or_default() -= count;
            self.chunks.pop_back();
            return Answer::Retry(format!("{}: {error}", self.file.display()));
        }
        if self.chunks.len() > CHUNKS_MAX {
            self.chunks.pop_front();
        }
        self.is_logged = false;
        Answer::Ok
    }

    fn tick(&mut self) -> Result<(), String> {
        if !self.is_logged {
            let counts: Vec<String> =
                self.counts.iter().map(|(tag, count)| format!("{tag}: {count}")).collect();
            log::info(&counts.join("\n"));
            self.is_logged = true;
        }
        Ok(())
    }

    fn drain(&mut self, _left: Duration) -> Result<(), String> {
        self.tick()
    }
}

impl Count {
    /// Writes counts and chunks together, so that a chunk is counted if and only if it is
    /// remembered.
    fn write(&self) -> io::Result<()> {
        let new = self.file.with_extension("new");
        let mut file = File::create(&new)?;
        for (tag, count) in &self.counts {
            writeln!(file, "{tag} {count}")?;
        }
        for chunk in &self.chunks {
            writeln!(file, "{chunk}")?;
        }
        file.sync_all()?;
        fs::rename(new, &self.file)
    }

    fn read(&mut self, text: &str) {
        for line in text.lines() {
            match line.split_once(' ') {
                Some((tag, count)) => {
                    self.counts.insert(tag.to_owned(), count.parse().unwrap_or_default());
                }
                None => self.chunks.push_back(line.to_owned()),
            }
        }
    }
}

export!(Count);
