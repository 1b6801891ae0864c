//! The desk: Fluent Bit's threads leave chunks here, and the component's thread fetches
//! them.
//!
//! Fluent Bit waits a short time for the answer. If the answer is late, Fluent Bit is
//! answered `retry` and keeps the chunk, while the component continues with it. When the
//! chunk comes again, its answer is ready. `ok` is only ever answered after the component
//! has answered it.

use crate::chunk::{Chunk, ChunkId};
use crate::component::{Answer, Level};
use crate::log::{LINES_MAX, Line};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time within which an interrupted call must return. A call that hangs in the kernel
/// does not.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// The maximum wait for an answer. During that time the engine of Fluent Bit, with all
/// other inputs and outputs, waits as well.
const PATIENCE: Duration = Duration::from_millis(500);
/// The maximum number of chunks that wait for the component.
const WAITING_MAX: usize = 64;
const WAITING_BYTES_MAX: usize = 32 << 20;
/// The number of late answers that are kept until their chunk comes again. If one is
/// forgotten, its chunk is delivered again.
const LATE_ANSWERS_MAX: usize = 4096;
/// The number of lines that are kept until Fluent Bit calls again.
const KEPT_LINES_MAX: usize = 4 * LINES_MAX;
/// The shortest time between two warnings that the component is slow.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

const GONE: &str = "the component's thread is gone";
const LATE: &str = "the component is not done with it yet";
const STUCK: &str = "a call past its deadline hangs outside the component, for example in a write to a disk";

/// The answer to a call, and the lines to log.
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// The lines to log, in order.
    pub lines: Vec<Line>,
}

/// A chunk that was handed over.
pub(super) struct Job {
    ticket: u64,
    pub(super) chunk: Arc<Chunk>,
}

/// The next thing for the component's thread to do.
pub(super) enum Next {
    Flush(Job),
    /// The time of the next tick has come.
    Tick,
    /// To end, until this time.
    Drain(Instant),
}

pub(super) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
    deadline: Duration,
}

struct State {
    next_ticket: u64,
    waiting: VecDeque<Job>,
    waiting_bytes: usize,
    /// The time at which the component began its current chunk.
    begun: Option<Instant>,
    /// Answers that somebody waits for, by ticket.
    answers: HashMap<u64, Answer>,
    /// Chunks that nobody waits for any more and that the component has not answered yet.
    late: Vec<(u64, ChunkId)>,
    /// Answers to late chunks, kept until the chunk comes again.
    late_answers: VecDeque<(ChunkId, Answer)>,
    warned: Option<Instant>,
    lines: Vec<Line>,
    /// The time at which everything has to be over.
    end: Option<Instant>,
    is_gone: bool,
}

impl Desk {
    pub(super) fn new(deadline: Duration) -> Desk {
        let state = State {
            next_ticket: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            begun: None,
            answers: HashMap::new(),
            late: Vec::new(),
            late_answers: VecDeque::new(),
            warned: None,
            lines: Vec::new(),
            end: None,
            is_gone: false,
        };
        Desk { state: Mutex::new(state), changed: Condvar::new(), deadline }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a chunk over, and waits for the answer: as long as Fluent Bit's engine can
    /// wait or, if `is_patient`, as long as it takes.
    pub(super) fn deliver(&self, tag: &[u8], chunk: &[u8], is_patient: bool) -> Reply {
        let chunk = Arc::new(Chunk::new(tag, chunk));
        let mut state = self.state();
        let answer = match state.take_over(&chunk) {
            Ok(ticket) => {
                self.changed.notify_all();
                let wait = if is_patient { None } else { Some(state.wait()) };
                state = self.wait(state, ticket, wait);
                state.answer(ticket, &chunk)
            }
            Err(answer) => answer,
        };
        state.note_stuck(self.longest());
        Reply { answer, lines: std::mem::take(&mut state.lines) }
    }

    /// Returns the maximum time for a chunk in a component that is not stuck. The
    /// component may have to start first.
    fn longest(&self) -> Duration {
        2 * self.deadline + GRACE
    }

    /// Waits until a chunk is answered, or until the time is over.
    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        ticket: u64,
        wait: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        let start = Instant::now();
        while !state.answers.contains_key(&ticket) && !state.is_gone && !state.is_stuck(self.longest()) {
            let left = wait.map_or(self.longest(), |wait| wait.saturating_sub(start.elapsed()));
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// Waits for the next task, or until the time of the next tick.
    pub(super) fn next(&self, tick: Option<Instant>) -> Next {
        let mut state = self.state();
        loop {
            let is_time = |end: Instant| Instant::now() + self.deadline / 2 < end;
            if let Some(end) = state.end
                && (state.waiting.is_empty() || !is_time(end))
            {
                return Next::Drain(end);
            }
            if let Some(job) = state.waiting.pop_front() {
                state.waiting_bytes -= job.chunk.bytes.len();
                state.begun = Some(Instant::now());
                return Next::Flush(job);
            }
            state = match tick.map(|at| at.saturating_duration_since(Instant::now())) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Next::Tick,
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Stores the answer to a chunk, and lines for the log.
    pub(super) fn answer(&self, job: &Job, answer: Answer, lines: &mut Vec<Line>) {
        let mut state = self.state();
        state.begun = None;
        state.keep(lines);
        match state.late.iter().position(|(ticket, _)| *ticket == job.ticket) {
            // The chunk comes again in any case.
            Some(at) if matches!(answer, Answer::Retry(_)) => {
                state.late.swap_remove(at);
            }
            Some(at) => {
                let (_, id) = state.late.swap_remove(at);
                if state.late_answers.len() >= LATE_ANSWERS_MAX {
                    state.late_answers.pop_front();
                }
                state.late_answers.push_back((id, answer));
            }
            None => {
                state.answers.insert(job.ticket, answer);
            }
        }
        self.changed.notify_all();
    }

    /// Keeps lines until Fluent Bit calls again.
    pub(super) fn keep(&self, lines: &mut Vec<Line>) {
        self.state().keep(lines);
    }

    /// Forgets the chunks that still wait. Fluent Bit was answered `retry` for them.
    pub(super) fn clear(&self) {
        self.state().waiting.clear();
    }

    /// Tells the component's thread to end within the deadline, and waits for it. Returns
    /// `false` if the thread does not end.
    pub(super) fn end(&self) -> (bool, Vec<Line>) {
        let mut state = self.state();
        let end = Instant::now() + self.deadline;
        state.end = Some(end);
        self.changed.notify_all();
        while !state.is_gone {
            let left = (end + GRACE).saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.lines.push((Level::Error, STUCK.to_owned()));
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        (state.is_gone, std::mem::take(&mut state.lines))
    }

    /// Notes that the thread has ended.
    pub(super) fn gone(&self, lines: &mut Vec<Line>) {
        let mut state = self.state();
        state.keep(lines);
        state.is_gone = true;
        self.changed.notify_all();
    }
}

impl State {
    /// Takes a chunk over and returns its ticket, or answers the chunk at once.
    fn take_over(&mut self, chunk: &Arc<Chunk>) -> Result<u64, Answer> {
        let retry = |reason: &str| Err(Answer::Retry(reason.to_owned()));
        if self.is_gone {
            self.lines.push((Level::Error, GONE.to_owned()));
            return retry(GONE);
        }
        if !self.late.is_empty() || !self.late_answers.is_empty() {
            let id = chunk.id();
            if let Some(at) = self.late_answers.iter().position(|(of, _)| *of == id) {
                let (_, answer) = self.late_answers.remove(at).unwrap_or((id, Answer::Retry(String::new())));
                return Err(answer);
            }
            if self.late.iter().any(|(_, of)| *of == id) {
                return retry(LATE);
            }
        }
        let is_full =
            self.waiting.len() >= WAITING_MAX || self.waiting_bytes + chunk.bytes.len() > WAITING_BYTES_MAX;
        if is_full && !self.waiting.is_empty() {
            return retry("too many chunks wait for the component");
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting_bytes += chunk.bytes.len();
        self.waiting.push_back(Job { ticket, chunk: Arc::clone(chunk) });
        Ok(ticket)
    }

    /// Returns how long to wait for an answer. The wait is zero while the component is
    /// late with another chunk.
    fn wait(&self) -> Duration {
        if self.late.is_empty() { PATIENCE } else { Duration::ZERO }
    }

    /// Returns the answer to a chunk after the wait. If there is none, the chunk counts
    /// as late.
    fn answer(&mut self, ticket: u64, chunk: &Chunk) -> Answer {
        if let Some(answer) = self.answers.remove(&ticket) {
            return answer;
        }
        if self.is_gone {
            self.lines.push((Level::Error, GONE.to_owned()));
            return Answer::Retry(GONE.to_owned());
        }
        self.late.push((ticket, chunk.id()));
        if self.warned.is_none_or(|at| at.elapsed() >= WARNING_INTERVAL) {
            self.warned = Some(Instant::now());
            let line =
                "the component is slow: Fluent Bit goes on, and asks again about chunks that take longer";
            self.lines.push((Level::Warn, line.to_owned()));
        }
        Answer::Retry(LATE.to_owned())
    }

    /// True if a call was interrupted and still hangs.
    fn is_stuck(&self, longest: Duration) -> bool {
        self.begun.is_some_and(|begun| begun.elapsed() > longest)
    }

    fn note_stuck(&mut self, longest: Duration) {
        if self.is_stuck(longest) {
            self.lines.push((Level::Error, STUCK.to_owned()));
        }
    }

    fn keep(&mut self, lines: &mut Vec<Line>) {
        self.lines.append(lines);
        self.lines.truncate(KEPT_LINES_MAX);
    }
}
