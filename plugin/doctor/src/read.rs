//! Reads a configuration: the main file with its includes, the parsers and plugins files,
//! and the variables in all of them.

use crate::config::{Config, Kind, Problem, ProblemKind, Property, Section, Setting};
use crate::source::{Format, INCLUDE_DEPTH_MAX, Place, Refused, Sources};
use crate::{classic, variables, wildcard, yaml};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The maximum number of sections in a configuration. Fluent Bit has no such limit.
const SECTIONS_MAX: usize = 1000;

/// The state of reading: the sources, and the configuration so far.
pub(crate) struct Reader {
    pub(crate) sources: Sources,
    pub(crate) config: Config,
    /// The environment, and the variables that the configuration sets.
    pub(crate) variables: BTreeMap<String, String>,
    /// The directory of the main file.
    pub(crate) root: PathBuf,
    /// The directory below which absolute paths are looked up.
    host_root: PathBuf,
}

/// The environment and the command line that Fluent Bit would get.
pub(crate) struct Given<'a> {
    pub(crate) environment: &'a BTreeMap<String, String>,
    pub(crate) parsers: &'a [PathBuf],
    pub(crate) plugins: &'a [PathBuf],
    /// The directory below which absolute paths are looked up.
    pub(crate) host_root: PathBuf,
}

/// Reads a configuration. Some of its files may be replaced by other contents.
pub(crate) fn read(
    main: &Path,
    given: &Given<'_>,
    replaced: HashMap<PathBuf, Vec<u8>>,
) -> Result<Config, Refused> {
    let root = main.parent().unwrap_or(Path::new("")).to_owned();
    let mut reader = Reader {
        sources: Sources::replacing(replaced),
        config: Config::default(),
        variables: given.environment.clone(),
        root,
        host_root: given.host_root.clone(),
    };
    let source = reader.sources.read(main)?;
    reader.file(source, 0);
    if reader.config.sections.len() > SECTIONS_MAX {
        let place = reader.config.sections[SECTIONS_MAX].place;
        reader.syntax(place, format!("more than {SECTIONS_MAX} sections, which is the doctor's limit"));
        reader.config.sections.truncate(SECTIONS_MAX);
    }
    reader.refuse_parsers();
    reader.replace_variables();
    reader.others(given);
    reader.config.sources = reader.sources.read;
    Ok(reader.config)
}

impl Reader {
    fn file(&mut self, source: usize, depth: usize) {
        match self.sources.read[source].format {
            Format::Classic => classic::read(self, source, depth),
            Format::Yaml => yaml::read(self, source, depth),
        }
    }

    pub(crate) fn problem(&mut self, kind: ProblemKind, place: Place, message: impl Into<String>) {
        self.config.problems.push(Problem { kind, place, message: message.into() });
    }

    pub(crate) fn syntax(&mut self, place: Place, message: impl Into<String>) {
        self.problem(ProblemKind::Syntax, place, message);
    }

    /// Reads the files that an include names, relative to a directory.
    pub(crate) fn include(&mut self, named: &str, directory: &Path, place: Place, depth: usize) {
        if depth >= INCLUDE_DEPTH_MAX {
            self.syntax(place, format!("files include files more than {INCLUDE_DEPTH_MAX} deep"));
            return;
        }
        let path = self.path(directory, named.trim());
        let files = if named.contains('*') { wildcard::files(&path) } else { vec![path] };
        if files.is_empty() {
            self.syntax(place, format!("no file fits the include `{named}`, and Fluent Bit does not start"));
        }
        for file in files {
            match self.sources.read(&file) {
                Ok(source) => self.file(source, depth + 1),
                Err(refused) => self.syntax(place, format!("{}: {refused}", file.display())),
            }
        }
    }

    /// Returns the path of a file that is named in a directory's file.
    fn path(&self, directory: &Path, named: &str) -> PathBuf {
        named.strip_prefix('/').map_or_else(|| directory.join(named), |rest| self.host_root.join(rest))
    }

    /// Refuses parsers among the sections of the classic format: they have a file of their own.
    fn refuse_parsers(&mut self) {
        let is_classic = |place: Place| self.sources.read[place.source].format == Format::Classic;
        let is_parser = |section: &&Section| section.title.ends_with("parser") && is_classic(section.place);
        let parsers: Vec<Place> =
            self.config.sections.iter().filter(is_parser).map(|section| section.place).collect();
        for place in parsers {
            self.syntax(
                place,
                "a parser stands in a parsers file, and Fluent Bit does not start with one here",
            );
        }
    }

    /// Replaces the variables of all properties.
    fn replace_variables(&mut self) {
        let Config { sections, unset, .. } = &mut self.config;
        for section in sections {
            let own = section.properties.iter_mut();
            for property in own.chain(section.processors.iter_mut().flat_map(|step| &mut step.properties)) {
                match variables::replace(&property.raw, &self.variables) {
                    Ok(value) => property.value = Some(value),
                    Err(names) => unset.extend(names.into_iter().map(|name| (name, property.place))),
                }
            }
        }
    }

    /// Reads the parsers, plugins and streams files.
    fn others(&mut self, given: &Given<'_>) {
        let mut files: Vec<(PathBuf, Option<Place>)> =
            given.parsers.iter().chain(given.plugins).map(|path| (path.clone(), None)).collect();
        for (_, service) in self.config.all(Kind::Service) {
            let named = service.properties.iter().filter(|property| is_file_list(&property.key));
            for property in named {
                if let Some(value) = &property.value {
                    files.push((self.path(&self.root, value), Some(property.place)));
                }
            }
        }
        let own = std::mem::take(&mut self.config.sections);
        for (path, place) in files {
            match self.sources.read(&path) {
                Ok(source) => self.file(source, 0),
                Err(Refused::ReadBefore) => {}
                Err(refused) => {
                    let place = place.unwrap_or(Place { source: 0, line: 1 });
                    self.problem(ProblemKind::FileMissing, place, format!("{}: {refused}", path.display()));
                }
            }
        }
        let others = std::mem::replace(&mut self.config.sections, own);
        self.names(&others);
        let own = std::mem::take(&mut self.config.sections);
        self.names(&own);
        self.config.sections = own;
    }

    /// Keeps the names of parsers and of shared objects, and the tasks of streams.
    fn names(&mut self, sections: &[Section]) {
        for section in sections {
            match section.title.as_str() {
                "parser" | "multiline_parser" => {
                    let Some(name) = section.property("name") else { continue };
                    if !self.config.parsers.contains_key(&name.raw) {
                        self.config.parsers.insert(name.raw.clone(), name.place);
                    } else if section.title == "parser" {
                        self.config.parsers_again.push((name.raw.clone(), name.place));
                    }
                }
                "stream_task" | "stream_processor" => self.config.tasks.push(section.clone()),
                "plugins" => {
                    let paths = section.properties.iter().filter(|property| property.key == "path");
                    for path in paths {
                        let value = variables::replace(&path.raw, &self.variables).ok();
                        self.config.objects.push(Property { value, ..path.clone() });
                    }
                }
                _ => {}
            }
        }
    }
}

fn is_file_list(key: &str) -> bool {
    matches!(key, "parsers_file" | "plugins_file" | "streams_file")
}

/// Returns the kind of a section by its title.
pub(crate) fn kind(title: &str) -> Kind {
    match title.to_ascii_lowercase().as_str() {
        "service" => Kind::Service,
        "input" | "inputs" => Kind::Input,
        "filter" | "filters" => Kind::Filter,
        "output" | "outputs" => Kind::Output,
        _ => Kind::Other,
    }
}

/// Checks for titles of sections that Fluent Bit reads, beside those of the pipeline.
pub(crate) fn is_known(title: &str) -> bool {
    let known = [
        "parser",
        "parsers",
        "multiline_parser",
        "multiline_parsers",
        "stream_processor",
        "stream_task",
        "plugins",
        "upstream_servers",
        "upstream",
        "node",
        "custom",
        "customs",
        "env",
        "extensions",
        "includes",
        "pipeline",
    ];
    kind(title) != Kind::Other || known.iter().any(|known| known.eq_ignore_ascii_case(title))
}

impl Setting<'_> {
    /// Checks whether a value is certainly missing.
    pub(crate) fn is_absent(self) -> bool {
        self == Setting::Absent
    }
}
