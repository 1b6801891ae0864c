//! A client of the Forward protocol, version 1.5. It sends events, and the input
//! acknowledges each message.

use crate::poll;
use anyhow::{Context, Result, ensure};
use host_tests::msgpack::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// One record with its time.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) seconds: u32,
    pub(crate) nanoseconds: u32,
    pub(crate) record: Value,
}

impl Entry {
    fn to_value(&self) -> Value {
        let time = [self.seconds.to_be_bytes(), self.nanoseconds.to_be_bytes()].concat();
        Value::Array(vec![Value::Ext(0, time), self.record.clone()])
    }
}

/// A connection to a `forward` input.
pub(crate) struct Client {
    stream: TcpStream,
    sent: u64,
}

impl Client {
    /// Connects as soon as the input listens.
    pub(crate) fn connect(port: u16) -> Result<Self> {
        let connect = || Ok(TcpStream::connect(("127.0.0.1", port)).ok());
        let stream = poll::until("the forward input to listen", connect, || format!("port {port}"))?;
        // The acknowledgement of a large message takes as long as the filter takes.
        stream.set_read_timeout(Some(poll::PATIENCE))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        Ok(Client { stream, sent: 0 })
    }

    /// Sends records in one message, packed as by Fluent Bit and Fluentd, and waits for
    /// the acknowledgement.
    pub(crate) fn send(&mut self, tag: &str, entries: &[Entry]) -> Result<()> {
        let chunk = format!("{:016x}", self.sent);
        self.sent += 1;
        let (mut packed, mut message) = (Vec::new(), Vec::new());
        entries.iter().for_each(|entry| entry.to_value().write(&mut packed));
        Value::Array(vec![
            Value::from(tag),
            Value::Bin(packed),
            Value::Map(vec![(Value::from("chunk"), Value::from(chunk.as_str()))]),
        ])
        .write(&mut message);
        self.stream.write_all(&message).context("the forward input takes no more")?;
        // {"ack": chunk}, with the shortest of all headers.
        let expected = [&[0x81, 0xa3][..], b"ack", &[0xb0], chunk.as_bytes()].concat();
        let mut ack = vec![0; expected.len()];
        self.stream.read_exact(&mut ack).context("no acknowledgement from the forward input")?;
        ensure!(ack == expected, "the forward input acknowledged {ack:x?}, not {expected:x?}");
        Ok(())
    }
}
