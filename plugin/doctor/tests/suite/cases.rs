//! Configurations with the doctor's findings beside them, the shipped configurations, and
//! those in the docs.
//!
//! `tests/cases` has a folder for each check, with configurations that have the trap
//! (`trap*`) and that do not (`clean*`). `tests/public` has configurations as people
//! write them. The expected findings stand beside each; `BLESS=1` writes them.

use flb_audit_doctor::{Examination, Options, Severity, checks, examine};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Checks that examine a machine. Their cases are in `host.rs`.
const OF_HOST: [&str; 8] = [
    "directory",
    "directory-owner",
    "directory-open",
    "chain-missing",
    "module-missing",
    "aot-unfit",
    "policy-key",
    "roster-missing",
];

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn sorted(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn is_config(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "conf")
}

/// Reads the options in a case's first line: `# --fluent-bit 4.0.14`, `# NAME=value`.
fn options(text: &str) -> Options {
    let mut options = Options::default();
    let first = text.lines().next().unwrap_or_default();
    let words: Vec<&str> = first.strip_prefix("# ").unwrap_or_default().split(' ').collect();
    for pair in words.windows(2) {
        if pair[0] == "--fluent-bit" {
            options.fluent_bit = Some(pair[1].parse().expect("a version"));
        }
    }
    for word in words {
        if let Some((name, value)) = word.split_once('=') {
            options.environment.insert(name.into(), value.into());
        }
    }
    options
}

fn examined(path: &Path) -> Examination {
    let text = String::from_utf8_lossy(&fs::read(path).expect("a case")).into_owned();
    examine(path, &options(&text)).unwrap_or_else(|refused| panic!("{}: {refused}", path.display()))
}

fn listed(examination: &Examination) -> String {
    let mut out = String::new();
    for finding in &examination.findings {
        let file = finding.file.file_name().unwrap_or_default().to_string_lossy();
        let message = finding.message.replace(env!("CARGO_MANIFEST_DIR"), "");
        let _ = writeln!(
            out,
            "{file}:{}: {}: {message} [{}]",
            finding.place.line,
            finding.severity.name(),
            finding.id
        );
        for line in &finding.lines {
            let _ = writeln!(out, "  | {line}");
        }
    }
    out
}

/// Compares the findings with the expected ones.
fn compare(path: &Path, examination: &Examination) -> Result<(), String> {
    let beside = PathBuf::from(format!("{}.found", path.display()));
    let found = listed(examination);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&beside, &found).expect("the finding is written");
    }
    let expected = fs::read_to_string(&beside).unwrap_or_default();
    if found == expected {
        Ok(())
    } else {
        Err(format!("{}:\n{found}instead of\n{expected}", path.display()))
    }
}

#[test]
fn each_check_finds_its_trap_and_is_silent_without_it() {
    let ids: BTreeSet<&str> = checks().map(|check| check.id).collect();
    assert_eq!(ids.len(), checks().count(), "names are unique");
    let mut wrong = Vec::new();
    let mut seen = BTreeMap::<String, (usize, usize)>::new();
    for folder in sorted(&here("tests/cases")).into_iter().filter(|path| path.is_dir()) {
        let id = folder.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(ids.contains(id.as_str()), "{id}: no such check");
        for path in sorted(&folder).into_iter().filter(|path| is_config(path)) {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let (is_trap, is_clean) = (name.starts_with("trap"), name.starts_with("clean"));
            if !is_trap && !is_clean {
                continue;
            }
            let examination = examined(&path);
            let is_found = examination.findings.iter().any(|finding| finding.id == id);
            if is_found != is_trap {
                wrong.push(format!("{}: found: {is_found}\n{}", path.display(), listed(&examination)));
            }
            let counts = seen.entry(id.clone()).or_default();
            if is_trap {
                counts.0 += 1;
                wrong.extend(compare(&path, &examination).err());
            } else {
                counts.1 += 1;
            }
        }
    }
    for id in ids.into_iter().filter(|id| !OF_HOST.contains(id)) {
        let (traps, clean) = seen.get(id).copied().unwrap_or_default();
        if traps == 0 || clean == 0 {
            wrong.push(format!("{id}: {traps} cases with the trap, {clean} without"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn configurations_as_people_write_them() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in sorted(&here("tests/public")).into_iter().filter(|path| is_config(path)) {
        count += 1;
        wrong.extend(compare(&path, &examined(&path)).err());
    }
    assert!(count >= 30, "{count} configurations");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Fails if there are findings other than notes.
fn assert_healthy(path: &Path, name: &str, versions: &[Option<&str>]) -> Result<(), String> {
    for version in versions {
        let mut options = Options {
            fluent_bit: version.map(|version| version.parse().expect("a version")),
            ..Options::default()
        };
        // Configurations in YAML have their parsers in them.
        let parsers = path.with_file_name("filter-audit-parsers.conf");
        let is_classic = path.extension().is_some_and(|extension| extension == "conf");
        options.parsers.extend((is_classic && parsers.exists()).then_some(parsers));
        let examination = examine(path, &options).map_err(|refused| format!("{name}: {refused}"))?;
        // Findings about an old version are reported, and no configuration can avoid
        // them.
        let of_version = ["rewrite-tag-busy", "s3-retries"];
        let bad = |finding: &&flb_audit_doctor::Finding| {
            finding.severity > Severity::Note && !(version.is_some() && of_version.contains(&finding.id))
        };
        if examination.findings.iter().any(|finding| bad(&finding)) {
            return Err(format!("{name}, Fluent Bit {version:?}:\n{}", listed(&examination)));
        }
    }
    Ok(())
}

#[test]
fn configurations_that_ship_are_healthy() {
    let mut wrong = Vec::new();
    let mut count = 0;
    let paths = sorted(&here("../../fluent-bit-conf"));
    for path in paths.into_iter().filter(|path| is_config(path)) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if matches!(name.as_str(), "plugins.conf" | "filter-audit-parsers.conf") {
            continue;
        }
        count += 1;
        wrong.extend(
            assert_healthy(&path, &name, &[None, Some("4.0.14"), Some("4.1.1"), Some("5.1.1")]).err(),
        );
    }
    assert!(count >= 12, "{count} configurations");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Fluent Bit's own parsers file has a parser `json`. With two parsers of one name, Fluent Bit
/// does not start.
#[test]
fn configurations_that_ship_fit_together_and_beside_the_stock_parsers() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fluent-bit.yaml");
    fs::write(directory.path().join("parsers.conf"), "[PARSER]\n    Name json\n    Format json\n")
        .expect("parsers");
    let included = ["filter-audit.yaml", "anchors.yaml"].map(|name| here("../../fluent-bit-conf").join(name));
    let mut text = String::from("parsers:\n  - {name: mine, format: json}\nincludes:\n");
    for file in &included {
        let _ = writeln!(text, "  - {}", file.display());
    }
    fs::write(&path, text).expect("a configuration");
    let mut options = Options::default();
    options.parsers.push(directory.path().join("parsers.conf"));
    let examination = examine(&path, &options).expect("a configuration");
    assert!(
        examination.findings.iter().all(|finding| finding.severity == Severity::Note),
        "{}",
        listed(&examination)
    );
}

/// A configuration of the operator includes the packages' configurations, as these say.
#[test]
fn configurations_of_packages_are_healthy() {
    const SERVICE: [(&str, &str, &str); 2] = [
        ("conf", "[SERVICE]\n    storage.path /s\n    coro_stack_size 65536\n@INCLUDE ", ""),
        ("yaml", "service:\n  storage.path: /s\n  coro_stack_size: 65536\nincludes:\n  - ", "\n"),
    ];
    let directory = tempfile::tempdir().expect("a directory");
    for (extension, before, behind) in SERVICE {
        let included = here("../../xtask/packaging/etc/audit").with_extension(extension);
        let path = directory.path().join("fluent-bit").with_extension(extension);
        fs::write(&path, format!("{before}{}{behind}\n", included.display())).expect("a configuration");
        let versions = [None, Some("4.0.14"), Some("4.1.1"), Some("5.1.1")];
        assert_healthy(&path, extension, &versions).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
}

/// Returns the blocks of a page that are configurations, with their lines.
fn blocks(page: &str) -> Vec<(usize, &'static str, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (at, line) in page.lines().enumerate() {
        match &mut open {
            Some((start, text)) if line.trim_start().starts_with("```") => {
                let is_yaml = text.lines().any(|line| line == "pipeline:");
                let is_classic =
                    ["[INPUT]", "[FILTER]", "[OUTPUT]"].iter().any(|section| text.contains(section));
                let kind = if is_yaml { Some("yaml") } else { is_classic.then_some("conf") };
                blocks.extend(kind.map(|kind| (*start, kind, std::mem::take(text))));
                open = None;
            }
            Some((_, text)) => {
                text.push_str(line);
                text.push('\n');
            }
            None if line.trim_start().starts_with("```") => open = Some((at + 1, String::new())),
            None => {}
        }
    }
    blocks
}

#[test]
fn configurations_in_the_docs_are_healthy() {
    let mut pages = sorted(&here("../../docs"));
    pages.push(here("../../README.md"));
    pages.push(here("../../wit/README.md"));
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in pages.into_iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let name = page.file_name().expect("a name").to_string_lossy().into_owned();
        for (line, extension, text) in blocks(&fs::read_to_string(&page).expect("a page")) {
            let directory = tempfile::tempdir().expect("a directory");
            fs::copy(here("../../fluent-bit-conf/plugins.conf"), directory.path().join("plugins.conf"))
                .expect("plugins");
            let path = directory.path().join(format!("fluent-bit.{extension}"));
            fs::write(&path, text).expect("a configuration");
            count += 1;
            wrong.extend(assert_healthy(&path, &format!("{name}:{line}"), &[None, Some("5.1.1")]).err());
        }
    }
    assert!(count >= 2, "{count} configurations");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each property of the tables in `docs/output.md` is known, as a property of the ledger.
#[test]
fn properties_of_the_page_of_outputs_are_known() {
    let page = fs::read_to_string(here("../../docs/output.md")).expect("the page");
    let (_, behind) = page.split_once("## Properties").expect("a section");
    let (tables, _) = behind.split_once("Fluent Bit does not start").expect("text behind the tables");
    let named = tables.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let properties: Vec<&str> = named.collect();
    assert!(properties.contains(&"allow") && properties.contains(&"config.sync"), "{properties:?}");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fluent-bit.yaml");
    let mut text = String::from("pipeline:\n  outputs:\n    - name: wasm\n      match: '*'\n");
    for property in properties.iter().filter(|property| **property != "component") {
        let _ = writeln!(text, "      {property}: '1'");
    }
    fs::write(&path, text + "      component: /out_audit.wasm\n").expect("a configuration");
    let found = examine(&path, &Options::default()).expect("a configuration");
    assert!(found.findings.iter().all(|finding| finding.id != "component-property"), "{}", listed(&found));
}

#[test]
fn the_page_has_the_table_of_the_checks() {
    let path = here("../../docs/doctor.md");
    let page = fs::read_to_string(&path).expect("the page");
    let mut table = String::from("| check | severity | what happens | what to do |\n|---|---|---|---|\n");
    for check in checks() {
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            check.id,
            check.severity.name(),
            check.why,
            check.remedy
        );
    }
    if std::env::var_os("BLESS").is_some() {
        let (before, rest) = page.split_once("| check | severity |").expect("a table");
        let (_, behind) = rest.split_once("\n\n").expect("an end");
        fs::write(&path, format!("{before}{table}\n{behind}")).expect("the page is written");
    }
    let page = fs::read_to_string(&path).expect("the page");
    assert!(page.contains(&table), "docs/doctor.md has to have this table:\n\n{table}");
}
