//! A mapping's file, read and checked.

use super::attributes;
use super::path::{self, Step, Target};
use super::{Case, Conditions, Cut, Each, Field, From, Item, Lookup, Mapping, Question, Source, Value};
use crate::formats::value_type;
use crate::yaml::{
    Problem, Read, any_mapping, document, list, mapping, problem, scalar_problem, text, unknown,
};
use flb_audit_core::normalize::{Conversion, CutAt, Fits, Test};
use marked_yaml::Node;
use marked_yaml::types::{MarkedMappingNode, MarkedScalarNode};
use std::collections::BTreeMap;

/// The most cases of a mapping.
const CASES_MAX: usize = 64;
/// The most combinations of conditions of an `any`.
const ALTERNATIVES_MAX: usize = 64;
/// The most cuts of a source.
const CUTS_MAX: usize = 16;
/// Members that are written without being asked for.
const OWN: [&str; 6] = ["class_uid", "category_uid", "type_uid", "unmapped", "raw_data", "audit"];
/// Fluent Bit's time, as a path.
const NOW: &str = "$time";
/// The element itself, as a path.
pub(super) const ELEMENT: &str = "$";

pub(super) const CONVERSIONS: [(&str, Conversion); 11] = [
    ("string", Conversion::String),
    ("integer", Conversion::Integer),
    ("boolean", Conversion::Boolean),
    ("ip", Conversion::Ip),
    ("host", Conversion::Host),
    ("email", Conversion::Email),
    ("time", Conversion::Time),
    ("seconds", Conversion::Seconds),
    ("milliseconds", Conversion::Milliseconds),
    ("microseconds", Conversion::Microseconds),
    ("nanoseconds", Conversion::Nanoseconds),
];
const TEXT_TESTS: [(&str, Test); 4] =
    [("is", Test::Is), ("starts", Test::Starts), ("ends", Test::Ends), ("contains", Test::Contains)];

/// Reads a mapping.
pub(super) fn parse(source: &str) -> Read<Mapping> {
    let root = document(source)?;
    let top = mapping(&root, "a mapping", &["absent", "fields", "drop", "cases"])?;
    let absent = list(top, "absent")?;
    let absent = absent.into_iter().map(|node| Ok(text(node, "a text")?.as_str().to_owned()));
    let common = top.get("fields").map_or(Ok(BTreeMap::new()), fields)?;
    let dropped = paths(top, "drop")?;
    let nodes = list(top, "cases")?;
    if nodes.is_empty() {
        let message = "`cases` is missing: one entry, with a `class`, for each class of events".into();
        return Err(Problem { line: 1, column: 1, message });
    }
    if let Some(node) = nodes.get(CASES_MAX) {
        return Err(problem(node, format!("a mapping has up to {CASES_MAX} cases")));
    }
    let case = |node: &Node| case(node, &common, &dropped);
    Ok(Mapping {
        absent: absent.collect::<Read<_>>()?,
        cases: nodes.into_iter().map(case).collect::<Read<_>>()?,
    })
}

fn case(node: &Node, common: &BTreeMap<Target, Field>, dropped: &[Vec<Step>]) -> Read<Case> {
    let case = mapping(node, "a case", &["when", "class", "fields", "drop"])?;
    let class =
        case.get("class").ok_or_else(|| problem(node, "`class` is missing: the uid of an OCSF class"))?;
    let class = text(class, "`class`")?
        .as_str()
        .parse()
        .map_err(|_| problem(class, "`class` takes the uid of an OCSF class, such as 6003"))?;
    let mut all = common.clone();
    all.extend(case.get("fields").map_or(Ok(BTreeMap::new()), fields)?);
    // `[]` takes a common one away.
    all.retain(|_, field| !matches!(&field.value, Value::Sources(sources) if sources.is_empty()));
    check_targets(&all)?;
    let mut drop = dropped.to_vec();
    drop.extend(paths(case, "drop")?);
    let when = case.get("when").map_or(Ok(Vec::new()), conditions)?;
    Ok(Case { when, class, fields: all, drop, line: line(node) })
}

fn line(node: &Node) -> usize {
    problem(node, "").line
}

fn paths(mapping: &MarkedMappingNode, key: &str) -> Read<Vec<Vec<Step>>> {
    list(mapping, key)?.into_iter().map(|node| record_path(text(node, "a path")?)).collect()
}

fn record_path(node: &MarkedScalarNode) -> Read<Vec<Step>> {
    path::parse(node.as_str())
        .map_err(|said| scalar_problem(node, format!("`{}` is no path: {said}", node.as_str())))
}

/// Members of the event, and what they are made of.
fn fields(node: &Node) -> Read<BTreeMap<Target, Field>> {
    let mut fields = BTreeMap::new();
    for (target, node) in any_mapping(node, "`fields`")?.iter() {
        let name = target.as_str();
        let steps = path::target(name).map_err(|said| scalar_problem(target, format!("`{name}`: {said}")))?;
        if let Some(Step::Member(first)) = steps.first()
            && OWN.contains(&first.as_str())
        {
            let said = format!("`{first}` is written without being asked for; take it out");
            return Err(scalar_problem(target, said));
        }
        let place = scalar_problem(target, "");
        let mut value = value(node)?;
        attributes::fit(&steps, &mut value).map_err(|said| problem(node, said))?;
        fields.insert(steps, Field { value, line: place.line });
    }
    Ok(fields)
}

/// Checks that nothing is a value and holds others.
fn check_targets(fields: &BTreeMap<Target, Field>) -> Read<()> {
    for (target, field) in fields {
        let is_within = |len: usize| fields.contains_key(&target[..len]);
        if (1..target.len()).any(is_within) {
            let message = "this member is within another one that has a value of its own".into();
            return Err(Problem { line: field.line, column: 1, message });
        }
        // An element and a member cannot have the same place.
        let is_element =
            |steps: &[Step], at: usize| steps.get(at).map(|step| matches!(step, Step::Element(_)));
        let differs = fields.keys().any(|other| {
            let same = target.iter().zip(other).take_while(|(a, b)| a == b).count();
            matches!((is_element(target, same), is_element(other, same)), (Some(a), Some(b)) if a != b)
        });
        if differs {
            let message = "this member is in an array that has members elsewhere".into();
            return Err(Problem { line: field.line, column: 1, message });
        }
    }
    Ok(())
}

fn value(node: &Node) -> Read<Value> {
    let entries: Vec<&Node> = match node.as_sequence() {
        Some(sequence) => sequence.iter().collect(),
        None => vec![node],
    };
    let has = |node: &&Node, key: &str| node.as_mapping().is_some_and(|mapping| mapping.get(key).is_some());
    if entries.iter().any(|node| has(node, "each")) {
        return Ok(Value::Each(entries.into_iter().map(each).collect::<Read<_>>()?));
    }
    if let [entry] = *entries
        && has(&entry, "pairs")
    {
        let pairs = mapping(entry, "pairs", &["pairs", "key", "value"])?;
        let word = |key: &str| -> Read<&MarkedScalarNode> {
            text(pairs.get(key).ok_or_else(|| problem(entry, format!("`{key}` is missing")))?, key)
        };
        let (key, value) = (word("key")?.as_str().into(), word("value")?.as_str().into());
        return Ok(Value::Pairs { array: record_path(word("pairs")?)?, key, value });
    }
    Ok(Value::Sources(sources(&entries)?))
}

fn sources(entries: &[&Node]) -> Read<Vec<Source>> {
    entries.iter().map(|node| source(node)).collect()
}

fn each(node: &Node) -> Read<Each> {
    let entry = mapping(node, "an entry with `each`", &["each", "fields", "item"])?;
    let required = |key: &str| entry.get(key).ok_or_else(|| problem(node, format!("`{key}` is missing")));
    let item = match (entry.get("fields"), entry.get("item")) {
        (Some(node), None) => {
            let fields = fields(node)?;
            check_targets(&fields)?;
            if fields.values().any(|field| !matches!(field.value, Value::Sources(_))) {
                return Err(problem(node, "an `each` or `pairs` within another is not possible"));
            }
            Item::Object(fields)
        }
        (None, Some(node)) => match value(node)? {
            Value::Sources(sources) => Item::Value(sources),
            _ => return Err(problem(node, "an `each` or `pairs` within another is not possible")),
        },
        _ => return Err(problem(node, "`each` goes with `fields`, or with `item` for a list of values")),
    };
    Ok(Each { array: record_path(text(required("each")?, "`each`")?)?, item, line: line(node) })
}

fn source(node: &Node) -> Read<Source> {
    let plain = |from| Source {
        from,
        when: Vec::new(),
        cuts: Vec::new(),
        conversion: Conversion::Copy,
        lookup: None,
        line: line(node),
    };
    if let Some(scalar) = node.as_scalar() {
        return Ok(plain(from(scalar)?));
    }
    const KEYS: [&str; 8] = ["from", "value", "when", "cut", "lookup", "default", "as", "join"];
    let entry = mapping(node, "a source", &KEYS)?;
    let mut source = match (entry.get("from"), entry.get("value")) {
        (Some(path), None) => plain(from(text(path, "`from`")?)?),
        (None, Some(value)) => {
            if let Some(key) =
                ["cut", "lookup", "default", "as", "join"].iter().find_map(|key| entry.get(*key))
            {
                return Err(problem(key, "a `value` is written as it is; take this out"));
            }
            plain(From::Constant(constant(text(value, "`value`")?)?))
        }
        _ => return Err(problem(node, "a source has a `from`, a path in the record, or a `value`")),
    };
    if let Some(node) = entry.get("when") {
        source.when = conditions(node)?;
    }
    if let Some(node) = entry.get("cut") {
        let cuts: Vec<&Node> = node.as_sequence().map_or_else(|| vec![node], |cuts| cuts.iter().collect());
        if cuts.len() > CUTS_MAX {
            let message = format!("a source has up to {CUTS_MAX} cuts; `part` and `rest` count separators");
            return Err(problem(node, message));
        }
        source.cuts = cuts.into_iter().map(cut).collect::<Read<_>>()?;
        source.conversion = Conversion::String;
    }
    if let Some(node) = entry.get("join") {
        if let Some(other) = ["cut", "lookup", "as"].iter().find_map(|key| entry.get(*key)) {
            return Err(problem(other, "`join` goes with nothing else"));
        }
        let between = text(node, "`join`")?.as_str();
        check_separator(node, between)?;
        source.cuts = vec![Cut { at: CutAt::First, count: 0, before: between.into(), after: String::new() }];
        source.conversion = Conversion::Join;
        return Ok(source);
    }
    match (entry.get("lookup"), entry.get("as")) {
        (Some(_), Some(node)) => return Err(problem(node, "`as` and `lookup` exclude each other")),
        (Some(node), None) => {
            source.lookup = Some(lookup(node, entry.get("default"))?);
            source.conversion = Conversion::Lookup;
        }
        (None, Some(node)) => {
            let name = text(node, "`as`")?.as_str();
            let known = CONVERSIONS.map(|(known, _)| known);
            let found = CONVERSIONS.iter().find(|(known, _)| *known == name);
            source.conversion = found.ok_or_else(|| problem(node, unknown("conversion", name, &known)))?.1;
        }
        (None, None) => {
            if let Some(node) = entry.get("default") {
                return Err(problem(
                    node,
                    "`default` goes with `lookup`; for a value that is missing, add \
                    `{value: …}` to a list of sources",
                ));
            }
        }
    }
    Ok(source)
}

fn from(scalar: &MarkedScalarNode) -> Read<From> {
    match scalar.as_str() {
        NOW => Ok(From::Now),
        _ => Ok(From::Path(record_path(scalar)?)),
    }
}

/// A constant, as JSON.
fn constant(scalar: &MarkedScalarNode) -> Read<String> {
    let text = scalar.as_str();
    if scalar.may_coerce() {
        if matches!(text, "true" | "false") {
            return Ok(text.into());
        }
        if text.parse::<i64>().is_ok_and(|number| number.to_string() == text) {
            return Ok(text.into());
        }
        if text.parse::<f64>().is_ok() || matches!(text, "null" | "~" | "") {
            return Err(scalar_problem(
                scalar,
                "a constant is an integer, true, false, or a text (in quotes)",
            ));
        }
    }
    if text.contains(char::is_control) {
        return Err(scalar_problem(scalar, "a constant text has no control characters"));
    }
    Ok(format!("\"{}\"", escaped(text)))
}

/// A text as it stands within a JSON string in canonical form (RFC 8785 section 3.2.2.2).
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\u{8}' => out += "\\b",
            '\u{c}' => out += "\\f",
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            '\0'..='\u{1f}' => out += &format!("\\u{:04x}", u32::from(character)),
            _ => out.push(character),
        }
    }
    out
}

fn cut(node: &Node) -> Read<Cut> {
    const KEYS: [&str; 7] = ["before", "after", "before-last", "after-last", "between", "part", "rest"];
    let entry = mapping(node, "a cut", &KEYS)?;
    let mut entries = entry.iter();
    let (Some((key, node)), None) = (entries.next(), entries.next()) else {
        return Err(problem(
            node,
            "a cut has one of `before`, `after`, `before-last`, `after-last`, `between`, `part`, `rest`",
        ));
    };
    let plain =
        |at, before: &str, after: &str| Cut { at, count: 0, before: before.into(), after: after.into() };
    let one = || Ok(text(node, "a cut")?.as_str());
    let two = || -> Read<(&MarkedScalarNode, &MarkedScalarNode)> {
        let items: Vec<&Node> = node.as_sequence().map(|items| items.iter().collect()).unwrap_or_default();
        match *items {
            [first, second] => Ok((text(first, "a text")?, text(second, "an entry")?)),
            _ => Err(problem(node, format!("`{}` takes a list of two", key.as_str()))),
        }
    };
    let cut = match key.as_str() {
        "before" => plain(CutAt::First, "", one()?),
        "after" => plain(CutAt::First, one()?, ""),
        "before-last" => plain(CutAt::Last, "", one()?),
        "after-last" => plain(CutAt::Last, one()?, ""),
        "between" => {
            let (before, after) = two()?;
            plain(CutAt::First, before.as_str(), after.as_str())
        }
        other => {
            let (separator, count) = two()?;
            let count_read = count.as_str().parse();
            let count = count_read.map_err(|_| scalar_problem(count, "the number of the part, from 0 on"))?;
            let at = if other == "part" { CutAt::Part } else { CutAt::Rest };
            Cut { count, ..plain(at, separator.as_str(), "") }
        }
    };
    if cut.before.is_empty() && cut.after.is_empty() {
        return Err(problem(node, "a cut is at some text"));
    }
    check_separator(node, &cut.before)?;
    check_separator(node, &cut.after)?;
    Ok(cut)
}

fn check_separator(node: &Node, text: &str) -> Read<()> {
    if text.contains(char::is_control) {
        return Err(problem(
            node,
            "a text to cut or join at has no control character: records have them escaped",
        ));
    }
    Ok(())
}

fn lookup(node: &Node, default: Option<&Node>) -> Read<Lookup> {
    let mut entries = Vec::new();
    for (key, node) in any_mapping(node, "`lookup`")?.iter() {
        let token = constant(text(node, "an entry of `lookup`")?)?;
        let (fits, wanted) = fits(key)?;
        entries.push((fits, wanted, token));
    }
    // Texts first, then patterns in their order.
    entries.sort_by_key(|(fits, ..)| *fits != Fits::Is);
    let default = default.map(|node| constant(text(node, "`default`")?)).transpose()?;
    Ok(Lookup { entries, default })
}

fn fits(key: &MarkedScalarNode) -> Read<(Fits, Vec<u8>)> {
    let text = key.as_str();
    if let Some((first, last)) = text.split_once("..")
        && let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>())
    {
        if first > last {
            return Err(scalar_problem(key, "the range ends before it starts"));
        }
        return Ok((Fits::Range, [first.to_le_bytes(), last.to_le_bytes()].concat()));
    }
    let (fits, wanted) = match (text.strip_prefix('*'), text.strip_suffix('*')) {
        (Some(_), Some(_)) if text.len() > 2 => (Fits::Contains, &text[1..text.len() - 1]),
        (Some(wanted), None) => (Fits::Ends, wanted),
        (None, Some(wanted)) => (Fits::Starts, wanted),
        _ => (Fits::Is, text),
    };
    if wanted.contains('*') && fits != Fits::Is {
        return Err(scalar_problem(key, "`*` stands at the start or at the end of an entry"));
    }
    Ok((fits, escaped(wanted).into_bytes()))
}

/// The conditions of a case or a source.
fn conditions(node: &Node) -> Read<Conditions> {
    const KEYS: [&str; 9] = ["has", "lacks", "is", "starts", "ends", "contains", "type", "not", "any"];
    let when = mapping(node, "`when`", &KEYS)?;
    let mut all = Vec::new();
    for (key, is_negated) in [("has", false), ("lacks", true)] {
        for node in list(when, key)? {
            let path = record_path(text(node, "a path")?)?;
            all.push(vec![Question { path, test: Test::Has, text: String::new(), kind: 0, is_negated }]);
        }
    }
    for (key, test) in TEXT_TESTS {
        let Some(node) = when.get(key) else { continue };
        for (path, wanted) in any_mapping(node, &format!("`{key}`"))?.iter() {
            let steps = record_path(path)?;
            let wanted: Vec<&Node> =
                wanted.as_sequence().map_or_else(|| vec![wanted], |list| list.iter().collect());
            let question = |node: &Node| {
                let text = text(node, "a text")?.as_str().into();
                Ok(Question { path: steps.clone(), test, text, kind: 0, is_negated: false })
            };
            all.push(wanted.into_iter().map(question).collect::<Read<_>>()?);
        }
    }
    if let Some(node) = when.get("type") {
        for (path, wanted) in any_mapping(node, "`type`")?.iter() {
            let kind = value_type(wanted)? as u16;
            let path = record_path(path)?;
            all.push(vec![Question { path, test: Test::Type, text: String::new(), kind, is_negated: false }]);
        }
    }
    if let Some(node) = when.get("not") {
        // None of them holds: each of their questions is answered otherwise.
        for question in conditions(node)?.into_iter().flatten() {
            all.push(vec![Question { is_negated: !question.is_negated, ..question }]);
        }
    }
    if when.get("any").is_some() {
        // `a and b, or c and d` holds if each of `a or c`, `a or d`, `b or c`, `b or d` does.
        let mut one_of: Conditions = vec![Vec::new()];
        for node in list(when, "any")? {
            let more = conditions(node)?;
            let with = |before: &Vec<Question>| -> Conditions {
                more.iter().map(|questions| before.iter().chain(questions).cloned().collect()).collect()
            };
            one_of = one_of.iter().flat_map(with).collect();
            if one_of.len() > ALTERNATIVES_MAX {
                return Err(problem(node, "this `any` is too long; make several cases"));
            }
        }
        all.extend(one_of);
    }
    if all.iter().map(Vec::len).sum::<usize>() > usize::from(u8::MAX) {
        return Err(problem(node, "these are too many conditions; make several cases or sources"));
    }
    if all.iter().any(Vec::is_empty) {
        return Err(problem(node, "a condition without anything to compare with never holds"));
    }
    Ok(all)
}
