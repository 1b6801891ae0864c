//! The cost of schemas, in instructions of the module that ships.

use flb_audit_host::filter::Generation;
use flb_audit_policy::{DEFAULT_POLICY, Policy, compile};
use host_tests::{guest, streams};

/// The limit for the cost of a schema on top of redaction and sealing, in instructions
/// per byte of a record, for the modes `required` and `strict`.
const INSTRUCTIONS_PER_BYTE_MAX: [(&str, f64); 2] = [("required", 12.3), ("strict", 20.0)];
/// The limit for the additional cost of the first call, in instructions.
const FIRST_CALL_INSTRUCTIONS_MAX: u64 = 21_000;

/// Returns the cost of a stream under the shipped policy followed by `schema`: of the
/// first call, of all others together, and the number of bytes in these.
fn cost(stream: &str, schema: &str) -> (u64, u64, usize) {
    let source = format!("{DEFAULT_POLICY}\n{schema}");
    let policy = Policy::read(&source).unwrap_or_else(|problem| panic!("{problem}"));
    let table = compile(&policy).unwrap_or_else(|problem| panic!("{problem}"));
    let directory = guest::directory(Default::default());
    let filter = guest::filter_with(&table);
    let mut host = filter.host(Generation::Lasting, guest::limits(&directory));
    let (mut first, mut rest, mut bytes) = (0, 0, 0);
    for (at, call) in streams::calls(stream).expect("a stream").iter().enumerate() {
        let outcome = host.call(call).expect("a call");
        if at == 0 {
            first = outcome.instructions;
        } else {
            rest += outcome.instructions;
            bytes += call.record.len();
        }
        let sealed = guest::returned(outcome);
        assert!(!String::from_utf8_lossy(&sealed).contains("\"invalid\""));
    }
    (first, rest, bytes)
}

#[test]
fn a_schema_costs_so_much() {
    let mut wrong = Vec::new();
    for (stream, tag, name) in
        [("kubernetes-audit", "kube.*", "kubernetes-audit"), ("cloudtrail", "aws.*", "cloudtrail")]
    {
        let (first, rest, bytes) = cost(stream, "");
        for (mode, limit) in INSTRUCTIONS_PER_BYTE_MAX {
            let schema = format!("schema:\n  - {{tag: '{tag}', built-in: {name}, mode: {mode}}}\n");
            let (first_with, rest_with, _) = cost(stream, &schema);
            let per_byte = (rest_with - rest) as f64 / bytes as f64;
            println!(
                "{name}, {mode}: {per_byte:.1} instructions a byte, first call {} more",
                first_with - first
            );
            if per_byte > limit || first_with - first > FIRST_CALL_INSTRUCTIONS_MAX {
                wrong.push(format!("{name}, {mode}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
