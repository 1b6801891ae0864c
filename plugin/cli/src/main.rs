//! `flb-audit`
fn main() {}
