//! Tests of the doctor, in one executable.

mod cases;
mod fixing;
mod host;
mod hostile;
