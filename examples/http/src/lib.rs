//! A Fluent Bit output: sends records to an HTTP server as lines of JSON, in batches.
//!
//! The header `Idempotency-Key` names each batch: the chunk's id, and the number of the
//! batch's first record in the chunk. A batch that comes again, after a retry or a crash,
//! has the same key and the same bytes, so a receiver that remembers keys keeps each
//! record once.

use flb_audit_output::{Answer, Chunk, Output, Record, Settings, export, http, log, metrics};
use std::collections::VecDeque;

/// The size of a batch, in bytes, if nothing else is set.
const BATCH_BYTES: usize = 512 << 10;
/// The number of chunks of which it is remembered how far they have come.
const CHUNKS_MAX: usize = 256;

struct Http {
    url: String,
    authorization: Option<String>,
    batch_bytes: usize,
    /// Chunks that come again, and the number of records that the server has of them.
    begun: VecDeque<(String, usize)>,
}

impl Output for Http {
    const PROPERTIES: &'static [(&'static str, &'static str)] = &[
        ("url", "Where to send records, such as `https://logs.example.com/ingest`"),
        ("token", "A token for `Authorization: Bearer`, as a secret: `secret.token`"),
        ("batch_size", "The size of a request's body from which it is sent, in bytes; 524288"),
    ];

    fn init(settings: &Settings) -> Result<Self, String> {
        let url = settings.get("url").ok_or("property config.url is missing: where to send records")?;
        Ok(Http {
            url: url.to_owned(),
            authorization: settings.get("token").map(|token| format!("Bearer {token}")),
            batch_bytes: settings.parse("batch_size")?.unwrap_or(BATCH_BYTES),
            begun: VecDeque::new(),
        })
    }

    fn flush(&mut self, chunk: &Chunk) -> Answer {
        let id: String = chunk.id().iter().map(|byte| format!("{byte:02x}")).collect();
        let at = self.begun.iter().position(|(of, _)| *of == id);
        let mut sent = at.and_then(|at| self.begun.remove(at)).map_or(0, |(_, sent)| sent);
        let answer = self.deliver(chunk, &id, &mut sent);
        if matches!(answer, Answer::Retry(_)) && sent > 0 {
            if self.begun.len() >= CHUNKS_MAX {
                self.begun.pop_front();
            }
            self.begun.push_back((id, sent));
        }
        answer
    }
}

impl Http {
    /// Sends a chunk's records, but for those that the server has already, and counts them.
    fn deliver(&self, chunk: &Chunk, id: &str, sent: &mut usize) -> Answer {
        let tag = chunk.tag().lossy();
        let (mut body, mut first, mut count) = (String::new(), 0, 0);
        let mut records = chunk.records();
        loop {
            let record = records.next();
            match &record {
                Some(Ok(record)) => {
                    write(record, &tag, &mut body);
                    count += 1;
                }
                Some(Err(malformed)) => {
                    log::error(&format!("{tag}: a part of a chunk is not sent: {malformed}"))
                }
                None => {}
            }
            if body.len() >= self.batch_bytes || (record.is_none() && !body.is_empty()) {
                if count > *sent {
                    if let Err(answer) = self.send(&body, &format!("{id}-{first}")) {
                        return answer;
                    }
                    metrics::add("batches", 1);
                    metrics::add("records", (count - first) as u64);
                    *sent = count;
                }
                body.clear();
                first = count;
            }
            if record.is_none() {
                return Answer::Ok;
            }
        }
    }

    fn send(&self, body: &str, key: &str) -> Result<(), Answer> {
        let mut headers = vec![("content-type", "application/x-ndjson"), ("idempotency-key", key)];
        headers.extend(self.authorization.as_deref().map(|value| ("authorization", value)));
        match http::post(&self.url, &headers, body.as_bytes()) {
            Ok(response) => match response.status {
                200..300 => Ok(()),
                // Later it may go.
                status @ (401 | 403 | 404 | 408 | 425 | 429 | 500..) => {
                    Err(Answer::Retry(format!("{}: status {status}", self.url)))
                }
                status => Err(Answer::Refuse(format!("{}: status {status}", self.url))),
            },
            Err(error) => Err(Answer::Retry(format!("{}: {error}", self.url))),
        }
    }
}

/// Appends a line: `{"time":1795161600.000000007,"tag":"app","record":{…}}`.
fn write(record: &Record<'_>, tag: &str, body: &mut String) {
    let (seconds, nanoseconds) = (record.time.seconds, record.time.nanoseconds);
    let tag = tag.replace('\\', "\\\\").replace('"', "\\\"").replace(char::is_control, " ");
    body.push_str(&format!("{{\"time\":{seconds}.{nanoseconds:09},\"tag\":\"{tag}\",\"record\":"));
    record.body.write_json(body);
    body.push_str("}\n");
}

export!(Http);
