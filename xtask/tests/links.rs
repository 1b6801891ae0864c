//! Links of the pages: each leads to a file of the repository and, if it names one, to a
//! heading of that page. Links to other sites are not followed. Files and developers'
//! commands that pages name exist as well.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::pages::{heading_ids, links};
use xtask::root;

/// Folders without pages of ours.
const PASSED_OVER: [&str; 4] = ["target", "dist", "node_modules", ".git"];

/// A page's links, and the ids of its headings.
struct Page {
    links: Vec<String>,
    ids: HashSet<String>,
}

#[test]
fn no_link_leads_nowhere() {
    let mut paths = Vec::new();
    collect(&root(), &mut paths);
    let read = |path: PathBuf| {
        let page = Page::read(&fs::read_to_string(&path).expect("a page"));
        (path, page)
    };
    let pages: HashMap<PathBuf, Page> = paths.into_iter().map(read).collect();
    let links = pages.iter().flat_map(|(path, page)| page.links.iter().map(move |link| (path, link)));
    let mut dead: Vec<String> = links
        .filter(|(path, link)| !leads_somewhere(path, link, &pages))
        .map(|(path, link)| format!("{}: {link}", path.strip_prefix(root()).unwrap_or(path).display()))
        .collect();
    dead.sort();
    assert!(dead.is_empty(), "links that lead nowhere:\n  {}", dead.join("\n  "));
}

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let (kind, path) = (entry.file_type().expect("a type"), entry.path());
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if kind.is_dir() && !PASSED_OVER.contains(&name) {
            collect(&path, pages);
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
}

impl Page {
    fn read(text: &str) -> Page {
        let links = links(text).into_iter().map(|link| link.to).collect();
        Page { links, ids: heading_ids(text) }
    }
}

fn leads_somewhere(from: &Path, link: &str, pages: &HashMap<PathBuf, Page>) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
    let target = match file {
        "" => Some(from.to_owned()),
        file => from.parent().and_then(|folder| folder.join(file).canonicalize().ok()),
    };
    let Some(target) = target else { return false };
    match (heading, pages.get(&target)) {
        (None, _) => true,
        (Some(heading), Some(page)) => page.ids.contains(heading),
        (Some(_), None) => false,
    }
}

#[test]
fn the_book_has_every_page() {
    let mut paths = Vec::new();
    collect(&root(), &mut paths);
    let summary = root().join("docs/SUMMARY.md");
    let listed = links(&fs::read_to_string(&summary).expect("the summary")).into_iter().map(|link| {
        root().join("docs").join(&link.to).canonicalize().unwrap_or_else(|_| panic!("{}", link.to))
    });
    let listed: HashSet<PathBuf> = listed.collect();
    let is_left = |path: &PathBuf| *path != summary && !listed.contains(path);
    let left: Vec<PathBuf> = paths.into_iter().filter(is_left).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}

#[test]
fn links_lead_to_files_and_headings() {
    let text = "# A `b`: c\n\n## Two\n\n## Two\n\n[x](#a-b-c) ![y](z.png)\n\n```\n[no](link)\n```\n";
    let page = Page::read(text);
    assert_eq!(page.links, ["#a-b-c", "z.png"]);
    assert_eq!(page.ids, ["a-b-c", "two", "two-1"].map(String::from).into());
    let readme = root().join("README.md");
    let pages = HashMap::from([(readme.clone(), page)]);
    for link in ["#two-1", "Cargo.toml", "https://example.org/#x", "README.md#two"] {
        assert!(leads_somewhere(&readme, link, &pages), "{link}");
    }
    for link in ["#three", "Cargo.toml#x", "nothing.md", "docs/nothing.md#x"] {
        assert!(!leads_somewhere(&readme, link, &pages), "{link}");
    }
}

/// Folders of the repository that pages name.
const FOLDERS: [&str; 9] =
    [".ci", ".github", "docs", "examples", "fluent-bit-conf", "fuzz", "host-tests", "plugin", "xtask"];

/// Returns the code in running text.
fn codes(text: &str) -> Vec<&str> {
    let mut is_open = false;
    let prose = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_open ^= is_fence;
        !is_open && !is_fence
    });
    prose.flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn files_that_pages_name_exist() {
    let mut pages = Vec::new();
    collect(&root(), &mut pages);
    let (mut missing, mut count) = (Vec::new(), 0);
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page");
        for code in codes(&text) {
            let mut parts = code.split('/');
            let is_path = parts.next().is_some_and(|first| FOLDERS.contains(&first)) && code.contains('/');
            if !is_path || code.contains([' ', '{', '…']) {
                continue;
            }
            // A part with a star, or in capitals, stands for several files.
            let is_fixed = |part: &&str| {
                !part.contains('*') && !part.split('.').any(|word| ["NAME", "TARGET"].contains(&word))
            };
            let path: PathBuf = code.split('/').take_while(is_fixed).collect();
            count += 1;
            if !root().join(&path).exists() {
                missing.push(format!("{}: `{code}`", page.strip_prefix(root()).unwrap_or(&page).display()));
            }
        }
    }
    assert!(missing.is_empty(), "files that are not there:\n  {}", missing.join("\n  "));
    assert!(count > 100, "{count} paths");
}

#[test]
fn commands_of_developers_exist() {
    let help = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("help").output().expect("the program");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let mut pages = Vec::new();
    collect(&root(), &mut pages);
    let (mut unknown, mut count) = (Vec::new(), 0);
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page");
        for after in text.split("cargo xtask").skip(1) {
            let is_name = |character: &char| {
                character.is_ascii_lowercase() || character.is_ascii_digit() || *character == '-'
            };
            let name: String = after.trim_start_matches(' ').chars().take_while(is_name).collect();
            let is_known = help.lines().any(|line| line.split_whitespace().next() == Some(&name));
            count += 1;
            if after.starts_with(' ') && !name.is_empty() && !is_known {
                unknown.push(format!("{}: cargo xtask {name}", page.display()));
            }
        }
    }
    assert!(unknown.is_empty(), "commands that are not there:\n  {}", unknown.join("\n  "));
    assert!(count > 10, "{count} commands");
}
