//! Tests of what ships, in one executable. `cargo xtask build` comes before them.

mod attacks;
mod cli;
mod corpora;
mod damage;
mod driver;
mod far_end;
mod filter;
mod forged;
mod format;
mod fuel;
mod keys;
mod kubernetes;
mod ledger_schema;
mod monitoring;
mod output;
mod page;
mod policies;
mod policy_page;
mod proofs;
mod redaction;
mod redaction_page;
mod schedules;
mod schema;
mod seeds;
mod spans;
mod stores;
