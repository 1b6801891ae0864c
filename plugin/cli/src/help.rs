//! The end of each command's `--help`: examples, and exit codes.

use crate::exit;
use crate::verdict::Verdict;
use std::fmt::Write;

/// Returns the text that follows the options of a command.
pub(crate) fn after(command: &str) -> String {
    let mut help = String::from("Examples:\n");
    // Writing to a string cannot fail.
    for example in examples(command) {
        let _ = writeln!(help, "  flb-audit {example}");
    }
    if matches!(command, "verify" | "merge") {
        help += "\nExit codes, from the best to the worst; the worst finding decides:\n";
        for verdict in Verdict::all() {
            let meaning = verdict.meaning().replace('`', "");
            let _ = writeln!(help, "  {:>2}  {}: {meaning}", verdict.code(), verdict.name());
        }
    } else {
        help += "\nExit codes:\n";
        for (code, meaning) in exit::codes(command) {
            let _ = writeln!(help, "  {code:>2}  {meaning}");
        }
    }
    help += "   1  the program could not run, or could not print its whole output\n";
    help += "   2  the arguments are wrong";
    help
}

fn examples(command: &str) -> &'static [&'static str] {
    match command {
        "build" => &["build --policy policy.yaml --output filter_audit.wasm"],
        "check" => &[
            "check --policy policy.yaml --tag kube.audit audit.log",
            "check --ocsf --policy policy.yaml --tag kube.audit audit.log",
        ],
        "checkpoints" => &["checkpoints /var/log/sealed/* > anchors.ndjson"],
        "component" => &[
            "component check out_count.wasm --config file=counts --dir data",
            "component compile out_count.wasm",
        ],
        "doctor" => &["doctor fluent-bit.yaml", "doctor --fluent-bit 4.0.14 --fix corrected fluent-bit.yaml"],
        "explain" => &["explain filter_audit.wasm", "explain --record event.json", "explain --mapping sshd"],
        "export" => {
            &["export /var/lib/flb-audit/ledger --since 2026-11-20 --until 2026-11-21 --output export"]
        }
        "find" => &["find --value bob@example.com --key hmac.key /var/log/sealed/*"],
        "fleet" => &[
            "fleet init /srv/fleet",
            "fleet lend /srv/fleet enroll.key --valid 90days",
            "fleet retire /srv/fleet node-17 anchors.ndjson",
            "fleet status --state /srv/fleet/state",
        ],
        "formats" => &["formats", "formats audit.log"],
        "hmac-key" => &["hmac-key /etc/flb-audit/keys --id k1"],
        "init" => &[
            "init /var/lib/flb-audit/kube --node web-1 --roster roster.json",
            "init /var/lib/flb-audit/kube --node web-1 --enroll enroll.key",
        ],
        "install" => &["install /usr/lib/flb-audit"],
        "merge" => &["merge --fleet fleet.json --anchors anchors.ndjson parts/*"],
        "new-output" => &["new-output my-output", "new-output my-output --from http"],
        "prove" => &["prove --chain bFgFti0jFSTc --seg 2 --seq 41 /var/log/sealed/* > proof.json"],
        "replay" => &[
            "replay --state state stream.ndjson > sealed.ndjson",
            "replay --output out_count.wasm --config file=counts --dir data stream.ndjson",
        ],
        "restore" => &["restore --roster roster.json /var/log/dead-letter/*"],
        "test" => &["test --policy policy.yaml cases.yaml"],
        "verify" => &[
            "verify --roster roster.json --anchors anchors.ndjson /var/log/sealed/*",
            "verify --roster roster.json --since 2026-11-20 --until 2026-11-21 s3://BUCKET/logs/",
            "verify --roster roster.json --proof proof.json",
            "verify --part logs.part s3://BUCKET/logs/2026/11/20/",
            "verify --fleet fleet.json --state /srv/fleet/state s3://BUCKET/logs/",
        ],
        _ => &[],
    }
}
