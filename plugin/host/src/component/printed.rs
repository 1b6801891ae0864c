//! Standard output and standard error of an instance.

use std::sync::{Arc, Mutex, PoisonError};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// The number of bytes of a call's output that are logged. They are the last ones, which
/// have the panic or exception.
pub(super) const PRINTED_BYTES_MAX: usize = 64 << 10;

/// The text that an instance has printed and that was not taken yet.
#[derive(Clone, Default)]
pub(super) struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    /// Takes the text.
    pub(super) fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let start = bytes.len().saturating_sub(PRINTED_BYTES_MAX);
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Printed {
    async fn ready(&mut self) {}
}

impl OutputStream for Printed {
    fn write(&mut self, new: bytes::Bytes) -> StreamResult<()> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend_from_slice(&new);
        if bytes.len() > 2 * PRINTED_BYTES_MAX {
            let over = bytes.len() - PRINTED_BYTES_MAX;
            bytes.drain(..over);
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PRINTED_BYTES_MAX)
    }
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 uses this, and the host does not link that.
        Box::new(MemoryOutputPipe::new(0))
    }
}
