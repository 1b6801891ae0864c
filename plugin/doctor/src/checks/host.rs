//! Checks of this machine: the directories and files that a configuration names.

use super::{Check, Hit, Scene, Severity};
use crate::plugins;
use crate::source::Place;
use crate::{Host, Version};
use flb_audit_core::chain::{keyring, state};
use flb_audit_core::policy::{MAGIC, Policy};
use flb_audit_core::redact::{HmacKey, KEY_FILE_NAME};
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The maximum size of a module or policy that is examined, in bytes.
const MODULE_BYTES_MAX: u64 = 64 << 20;
/// The permissions of the group and of others.
const OTHERS: u32 = 0o077;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "directory",
        severity: Severity::Error,
        why: "If an accessible path is missing, dangling or a file, Fluent Bit 4.1 and later does not start, and 4.0 \
              runs without the filter: records pass unsealed and with all secrets in them. A link can be turned \
              elsewhere while Fluent Bit runs, and a directory that is removed takes the chain with it.",
        remedy: "Make the directory with `flb-audit init DIR --node NAME --roster roster.json`, where nobody but Fluent \
                 Bit's user can remove it.",
        find: |scene| each(scene, directory),
    },
    Check {
        id: "directory-owner",
        severity: Severity::Error,
        why: "A filter that cannot write its state gets an ephemeral chain without keys, and notes \
              `state-not-writable`; a ledger does not start.",
        remedy: "Make the directory and its files the property of the user that Fluent Bit runs as. `--user` tells the \
                 doctor which that is; otherwise it is the one who runs the doctor.",
        find: |scene| each(scene, owner),
    },
    Check {
        id: "directory-open",
        severity: Severity::Warning,
        why: "Whoever can read a state directory can seal in its name, and whoever can read a ledger sees all records.",
        remedy: "Take the permissions of the group and of others away.",
        find: |scene| each(scene, open),
    },
    Check {
        id: "chain-missing",
        severity: Severity::Error,
        why: "Without `chain.state` the filter makes up a chain for each of its lives, and a ledger does not start. \
              Without `chain.key` the chain has no keys: whoever can write the log can seal it anew.",
        remedy: "Run `flb-audit init` for the directory, with `--node` and `--roster`.",
        find: |scene| each(scene, chain),
    },
    Check {
        id: "module-missing",
        severity: Severity::Error,
        why: "Fluent Bit does not start without the module or component that a filter or an output names. An input \
              `exec_wasi` without its module logs an error at each interval, and reads nothing.",
        remedy: "Put the file there, or correct the name.",
        find: |scene| {
            let Some(host) = &scene.options.host else { return Vec::new() };
            let mut named = Vec::new();
            let steps = scene.audit_filters().map(|(_, filter)| (filter, "wasm_path"));
            let outputs = scene
                .outputs()
                .filter(|(_, output)| output.is("wasm"))
                .map(|(_, output)| (output, "component"));
            let inputs = scene
                .inputs()
                .filter(|(_, input)| input.is("exec_wasi"))
                .map(|(_, input)| (input, "wasi_path"));
            for (section, key) in steps.chain(outputs).chain(inputs) {
                if let Some(path) = section.text(key).filter(|path| !host.path(path).is_file()) {
                    named.push(Hit::new(section.place_of(key), format!("{path}: no such file")));
                }
            }
            named
        },
    },
    Check {
        id: "aot-unfit",
        severity: Severity::Error,
        why: "A module that was compiled ahead of time is for one version of WAMR and one processor: Fluent Bit 4.0 has \
              WAMR 1.3.3, and 4.1 to 5.1 have 2.4.1. Fluent Bit 4.1 and later do not start with another one; 4.0 runs \
              without the filter, and records pass unsealed and with all secrets in them.",
        remedy: "Name the module for your Fluent Bit and processor, or `filter_audit.wasm`, which always fits. Without \
                 `--fluent-bit`, or with a version that was not tried, a note says which versions a module is for. The processor is compared with this \
                 machine's, unless `--root` names another.",
        find: |scene| {
            let Some(host) = &scene.options.host else { return Vec::new() };
            let named = scene.audit_filters().filter_map(|(_, filter)| {
                let aot = Aot::read(&host.path(filter.text("wasm_path")?))?;
                aot.hit(scene, filter.place_of("wasm_path"), host)
            });
            named.collect()
        },
    },
    Check {
        id: "policy-key",
        severity: Severity::Error,
        why: "The policy turns values into tokens by the action `hmac`, and no accessible path has the key. The filter \
              masks those values instead, so they can never be joined or found.",
        remedy: "Make the key with `flb-audit hmac-key DIR --id NAME`, and add DIR to `accessible_paths`.",
        find: policy_keys,
    },
    Check {
        id: "roster-missing",
        severity: Severity::Warning,
        why: "A ledger without a roster believes no seal: it renames the seals of the filter before it and seals the \
              records again, under its own chain.",
        remedy: "Make the filter's chain first, and then the ledger's, with the same `--roster`; `init` leaves a copy \
                 in the ledger's directory.",
        find: |scene| {
            let Some(host) = &scene.options.host else { return Vec::new() };
            let sealed =
                scene.ledgers().filter(|(at, _)| scene.flows.sealed_at(*at) == crate::wildcard::Fit::Yes);
            let mut hits = Vec::new();
            for (_, ledger) in sealed {
                let Some(dir) = ledger.text("dir").map(|dir| host.path(dir)).filter(|dir| dir.is_dir())
                else {
                    continue;
                };
                let name = ledger.text("config.roster").unwrap_or("roster.json");
                if !dir.join(name).is_file() {
                    hits.push(Hit::new(
                        ledger.place_of("dir"),
                        format!("{}: no such file", dir.join(name).display()),
                    ));
                }
            }
            hits
        },
    },
];

/// A module that was compiled ahead of time, by the beginning of its file.
struct Aot {
    /// The version of the file's format.
    format: u16,
    /// The processor, by its number in ELF.
    machine: u16,
}

impl Aot {
    /// The processors that modules are compiled for: their numbers and names.
    const MACHINES: [(u16, &str); 2] = [(62, "x86_64"), (183, "aarch64")];

    /// Returns `None` if a file is no such module.
    fn read(path: &Path) -> Option<Aot> {
        let bytes = read(path)?;
        let number = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        bytes
            .starts_with(b"\0aot")
            .then(|| Aot { format: number(4).unwrap_or_default(), machine: number(22).unwrap_or_default() })
    }

    /// Returns the version of WAMR that reads the format, and the versions of Fluent Bit that
    /// have it.
    fn runtime(&self) -> Option<(&'static str, &'static str)> {
        match self.format {
            3 => Some(("1.3.3", "4.0")),
            5 => Some(("2.4.1", "4.1 to 5.1")),
            _ => None,
        }
    }

    fn hit(&self, scene: &Scene<'_>, place: Place, host: &Host) -> Option<Hit> {
        let machine =
            Self::MACHINES.iter().find(|(number, _)| *number == self.machine).map(|(_, name)| *name);
        let is_here = host.root == Path::new("/");
        let wanted = scene.options.fluent_bit.and_then(Version::wamr);
        let message = match (self.runtime(), wanted) {
            (None, _) => String::from("the module is compiled for a WAMR that is not known here"),
            _ if is_here && machine != Some(std::env::consts::ARCH) => {
                format!("the module is compiled for {}", machine.unwrap_or("another processor"))
            }
            (Some((own, _)), Some(wanted)) if own != wanted => {
                format!("the module is compiled for WAMR {own}, and this Fluent Bit has {wanted}")
            }
            (Some(_), Some(_)) => return None,
            (Some((own, versions)), None) => {
                let message = format!("the module is compiled for WAMR {own}: Fluent Bit {versions}");
                return Some(Hit::new(place, message).severity(Severity::Note));
            }
        };
        Some(Hit::new(place, message))
    }
}

/// A directory that the configuration names.
struct Directory {
    place: Place,
    /// The path as it is written.
    named: String,
    path: PathBuf,
    /// True if the directory holds a chain, and not only a key.
    is_state: bool,
    is_ledger: bool,
}

fn each(scene: &Scene<'_>, check: fn(&Host, &Directory) -> Option<String>) -> Vec<Hit> {
    let Some(host) = &scene.options.host else { return Vec::new() };
    let all = directories(scene, host);
    all.iter().filter_map(|directory| Some(Hit::new(directory.place, check(host, directory)?))).collect()
}

fn directories(scene: &Scene<'_>, host: &Host) -> Vec<Directory> {
    let mut all = Vec::new();
    for (_, filter) in scene.audit_filters() {
        let place = filter.place_of("accessible_paths");
        for (at, named) in filter.list("accessible_paths").unwrap_or_default().into_iter().enumerate() {
            let path = host.path(named);
            let is_state = at == 0 && !plugins::is_stateless(filter);
            all.push(Directory { place, named: named.into(), path, is_state, is_ledger: false });
        }
    }
    for (_, ledger) in scene.ledgers() {
        if let Some(named) = ledger.text("dir") {
            let place = ledger.place_of("dir");
            all.push(Directory {
                place,
                named: named.into(),
                path: host.path(named),
                is_state: true,
                is_ledger: true,
            });
        }
    }
    all
}

fn directory(_: &Host, directory: &Directory) -> Option<String> {
    let Directory { named, path, .. } = directory;
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some(format!("{named}: no such directory"))
        }
        Err(error) => Some(format!("{named}: cannot be looked at: {}", error.kind())),
        Ok(metadata) if metadata.is_symlink() && !path.exists() => {
            Some(format!("{named}: a link that leads nowhere"))
        }
        Ok(metadata) if metadata.is_symlink() => Some(format!("{named}: a link")),
        Ok(metadata) if !metadata.is_dir() => Some(format!("{named}: not a directory")),
        Ok(_) => None,
    }
}

fn owner(host: &Host, directory: &Directory) -> Option<String> {
    if !directory.is_state {
        return None;
    }
    let files = [state::FILE_NAME, keyring::FILE_NAME].map(|name| directory.path.join(name));
    let mut all = std::iter::once(directory.path.clone()).chain(files);
    all.find_map(|path| {
        let owner = fs::metadata(&path).ok()?.uid();
        (owner != host.user)
            .then(|| format!("{} belongs to user {owner}, not to {}", path.display(), host.user))
    })
}

fn open(_: &Host, directory: &Directory) -> Option<String> {
    if !directory.is_state || !directory.path.is_dir() {
        return None;
    }
    let mode = fs::metadata(&directory.path).ok()?.mode() & 0o777;
    (mode & OTHERS != 0).then(|| format!("{} has the mode {mode:03o}: others can look in", directory.named))
}

fn chain(_: &Host, directory: &Directory) -> Option<String> {
    if !directory.is_state || !directory.path.is_dir() {
        return None;
    }
    let missing = [state::FILE_NAME, keyring::FILE_NAME]
        .into_iter()
        .find(|name| !directory.path.join(name).is_file())?;
    let what = if directory.is_ledger { "the ledger" } else { "the filter" };
    Some(format!("{}: no {missing} for {what}", directory.named))
}

fn policy_keys(scene: &Scene<'_>) -> Vec<Hit> {
    let Some(host) = &scene.options.host else { return Vec::new() };
    let mut hits = Vec::new();
    for (_, filter) in scene.audit_filters() {
        let paths: Vec<PathBuf> = filter
            .list("accessible_paths")
            .unwrap_or_default()
            .into_iter()
            .map(|path| host.path(path))
            .collect();
        let own = paths.iter().find_map(|path| read(&path.join("audit.policy")));
        let module = filter.text("wasm_path").and_then(|path| read(&host.path(path)));
        let Some(bytes) = own.or(module) else { continue };
        let has_key = || {
            paths.iter().any(|path| {
                read(&path.join(KEY_FILE_NAME)).is_some_and(|key| HmacKey::from_file(&key).is_some())
            })
        };
        if makes_tokens(&bytes) && !has_key() {
            let message = "the policy makes tokens, and no accessible path has a key";
            hits.push(Hit::new(filter.place_of("accessible_paths"), message));
        }
    }
    hits
}

/// Checks whether a module or policy uses the action `hmac`.
fn makes_tokens(bytes: &[u8]) -> bool {
    let table = if bytes.starts_with(MAGIC) {
        Some(bytes)
    } else {
        flb_audit_policy::module::table(bytes).ok().flatten()
    };
    let policy = table.and_then(|table| Policy::check(table).ok());
    policy.is_some_and(|policy| policy.rules().any(|rule| rule.action.name() == "hmac"))
}

/// Reads a regular file of a plausible size.
fn read(path: &Path) -> Option<Vec<u8>> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(MODULE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
