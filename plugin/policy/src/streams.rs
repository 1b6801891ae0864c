//! Reads the policy's schemas: their records, and the treatment of invalid ones.

use crate::catalogue::{self, Mode};
use crate::formats::{Chosen, formats};
use crate::paths::{self, Step};
use crate::schema::{self, Options, SchemaError};
use crate::yaml::{
    Files, Problem, Read, list, mapping, name, problem, required, scalar_problem, text, unknown,
};
use flb_audit_core::schema::{Disposition, StreamParts, write_streams};
use marked_yaml::Node;
use marked_yaml::types::MarkedMappingNode;

/// The maximum number of entries of `schema`.
const STREAMS_MAX: usize = 256;

const KEYS: [&str; 9] = ["tag", "field", "value", "built-in", "mode", "file", "format", "name", "invalid"];

/// The name that stands for the schema of each record's own format.
const AUTO: &str = "auto";

/// An entry of `schema`.
pub(crate) struct Stream {
    pub(crate) tag: String,
    /// The keys that lead to the field that tells its records; empty if all records with
    /// the tag belong to it.
    pub(crate) field: Vec<String>,
    pub(crate) value: String,
    /// The format of its records, as an index in the catalogue, with the index of a case
    /// if they belong to one; `None` for any format.
    pub(crate) format: Option<(usize, Option<usize>)>,
    pub(crate) name: String,
    pub(crate) program: Vec<u8>,
    /// The text of a schema from a file.
    pub(crate) text: String,
    pub(crate) invalid: Disposition,
    /// The places of names in its schema that are no keywords.
    pub(crate) unknown: Vec<Problem>,
}

/// Reads all entries.
pub(crate) fn streams(policy: &MarkedMappingNode, files: Files<'_>) -> Read<Vec<Stream>> {
    if let Some(word) = policy.get("schema").and_then(Node::as_scalar) {
        if word.as_str() != AUTO {
            let said =
                "`schema` takes a list, or `auto`: each record is checked against the schema of its format";
            return Err(scalar_problem(word, said));
        }
        return Ok(by_format("*", Mode::Required, Disposition::Mark));
    }
    let entries = list(policy, "schema")?;
    if let Some(node) = entries.get(STREAMS_MAX) {
        return Err(problem(node, format!("`schema` takes up to {STREAMS_MAX} entries")));
    }
    let mut streams: Vec<(Stream, &Node)> = Vec::new();
    for node in entries {
        if let Some(all) = auto(node)? {
            streams.extend(all.into_iter().map(|stream| (stream, node)));
            continue;
        }
        let stream = stream(node, files)?;
        if let Some((_, first)) = streams.iter().find(|(earlier, _)| earlier.takes_all_of(&stream)) {
            let line = problem(first, "").line;
            let said = format!(
                "this entry has no effect: the entry of line {line} takes all records of `{}`, and the first entry that \
                 fits decides; move this one above it, or remove it",
                stream.tag
            );
            return Err(problem(node, said));
        }
        streams.push((stream, node));
    }
    Ok(streams.into_iter().map(|(stream, _)| stream).collect())
}

impl Stream {
    /// Returns the formats that its records have. They have to be recognized, so that a
    /// record that contains such records is not itself checked like one.
    pub(crate) fn formats(&self) -> impl Iterator<Item = usize> + '_ {
        let schema = self.name.strip_suffix("-strict").unwrap_or(&self.name);
        let has_it = move |format: &usize| {
            let is_it = |other: &Option<String>| other.as_deref() == Some(schema);
            let is_of = |format: &crate::formats::Format| {
                is_it(&format.schema) || format.cases.iter().any(|case| is_it(&case.schema))
            };
            self.text.is_empty() && (self.format.is_some() || formats().get(*format).is_some_and(is_of))
        };
        (0..formats().len()).filter(has_it)
    }

    /// Returns the number of its records' format in the table; 0 for any.
    fn variant(&self, chosen: &Chosen) -> u8 {
        match self.format {
            None => 0,
            Some((format, None)) => chosen.variant(format).unwrap_or(u8::MAX),
            Some((format, Some(case))) => chosen.case(format, case).unwrap_or(u8::MAX),
        }
    }

    /// Checks whether this stream takes every record that the other one could take. For
    /// two tags with a `*`, that is only known if the tags are equal.
    fn takes_all_of(&self, other: &Stream) -> bool {
        let is_tag = self.tag == "*" || self.tag == other.tag;
        self.format.is_none()
            && is_tag
            && (self.field.is_empty() || (&self.field, &self.value) == (&other.field, &other.value))
    }
}

fn stream(node: &Node, files: Files<'_>) -> Read<Stream> {
    let entry = mapping(node, "an entry of `schema`", &KEYS)?;
    let tag = required(node, entry, "tag")?;
    let tag_text = text(tag, "`tag`")?.as_str();
    if tag_text.is_empty() {
        return Err(problem(tag, "`tag` takes a pattern as Fluent Bit's `match` does, such as `kube.*`"));
    }
    let (field, value) = condition(entry)?;
    let invalid = match entry.get("invalid") {
        Some(node) => disposition(node)?,
        None => Disposition::Mark,
    };
    let (name, program, text, unknown) = match (entry.get("built-in"), entry.get("file")) {
        (Some(name), None) => built_in(name, entry)?,
        (None, Some(file)) => from_file(node, file, entry, files)?,
        (Some(_), Some(file)) => {
            return Err(problem(file, "`file` and `built-in` exclude each other; make two entries"));
        }
        (None, None) => {
            return Err(problem(node, "`built-in` or `file` is missing: the schema that the records have"));
        }
    };
    Ok(Stream { tag: tag_text.into(), field, value, format: None, name, program, text, invalid, unknown })
}

/// Reads the field and the value that tell the records of a stream.
fn condition(entry: &MarkedMappingNode) -> Read<(Vec<String>, String)> {
    match (entry.get("field"), entry.get("value")) {
        (None, None) => Ok((Vec::new(), String::new())),
        (Some(field), Some(value)) => {
            let path = text(field, "`field`")?.as_str();
            let steps = paths::parse(path).map_err(|said| problem(field, format!("`{path}`: {said}")))?;
            let key = |step| match step {
                Step::Member(key) => Ok(key),
                _ => Err(problem(field, format!("`{path}`: `field` is one field, by its keys: `a.b`"))),
            };
            let keys = steps.into_iter().map(key).collect::<Read<_>>()?;
            Ok((keys, text(value, "`value`")?.as_str().into()))
        }
        (Some(field), None) => Err(problem(field, "`field` goes with a `value` that it has to have")),
        (None, Some(value)) => Err(problem(value, "`value` goes with a `field` that has it")),
    }
}

fn disposition(node: &Node) -> Read<Disposition> {
    let word = text(node, "`invalid`")?.as_str();
    let known = Disposition::ALL.map(Disposition::name);
    Disposition::ALL
        .into_iter()
        .find(|disposition| disposition.name() == word)
        .ok_or_else(|| problem(node, unknown("way to treat invalid records", word, &known)))
}

/// The name in seals, the program, the text if it has to be stored, and the names in it
/// that are no keywords.
type Schema = (String, Vec<u8>, String, Vec<Problem>);

fn built_in(node: &Node, entry: &MarkedMappingNode) -> Read<Schema> {
    let wanted = text(node, "`built-in`")?.as_str();
    for key in ["format", "name"] {
        if let Some(node) = entry.get(key) {
            let said = format!("`{key}` goes with `file`; a built-in has its own name, and `mode: strict`");
            return Err(problem(node, said));
        }
    }
    let mode = mode(entry)?;
    let Some(compiled) = catalogue::compile(wanted, mode) else {
        let known: Vec<&str> = catalogue::names().collect();
        return Err(problem(node, unknown("built-in schema", wanted, &known)));
    };
    let compiled = compiled.map_err(|error| problem(node, format!("`{wanted}`: {error}")))?;
    Ok((seal_name(wanted, mode), compiled.program, String::new(), Vec::new()))
}

fn mode(entry: &MarkedMappingNode) -> Read<Mode> {
    let Some(node) = entry.get("mode") else { return Ok(Mode::Required) };
    match text(node, "`mode`")?.as_str() {
        "required" => Ok(Mode::Required),
        "strict" => Ok(Mode::Strict),
        other => Err(problem(node, unknown("mode", other, &["required", "strict"]))),
    }
}

/// Reads an entry that stands for the schemas of all formats. Returns its streams.
fn auto(node: &Node) -> Read<Option<Vec<Stream>>> {
    let is_auto = |entry: &MarkedMappingNode| {
        entry.get("built-in").and_then(Node::as_scalar).is_some_and(|name| name.as_str() == AUTO)
    };
    if !node.as_mapping().is_some_and(is_auto) {
        return Ok(None);
    }
    let entry =
        mapping(node, "an entry of `schema` with `built-in: auto`", &["tag", "built-in", "mode", "invalid"])?;
    let tag = text(required(node, entry, "tag")?, "`tag`")?.as_str();
    let invalid = entry.get("invalid").map_or(Ok(Disposition::Mark), disposition)?;
    Ok(Some(by_format(tag, mode(entry)?, invalid)))
}

/// Returns a stream for each schema of a format, or of a case of one.
fn by_format(tag: &str, mode: Mode, invalid: Disposition) -> Vec<Stream> {
    let schemas = formats().iter().enumerate().flat_map(|(format, parts)| {
        let cases = parts.cases.iter().enumerate();
        let cases =
            cases.filter_map(move |(case, parts)| Some((parts.schema.as_ref()?, (format, Some(case)))));
        cases.chain(parts.schema.iter().map(move |schema| (schema, (format, None))))
    });
    // A test checks that there is a schema for each name, and that it compiles.
    let stream = |(schema, format): (&String, _)| {
        let program = catalogue::compile(schema, mode)?.ok()?.program;
        let name = seal_name(schema, mode);
        Some(Stream {
            tag: tag.into(),
            field: Vec::new(),
            value: String::new(),
            format: Some(format),
            name,
            program,
            text: String::new(),
            invalid,
            unknown: Vec::new(),
        })
    };
    schemas.filter_map(stream).collect()
}

/// Returns the name of a built-in schema in seals.
fn seal_name(schema: &str, mode: Mode) -> String {
    if mode == Mode::Strict { format!("{schema}-strict") } else { schema.into() }
}

fn from_file(node: &Node, file: &Node, entry: &MarkedMappingNode, files: Files<'_>) -> Read<Schema> {
    if let Some(mode) = entry.get("mode") {
        return Err(problem(mode, "`mode` goes with `built-in`"));
    }
    let path = text(file, "`file`")?.as_str();
    let name_node = entry
        .get("name")
        .ok_or_else(|| problem(node, "`name` is missing: it stands in the seal of each record"))?;
    let name = name(name_node, "`name`")?;
    if is_built_in(&name) {
        return Err(problem(name_node, format!("`{name}` is the name of a built-in; give it another")));
    }
    let assert_format = match entry.get("format") {
        None => false,
        Some(node) if text(node, "`format`")?.as_str() == "assert" => true,
        Some(node) => {
            return Err(problem(node, "`format` takes `assert`; without it, formats are annotations"));
        }
    };
    let schema = files(path).map_err(|said| problem(file, format!("`{path}`: {said}")))?;
    let in_file = |error: &SchemaError| problem(file, format!("`{path}`, {error}"));
    let compiled = schema::compile(&schema, Options { assert_format }).map_err(|error| in_file(&error))?;
    Ok((name, compiled.program, schema, compiled.unknown.iter().map(in_file).collect()))
}

fn is_built_in(name: &str) -> bool {
    catalogue::names().any(|known| known == name.strip_suffix("-strict").unwrap_or(name))
}

/// Writes all streams in the form of a policy's table.
pub(crate) fn compile(streams: &[Stream], chosen: &Chosen) -> Vec<u8> {
    let fields: Vec<Vec<&str>> =
        streams.iter().map(|stream| stream.field.iter().map(String::as_str).collect()).collect();
    let parts: Vec<StreamParts<'_>> = streams
        .iter()
        .zip(&fields)
        .map(|(stream, field)| StreamParts {
            tag: &stream.tag,
            field,
            value: &stream.value,
            format: stream.variant(chosen),
            name: &stream.name,
            program: &stream.program,
            text: &stream.text,
            invalid: stream.invalid,
        })
        .collect();
    write_streams(&parts)
}
