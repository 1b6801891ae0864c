//! Tests of the record logic, in one executable.

mod canonical;
mod check;
mod dialect;
mod enrollment;
mod keys;
mod layers;
mod redact;
mod rotation;
mod sealing;
mod state;
mod unreadable;
