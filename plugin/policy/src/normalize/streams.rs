//! Reads `normalize` in a policy, which says which records become events.

use super::Mapping;
use crate::formats::{Chosen, formats, index_of};
use crate::yaml::{Files, Problem, Read, list, mapping, name, problem, required, text, unknown};
use flb_audit_core::normalize::{MappingParts, MappingsParts, StreamMapping};
use marked_yaml::Node;
use marked_yaml::types::MarkedMappingNode;

/// The word for OCSF.
const OCSF: &str = "ocsf";
/// The most entries of `normalize`.
const ENTRIES_MAX: usize = 64;

/// An entry of `normalize`.
pub(crate) struct Normalization {
    tag: String,
    keeps_text: bool,
    /// The place in the catalogue of the format that its records have; none if any.
    format: Option<usize>,
    /// The mapping of the policy's own, and its program.
    own: Option<(MappingFile, Vec<u8>)>,
}

/// A mapping with its name, and the file that it stands in.
#[derive(Clone, Debug)]
pub struct MappingFile {
    /// The name that seals have.
    pub name: String,
    /// The path of the file: as the policy has it, or within the catalogue of formats.
    pub file: String,
    /// The mapping.
    pub mapping: Mapping,
}

impl MappingFile {
    /// Returns the mapping of a format in the catalogue, if it has one.
    pub fn built_in(name: &str) -> Option<Self> {
        let format = formats().iter().find(|format| format.name == name)?;
        let mapping = Mapping::read(format.mapping?).ok()?;
        Some(MappingFile { name: name.into(), file: format!("formats/{name}/ocsf.yaml"), mapping })
    }
}

impl Normalization {
    /// Returns its tag, the name of its mapping or of its format, and true if the event keeps the
    /// record as text.
    pub(crate) fn entry(&self) -> (&str, Option<&str>, bool) {
        let format = self.format.and_then(|format| formats().get(format)).map(|format| format.name);
        (&self.tag, self.own().map(|own| own.name.as_str()).or(format), self.keeps_text)
    }

    /// Returns the mapping of the policy's own.
    pub(crate) fn own(&self) -> Option<&MappingFile> {
        self.own.as_ref().map(|(own, _)| own)
    }

    /// The formats that are to be told from others.
    pub(crate) fn formats(&self) -> impl Iterator<Item = usize> + '_ {
        let is_needed = |(index, format): &(usize, &crate::formats::Format)| match self.format {
            Some(wanted) => *index == wanted,
            None => self.own.is_none() && format.mapping.is_some(),
        };
        formats().iter().enumerate().filter(is_needed).map(|(index, _)| index)
    }
}

/// Reads all entries, and adds the texts of the files that they name.
pub(crate) fn normalizations(
    policy: &MarkedMappingNode,
    files: Files<'_>,
    texts: &mut Vec<String>,
) -> Read<Vec<Normalization>> {
    let Some(node) = policy.get("normalize") else { return Ok(Vec::new()) };
    if let Some(word) = node.as_scalar() {
        if word.as_str() != OCSF {
            return Err(problem(node, unknown("structure for `normalize`", word.as_str(), &[OCSF])));
        }
        return Ok(vec![Normalization { tag: "*".into(), keeps_text: false, format: None, own: None }]);
    }
    let entries = list(policy, "normalize")?;
    if let Some(node) = entries.get(ENTRIES_MAX) {
        return Err(problem(node, format!("`normalize` takes up to {ENTRIES_MAX} entries")));
    }
    entries.into_iter().map(|node| entry(node, files, texts)).collect()
}

fn entry(node: &Node, files: Files<'_>, texts: &mut Vec<String>) -> Read<Normalization> {
    let entry =
        mapping(node, "an entry of `normalize`", &["tag", "to", "format", "mapping", "name", "raw_data"])?;
    let tag = text(required(node, entry, "tag")?, "`tag`")?.as_str();
    if tag.is_empty() {
        return Err(problem(node, "`tag` takes a pattern as Fluent Bit's `match` does, such as `kube.*`"));
    }
    if let Some(to) = entry.get("to")
        && text(to, "`to`")?.as_str() != OCSF
    {
        return Err(problem(to, "`to` takes `ocsf`: there is no other structure"));
    }
    let keeps_text = match entry.get("raw_data") {
        None => false,
        Some(node) => match text(node, "`raw_data`")?.as_str() {
            "true" => true,
            "false" => false,
            _ => return Err(problem(node, "`raw_data` is true or false")),
        },
    };
    let format = entry.get("format").map(index_of).transpose()?;
    let own = match entry.get("mapping") {
        Some(file) => Some(own(node, file, entry, files, texts)?),
        None => None,
    };
    if let (None, Some(node)) = (&own, entry.get("name")) {
        return Err(problem(
            node,
            "`name` goes with `mapping`; the name of a built-in one is that of its format",
        ));
    }
    if let (None, Some(format)) = (&own, format)
        && formats().get(format).is_some_and(|format| format.mapping.is_none())
    {
        let node = entry.get("format").unwrap_or(node);
        return Err(problem(
            node,
            "there is no mapping for this format; write one, and name its file as `mapping`",
        ));
    }
    Ok(Normalization { tag: tag.into(), keeps_text, format, own })
}

/// A mapping from a file.
fn own(
    node: &Node,
    file: &Node,
    entry: &MarkedMappingNode,
    files: Files<'_>,
    texts: &mut Vec<String>,
) -> Read<(MappingFile, Vec<u8>)> {
    let name_node = entry
        .get("name")
        .ok_or_else(|| problem(node, "`name` is missing: it stands in the seal of each record"))?;
    let name = name(name_node, "`name`")?;
    if formats().iter().any(|format| format.name == name) {
        return Err(problem(name_node, format!("`{name}` is the name of a format; give it another")));
    }
    let path = text(file, "`mapping`")?.as_str();
    let source = files(path).map_err(|said| problem(file, format!("`{path}`: {said}")))?;
    let in_file = |error: Problem| problem(file, format!("{path}:{error}"));
    let mapping = Mapping::read(&source).map_err(in_file)?;
    let program = mapping.program().map_err(in_file)?;
    texts.push(source);
    Ok((MappingFile { name, file: path.into(), mapping }, program))
}

/// Writes all entries as they stand in a policy's table.
pub(crate) fn compile(entries: &[Normalization], chosen: &Chosen) -> Result<Vec<u8>, Problem> {
    let mut parts = MappingsParts::default();
    let (built_in, of_formats) = if entries.iter().any(|entry| entry.own.is_none()) {
        built_in(chosen)?
    } else {
        (Vec::new(), Vec::new())
    };
    (parts.mappings, parts.formats) = (built_in, of_formats);
    for entry in entries {
        let mapping = entry.own.as_ref().map(|(own, program)| {
            parts.mappings.push(MappingParts { name: &own.name, program: program.clone() });
            parts.mappings.len() as u8 - 1
        });
        // A format that is not told from others is none that a record has.
        let format = entry.format.map_or(0, |format| chosen.variant(format).unwrap_or(u8::MAX));
        parts.streams.push(StreamMapping { tag: &entry.tag, keeps_text: entry.keeps_text, format, mapping });
    }
    parts.write().ok_or_else(|| Problem {
        line: 1,
        column: 1,
        message: "the mappings are too long; name fewer".into(),
    })
}

/// The mappings that come with flb-audit, and which format has which one.
fn built_in(chosen: &Chosen) -> Result<(Vec<MappingParts<'static>>, Vec<Option<u8>>), Problem> {
    let mut mappings = Vec::new();
    let mut of_formats = vec![None];
    for index in &chosen.formats {
        let format = formats().get(*index);
        let mapping = format.and_then(|format| Some((format.name, format.mapping?)));
        let Some((name, source)) = mapping else {
            of_formats.push(None);
            continue;
        };
        let compiled = Mapping::read(source).and_then(|mapping| mapping.program());
        let program = compiled.map_err(|problem| Problem {
            message: format!("the mapping of `{name}`: {problem}"),
            ..problem
        })?;
        of_formats.push(Some(mappings.len() as u8));
        mappings.push(MappingParts { name, program });
    }
    Ok((mappings, of_formats))
}
