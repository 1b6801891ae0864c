//! Links of the pages: each leads to a file of the repository and, if it names one, to a
//! heading of that page. Links to other sites are not followed.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
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
