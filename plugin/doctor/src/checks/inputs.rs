//! Checks of inputs: records that are lost before they are sealed.

use super::{Check, Hit, Scene, Severity};
use crate::Version;
use crate::config::{Section, Setting};
use crate::plugins;
use crate::wildcard::Fit;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "input-storage",
        severity: Severity::Warning,
        why: "Records that wait in memory are lost if Fluent Bit is killed or the power fails. Those that were sealed \
              are then a gap.",
        remedy: "Set `storage.type filesystem`, and `storage.path` for the service.",
        find: |scene| {
            let is_memory = |input: &Section| match input.setting("storage.type") {
                Setting::Absent => true,
                Setting::Unknown => false,
                Setting::Is(value) => value.eq_ignore_ascii_case("memory"),
            };
            audited(scene, is_memory, |at, input| {
                let hit = Hit::new(input.place_of("storage.type"), "records wait in memory");
                let hit = hit.set(at, "storage.type", "filesystem");
                let has_path = scene.config.of_service("storage.path") != Setting::Absent;
                if has_path { hit } else { hit.set_service("storage.path", STORAGE_PATH) }
            })
        },
    },
    Check {
        id: "input-memrb",
        severity: Severity::Error,
        why: "`storage.type memrb` is a ring: when it is full, Fluent Bit drops the oldest records without an error.",
        remedy: "Set `storage.type filesystem`.",
        find: |scene| {
            let is_ring = |input: &Section| {
                input.text("storage.type").is_some_and(|value| value.eq_ignore_ascii_case("memrb"))
            };
            audited(scene, is_ring, |at, input| {
                Hit::new(
                    input.place_of("storage.type"),
                    "the oldest records are dropped when the buffer is full",
                )
                .set(at, "storage.type", "filesystem")
            })
        },
    },
    Check {
        id: "storage-path",
        severity: Severity::Error,
        why: "Fluent Bit does not start if an input has `storage.type filesystem` and the service has no \
              `storage.path`.",
        remedy: "Set `storage.path` for the service.",
        find: |scene| {
            if scene.config.of_service("storage.path") != Setting::Absent {
                return Vec::new();
            }
            let keys = ["storage.type", "emitter_storage.type"];
            let wants = |section: &Section| {
                keys.into_iter().find(|key| {
                    section.text(key).is_some_and(|value| value.eq_ignore_ascii_case("filesystem"))
                })
            };
            let first = scene
                .inputs()
                .chain(scene.filters())
                .find_map(|(_, section)| Some((section, wants(section)?)));
            first
                .map(|(section, key)| {
                    Hit::new(section.place_of(key), "the service has no `storage.path`")
                        .set_service("storage.path", STORAGE_PATH)
                })
                .into_iter()
                .collect()
        },
    },
    Check {
        id: "mem-buf-limit",
        severity: Severity::Warning,
        why: "With records in memory, an input that reaches `mem_buf_limit` is paused. Until it goes on, what clients \
              send is refused or lost, and files may be rotated away.",
        remedy: "Set `storage.type filesystem`: the limit does not count then.",
        find: |scene| {
            let is_memory = |input: &Section| match input.setting("storage.type") {
                Setting::Is(value) => !value.eq_ignore_ascii_case("filesystem"),
                Setting::Absent => true,
                Setting::Unknown => false,
            };
            audited(
                scene,
                |input| input.has("mem_buf_limit") && is_memory(input),
                |at, input| {
                    Hit::new(
                        input.place_of("mem_buf_limit"),
                        "the input is paused when its records fill this",
                    )
                    .set(at, "storage.type", "filesystem")
                },
            )
        },
    },
    Check {
        id: "storage-overlimit",
        severity: Severity::Warning,
        why: "With `storage.pause_on_chunks_overlimit` an input is paused when enough chunks wait. What clients send \
              meanwhile is refused or lost.",
        remedy: "Leave it out, or accept that only inputs that can wait, such as `tail`, are safe with it.",
        find: |scene| {
            let is_paused =
                |input: &Section| input.is_on("storage.pause_on_chunks_overlimit") && !input.is("tail");
            audited(scene, is_paused, |_, input| {
                Hit::new(
                    input.place_of("storage.pause_on_chunks_overlimit"),
                    "the input is paused when chunks wait",
                )
            })
        },
    },
    Check {
        id: "input-coroutine",
        severity: Severity::Error,
        why: "This input collects in a coroutine. Fluent Bit's WASM runtime takes the coroutine's stack for an \
              overflow, runs no module, and every record is lost, with `native stack overflow` in the log.",
        remedy: "Set `threaded`. For `forward`, from Fluent Bit 5.1 on, `workers 2` is as good, and is needed if the \
                 filter is one of the input's `processors`. As a processor of the other inputs it cannot run: make it \
                 a filter.",
        find: |scene| scene.inputs().filter_map(|(at, input)| coroutine(scene, at, input)).collect(),
    },
    Check {
        id: "wasm-threads",
        severity: Severity::Error,
        why: "A WASM filter among the `processors` of a threaded input starts the WASM runtime in that input's thread. \
              Another WASM filter, or an `exec_wasi`, cannot run beside it: Fluent Bit 4.0 aborts, or passes \
              chunks on unsealed; later versions refuse to start with `thread signal env not inited`, or no checkpoint is printed.",
        remedy: "Make the filter an entry of `filters`, one for all inputs, or leave `threaded` out.",
        find: |scene| {
            let is_wasm = |section: &Section| section.is("wasm");
            let mut hits = Vec::new();
            for (at, input) in scene.inputs().filter(|(_, input)| input.is_on("threaded")) {
                let Some(own) = input.processors.iter().find(|step| is_wasm(step)) else { continue };
                let filters = scene.steps().filter(|(step, _)| step.section != at).map(|(_, step)| step);
                let inputs = scene.inputs().map(|(_, input)| input).filter(|input| input.is("exec_wasi"));
                if let Some(other) = filters.filter(|step| is_wasm(step)).chain(inputs).next() {
                    let line = other.place.line;
                    let message = format!("`{}` in line {line} cannot run beside this one", other.name());
                    hits.push(Hit::new(own.place, message));
                }
            }
            hits
        },
    },
    Check {
        id: "input-unsealed",
        severity: Severity::Error,
        why: "Records of this input reach an output that sealed records reach, and nothing seals them. `verify` then \
              says *unsealed*, and nobody can tell them from records that went past the filter.",
        remedy: "Let the `match` of the audit filter fit the input's tag, or give the records an output of their own.",
        find: unsealed,
    },
    Check {
        id: "volatile-path",
        severity: Severity::Warning,
        why: "What is below /tmp, /run or /dev/shm is gone after a restart of the machine: positions in logs, records \
              that wait, or the chain with its keys. The outputs `s3` and `gcs` keep in `store_dir` what they have not \
              sent yet, and `azure_blob` does so in `buffer_dir`; both are below /tmp if they are not set.",
        remedy: "Put it on a disk, as below /var/lib.",
        find: volatile,
    },
    Check {
        id: "udp",
        severity: Severity::Note,
        why: "Over UDP nobody notices what does not arrive.",
        remedy: "Use TCP where a record may not be lost: `mode tcp` of `syslog`.",
        find: |scene| {
            let is_udp = |input: &Section| {
                let mode = input.text("mode").map(str::to_ascii_lowercase);
                input.is("udp") || (input.is("syslog") && matches!(mode.as_deref(), Some("udp")))
            };
            audited(scene, is_udp, |_, input| {
                Hit::new(input.place_of("mode"), "datagrams can be lost on the way")
            })
        },
    },
];

const STORAGE_PATH: &str = "/var/lib/fluent-bit/storage";

fn audited(
    scene: &Scene<'_>,
    is_wrong: impl Fn(&Section) -> bool,
    hit: impl Fn(usize, &Section) -> Hit,
) -> Vec<Hit> {
    scene.audited().filter(|(_, input)| is_wrong(input)).map(|(index, input)| hit(index, input)).collect()
}

fn coroutine(scene: &Scene<'_>, at: usize, input: &Section) -> Option<Hit> {
    let is_forward =
        input.is("forward") && scene.options.fluent_bit.is_none_or(|version| version >= Version(5, 1, 0));
    if !(is_forward || plugins::is_coroutine(input)) {
        return None;
    }
    let has_workers = || input.text("workers").and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n > 1);
    let has_processor = input.processors.iter().any(plugins::is_audit_filter);
    let name = input.name();
    if has_processor {
        if is_forward {
            let hit = || Hit::new(input.place, "the filter cannot run as a processor here without `workers`");
            return (!has_workers()).then(|| hit().set(at, "workers", "2"));
        }
        return Some(Hit::new(input.place, format!("the filter cannot run as a processor of `{name}`")));
    }
    let may_be = |key| input.setting(key) == Setting::Unknown;
    let is_threaded =
        input.is_on("threaded") || may_be("threaded") || (is_forward && (has_workers() || may_be("workers")));
    if is_threaded || !scene.flows.sealed_inputs.contains_key(&at) {
        return None;
    }
    let message = format!("no WASM filter can run on records of `{name}` without `threaded`");
    Some(Hit::new(input.place, message).set(at, "threaded", "true"))
}

/// Finds directories that do not survive a restart.
fn volatile(scene: &Scene<'_>) -> Vec<Hit> {
    let is_volatile = |path: &str| {
        ["/tmp/", "/run/", "/var/run/", "/dev/shm/"].iter().any(|start| path.trim().starts_with(start))
    };
    let inputs = scene.audited().map(|(_, input)| (input, "db"));
    let filters = scene.audit_filters().map(|(_, filter)| (filter, "accessible_paths"));
    let ledgers = scene.ledgers().map(|(_, ledger)| (ledger, "dir"));
    let service = scene.config.service().filter(|_| scene.audited().next().is_some());
    let service = service.map(|service| (service, "storage.path"));
    let stores = scene.audit_outputs().filter_map(|(_, output)| Some((output, store(output)?)));
    let all = service.into_iter().chain(inputs).chain(filters).chain(ledgers).chain(stores);
    let named = all.filter_map(|(section, key)| Some((section, key, section.text(key)?)));
    let mut hits: Vec<Hit> = named
        .filter(|(.., path)| is_volatile(path))
        .map(|(section, key, path)| {
            Hit::new(section.place_of(key), format!("`{key}` is {path}, which is gone after a restart"))
        })
        .collect();
    for (at, output) in scene.audit_outputs() {
        let Some(key) = store(output).filter(|key| output.setting(key).is_absent()) else { continue };
        let name = output.name();
        let message = format!("without `{key}`, `{name}` keeps what it has not sent below /tmp");
        hits.push(Hit::new(output.place, message).set(at, key, format!("/var/lib/fluent-bit/{name}")));
    }
    hits
}

/// Returns the property for the directory in which an output keeps what it has not sent.
fn store(output: &Section) -> Option<&'static str> {
    let is_buffered = || output.is("azure_blob") && output.is_on("buffering_enabled");
    if output.is("s3") || output.is("gcs") {
        Some("store_dir")
    } else {
        is_buffered().then_some("buffer_dir")
    }
}

/// Finds inputs that nothing seals, although others are sealed.
fn unsealed(scene: &Scene<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (at, input) in scene.inputs() {
        if scene.flows.sealed_inputs.contains_key(&at) || plugins::is_anchors(input) {
            continue;
        }
        let outputs =
            scene.flows.arrivals.iter().filter(|arrival| arrival.input == at && arrival.fit > Fit::No);
        let shared = outputs.map(|arrival| arrival.output).find(|output| {
            !plugins::is_ledger(&scene.config.sections[*output]) && scene.flows.sealed_at(*output) > Fit::No
        });
        if let Some(output) = shared {
            let tag = scene.flows.tags.get(&at).map_or("", String::as_str);
            let line = scene.config.sections[output].place.line;
            let message =
                format!("no audit filter seals the tag `{tag}`, and the output in line {line} takes it");
            hits.push(Hit::new(input.place_of("tag"), message));
        }
    }
    hits
}
