//! A pipeline: inputs, the sealing filter, outputs, and what these deliver.

use crate::case::Place;
use crate::expected::{self, Expected};
use crate::forward::Client;
use crate::http::Server;
use crate::process::{Process, STDOUT};
use crate::sink::Sink;
use crate::verify::{self, INTACT, Report, TAIL_UNANCHORED};
use anyhow::{Context, Result, ensure};
use host_tests::config::{Config, Section};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// The format of the config, and the place of the filter in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The classic format.
    Classic,
    /// YAML.
    Yaml,
    /// YAML, with the filter as a processor of the single input.
    Processor,
}

/// A pipeline that a case puts together.
pub(crate) struct Pipeline<'a> {
    place: &'a Place,
    pub(crate) layout: Layout,
    /// Properties of the service.
    service: Vec<(&'static str, String)>,
    inputs: Vec<Section>,
    /// The sealing filter.
    pub(crate) filter: Section,
    outputs: Vec<(Section, Sink)>,
    /// Outputs of unsealed records.
    other_outputs: Vec<Section>,
    /// The roster that trusts the chain's keys. None if the chain has no keys.
    roster: Option<PathBuf>,
    /// The server to which `http` outputs deliver.
    pub(crate) server: Server,
}

impl<'a> Pipeline<'a> {
    /// Creates a pipeline without inputs and outputs. Its filter has a new state
    /// directory.
    pub(crate) fn new(place: &'a Place) -> Result<Self> {
        let state = place.at("state");
        verify::init(&state)?;
        fs::write(place.at("parsers.conf"), "[PARSER]\n    Name json\n    Format json\n")?;
        let service = vec![
            ("flush", "0.2".into()),
            ("parsers_file", place.at("parsers.conf").display().to_string()),
            ("scheduler.base", "1".into()),
            ("scheduler.cap", "2".into()),
        ];
        let filter =
            Section::wasm(verify::module().display(), "audit").with("accessible_paths", state.display());
        Ok(Pipeline {
            place,
            layout: Layout::Classic,
            service,
            inputs: Vec::new(),
            filter,
            outputs: Vec::new(),
            other_outputs: Vec::new(),
            roster: None,
            server: Server::start(place.at("").as_path())?,
        })
    }

    /// Sets the filter's state directory to one of a chain with keys, in a directory that has
    /// nothing else in it. Returns that outer directory.
    pub(crate) fn use_keys(&mut self) -> Result<PathBuf> {
        let state = self.place.at("states/keyed");
        let roster = self.place.at("roster.json");
        verify::init_with_keys(&state, &roster)?;
        self.filter = self.filter.clone().with("accessible_paths", state.display());
        self.roster = Some(roster);
        Ok(state)
    }

    /// Makes the filter and the outputs match a single tag.
    pub(crate) fn take_only(&mut self, tag: &str) {
        let sections = self.outputs.iter_mut().map(|(section, _)| section).chain([&mut self.filter]);
        sections.for_each(|section| *section = section.clone().with("match", tag));
    }

    /// Adds an output of records that the filter does not seal.
    pub(crate) fn other_output(&mut self, output: Section) {
        self.other_outputs.push(output);
    }

    /// Sets a property of the service.
    pub(crate) fn service(&mut self, name: &'static str, value: impl ToString) {
        self.service.push((name, value.to_string()));
    }

    /// Adds an input.
    pub(crate) fn input(&mut self, input: Section) {
        self.inputs.push(input);
    }

    /// Returns a `forward` input and its port. The input has its own thread, because
    /// otherwise Fluent Bit 5.1 calls the filter on a stack on which WAMR runs nothing.
    pub(crate) fn forward() -> Result<(Section, u16)> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let section = Section::input("forward").with("listen", "127.0.0.1").with("port", port);
        Ok((section.with("threaded", "true"), port))
    }

    /// Starts the pipeline with such an input, and connects to it.
    pub(crate) fn start_forward(&mut self) -> Result<(Process, Client)> {
        let (forward, port) = Self::forward()?;
        self.input(forward);
        Ok((self.start()?, Client::connect(port)?))
    }

    /// Returns a `tail` input that reads a file in the case's directory from the
    /// beginning.
    pub(crate) fn tail(&self, tag: &str, file: &str) -> Section {
        Section::input("tail")
            .with("tag", tag)
            .with("path", self.place.at(file).display())
            .with("read_from_head", "true")
            .with("parser", "json")
    }

    /// Adds an `http` output in a format.
    pub(crate) fn http(&mut self, format: &str) {
        let name = format!("http-{format}");
        let section = Section::output("http")
            .with("host", "127.0.0.1")
            .with("port", self.server.port())
            .with("uri", format!("/{name}"))
            .with("retry_limit", "no_limits")
            .with("format", format);
        let path = self.place.at(&name);
        self.outputs.push((section, Sink { name, path, adds_date: true }));
    }

    /// Adds a `file` output. Returns the file.
    pub(crate) fn file(&mut self) -> PathBuf {
        let path = self.place.at("file");
        let section = Section::output("file")
            .with("path", self.place.at("").display())
            .with("file", "file")
            .with("format", "plain");
        self.outputs.push((section, Sink { name: "file".into(), path: path.clone(), adds_date: false }));
        path
    }

    /// Adds a `file`, a `stdout` and two `http` outputs.
    pub(crate) fn all_outputs(&mut self) {
        self.file();
        let stdout = Section::output("stdout").with("format", "json_lines");
        self.outputs
            .push((stdout, Sink { name: "stdout".into(), path: self.place.at(STDOUT), adds_date: true }));
        self.http("json");
        self.http("json_lines");
    }

    pub(crate) fn sinks(&self) -> impl Iterator<Item = &Sink> {
        self.outputs.iter().map(|(_, sink)| sink)
    }

    /// Writes the config, and starts Fluent Bit with it.
    pub(crate) fn start(&self) -> Result<Process> {
        let path = self.write_config()?;
        Process::start(self.place, &path)
    }

    /// Does the same in an environment that limits the size of files.
    pub(crate) fn start_in_little_room(&self) -> Result<Process> {
        let path = self.write_config()?;
        Process::start_in_little_room(self.place, &path)
    }

    /// Writes the config.
    pub(crate) fn write_config(&self) -> Result<PathBuf> {
        let mut config = Config::default();
        for (name, value) in &self.service {
            config = config.service(name, value);
        }
        for input in self.inputs.iter().cloned() {
            config = config.section(match self.layout {
                Layout::Processor => input.with_processor(self.filter.clone()),
                _ => input,
            });
        }
        if self.layout != Layout::Processor {
            config = config.section(self.filter.clone());
        }
        for (output, _) in &self.outputs {
            config = config.section(output.clone());
        }
        for output in self.other_outputs.iter().cloned() {
            config = config.section(output);
        }
        let (name, text) = match self.layout {
            Layout::Classic => ("pipeline.conf", config.classic()),
            Layout::Yaml | Layout::Processor => ("pipeline.yaml", config.yaml()),
        };
        let path = self.place.at(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Waits until every output has delivered this number of records. Duplicates count
    /// once.
    pub(crate) fn wait_for(&self, process: &mut Process, count: usize) -> Result<()> {
        self.sinks().try_for_each(|sink| sink.wait_for(process, count))
    }

    /// Waits for the expected records, ends Fluent Bit, and checks what every output has
    /// delivered. Fails if Fluent Bit logged an error. Returns the report for the first
    /// output.
    pub(crate) fn finish(&self, mut process: Process, expected: &[Expected]) -> Result<Report> {
        self.wait_for(&mut process, expected.len())?;
        let log = process.log()?;
        process.stop()?;
        if let Some(line) = log.lines().find(|line| line.contains("[error]")) {
            anyhow::bail!("fluent-bit has logged an error: {line}");
        }
        self.check(expected)
    }

    /// Checks what every output has delivered: the records, and that `verify` finds them
    /// intact. Returns the report for the first output.
    pub(crate) fn check(&self, expected: &[Expected]) -> Result<Report> {
        let mut first = None;
        for sink in self.sinks() {
            let check = || {
                expected::check(sink, expected)?;
                let report = self.verify(&sink.path)?;
                report.ensure(&[self.intact()], expected.len())?;
                ensure!(report.count("missing") == 0, "{} records missing", report.count("missing"));
                Ok(report)
            };
            let report = check().with_context(|| sink.name.clone())?;
            first.get_or_insert(report);
        }
        first.context("a pipeline without outputs")
    }

    /// Verifies what an output has delivered.
    pub(crate) fn verify(&self, log: &Path) -> Result<Report> {
        match &self.roster {
            Some(roster) => verify::verify_all(&[log.to_path_buf()], &[("--roster", roster)]),
            None => verify::verify(log),
        }
    }

    /// Returns the exit code for a log from which nothing is missing.
    pub(crate) fn intact(&self) -> i32 {
        if self.roster.is_some() { TAIL_UNANCHORED } else { INTACT }
    }
}
