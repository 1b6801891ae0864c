//! Tests of the ledger, in one executable.

mod chunk;
mod clients;
mod damage;
mod encrypted;
mod ledger;
mod retention;
mod schedules;
mod tail;
mod trust;
