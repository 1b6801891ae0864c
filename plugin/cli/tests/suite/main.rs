//! Tests of the program, in one executable.

mod chains;
mod commands;
mod crowd;
mod doctor;
mod exports;
mod formats;
mod init;
mod inputs;
mod operating_page;
mod order;
mod parts;
mod state;
mod versions;
mod wrong_files;
