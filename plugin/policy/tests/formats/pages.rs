//! The pages in `docs/ocsf`: each mapping as tables, between two marks. The limits, and the
//! differences from other mappings, stand below and are written by hand.

use crate::{folder, ocsf};
use flb_audit_policy::formats::formats;
use std::fs;
use std::path::Path;
use yaml_rust2::{Yaml, YamlLoader};

const CLASSES: [(i64, &str); 12] = [
    (1007, "Process Activity"),
    (1008, "Event Log Activity"),
    (2004, "Detection Finding"),
    (3001, "Account Change"),
    (3002, "Authentication"),
    (3003, "Authorize Session"),
    (3004, "Entity Management"),
    (3005, "User Access Management"),
    (3006, "Group Management"),
    (6002, "Application Lifecycle"),
    (6003, "API Activity"),
    (6005, "Datastore Activity"),
];

fn text(yaml: &Yaml) -> String {
    match yaml {
        Yaml::String(text) | Yaml::Real(text) => text.clone(),
        Yaml::Integer(number) => number.to_string(),
        Yaml::Boolean(value) => value.to_string(),
        _ => String::new(),
    }
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

/// Returns one or several texts as code.
fn codes(yaml: &Yaml) -> String {
    let texts = yaml.as_vec().map_or_else(|| vec![text(yaml)], |items| items.iter().map(text).collect());
    texts.iter().map(|text| code(text)).collect::<Vec<_>>().join(", ")
}

fn is_list(yaml: &Yaml) -> bool {
    yaml.as_vec().is_some_and(|items| items.len() > 1)
}

/// Returns a sentence on one or several members.
fn are(yaml: &Yaml, what: &str) -> String {
    format!("{} {} {what}", codes(yaml), if is_list(yaml) { "are all" } else { "is" })
}

fn conditions(when: &Yaml) -> Vec<String> {
    let mut all = Vec::new();
    for (key, yaml) in when.as_hash().into_iter().flatten() {
        let key = text(key);
        let compared = |verb: &str| -> Vec<String> {
            let paths = yaml.as_hash().into_iter().flatten();
            let one = |(path, wanted): (&Yaml, &Yaml)| {
                let of = if is_list(wanted) { "one of " } else { "" };
                format!("{} {verb} {of}{}", code(&text(path)), codes(wanted))
            };
            paths.map(one).collect()
        };
        match key.as_str() {
            "is" => all.extend(compared("is")),
            "starts" => all.extend(compared("starts with")),
            "ends" => all.extend(compared("ends with")),
            "contains" => all.extend(compared("contains")),
            "type" => all.extend(compared("is of type")),
            "has" => all.push(are(yaml, "present")),
            "lacks" => all.push(are(yaml, "absent")),
            "not" => all.push(format!("not ({})", conditions(yaml).join(" or "))),
            _ => {
                let any = yaml.as_vec().into_iter().flatten();
                let any: Vec<String> = any.map(|one| conditions(one).join(" and ")).collect();
                all.push(format!("({})", any.join(" or ")));
            }
        }
    }
    all
}

fn cut(yaml: &Yaml) -> String {
    let cuts = yaml.as_vec().map_or_else(|| vec![yaml.clone()], Clone::clone);
    let one = |cut: &Yaml| -> String {
        let hash = cut.as_hash().expect("a cut");
        let (key, at) = hash.iter().next().expect("one cut");
        match text(key).as_str() {
            "before" => format!("before {}", codes(at)),
            "after" => format!("after {}", codes(at)),
            "before-last" => format!("before the last {}", codes(at)),
            "after-last" => format!("after the last {}", codes(at)),
            "between" if text(&at[1]).is_empty() => format!("after {}", code(&text(&at[0]))),
            "between" => format!("between {} and {}", code(&text(&at[0])), code(&text(&at[1]))),
            "part" => format!("part {} of those between {}", text(&at[1]), code(&text(&at[0]))),
            _ => format!("after the {}th {}", text(&at[1]), code(&text(&at[0]))),
        }
    };
    cuts.iter().map(one).collect::<Vec<_>>().join(", then ")
}

fn source(yaml: &Yaml) -> String {
    if let Some(several) = yaml.as_vec() {
        return several.iter().map(source).collect::<Vec<_>>().join("; else ");
    }
    if yaml.as_hash().is_none() {
        return code(&text(yaml));
    }
    let mut said = match (&yaml["value"], &yaml["each"], &yaml["pairs"], &yaml["from"]) {
        (Yaml::BadValue, Yaml::BadValue, Yaml::BadValue, from) => code(&text(from)),
        (Yaml::BadValue, Yaml::BadValue, pairs, _) => {
            format!(
                "pairs of {}: {}, {}",
                code(&text(pairs)),
                code(&text(&yaml["key"])),
                code(&text(&yaml["value"]))
            )
        }
        (Yaml::BadValue, each, ..) => {
            let fields = yaml["fields"].as_hash().into_iter().flatten();
            let fields: Vec<String> = fields
                .map(|(target, from)| format!("{} from {}", code(&text(target)), source(from)))
                .collect();
            format!("each of {}: {}", code(&text(each)), fields.join(", "))
        }
        (value, ..) => format!("the constant {}", code(&text(value))),
    };
    if !yaml["cut"].is_badvalue() {
        said += &format!(" {}", cut(&yaml["cut"]));
    }
    if let Some(table) = yaml["lookup"].as_hash() {
        let entries: Vec<String> =
            table.iter().map(|(key, to)| format!("{} → {}", code(&text(key)), text(to))).collect();
        said += &format!(": {}", entries.join(", "));
        if !yaml["default"].is_badvalue() {
            said += &format!(", others → {}", text(&yaml["default"]));
        }
    }
    if !yaml["as"].is_badvalue() {
        said += &format!(" as {}", text(&yaml["as"]));
    }
    if !yaml["join"].is_badvalue() {
        said += " joined";
    }
    if !yaml["when"].is_badvalue() {
        said += &format!(" if {}", conditions(&yaml["when"]).join(" and "));
    }
    said
}

/// A comment of the file: the case that it is in, from 1 on, the attribute that it is at, or
/// none if it is at the case, and its text.
fn comments(yaml: &str) -> Vec<(usize, Option<String>, String)> {
    let (mut found, mut pending) = (Vec::new(), String::new());
    let (mut case, mut current) = (0, None);
    for line in yaml.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if let Some(comment) = trimmed.strip_prefix("# ") {
            pending += if pending.is_empty() { "" } else { " " };
            pending += comment;
            continue;
        }
        if line.starts_with("  - ") && current_is_case(trimmed) {
            (case, current) = (case + 1, None);
        } else if indent == if case == 0 { 2 } else { 6 } && !trimmed.starts_with('-') {
            current = trimmed
                .split_once(": ")
                .map_or(trimmed.strip_suffix(':'), |(key, _)| Some(key))
                .map(String::from);
        }
        if !pending.is_empty() {
            // A comment above `fields` is about the file.
            if indent > 0 {
                found.push((case, current.clone(), std::mem::take(&mut pending)));
            }
            pending.clear();
        }
    }
    found
}

fn current_is_case(line: &str) -> bool {
    line.starts_with("- when:") || line.starts_with("- class:")
}

fn table(fields: &Yaml, case: usize, comments: &[(usize, Option<String>, String)]) -> String {
    let mut table = String::from("\n| attribute | from | note |\n|---|---|---|\n");
    for (target, from) in fields.as_hash().into_iter().flatten() {
        let target = text(target);
        let is_here =
            |(at, key, _): &&(usize, Option<String>, String)| *at == case && key.as_deref() == Some(&target);
        let notes: Vec<&str> = comments.iter().filter(is_here).map(|(_, _, text)| text.as_str()).collect();
        let is_gone = from.as_vec().is_some_and(Vec::is_empty);
        let from = if is_gone { "not in this class".into() } else { source(from) };
        table += &format!("| `{target}` | {from} | {} |\n", notes.join(" "));
    }
    table
}

fn tables(yaml: &str) -> String {
    let documents = YamlLoader::load_from_str(yaml).expect("YAML");
    let mapping = &documents[0];
    let comments = comments(yaml);
    let mut page = String::new();
    let name = |class: i64| {
        let found = CLASSES.iter().find(|(uid, _)| *uid == class);
        format!("{} ({class})", found.unwrap_or_else(|| panic!("{class} has no name")).1)
    };
    page += "\n## Classes\n\nThe first row whose condition holds decides the class:\n\n| | class | records | note |\n|---|---|---|---|\n";
    let cases = mapping["cases"].as_vec().expect("cases");
    for (at, case) in cases.iter().enumerate() {
        let when = conditions(&case["when"]).join(" and ");
        let all = if at == 0 { "all" } else { "all others" };
        let when = if when.is_empty() { all.to_owned() } else { when };
        let note = comments.iter().find(|(number, key, _)| *number == at + 1 && key.is_none());
        let note = note.map_or("", |(_, _, text)| text);
        page += &format!(
            "| {} | {} | {when} | {note} |\n",
            at + 1,
            name(case["class"].as_i64().expect("a class"))
        );
    }
    let absent = &mapping["absent"];
    if !absent.is_badvalue() {
        let texts = absent.as_vec().into_iter().flatten().map(text);
        let texts: Vec<String> =
            texts.map(|text| if text.is_empty() { "an empty text".into() } else { code(&text) }).collect();
        page += &format!("\nThese values count as missing: {}.\n", texts.join(", "));
    }
    page += &format!("\n## Attributes in every class\n{}", table(&mapping["fields"], 0, &comments));
    for (at, case) in cases.iter().enumerate() {
        if case["fields"].as_hash().is_some_and(|fields| !fields.is_empty()) {
            let title = format!("{}: {}", at + 1, name(case["class"].as_i64().expect("a class")));
            page += &format!("\n## {title}\n{}", table(&case["fields"], at + 1, &comments));
        }
    }
    page + "\n"
}

#[test]
fn pages_have_the_mappings() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ocsf");
    let is_blessed = std::env::var_os("BLESS").is_some();
    for name in ocsf::mapped() {
        let format = formats().iter().find(|format| format.name == name).expect("a format");
        let path = docs.join(format!("{name}.md"));
        let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let start =
            page.find("<!-- mapping").and_then(|at| Some(at + page[at..].find('\n')? + 1)).expect("a start");
        let end = page.find("<!-- end -->").expect("an end");
        let sources = format.sources.iter().enumerate();
        let sources: Vec<String> = sources.map(|(at, source)| format!("[{}]({source})", at + 1)).collect();
        let yaml = fs::read_to_string(folder().join(&name).join("ocsf.yaml")).expect("a mapping");
        let made = format!("\nSources: {}\n{}", sources.join(" "), tables(&yaml));
        for part in ["## Limits", "## Other mappings"] {
            assert!(page[end..].contains(part), "{name}: {part}");
        }
        if is_blessed {
            fs::write(&path, format!("{}{made}{}", &page[..start], &page[end..])).expect("a page");
        } else {
            assert_eq!(page[start..end], made, "{name}: BLESS=1 writes it");
        }
    }
}
