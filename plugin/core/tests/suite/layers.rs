//! The files of the core import one another in one direction only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The stages of a record's way. Each one uses only those before it.
const LAYERS: [&str; 14] = [
    "memory",
    "hash",
    "crc",
    "text",
    "automaton",
    "record",
    "chain",
    "recognize",
    "schema",
    "normalize",
    "policy",
    "redact",
    "seal",
    "verify",
];

/// A path of names, such as `record::tape::Tape`; empty for `lib.rs`.
type Names = Vec<String>;

/// One item that a file brings into scope.
struct Import {
    names: Names,
    /// True if others may name the item by this file.
    is_public: bool,
}

fn sources(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => sources(&path, files),
            false => files.push(path),
        }
    }
}

/// Returns the module in a file.
fn module(root: &Path, path: &Path) -> Names {
    let path = path.strip_prefix(root).expect("below the root").with_extension("");
    let names = path.iter().map(|name| name.to_str().expect("UTF-8").to_owned());
    names.filter(|name| name != "mod" && name != "lib").collect()
}

/// Splits `a::{b, c::d}` into its items.
fn items(tree: &str, before: &[String], all: &mut Vec<Names>) {
    let (head, group) = match tree.split_once('{') {
        Some((head, group)) => (head, group.strip_suffix('}')),
        None => (tree, None),
    };
    let head = head.split(" as ").next().unwrap_or(head);
    let head = head.split("::").map(str::trim).filter(|name| !matches!(*name, "" | "self"));
    let names: Names = before.iter().cloned().chain(head.map(String::from)).collect();
    let Some(group) = group else {
        all.push(names);
        return;
    };
    let (mut depth, mut start) = (0, 0);
    for (at, byte) in group.bytes().chain([b',']).enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                if !group[start..at].trim().is_empty() {
                    items(group[start..at].trim(), &names, all);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// Returns the imports of a file from this crate, by names that start at its root.
fn imports(module: &[String], text: &str, modules: &BTreeSet<Names>) -> Vec<Import> {
    let text = text.split("#[cfg(test)]").next().unwrap_or(text);
    let mut imports = Vec::new();
    for statement in text.split(';').map(|part| part.rsplit("\n\n").next().unwrap_or(part)) {
        for start in ["use ", "pub use ", "pub(crate) use ", "pub(super) use "] {
            let line = format!("\n{statement}");
            let Some((_, tree)) = line.split_once(&format!("\n{start}")) else { continue };
            let mut names = Vec::new();
            items(&tree.split_whitespace().collect::<Vec<_>>().join(" "), &[], &mut names);
            for mut names in names {
                let mut base = match names.first().map(String::as_str) {
                    Some("crate") => Vec::new(),
                    Some("super") => module[..module.len() - 1].to_vec(),
                    Some(first) => {
                        let child = [module, &[first.to_owned()]].concat();
                        if !modules.contains(&child) {
                            continue;
                        }
                        names.insert(0, String::new());
                        module.to_vec()
                    }
                    None => continue,
                };
                names.remove(0);
                while names.first().is_some_and(|name| name == "super") {
                    names.remove(0);
                    base.pop();
                }
                base.extend(names);
                imports.push(Import { names: base, is_public: start != "use " });
            }
        }
    }
    imports
}

/// Returns the file that defines an item. Public imports lead on to the file that they
/// name.
fn home(names: &Names, modules: &BTreeSet<Names>, public: &BTreeMap<Names, Names>) -> Names {
    let mut names = names.clone();
    'follow: loop {
        for len in (0..=names.len()).rev() {
            if !modules.contains(&names[..len]) {
                continue;
            }
            match names.get(..len + 1).and_then(|item| public.get(item)) {
                Some(target) => {
                    names = [target, &names[len + 1..]].concat();
                    continue 'follow;
                }
                None => return names[..len].to_vec(),
            }
        }
    }
}

fn edges() -> BTreeMap<Names, BTreeSet<Names>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let modules: BTreeSet<Names> = files.iter().map(|path| module(&root, path)).collect();
    let read = |path: &PathBuf| {
        let module = module(&root, path);
        let imports = imports(&module, &fs::read_to_string(path).expect("text"), &modules);
        (module, imports)
    };
    let all: BTreeMap<Names, Vec<Import>> = files.iter().map(read).collect();
    let public = |(module, imports): (&Names, &Vec<Import>)| -> Vec<(Names, Names)> {
        let public = imports.iter().filter(|import| import.is_public);
        let item = |names: &Names| [&module[..], &names[names.len() - 1..]].concat();
        public.map(|import| (item(&import.names), import.names.clone())).collect()
    };
    let public: BTreeMap<Names, Names> = all.iter().flat_map(public).collect();
    let mut edges = BTreeMap::new();
    for (module, imports) in &all {
        let private = imports.iter().filter(|import| !import.is_public);
        let homes = private.map(|import| home(&import.names, &modules, &public));
        edges.insert(module.clone(), homes.filter(|home| home != module).collect());
    }
    edges
}

#[test]
fn no_file_imports_one_that_imports_it() {
    let edges = edges();
    let count: usize = edges.values().map(BTreeSet::len).sum();
    assert!(edges.len() > 60 && count > 200, "{} files, {count} imports", edges.len());
    for start in edges.keys() {
        let (mut seen, mut next) = (BTreeSet::new(), vec![start]);
        while let Some(module) = next.pop() {
            for import in &edges[module] {
                let back = import == start;
                assert!(!back, "{} and {} import each other", start.join("::"), module.join("::"));
                if seen.insert(import) {
                    next.push(import);
                }
            }
        }
    }
}

#[test]
fn every_stage_uses_only_those_before_it() {
    let layer = |module: &Names| match module.first() {
        Some(name) => LAYERS.iter().position(|layer| layer == name).expect("a known stage"),
        None => LAYERS.len(),
    };
    for (module, imports) in edges() {
        for import in imports {
            let is_below = layer(&import) <= layer(&module);
            assert!(is_below, "{} imports {}", module.join("::"), import.join("::"));
        }
    }
}
