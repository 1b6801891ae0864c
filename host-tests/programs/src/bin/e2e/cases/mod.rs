//! The cases, each with a sentence about what it proves.

mod aot;
mod arm64;
mod clocks;
mod components;
mod damaged;
mod disks;
mod faults;
mod fifty;
mod fleet;
mod foreign;
mod generated;
mod image;
mod keys;
mod layouts;
mod ledgers;
mod logs;
mod monitoring;
mod normalize;
mod objects;
mod oddities;
mod package;
mod redaction;
mod restarts;
mod schemas;
mod sizes;
mod states;
mod streams;
mod torn;
mod unsealed;

use crate::case::Case;

/// All cases, in the order in which they run.
pub(crate) const ALL: &[Case] = &[
    Case { name: "streams through tail", run: streams::through_tail },
    Case { name: "streams through forward", run: streams::through_forward },
    Case { name: "odd values as MessagePack", run: oddities::as_messagepack },
    Case { name: "odd values as JSON", run: oddities::as_json },
    Case { name: "records of all sizes through forward", run: sizes::through_forward },
    Case { name: "records of all sizes through tail", run: sizes::through_tail },
    Case { name: "arbitrary records", run: generated::through_forward },
    Case { name: "killed in the middle of a stream", run: restarts::killed },
    Case { name: "reloaded in the middle of a stream", run: restarts::reloaded },
    Case { name: "deliveries that fail", run: faults::deliveries },
    Case { name: "an output that refuses for a while", run: faults::back_pressure },
    Case { name: "processors of threaded inputs", run: faults::threads },
    Case { name: "an input in a coroutine", run: faults::coroutine },
    Case { name: "no state directory", run: states::none },
    Case { name: "one state directory for two filters", run: states::shared },
    Case { name: "one state directory for two filters, with keys", run: states::shared_with_keys },
    Case { name: "one state directory for two processes, with keys", run: states::shared_by_processes },
    Case { name: "a filter that cannot run: at the start", run: unsealed::at_the_start },
    Case { name: "a filter that cannot run: a directory that is removed", run: unsealed::removed },
    Case { name: "a filter that cannot run: a module that is removed", run: unsealed::without_module },
    Case { name: "a filter that cannot run: every config", run: unsealed::every_config },
    Case { name: "a config in YAML", run: layouts::yaml },
    Case { name: "a processor", run: layouts::processor },
    Case { name: "a processor in a thread", run: layouts::processor_in_a_thread },
    Case { name: "fluent-bit-conf, classic", run: layouts::shipped_classic },
    Case { name: "fluent-bit-conf, YAML", run: layouts::shipped_yaml },
    Case { name: "fluent-bit-conf, with a policy, classic", run: layouts::shipped_redact_classic },
    Case { name: "fluent-bit-conf, with a policy, YAML", run: layouts::shipped_redact_yaml },
    Case { name: "fluent-bit-conf, with a schema, classic", run: layouts::shipped_schema_classic },
    Case { name: "fluent-bit-conf, with a schema, YAML", run: layouts::shipped_schema_yaml },
    Case { name: "planted secrets through tail", run: redaction::through_tail },
    Case { name: "planted secrets through forward", run: redaction::through_forward },
    Case { name: "secrets of bug reports through tail", run: redaction::reported },
    Case { name: "tokens under a key in a second path", run: redaction::hmac },
    Case { name: "a policy in an accessible path", run: redaction::overridden },
    Case { name: "a damaged policy in an accessible path", run: redaction::broken },
    Case { name: "a long text of e-mail addresses", run: redaction::long_text },
    Case { name: "all detectors", run: redaction::all_detectors },
    Case { name: "a ledger killed under load", run: ledgers::killed },
    Case { name: "an encrypted ledger killed under load", run: ledgers::killed_encrypted },
    Case { name: "a ledger reloaded under load", run: ledgers::reloaded },
    Case { name: "a ledger on a full disk", run: ledgers::full_disk },
    Case { name: "a ledger that was damaged", run: ledgers::damaged },
    Case { name: "two ledgers in one directory", run: ledgers::two_on_one_directory },
    Case { name: "a component that traps, hangs and eats memory", run: ledgers::faulty },
    Case { name: "a component that sleeps, beside a ledger", run: components::sleeping },
    Case { name: "a component that sleeps at the start", run: components::sleeping_at_the_start },
    Case {
        name: "batches over HTTP, to a receiver that is killed",
        run: components::batches_to_a_receiver_that_is_killed,
    },
    Case { name: "a component in Python, compiled ahead, in 256 MB", run: foreign::python_in_little_memory },
    Case { name: "wrong properties of a component", run: ledgers::wrong_properties },
    Case { name: "fluent-bit-conf, filter and ledger", run: ledgers::shipped },
    Case { name: "fluent-bit-conf, ledger alone", run: ledgers::shipped_alone },
    Case { name: "fluent-bit-conf, ledger alone, classic", run: ledgers::shipped_alone_classic },
    Case { name: "fluent-bit-conf, hello", run: ledgers::hello },
    Case { name: "corpora and samples as events of OCSF", run: normalize::corpora },
    Case { name: "schemas in every disposition", run: schemas::all_dispositions },
    Case { name: "a chain with keys", run: keys::signed },
    Case { name: "nodes that a fleet has enrolled", run: fleet::enrolled },
    Case { name: "a fleet of fifty chains with five faults", run: fifty::chains },
    Case { name: "keys that change", run: keys::changed },
    Case { name: "keys that cannot be written", run: keys::not_written },
    Case { name: "keys: killed in the middle of a stream", run: restarts::killed_with_keys },
    Case { name: "keys: reloaded in the middle of a stream", run: restarts::reloaded_with_keys },
    Case { name: "keys: a ledger on a full disk for a while", run: disks::keyed_ledger },
    Case { name: "keys: kills in a row while a key comes into force", run: disks::kills_at_keys },
    Case { name: "keys: a backlog behind the next segment, and retention", run: disks::backlog },
    Case { name: "keys: torn lines", run: torn::behind_a_half_line },
    Case { name: "keys: a damaged state", run: damaged::states },
    Case { name: "keys: a ledger's damaged state", run: damaged::ledgers },
    Case { name: "a clock that jumps, beside a ledger", run: clocks::a_year_ahead },
    Case { name: "anchors", run: keys::anchored },
    Case { name: "fluent-bit-conf, what happens to logs", run: logs::every_config },
    Case { name: "fluent-bit-conf, a full disk", run: logs::full_disks },
    Case { name: "fluent-bit-conf, anchors", run: keys::shipped_anchors },
    Case { name: "fluent-bit-conf, a bucket with Object Lock", run: objects::shipped_s3 },
    Case { name: "fluent-bit-conf, metrics and alerts", run: monitoring::alerts },
    Case { name: "compiled ahead of time", run: aot::that_fits },
    Case { name: "compiled ahead of time, for another WAMR", run: aot::of_another_version },
    Case { name: "the package in a new Debian", run: package::in_a_new_debian },
    Case { name: "the archive in a new Debian without systemd", run: package::from_the_archive },
    Case { name: "the RPM leaves only chains behind", run: package::rpm_leaves_chains },
    Case { name: "the programs for arm64", run: arm64::emulated },
    Case { name: "the image as a volume", run: image::as_volume },
    Case { name: "the image in init containers", run: image::in_init_containers },
];
