//! The effects of Fluent Bit's plugins on records, as far as they concern a seal.

use crate::config::{Section, Setting};
use std::path::Path;

/// The effect of a filter or processor on the records that pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Records stay as they are.
    Nothing,
    /// Some records continue under another tag.
    Rewrites,
    /// Some records are dropped.
    Drops,
    /// Records are changed.
    Alters,
}

/// Returns the effect on records of a step that is not ours.
pub(crate) fn effect(step: &Section) -> Effect {
    match step.name().as_str() {
        "stdout" | "expect" | "log_to_metrics" => Effect::Nothing,
        "modify" if is_mark(step) => Effect::Nothing,
        "rewrite_tag" => Effect::Rewrites,
        "grep" | "throttle" | "throttle_size" | "sampling" => Effect::Drops,
        _ => Effect::Alters,
    }
}

/// Checks whether a `grep` lets only sealed records pass.
pub(crate) fn is_guard(step: &Section) -> bool {
    let rules = |key| step.properties.iter().filter(move |property| property.key == key);
    step.is("grep")
        && rules("exclude").next().is_none()
        && rules("regex").any(|rule| rule_for(&rule.raw) == For::Sealed)
}

/// Checks whether a `modify` gives an `audit` only to records without one, so that sealed
/// records stay unchanged.
pub(crate) fn is_mark(step: &Section) -> bool {
    let is_framework = |key: &str| matches!(key, "name" | "match" | "match_regex" | "alias" | "log_level");
    let mut own = step.properties.iter().filter(|property| !is_framework(&property.key)).peekable();
    let is_add = |key: &str, value: &str| key == "add" && value.split_whitespace().next() == Some("audit");
    step.is("modify") && own.peek().is_some() && own.all(|property| is_add(&property.key, &property.raw))
}

/// Checks whether a `modify` removes a client's own `audit`.
pub(crate) fn takes_audit_away(step: &Section) -> bool {
    let takes = |key: &str| matches!(key, "hard_rename" | "remove");
    let is_audit = |value: &str| value.split_whitespace().next() == Some("audit");
    step.is("modify")
        && step.properties.iter().any(|property| takes(&property.key) && is_audit(&property.raw))
}

/// The records that a rule of `grep` or `rewrite_tag` is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// Sealed records: the rule looks into the seal.
    Sealed,
    /// Records with an `audit` that is a mark and no seal.
    Marked,
    Any,
}

/// Returns the records that a rule is for.
pub(crate) fn rule_for(rule: &str) -> For {
    let key = rule.split_whitespace().next().unwrap_or_default();
    match key.strip_prefix('$').unwrap_or(key) {
        "audit" => For::Marked,
        key if key.starts_with("audit[") => For::Sealed,
        _ => For::Any,
    }
}

/// Checks whether a `rewrite_tag` leaves sealed records alone.
pub(crate) fn rewrites_marked_only(filter: &Section) -> bool {
    let mut rules = filter.properties.iter().filter(|property| property.key == "rule").peekable();
    filter.is("rewrite_tag") && rules.peek().is_some() && rules.all(|rule| rule_for(&rule.raw) == For::Marked)
}

/// Checks whether a step is the audit filter, as a filter or in `processors`.
pub(crate) fn is_audit_filter(step: &Section) -> bool {
    let has_module = file_name(step, "wasm_path").is_some_and(|name| name.starts_with("filter_audit"));
    step.is("wasm") && (has_module || step.text("function_name") == Some("audit"))
}

/// Checks whether a filter deliberately has no state: its directory is one of a process,
/// in which nothing can be created and which always exists.
pub(crate) fn is_stateless(filter: &Section) -> bool {
    filter
        .list("accessible_paths")
        .is_some_and(|paths| paths.first().is_some_and(|path| path.starts_with("/proc/")))
}

/// Checks whether an output runs components.
pub(crate) fn is_component_output(output: &Section) -> bool {
    output.is("wasm")
}

/// Checks whether an output is the ledger.
pub(crate) fn is_ledger(output: &Section) -> bool {
    is_component_output(output)
        && file_name(output, "component").is_some_and(|name| name.starts_with("out_audit"))
}

/// Checks whether an input prints checkpoints.
pub(crate) fn is_anchors(input: &Section) -> bool {
    input.is("exec_wasi")
        && file_name(input, "wasi_path").is_some_and(|name| name.starts_with("in_checkpoint"))
}

/// Returns the name of the file that a property names, even if the directory depends on
/// variables.
fn file_name<'a>(section: &'a Section, key: &str) -> Option<&'a str> {
    let property = section.property(key)?;
    let path = property.value.as_deref().unwrap_or(&property.raw);
    Path::new(path).file_name()?.to_str()
}

/// Checks whether an input has nothing that an audit would miss: its records are created
/// again, or made up, or are no log.
pub(crate) fn is_no_log(input: &Section) -> bool {
    let made = [
        "dummy",
        "random",
        "cpu",
        "mem",
        "disk",
        "netif",
        "proc",
        "thermal",
        "health",
        "docker",
        "fluentbit_metrics",
        "fluentbit_logs",
        "node_exporter_metrics",
        "process_exporter_metrics",
        "podman_metrics",
        "windows_exporter_metrics",
        "nginx_metrics",
        "prometheus_scrape",
        "prometheus_textfile",
        "prometheus_remote_write",
        "gpu_metrics",
        "statsd",
        "collectd",
        "event_type",
        "event_test",
        "ebpf",
    ];
    is_anchors(input) || made.iter().any(|name| input.is(name))
}

/// Checks whether an input collects in a coroutine in all versions.
pub(crate) fn is_coroutine(input: &Section) -> bool {
    let names = [
        "health",
        "kubernetes_events",
        "calyptia_fleet",
        "nginx_metrics",
        "prometheus_scrape",
        "prometheus_textfile",
        "event_type",
        "event_test",
    ];
    names.iter().any(|name| input.is(name))
}

/// Returns the tag of an input's records. `*` stands for parts that are only known when
/// Fluent Bit runs. `nth` counts the inputs of the same plugin from 0.
pub(crate) fn tag(input: &Section, nth: usize) -> String {
    match input.setting("tag") {
        Setting::Is(tag) => {
            let mut out = String::new();
            let mut rest = tag;
            while let Some((before, behind)) = rest.split_once('<') {
                out += before;
                out.push('*');
                rest = behind.split_once('>').map_or("", |(_, rest)| rest);
            }
            out + rest
        }
        Setting::Unknown => "*".into(),
        Setting::Absent => match input.name().as_str() {
            "forward" => match input.text("tag_prefix") {
                Some(prefix) => format!("{prefix}*"),
                None => "*".into(),
            },
            "http" | "splunk" | "opentelemetry" | "elasticsearch" | "kafka" | "mqtt" => "*".into(),
            name => format!("{name}.{nth}"),
        },
    }
}

/// Returns the tag that a rule of `rewrite_tag` gives to records with a tag.
pub(crate) fn new_tag(rule: &str, tag: &str) -> Option<String> {
    let words: Vec<&str> = rule.split_whitespace().collect();
    let template = words.len().checked_sub(2).and_then(|at| words.get(at)).filter(|_| words.len() >= 4)?;
    let mut out = String::new();
    let mut rest = *template;
    while let Some((before, behind)) = rest.split_once('$') {
        out += before;
        let end = behind.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(behind.len());
        let (name, mut behind) = behind.split_at(end);
        let mut has_index = false;
        while let Some(index) = behind.strip_prefix('[') {
            has_index = true;
            behind = index.split_once(']').map_or("", |(_, behind)| behind);
        }
        out += if name == "TAG" && !has_index { tag } else { "*" };
        rest = behind;
    }
    Some(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_tags_are_made_from_the_old() {
        for (rule, expected) in [
            ("$audit['disposition'] ^quarantine$ dead-letter.$TAG false", Some("dead-letter.kube.audit")),
            ("$a ^x$ new.$TAG[1].$0.end true", Some("new.*.*.end")),
            ("$a ^x$ plain false", Some("plain")),
            ("$a ^x$ $ns['a']['b'].log false", Some("*.log")),
            ("$a ^x$", None),
        ] {
            assert_eq!(new_tag(rule, "kube.audit").as_deref(), expected, "{rule}");
        }
    }
}
