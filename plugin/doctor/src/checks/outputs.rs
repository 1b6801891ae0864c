//! Checks of outputs: chunks that are dropped, and records that are changed after they
//! were sealed.

use super::{Check, Hit, Scene, Severity};
use crate::Version;
use crate::config::{Section, Setting};
use std::collections::BTreeMap;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "output-none",
        severity: Severity::Error,
        why: "Fluent Bit drops records whose tag no output takes. If they were sealed, their chain has a gap.",
        remedy: "Let the `match` of an output fit the tag.",
        find: |scene| {
            let nowhere = scene.flows.nowhere.iter();
            nowhere
                .map(|(input, tag)| {
                    let input = &scene.config.sections[*input];
                    Hit::new(
                        input.place_of("tag"),
                        format!("no output takes sealed records with the tag `{tag}`"),
                    )
                })
                .collect()
        },
    },
    Check {
        id: "retry-limit",
        severity: Severity::Warning,
        why: "Fluent Bit tries to deliver a chunk twice, if nothing else is set, and then drops it: an outage of a \
              minute leaves a gap.",
        remedy: "Set `retry_limit no_limits`, with `storage.type filesystem` for the inputs. The output `s3` reads \
                 `no_limits` as five tries: set a large number there.",
        find: |scene| {
            outputs(
                scene,
                |output| !is_local(output) && has_retry_limit(output),
                |at, output| {
                    let limit = if output.is("s3") { "1000000" } else { "no_limits" };
                    Hit::new(output.place_of("retry_limit"), "chunks are dropped when retries fail").set(
                        at,
                        "retry_limit",
                        limit,
                    )
                },
            )
        },
    },
    Check {
        id: "s3-retries",
        severity: Severity::Note,
        why: "Before Fluent Bit 5.1, the output `s3` gives up after five tries, whatever `retry_limit` says: an outage of \
              some minutes leaves a gap in the store.",
        remedy: "Use Fluent Bit 5.1 or later, or keep the records on the node as well, as the example `s3.yaml` \
                 does. With `--fluent-bit` and a version before 5.1 this is a warning, with a later one nothing.",
        find: |scene| {
            let severity = match scene.options.fluent_bit {
                None => Severity::Note,
                Some(version) if version < Version(5, 1, 0) => Severity::Warning,
                Some(_) => return Vec::new(),
            };
            outputs(
                scene,
                |output| output.is("s3"),
                |_, output| {
                    Hit::new(output.place, "before 5.1, `s3` gives up after five tries").severity(severity)
                },
            )
        },
    },
    Check {
        id: "storage-limit",
        severity: Severity::Warning,
        why: "When the chunks that wait for this output reach `storage.total_limit_size`, Fluent Bit deletes the \
              oldest.",
        remedy: "Leave it out, and watch the disk, or make it larger than the longest outage needs.",
        find: |scene| {
            outputs(
                scene,
                |output| output.has("storage.total_limit_size"),
                |_, output| {
                    Hit::new(
                        output.place_of("storage.total_limit_size"),
                        "the oldest chunks are deleted at this size",
                    )
                },
            )
        },
    },
    Check {
        id: "output-form",
        severity: Severity::Error,
        why: "In this form, records come out flattened, renamed, in part, or not as JSON, and cannot be verified.",
        remedy: "Set the property to a value that keeps each record as one JSON object.",
        find: |scene| sealed_with(scene, form),
    },
    Check {
        id: "output-lossy",
        severity: Severity::Error,
        why: "This output sends a part of each record, or numbers, or other names. What it delivers cannot be \
              verified.",
        remedy: "Send the records by another output as well, and verify what that one delivers.",
        find: |scene| {
            sealed_with(scene, |_, output| {
                let (_, what) = LOSSY.iter().find(|(name, _)| output.is(name))?;
                Some(Hit::new(output.place, format!("`{}` {what}", output.name())))
            })
        },
    },
    Check {
        id: "file-workers",
        severity: Severity::Error,
        why: "With more than one worker, `file` writes lines into one another. What is torn apart is *unreadable*, \
              *tampered* or missing.",
        remedy: "Set `workers` to 1.",
        find: |scene| {
            let many =
                |output: &Section| output.is("file") && count(output, "workers").is_some_and(|n| n > 1);
            outputs(scene, many, |at, output| {
                Hit::new(output.place_of("workers"), "workers write lines into one another")
                    .set(at, "workers", "1")
            })
        },
    },
    Check {
        id: "file-shared",
        severity: Severity::Error,
        why: "Two `file` outputs that write one file write lines into one another. Two that make one directory at the \
              same time, with `mkdir`, get in each other's way: one fails, and Fluent Bit drops its chunk.",
        remedy: "Give each `file` output a directory of its own.",
        find: |scene| {
            let (mut seen, mut hits) = (BTreeMap::new(), Vec::new());
            for (_, output) in scene.audit_outputs().filter(|(_, output)| output.is("file")) {
                let Some(path) = output.text("path") else { continue };
                let path = path.trim_end_matches('/');
                if let Some(line) = seen.insert(path, output.place.line) {
                    let message = format!("{path} is the directory of the output in line {line}, too");
                    hits.push(Hit::new(output.place_of("path"), message));
                }
            }
            hits
        },
    },
    Check {
        id: "file-nested",
        severity: Severity::Note,
        why: "Before Fluent Bit 5.1, the `file` output crashes on a record that is nested some 20 deep.",
        remedy: "Set `coro_stack_size 65536` for the service, which is the default from 5.1 on. With `--fluent-bit` \
                 and a version before 5.1 this is a warning, with a later one nothing.",
        find: |scene| {
            let severity = match scene.options.fluent_bit {
                None => Severity::Note,
                Some(version) if version < Version(5, 1, 0) => Severity::Warning,
                Some(_) => return Vec::new(),
            };
            if scene.config.of_service("coro_stack_size") != Setting::Absent {
                return Vec::new();
            }
            let hits = outputs(
                scene,
                |output| output.is("file"),
                |_, output| {
                    Hit::new(output.place, "a deeply nested record ends Fluent Bit before 5.1")
                        .severity(severity)
                        .set_service("coro_stack_size", "65536")
                },
            );
            hits.into_iter().take(1).collect()
        },
    },
    Check {
        id: "file-full-disk",
        severity: Severity::Note,
        why: "`file` does not notice a full disk: it answers that all is written, and the records are lost.",
        remedy: "If you cannot accept that, keep the records in the ledger, which retries: see the example `ledger.yaml`.",
        find: |scene| {
            outputs(
                scene,
                |output| output.is("file"),
                |_, output| Hit::new(output.place, "records are lost when the disk is full"),
            )
        },
    },
    Check {
        id: "output-key",
        severity: Severity::Note,
        why: "Outputs add members to each record. `verify` knows `date`, `@timestamp` and `_flb-key`; another name is \
              not under the seal, and looks like an alteration.",
        remedy: "Give `verify` the name with `--ignore-key`, or leave the property at its default.",
        find: |scene| {
            sealed_with(scene, |_, output| {
                let (key, name) = ADDED.iter().find_map(|key| Some((*key, output.text(key)?)))?;
                let is_known =
                    ["date", "@timestamp", "_flb-key"].contains(&name) || name.eq_ignore_ascii_case("false");
                let hit = || Hit::new(output.place_of(key), format!("records get a member `{name}`"));
                (!is_known).then(|| hit().lines([format!("flb-audit verify --ignore-key {name} …")]))
            })
        },
    },
];

/// Properties that name a member which the output adds.
const ADDED: [&str; 3] = ["json_date_key", "time_key", "tag_key"];

/// Outputs that keep no record whole.
const LOSSY: [(&str, &str); 13] = [
    ("gelf", "renames members and flattens them"),
    ("influxdb", "flattens records"),
    ("syslog", "sends one member of each record"),
    ("slack", "sends text for people"),
    ("stackdriver", "moves and renames members"),
    ("counter", "counts records, and sends none"),
    ("flowcounter", "counts records, and sends none"),
    ("plot", "sends one number of each record"),
    ("prometheus_exporter", "sends metrics alone"),
    ("prometheus_remote_write", "sends metrics alone"),
    ("logdna", "sends one member of each record, or text"),
    ("skywalking", "sends text"),
    ("chronicle", "sends one member of each record, or text"),
];

/// A property that decides the form in which records are written.
struct Form {
    output: &'static str,
    key: &'static str,
    is_wrong: fn(Option<&str>) -> bool,
    good: &'static str,
}

/// Properties that decide whether an output keeps records whole.
const FORMS: [Form; 19] = [
    Form {
        output: "file",
        key: "format",
        is_wrong: |value| is_not(value, &["plain", "out_file"]),
        good: "plain",
    },
    Form { output: "tcp", key: "format", is_wrong: is_not_json_by_default, good: "json_lines" },
    Form { output: "udp", key: "format", is_wrong: is_not_json, good: "json_lines" },
    Form { output: "http", key: "format", is_wrong: is_not_json, good: "json_lines" },
    Form { output: "stdout", key: "format", is_wrong: is_not_json_by_default, good: "json_lines" },
    Form { output: "websocket", key: "format", is_wrong: is_not_json_by_default, good: "json_lines" },
    Form { output: "kafka", key: "format", is_wrong: is_not_json, good: "json" },
    Form { output: "es", key: "replace_dots", is_wrong: is_set, good: "off" },
    Form { output: "opensearch", key: "replace_dots", is_wrong: is_set, good: "off" },
    Form { output: "loki", key: "line_format", is_wrong: is_not_json, good: "json" },
    Form { output: "loki", key: "drop_single_key", is_wrong: is_set, good: "off" },
    Form { output: "loki", key: "remove_keys", is_wrong: |value| value.is_some(), good: "" },
    Form { output: "http", key: "body_key", is_wrong: |value| value.is_some(), good: "" },
    Form { output: "splunk", key: "event_key", is_wrong: |value| value.is_some(), good: "" },
    Form { output: "s3", key: "log_key", is_wrong: |value| value.is_some(), good: "" },
    Form { output: "cloudwatch_logs", key: "log_key", is_wrong: |value| value.is_some(), good: "" },
    Form { output: "kinesis_streams", key: "log_key", is_wrong: |value| value.is_some(), good: "" },
    Form { output: "kinesis_firehose", key: "log_key", is_wrong: |value| value.is_some(), good: "" },
    Form { output: "kafka", key: "raw_log_key", is_wrong: |value| value.is_some(), good: "" },
];

fn is_not(value: Option<&str>, good: &[&str]) -> bool {
    value.is_some_and(|value| !good.iter().any(|good| value.eq_ignore_ascii_case(good)))
}

fn is_not_json(value: Option<&str>) -> bool {
    is_not(value, &["json", "json_lines", "json_stream"])
}

fn is_not_json_by_default(value: Option<&str>) -> bool {
    value.is_none() || is_not_json(value)
}

fn is_set(value: Option<&str>) -> bool {
    value.is_some_and(crate::config::is_true)
}

fn form(at: usize, output: &Section) -> Option<Hit> {
    let mut forms = FORMS.iter().filter(|form| output.is(form.output));
    let wrong = |form: &&Form| match output.setting(form.key) {
        Setting::Unknown => false,
        Setting::Absent => (form.is_wrong)(None),
        Setting::Is(value) => (form.is_wrong)(Some(value)),
    };
    let form = forms.find(wrong)?;
    let place = output.place_of(form.key);
    let hit = match output.text(form.key) {
        Some(value) => Hit::new(place, format!("`{} {value}` does not keep records whole", form.key)),
        None => Hit::new(place, format!("without `{}`, records do not come out as JSON", form.key)),
    };
    Some(if form.good.is_empty() { hit } else { hit.set(at, form.key, form.good) })
}

/// Checks whether an output delivers to this process or this machine, or fails
/// permanently whatever the limit is.
pub(super) fn is_local(output: &Section) -> bool {
    ["file", "stdout", "null", "counter", "flowcounter", "exit", "plot"].iter().any(|name| output.is(name))
}

/// The number of retries that is as good as no limit, because it outlasts any outage.
const RETRIES_ENOUGH: u64 = 1_000_000;

pub(super) fn has_retry_limit(output: &Section) -> bool {
    match output.setting("retry_limit") {
        Setting::Absent => true,
        Setting::Unknown => false,
        Setting::Is(value) => {
            let is_endless =
                ["no_limits", "false", "off"].iter().any(|word| value.eq_ignore_ascii_case(word));
            (!is_endless || output.is("s3"))
                && count(output, "retry_limit").is_none_or(|limit| limit < RETRIES_ENOUGH)
        }
    }
}

pub(super) fn count(section: &Section, key: &str) -> Option<u64> {
    section.text(key)?.trim().parse().ok()
}

fn outputs(
    scene: &Scene<'_>,
    is_wrong: impl Fn(&Section) -> bool,
    hit: impl Fn(usize, &Section) -> Hit,
) -> Vec<Hit> {
    outputs_with(scene, |at, output| is_wrong(output).then(|| hit(at, output)))
}

/// Returns hits for outputs that sealed records reach.
fn sealed_with(scene: &Scene<'_>, hit: impl Fn(usize, &Section) -> Option<Hit>) -> Vec<Hit> {
    if scene.seals() { outputs_with(scene, hit) } else { Vec::new() }
}

fn outputs_with(scene: &Scene<'_>, hit: impl Fn(usize, &Section) -> Option<Hit>) -> Vec<Hit> {
    scene.audit_outputs().filter_map(|(at, output)| hit(at, output)).collect()
}
