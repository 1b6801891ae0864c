//! Checks of filters: whether ours runs, for which records, and which steps come after
//! it.

use super::{Check, Hit, Scene, Severity};
use crate::config::{Kind, Setting, size};
use crate::flow::{Match, Step};
use crate::plugins::{self, Effect};
use crate::source::{Format, Place};
use crate::wildcard::Fit;
use std::collections::BTreeMap;

/// The stack that Fluent Bit gives a module, for which the filter is built.
const STACK_BYTES_NEEDED: u64 = 8192;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "nothing-sealed",
        severity: Severity::Note,
        why: "The configuration has logs, and neither the audit filter nor the ledger: nobody can verify them.",
        remedy: "Add the filter, as the example `filter-audit.yaml` has it.",
        find: |scene| {
            let log = scene.inputs().find(|(_, input)| !plugins::is_no_log(input));
            let log =
                log.filter(|_| !scene.seals() && scene.filters().chain(scene.outputs()).next().is_some());
            log.map(|(_, input)| Hit::new(input.place, "nothing seals these records")).into_iter().collect()
        },
    },
    Check {
        id: "event-format",
        severity: Severity::Error,
        why: "With `event_format msgpack` Fluent Bit cuts what the filter returns at the first zero byte. Every record \
              vanishes, without a line in the log.",
        remedy: "Set `event_format json`.",
        find: |scene| {
            let wrong = |value: &str| !value.eq_ignore_ascii_case("json");
            each(scene, "event_format", wrong, |hit, step| hit.set_at(step, "event_format", "json"))
        },
    },
    Check {
        id: "function-name",
        severity: Severity::Error,
        why: "The module has one function for Fluent Bit, `audit`. Another name fails at each call, and the records \
              are lost or pass unsealed.",
        remedy: "Set `function_name audit`.",
        find: |scene| {
            let mut hits = each(
                scene,
                "function_name",
                |value| value != "audit",
                |hit, step| hit.set_at(step, "function_name", "audit"),
            );
            let without = scene.audit_filters().filter(|(_, filter)| !filter.has("function_name"));
            hits.extend(without.map(|(step, filter)| {
                Hit::new(filter.place, "the filter has no `function_name`").set_at(
                    step,
                    "function_name",
                    "audit",
                )
            }));
            hits
        },
    },
    Check {
        id: "wasm-path",
        severity: Severity::Error,
        why: "Without `wasm_path` there is no module to run, and Fluent Bit does not start.",
        remedy: "Set `wasm_path` to filter_audit.wasm.",
        find: |scene| {
            let without = scene.audit_filters().filter(|(_, filter)| !filter.has("wasm_path"));
            without
                .map(|(step, filter)| {
                    Hit::new(filter.place, "the filter has no `wasm_path`").set_at(
                        step,
                        "wasm_path",
                        "/etc/fluent-bit/filter_audit.wasm",
                    )
                })
                .collect()
        },
    },
    Check {
        id: "state-unset",
        severity: Severity::Error,
        why: "Without `accessible_paths` the filter sees the directory in which Fluent Bit happens to run. If there is \
              no chain in it, each life of the filter makes up a chain of its own, which has no keys: whoever can \
              write the log can seal it anew.",
        remedy: "Make a state directory with `flb-audit init DIR --node NAME --roster roster.json`, and name it.",
        find: |scene| {
            let is_open =
                |paths: &str| matches!(paths.split(',').next().map(str::trim), None | Some("" | "." | "./"));
            let mut hits = each(scene, "accessible_paths", is_open, |hit, step| {
                hit.set_at(step, "accessible_paths", STATE_DIRECTORY)
            });
            let without = scene.audit_filters().filter(|(_, filter)| !filter.has("accessible_paths"));
            hits.extend(without.map(|(step, filter)| {
                let hit = Hit::new(filter.place, "the filter has no state directory");
                hit.set_at(step, "accessible_paths", STATE_DIRECTORY)
            }));
            hits
        },
    },
    Check {
        id: "state-shared",
        severity: Severity::Error,
        why: "Two filters, or a filter and a ledger, that write one chain overwrite each other's state: records get \
              the same numbers, and `verify` reports a conflict.",
        remedy: "Give each its own state directory, made by `flb-audit init`. An entry of `processors` is a filter of \
                 its own.",
        find: shared_states,
    },
    Check {
        id: "no-match",
        severity: Severity::Error,
        why: "Fluent Bit unloads a filter that has neither `match` nor `match_regex`, and sends nothing to such an \
              output.",
        remedy: "Set `match`.",
        find: |scene| {
            let filters = scene.filters().filter(|(_, filter)| plugins::is_audit_filter(filter));
            let outputs = scene.outputs().filter(|(_, output)| plugins::is_ledger(output));
            let without = filters.chain(outputs).filter(|(_, section)| Match::of(section).is_none());
            without
                .map(|(_, section)| Hit::new(section.place, format!("`{}` has no `match`", section.name())))
                .collect()
        },
    },
    Check {
        id: "match-nothing",
        severity: Severity::Error,
        why: "The audit filter's `match` fits the tag of no input, so it seals nothing. In `match`, `*` stands for any \
              text, and capital letters count.",
        remedy: "Let `match` fit the tags that are to be sealed.",
        find: |scene| {
            let has_inputs = scene.inputs().next().is_some();
            let idle = scene.filters().filter(|(at, filter)| {
                plugins::is_audit_filter(filter)
                    && has_inputs
                    && !Match::of(filter).is_none()
                    && scene.flows.fits.get(at).is_none_or(|fit| *fit == Fit::No)
            });
            let tags: Vec<&str> = scene.flows.tags.values().map(String::as_str).collect();
            idle.map(|(_, filter)| {
                let message = format!("the filter fits none of the tags: {}", tags.join(", "));
                Hit::new(filter.place_of("match"), message)
            })
            .collect()
        },
    },
    Check {
        id: "sealed-twice",
        severity: Severity::Error,
        why: "A record that is sealed already is sealed again: the first seal becomes data, under another name, and \
              its chain has a gap. That also happens to records that `rewrite_tag` sends round under a new tag.",
        remedy: "Let each tag fit one audit filter. Under its new tag, a rewritten record goes through all filters \
                 again.",
        find: |scene| {
            let twice = scene.flows.sealed_twice.iter();
            twice
                .map(|(step, tag)| {
                    let filter = scene.section(*step);
                    let message = format!("records with the tag `{tag}` come here sealed already");
                    Hit::new(filter.place_of("match"), message)
                })
                .collect()
        },
    },
    Check {
        id: "altered-behind-seal",
        severity: Severity::Error,
        why: "What alters a record that is sealed breaks its seal: `verify` reports every such record as tampered.",
        remedy: "Move the audit filter behind all others. A processor of an input runs before all filters, and a \
                 processor of an output behind them.",
        find: |scene| behind(scene, |effect| effect == Effect::Alters, "alters records that are sealed"),
    },
    Check {
        id: "dropped-behind-seal",
        severity: Severity::Error,
        why: "What drops a record that is sealed leaves a gap in its chain, which `verify` cannot tell from one that \
              somebody deleted.",
        remedy: "Move it before the audit filter. A `grep` that lets only sealed records pass, as \
                 `regex $audit['head'] .` does, may stay.",
        find: |scene| behind(scene, |effect| effect == Effect::Drops, "drops records that are sealed"),
    },
    Check {
        id: "unguarded",
        severity: Severity::Note,
        why: "Fluent Bit 4.0 goes on without the filter if an accessible path is missing at startup or is removed \
              while it runs: records then reach the outputs unsealed, and with all secrets in them. From 4.1 on, \
              Fluent Bit refuses to start. A client that sends its own `audit` gets past a guard that looks at it.",
        remedy: "Put the rules of the example `filter-audit.yaml` around the filter, or at least a `grep` behind it \
                 that lets only sealed records pass, and a `modify` before it that renames `audit`. A ledger needs no \
                 guard: it redacts and seals what comes unsealed. With `--fluent-bit` and a version before 4.1 this \
                 is a warning, with a later one nothing.",
        find: unguarded,
    },
    Check {
        id: "wasm-stack",
        severity: Severity::Error,
        why: "The filter needs the 8 KiB of stack that Fluent Bit gives a module by default. With less, calls fail \
              with `out of bounds memory access`, and the records are lost.",
        remedy: "Leave `wasm_stack_size` out.",
        find: |scene| {
            let small = |value: &str| size(value).is_some_and(|bytes| bytes < STACK_BYTES_NEEDED);
            each(scene, "wasm_stack_size", small, |hit, step| hit.set_at(step, "wasm_stack_size", "8192"))
        },
    },
    Check {
        id: "rewrite-tag-busy",
        severity: Severity::Note,
        why: "From Fluent Bit 3.0.2 to 5.0.8, `rewrite_tag` drops records in silence while its emitter is busy.",
        remedy: "Use Fluent Bit 5.0.9, 5.1.0 or later. With `--fluent-bit` and a version that has the fault this is a \
                 warning, with another one nothing.",
        find: |scene| {
            let severity = match scene.options.fluent_bit {
                None => Severity::Note,
                Some(version) if version.has_lossy_emitter() => Severity::Warning,
                Some(_) => return Vec::new(),
            };
            rewriters(scene, false, |_, place| {
                Some(Hit::new(place, "a busy emitter drops records").severity(severity))
            })
        },
    },
    Check {
        id: "rewrite-tag-stop",
        severity: Severity::Note,
        why: "`rewrite_tag` holds records in memory for a moment before they are in a chunk. Those that are there when \
              Fluent Bit stops are lost, whatever the storage, and leave a gap if they were sealed.",
        remedy: "If you cannot accept that, do without such a rule, and restore records in quarantine from the \
                 whole log with `flb-audit restore`. With `exit_on_eof` this is a warning.",
        find: |scene| {
            let ends = scene.inputs().any(|(_, input)| input.is_on("exit_on_eof"));
            let severity = if ends { Severity::Warning } else { Severity::Note };
            rewriters(scene, false, |_, place| {
                Some(
                    Hit::new(place, "records in its emitter are lost when Fluent Bit stops")
                        .severity(severity),
                )
            })
        },
    },
    Check {
        id: "rewrite-tag-memory",
        severity: Severity::Warning,
        why: "The records that `rewrite_tag` sends on wait in memory, whatever the storage of their input is.",
        remedy: "Set `emitter_storage.type filesystem`.",
        find: |scene| {
            rewriters(scene, true, |at, place| {
                let filter = &scene.config.sections[at];
                let is_memory = match filter.setting("emitter_storage.type") {
                    Setting::Absent => true,
                    Setting::Unknown => false,
                    Setting::Is(value) => !value.eq_ignore_ascii_case("filesystem"),
                };
                let hit = || Hit::new(place, "rewritten records wait in memory");
                is_memory.then(|| hit().set(at, "emitter_storage.type", "filesystem"))
            })
        },
    },
];

const STATE_DIRECTORY: &str = "/var/lib/flb-audit/filter";

/// Returns hits for a property of our filters that is known and has a wrong value.
fn each(
    scene: &Scene<'_>,
    key: &'static str,
    is_wrong: impl Fn(&str) -> bool,
    hit: impl Fn(Hit, Step) -> Hit,
) -> Vec<Hit> {
    let filters = scene.audit_filters().filter_map(|(step, filter)| Some((step, filter, filter.text(key)?)));
    filters
        .filter(|(_, _, value)| is_wrong(value))
        .map(|(step, filter, value)| {
            hit(Hit::new(filter.place_of(key), format!("`{key}` is `{value}`")), step)
        })
        .collect()
}

fn shared_states(scene: &Scene<'_>) -> Vec<Hit> {
    let with_state = scene.audit_filters().filter(|(_, filter)| !plugins::is_stateless(filter));
    let filters = with_state.filter_map(|(step, filter)| {
        let state = *filter.list("accessible_paths")?.first()?;
        Some((state, filter.place_of("accessible_paths"), step))
    });
    let ledgers = scene.ledgers().filter_map(|(section, ledger)| {
        let step = Step { section, processor: None };
        Some((ledger.text("dir")?, ledger.place_of("dir"), step))
    });
    let (mut seen, mut hits) = (BTreeMap::new(), Vec::new());
    for (state, place, _) in filters.chain(ledgers) {
        let state = plain(state);
        if state.is_empty() {
            continue;
        }
        let first = *seen.entry(state.clone()).or_insert(place);
        if first != place {
            let message = format!("{state} is the state directory of line {}, too", first.line);
            hits.push(Hit::new(place, message));
        }
    }
    hits
}

/// Returns a path without `.`, `..` and doubled slashes.
pub(super) fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    let root = if path.starts_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

fn behind(scene: &Scene<'_>, is_wrong: impl Fn(Effect) -> bool, what: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (at, (fit, tag)) in &scene.flows.behind {
        let step = scene.section(*at);
        if !is_wrong(plugins::effect(step)) || plugins::is_guard(step) {
            continue;
        }
        let place = if step.kind == Kind::Filter { step.place_of("match") } else { step.place };
        let hit = Hit::new(place, format!("`{}` {what}, with the tag `{tag}`", step.name()));
        hits.push(if *fit == Fit::Yes { hit } else { hit.severity(Severity::Warning) });
    }
    hits
}

fn unguarded(scene: &Scene<'_>) -> Vec<Hit> {
    let severity = match scene.options.fluent_bit {
        None => Severity::Note,
        Some(version) if version.passes_unsealed() => Severity::Warning,
        Some(_) => return Vec::new(),
    };
    // True for a filter if all records that it seals go to ledgers.
    let mut to_ledgers: BTreeMap<Step, bool> = BTreeMap::new();
    for arrival in &scene.flows.arrivals {
        let Some(sealer) = arrival.sealer else { continue };
        *to_ledgers.entry(sealer).or_insert(true) &=
            plugins::is_ledger(&scene.config.sections[arrival.output]);
    }
    let mut hits = Vec::new();
    for (step, filter) in scene.audit_filters() {
        let flows = scene.flows;
        let is_processor = step.processor.is_some();
        let is_idle = || {
            Match::of(filter).is_none() || flows.fits.get(&step.section).is_some_and(|fit| *fit == Fit::No)
        };
        if (!is_processor && is_idle()) || to_ledgers.get(&step) == Some(&true) {
            continue;
        }
        let rule = filter.text("match").unwrap_or("*");
        let format = scene.config.format(filter.place);
        if !flows.guarded.contains(&step) {
            let hit = Hit::new(filter.place, "no guard keeps records in when the filter cannot run");
            let lines = section(format, "grep", rule, "regex $audit['head'] ^[A-Za-z0-9_-]{43}$");
            hits.push(hit.severity(severity).lines(lines));
        } else if !flows.unspoiled.contains(&step) && !plugins::is_stateless(filter) {
            let hit = Hit::new(filter.place, "a client's own `audit` passes the guard");
            hits.push(hit.severity(severity).lines(section(
                format,
                "modify",
                rule,
                "hard_rename audit audit_",
            )));
        }
    }
    hits
}

/// Returns the lines of another filter with one property.
fn section(format: Format, name: &str, rule: &str, property: &str) -> [String; 4] {
    match format {
        Format::Yaml => [
            "filters:".into(),
            format!("  - name: {name}"),
            format!("    match: '{rule}'"),
            format!("    {}", property.replacen(' ', ": ", 1)),
        ],
        Format::Classic => [
            "[FILTER]".into(),
            format!("    name   {name}"),
            format!("    match  {rule}"),
            format!("    {property}"),
        ],
    }
}

/// Returns hits for each `rewrite_tag` that gets records. `with_fallbacks` includes those
/// that are only for records which no filter could seal.
fn rewriters(scene: &Scene<'_>, with_fallbacks: bool, hit: impl Fn(usize, Place) -> Option<Hit>) -> Vec<Hit> {
    if !scene.seals() {
        return Vec::new();
    }
    let filters = scene.filters().filter(|(at, filter)| {
        filter.is("rewrite_tag")
            && (with_fallbacks || !plugins::rewrites_marked_only(filter))
            && scene.flows.fits.get(at).is_some_and(|fit| *fit > Fit::No)
    });
    filters.filter_map(|(at, filter)| hit(at, filter.place)).collect()
}
