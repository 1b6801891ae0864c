//! The site: the pages of the repository as a book, made by mdBook.
//!
//! `docs/SUMMARY.md` has the pages in their order. The pages keep their places, so that
//! links between them work in the repository and on the site. Files that pages link to
//! are copied. A link to a folder becomes its name, because a site lists no folders.

use crate::pages::{Link, links};
use crate::root;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Component, Path};
use std::process::Command;

/// The page that lists the others.
const SUMMARY: &str = "docs/SUMMARY.md";

const CONFIG: &str = r#"[book]
title = "flb-audit"
language = "en"
src = "src"

[build]
build-dir = "html"
create-missing = false

[output.html]
smart-punctuation = false

[output.html.print]
enable = false
"#;

/// Writes the site into `target/book/html` and checks its links. mdBook has to be on
/// PATH.
pub fn book() -> Result<()> {
    let place = root().join("target/book");
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    stage(&place)?;
    let built = Command::new("mdbook").arg("build").arg(&place).status();
    match built {
        Ok(status) if status.success() => {}
        Ok(status) => bail!("mdbook: {status}"),
        Err(error) => {
            return Err(error).context("mdbook cannot be started: cargo install mdbook --locked");
        }
    }
    let html = place.join("html");
    let dead = dead_links(&html)?;
    ensure!(dead.is_empty(), "links of the site that lead nowhere:\n  {}", dead.join("\n  "));
    println!("{}", html.join("index.html").display());
    Ok(())
}

/// Writes mdBook's configuration and the pages in the form that it reads.
fn stage(place: &Path) -> Result<()> {
    let source = place.join("src");
    fs::create_dir_all(&source)?;
    fs::write(place.join("book.toml"), CONFIG)?;
    let summary = read(SUMMARY)?;
    let pages: Vec<String> = links(&summary).iter().filter_map(|link| target(SUMMARY, &link.to)).collect();
    let moved =
        rewritten(&summary, |link| target(SUMMARY, &link.to).map(|to| format!("[{}]({to})", link.text)));
    fs::write(source.join("SUMMARY.md"), moved)?;
    for page in &pages {
        let text = read(page)?;
        for to in links(&text).iter().filter_map(|link| target(page, &link.to)) {
            if !pages.contains(&to) && root().join(&to).is_file() {
                let copy = source.join(&to);
                fs::create_dir_all(copy.parent().unwrap_or(&source))?;
                fs::copy(root().join(&to), copy)?;
            }
        }
        let text = rewritten(&text, |link| on_site(page, link, &pages));
        let copy = source.join(page);
        fs::create_dir_all(copy.parent().unwrap_or(&source))?;
        fs::write(copy, text)?;
    }
    Ok(())
}

/// Returns a link as the site needs it, if it differs from the link in the repository:
/// mdBook makes `index.html` of a `README.md`.
fn on_site(page: &str, link: &Link, pages: &[String]) -> Option<String> {
    let to = target(page, &link.to)?;
    let readme = format!("{to}/README.md");
    let (path, heading) = link.to.split_at(link.to.find('#').unwrap_or(link.to.len()));
    if pages.contains(&readme) {
        Some(format!("[{}]({path}/index.md{heading})", link.text))
    } else if let Some(folder) = path.strip_suffix("README.md") {
        Some(format!("[{}]({folder}index.md{heading})", link.text))
    } else if !root().join(&to).is_dir() {
        None
    } else if link.text == to {
        Some(format!("`{to}`"))
    } else {
        Some(format!("{} (`{to}`)", link.text))
    }
}

fn read(page: &str) -> Result<String> {
    fs::read_to_string(root().join(page)).with_context(|| page.to_owned())
}

/// Returns the file or folder that a link of `page` leads to, relative to the top of the
/// repository. Returns `None` for headings of the same page and for other sites.
fn target(page: &str, link: &str) -> Option<String> {
    let path = link.split('#').next().filter(|path| !path.is_empty() && !path.contains(':'))?;
    let mut target = Path::new(page).parent()?.to_path_buf();
    for component in Path::new(path).components() {
        match component {
            Component::ParentDir => {
                target.pop();
            }
            other => target.push(other),
        }
    }
    target.to_str().map(str::to_owned)
}

/// Returns a page with some links replaced.
fn rewritten(page: &str, replacement: impl Fn(&Link) -> Option<String>) -> String {
    let (mut text, mut end) = (String::new(), 0);
    for link in links(page) {
        if let Some(new) = replacement(&link) {
            text.push_str(&page[end..link.range.start]);
            text.push_str(&new);
            end = link.range.end;
        }
    }
    text + &page[end..]
}

/// Returns the links of the site's pages that lead to no file.
fn dead_links(html: &Path) -> Result<Vec<String>> {
    let mut dead = Vec::new();
    let mut folders = vec![html.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "html") {
                dead.extend(dead_links_of(&path)?);
            }
        }
    }
    dead.sort();
    Ok(dead)
}

fn dead_links_of(page: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(page)?;
    let mut dead = Vec::new();
    for attribute in ["href=\"", "src=\""] {
        for link in text.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
            let file = link.split(['#', '?']).next().unwrap_or_default();
            // "/" is the place of the whole site, in the page for addresses that are not
            // found.
            let is_other = file.is_empty() || file == "/" || file.contains(':');
            if !is_other && !page.parent().unwrap_or(page).join(file).is_file() {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    Ok(dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_readmes_lead_to_the_index_of_their_folder() {
        let pages = ["docs/fleet.md", "wit/README.md"].map(str::to_owned);
        for (link, expected) in [
            ("[a](../wit/README.md)", Some("[a](../wit/index.md)")),
            ("[a](../wit/README.md#b)", Some("[a](../wit/index.md#b)")),
            ("[a](../wit)", Some("[a](../wit/index.md)")),
            ("[a](../wit#b)", Some("[a](../wit/index.md#b)")),
            ("[a](fleet.md#b)", None),
            ("[a](#b)", None),
        ] {
            let found = links(link);
            assert_eq!(on_site("docs/fleet.md", &found[0], &pages).as_deref(), expected, "{link}");
        }
    }
}
