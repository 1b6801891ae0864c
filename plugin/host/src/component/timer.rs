//! Time limits for calls.
//!
//! A component can exceed its time in two ways. If it runs, a watching thread advances
//! the engine's epoch, which the component checks. If it waits in a call of the host, for
//! a clock or a network, the call is a future that is dropped. A call that hangs in the
//! kernel, such as a write to a disk, ends only when the kernel returns.

use anyhow::{Context, Result};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use wasmtime::Engine;

/// Runs calls with a time limit each.
pub(super) struct Timer {
    /// Taken at the end.
    runtime: Option<Runtime>,
    watch: Arc<Watch>,
    thread: Option<JoinHandle<()>>,
}

/// The data of the watching thread.
struct Watch {
    state: Mutex<State>,
    changed: Condvar,
    /// The limit of most calls. Without a call, the thread sleeps for this time, so that
    /// beginning a call need not wake it.
    usual: Duration,
}

#[derive(Default)]
struct State {
    /// The time at which the running call must be over.
    due: Option<Instant>,
    is_over: bool,
}

impl Timer {
    /// Creates a timer for the calls of an engine that nothing else calls.
    pub(super) fn new(engine: Engine, usual: Duration) -> Result<Timer> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot create a runtime for calls")?;
        let watch = Arc::new(Watch { state: Mutex::default(), changed: Condvar::new(), usual });
        let watching = Arc::clone(&watch);
        let thread = thread::Builder::new()
            .name("out_wasm_timer".to_owned())
            .spawn(move || watching.run(&engine))
            .context("no thread to be had")?;
        Ok(Timer { runtime: Some(runtime), watch, thread: Some(thread) })
    }

    /// Runs a call. Returns `None` if the call was dropped because its time is over. An
    /// interrupted call returns by itself.
    pub(super) fn run<T>(&self, limit: Duration, call: impl Future<Output = T>) -> Option<T> {
        let runtime = self.runtime.as_ref()?;
        self.watch.begin(limit);
        let done = runtime.block_on(async { tokio::time::timeout(limit, call).await });
        self.watch.end();
        done.ok()
    }
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, limit: Duration) {
        self.state().due = Some(Instant::now() + limit);
        if limit < self.usual {
            self.changed.notify_all();
        }
    }

    fn end(&self) {
        self.state().due = None;
    }

    fn run(&self, engine: &Engine) {
        let mut state = self.state();
        while !state.is_over {
            let now = Instant::now();
            let sleep = match state.due {
                Some(due) if due <= now => {
                    engine.increment_epoch();
                    state.due = None;
                    self.usual
                }
                Some(due) => due - now,
                None => self.usual,
            };
            state = self.changed.wait_timeout(state, sleep).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // A name that is being looked up holds a thread until the resolver gives up.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.watch.state().is_over = true;
        self.watch.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // The thread cannot panic, and an error here could not be handled.
            let _ = thread.join();
        }
    }
}
