//! Checks of `out_wasm.so`, of components as outputs, and of the ledger.

use super::{Check, Hit, Scene, Severity};
use crate::config::{Section, Setting, is_true, size};
use crate::plugins;
use crate::report::yaml_scalar;
use crate::source::Format;
use std::path::Path;

/// The properties of `out_wasm.so`.
const OWN: [&str; 8] =
    ["component", "dir", "read_only", "memory_limit", "deadline", "allow", "ca_file", "failure_limit"];
/// The beginnings of the component's own properties. The second names a file or a variable that
/// has the value.
const OF_COMPONENT: [&str; 2] = ["config.", "secret."];
/// The properties of `out_audit.wasm`, without their `config.`.
const LEDGER: [&str; 8] =
    ["file_size", "file_age", "keep_size", "keep_age", "recipients", "roster", "fleet", "sync"];
/// The properties that Fluent Bit has for all outputs and that make sense here.
const COMMON: [&str; 12] = [
    "name",
    "match",
    "match_regex",
    "alias",
    "log_level",
    "log_suppress_interval",
    "retry_limit",
    "workers",
    "storage.total_limit_size",
    "host",
    "port",
    "tls",
];

/// The memory of a component without `memory_limit`, in bytes.
const MEMORY_LIMIT: u64 = 64_000_000;
/// A record takes this many times its size in the ledger's memory. This was measured with
/// records of 4 to 16 MB.
const MEMORY_TIMES: u64 = 12;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "plugin-missing",
        severity: Severity::Error,
        why: "Fluent Bit has no output `wasm` of its own, and does not start without `out_wasm.so`. It takes a file \
              whose name begins with `flb-` for another kind of plugin.",
        remedy: "Name `out_wasm.so` in a plugins file, and that file as `plugins_file` of the service, or with \
                 `--plugin`.",
        find: |scene| {
            let is_own = |path: &str| Path::new(path).file_name().is_some_and(|name| name == "out_wasm.so");
            let is_loaded =
                scene.config.objects.iter().any(|object| object.value.as_deref().is_none_or(is_own));
            // If a plugins file could not be read, another check reports that.
            let is_named = scene.config.service().is_some_and(|service| service.has("plugins_file"));
            let first = components(scene)
                .next()
                .filter(|_| !is_loaded && (!is_named || scene.config.problems.is_empty()));
            let hit = |output: &Section| {
                Hit::new(output.place, "no plugins file loads out_wasm.so")
                    .lines(["[PLUGINS]", "    Path  /etc/fluent-bit/out_wasm.so"])
            };
            first.map(|(_, output)| hit(output)).into_iter().collect()
        },
    },
    Check {
        id: "component-missing",
        severity: Severity::Error,
        why: "Without `component` there is nothing to run, and Fluent Bit does not start.",
        remedy: "Set `component`, as `/etc/fluent-bit/out_audit.wasm`.",
        find: |scene| {
            let without = components(scene).filter(|(_, output)| !output.has("component"));
            without.map(|(_, output)| Hit::new(output.place, "the output has no `component`")).collect()
        },
    },
    Check {
        id: "component-property",
        severity: Severity::Error,
        why: "Fluent Bit tells such a plugin only the properties that it asks for. A misspelt property \
              has no effect, so the limit or the recipient that you meant is not in force.",
        remedy: "Correct the name. Everything for the component itself begins with `config.` or `secret.`.",
        find: |scene| components(scene).flat_map(|(_, output)| unknown(scene, output)).collect(),
    },
    Check {
        id: "component-workers",
        severity: Severity::Error,
        why: "For plugins of this kind, Fluent Bit starts the threads of `workers` twice and loses one set. It \
              was seen to crash in these threads at a hot reload.",
        remedy: "Set `workers` to 0, or leave it out.",
        find: |scene| {
            let many = |output: &Section| super::outputs::count(output, "workers").is_some_and(|n| n > 0);
            let with = components(scene).filter(|(_, output)| many(output));
            with.map(|(at, output)| {
                Hit::new(output.place_of("workers"), "threads are started twice").set(at, "workers", "0")
            })
            .collect()
        },
    },
    Check {
        id: "ledger-failures",
        severity: Severity::Warning,
        why: "A chunk that ends the component more than `failure_limit` times, 5 if it is not set, is dropped.",
        remedy: "Set `failure_limit no_limits`.",
        find: |scene| {
            ledgers(
                scene,
                |ledger| {
                    !matches!(ledger.setting("failure_limit"), Setting::Unknown | Setting::Is("no_limits"))
                },
                |at, ledger| {
                    Hit::new(ledger.place_of("failure_limit"), "chunks are dropped after failures").set(
                        at,
                        "failure_limit",
                        "no_limits",
                    )
                },
            )
        },
    },
    Check {
        id: "ledger-memory",
        severity: Severity::Warning,
        why: "A record takes up to 12 times its size while the ledger stores it. One that needs more than \
              `memory_limit`, 64M if it is not set, ends the component at each try: it is retried for ever or dropped, \
              and its chain has a gap.",
        remedy: "Set `memory_limit` to 12 times the longest line or more. It is a limit: memory is taken only when a \
                 record needs it.",
        find: |scene| {
            let mut hits = Vec::new();
            for (at, ledger) in scene.ledgers() {
                let limit = match ledger.setting("memory_limit") {
                    Setting::Absent => Some(MEMORY_LIMIT),
                    Setting::Unknown => None,
                    Setting::Is(value) => size(value),
                };
                let own = scene.flows.arrivals_at(at);
                let longest =
                    own.filter_map(|arrival| line_bytes(&scene.config.sections[arrival.input])).max();
                let (Some(limit), Some(longest)) = (limit, longest) else { continue };
                if limit / MEMORY_TIMES < longest {
                    let message =
                        format!("a record of {longest} bytes does not fit into the ledger's memory");
                    let hit = Hit::new(ledger.place_of("memory_limit"), message);
                    let wanted = (longest * MEMORY_TIMES).div_ceil(64_000_000) * 64;
                    hits.push(hit.set(at, "memory_limit", format!("{wanted}M")));
                }
            }
            hits
        },
    },
    Check {
        id: "ledger-directory",
        severity: Severity::Error,
        why: "The ledger has no place to write to without `dir`, or with `read_only`, and Fluent Bit does not start.",
        remedy: "Make the directory with `flb-audit init DIR --node NAME --roster roster.json`, and name it as `dir`.",
        find: |scene| {
            let mut hits = ledgers(
                scene,
                |ledger| !ledger.has("dir"),
                |at, ledger| {
                    Hit::new(ledger.place, "the ledger has no `dir`").set(
                        at,
                        "dir",
                        "/var/lib/flb-audit/ledger",
                    )
                },
            );
            hits.extend(ledgers(
                scene,
                |ledger| ledger.is_on("read_only"),
                |at, ledger| {
                    Hit::new(ledger.place_of("read_only"), "the ledger must be able to write").set(
                        at,
                        "read_only",
                        "off",
                    )
                },
            ));
            hits
        },
    },
    Check {
        id: "ledger-sync",
        severity: Severity::Warning,
        why: "With `config.sync off` the ledger answers before records are on the disk: a loss of power loses them, \
              and Fluent Bit does not send them again.",
        remedy: "Leave `config.sync` on.",
        find: |scene| {
            let is_off = |ledger: &Section| ledger.text("config.sync").is_some_and(|value| !is_true(value));
            ledgers(scene, is_off, |at, ledger| {
                Hit::new(
                    ledger.place_of("config.sync"),
                    "records are not on the disk when they are acknowledged",
                )
                .set(at, "config.sync", "on")
            })
        },
    },
];

fn components<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (usize, &'a Section)> {
    scene.outputs().filter(|(_, output)| plugins::is_component_output(output))
}

fn ledgers(
    scene: &Scene<'_>,
    is_wrong: impl Fn(&Section) -> bool,
    hit: impl Fn(usize, &Section) -> Hit,
) -> Vec<Hit> {
    scene.ledgers().filter(|(_, ledger)| is_wrong(ledger)).map(|(at, ledger)| hit(at, ledger)).collect()
}

/// Returns the maximum length of an input's records. Returns `None` if it is not known.
fn line_bytes(input: &Section) -> Option<u64> {
    match input.setting("buffer_max_size") {
        Setting::Is(value) => size(value),
        Setting::Absent if input.is("tail") => Some(32_000),
        Setting::Absent | Setting::Unknown => None,
    }
}

/// Finds properties that nothing reads.
fn unknown(scene: &Scene<'_>, output: &Section) -> Vec<Hit> {
    let starts = OF_COMPONENT.iter().flat_map(|start| LEDGER.map(|name| format!("{start}{name}")));
    let of_component: Vec<String> = starts.collect();
    let is_ledger = plugins::is_ledger(output);
    let mut hits = Vec::new();
    for property in &output.properties {
        let key = property.key.as_str();
        let is_known = OWN.contains(&key)
            || COMMON.contains(&key)
            || ["net.", "tls.", "oauth2"].iter().any(|start| key.starts_with(start))
            || (OF_COMPONENT.iter().any(|start| key.starts_with(start))
                && (!is_ledger || of_component.iter().any(|known| known == key)));
        if is_known {
            continue;
        }
        let own = OWN.iter().chain(&COMMON).map(|name| name.to_string());
        let known = own.chain(of_component.iter().filter(|_| is_ledger).cloned());
        let close = |name: &String| {
            let bare = name.strip_prefix("config.").unwrap_or(name);
            strsim::damerau_levenshtein(key, name).min(strsim::damerau_levenshtein(key, bare))
        };
        let meant = known.min_by_key(close).filter(|name| close(name) <= 1 + key.len() / 4);
        let hit = match &meant {
            Some(name) => {
                Hit::new(property.place, format!("nobody asks for `{key}`; `{name}` is meant, perhaps"))
            }
            None => Hit::new(property.place, format!("nobody asks for `{key}`")),
        };
        hits.push(match meant {
            Some(name) => hit.lines([match scene.config.format(property.place) {
                Format::Yaml => format!("{name}: {}", yaml_scalar(&property.raw)),
                Format::Classic => format!("{name} {}", property.raw),
            }]),
            None => hit,
        });
    }
    hits
}
