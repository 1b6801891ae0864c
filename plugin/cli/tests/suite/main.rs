//! Tests of the program, in one executable.

mod chains;
mod commands;
mod crowd;
mod doctor;
mod formats;
mod inputs;
mod operating_page;
mod order;
mod parts;
mod state;
