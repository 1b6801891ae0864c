//! Runs a component without Fluent Bit: makes each call, and prints the outcome.

use super::chunks;
use super::script::{self, Step};
use crate::settings;
use crate::stdout::Stdout;
use crate::whole;
use anyhow::{Context, Result, bail};
use clap::Args;
use flb_audit_core::text::quantity;
use flb_audit_host::chunk::{Chunk, ChunkId};
use flb_audit_host::component::{Answer, Component, Delivery, Ended, Instance, Level, Limits};
use flb_audit_host::settings::Settings;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The options for running an output
#[derive(Args)]
#[command(next_help_heading = "With --output")]
pub(crate) struct Options {
    /// The steps: lines of `flush FILE`, `retry FILE`, `tick`, `kill` and `drain`. The
    /// first two may end with `within TIME` [default: retry each file, drain]
    #[arg(long, value_name = "FILE", requires = "output")]
    script: Option<PathBuf>,
    #[command(flatten)]
    component: settings::Options,
    /// The longest time of a call
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    deadline: Duration,
    /// The memory of the component
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = size)]
    memory_limit: usize,
    /// The most times that a chunk is delivered while the answer is `retry`
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    attempts: u32,
}

fn time(text: &str) -> Result<Duration, &'static str> {
    quantity::milliseconds(text).map(Duration::from_millis).ok_or("not a time, such as 500ms or 30s")
}

fn size(text: &str) -> Result<usize, &'static str> {
    let bytes = quantity::bytes(text).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or("not a size, such as 64M")
}

/// A component that is run here.
struct Rehearsal {
    component: Component,
    deadline: Duration,
    attempts_max: u32,
    settings: Settings,
    instance: Option<Instance>,
    attempts: HashMap<ChunkId, u32>,
    /// The chunks of each file in the steps. Each file is read once.
    files: HashMap<PathBuf, Vec<Arc<Chunk>>>,
    out: Stdout,
}

impl Options {
    pub(super) fn has_script(&self) -> bool {
        self.script.is_some()
    }

    pub(super) fn run(self, component: &Path, files: &[PathBuf]) -> Result<()> {
        let mut steps: Vec<Step> = files.iter().map(|file| Step::Retry(file.clone(), None)).collect();
        match &self.script {
            Some(path) => {
                let name = path.display();
                let text = whole::read_text(path).with_context(|| format!("{name}"))?;
                let dir = path.parent().unwrap_or(Path::new(""));
                steps.extend(script::read(&text, dir).with_context(|| format!("{name}"))?);
            }
            None => steps.push(Step::Drain(None)),
        }
        let limits = Limits {
            memory_bytes_max: self.memory_limit,
            deadline: self.deadline,
            directory: self.component.dir.clone(),
            is_writable: true,
            network: self.component.network(),
        };
        let mut rehearsal = Rehearsal {
            component: Component::from_file_metered(component, limits)?,
            deadline: self.deadline,
            attempts_max: self.attempts.max(1),
            settings: Settings::default(),
            instance: None,
            attempts: HashMap::new(),
            files: HashMap::new(),
            out: Stdout::new(),
        };
        rehearsal.configure(&self.component)?;
        for step in steps {
            rehearsal.step(step)?;
        }
        if let Some(dir) = &self.component.dir {
            rehearsal.print(&written(dir)?)?;
        }
        rehearsal.out.end()
    }
}

/// Returns the files in a directory with their sizes.
fn written(dir: &Path) -> Result<Value> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            files.push((entry.file_name().to_string_lossy().into_owned(), metadata.len()));
        }
    }
    files.sort();
    let files: Vec<Value> =
        files.iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes })).collect();
    Ok(json!({ "files": files }))
}

impl Rehearsal {
    /// Takes the settings that the component has properties for.
    fn configure(&mut self, options: &settings::Options) -> Result<()> {
        let mut instance = self.component.instantiate(self.deadline)?;
        let properties = instance.properties(self.deadline);
        let properties = properties.map_err(|ended| anyhow::anyhow!("properties: {}", ended.reason))?;
        self.settings = options.settings(&properties)?;
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Flush(file, within) => {
                for chunk in self.chunks(&file)? {
                    self.flush(&file, &chunk, within)?;
                }
                Ok(())
            }
            Step::Retry(file, within) => {
                for chunk in self.chunks(&file)? {
                    let mut attempts = 1;
                    while self.flush(&file, &chunk, within)? && attempts < self.attempts_max {
                        attempts += 1;
                    }
                }
                Ok(())
            }
            Step::Tick => {
                self.begin()?;
                let deadline = self.deadline;
                self.call("tick", json!({}), |instance| instance.tick(deadline).map(told)).map(|_| ())
            }
            Step::Kill => {
                self.instance = None;
                self.print(&json!({ "call": "kill" }))
            }
            Step::Drain(within) => {
                let limit = within.unwrap_or(self.deadline);
                if self.instance.is_some() {
                    self.call("drain", json!({}), |instance| instance.drain(limit).map(told))?;
                    self.instance = None;
                }
                Ok(())
            }
        }
    }

    fn chunks(&mut self, file: &Path) -> Result<Vec<Arc<Chunk>>> {
        if !self.files.contains_key(file) {
            let chunks = chunks::read(file)?.into_iter().map(Arc::new).collect();
            self.files.insert(file.to_path_buf(), chunks);
        }
        Ok(self.files.get(file).cloned().unwrap_or_default())
    }

    /// Makes an instance if there is none. An error of `init` ends the run, because
    /// Fluent Bit does not start after that.
    fn begin(&mut self) -> Result<()> {
        if self.instance.is_some() {
            return Ok(());
        }
        self.instance = Some(self.component.instantiate(self.deadline)?);
        let (deadline, settings) = (self.deadline, self.settings.clone());
        let begun = self.call("init", json!({}), |instance| {
            instance.init(deadline, &settings).map(|begun| told(begun.map(|_| ())))
        })?;
        if !matches!(begun, Some(Answer::Ok)) {
            bail!("init has failed");
        }
        Ok(())
    }

    /// Delivers a chunk. Returns true if it must be delivered again.
    fn flush(&mut self, file: &Path, chunk: &Arc<Chunk>, within: Option<Duration>) -> Result<bool> {
        self.begin()?;
        let attempt = self.attempts.entry(chunk.id()).or_default();
        *attempt += 1;
        let delivery = Delivery { chunk: Arc::clone(chunk), attempt: *attempt };
        let about = json!({
            "file": file.display().to_string(),
            "tag": String::from_utf8_lossy(&chunk.tag),
            "bytes": chunk.bytes.len(),
            "attempt": delivery.attempt,
        });
        let limit = within.unwrap_or(self.deadline);
        let answer = self.call("flush", about, |instance| instance.flush(limit, delivery))?;
        Ok(!matches!(answer, Some(Answer::Ok | Answer::Refuse(_))))
    }

    /// Makes a call and prints it. Returns `None` if the call has ended the instance.
    fn call(
        &mut self,
        name: &str,
        about: Value,
        call: impl FnOnce(&mut Instance) -> Result<Answer, Ended>,
    ) -> Result<Option<Answer>> {
        let instance = self.instance.as_mut().context("there is no instance")?;
        let start = Instant::now();
        let answer = call(instance);
        let took = start.elapsed();
        let mut line = json!({ "call": name });
        let members = line.as_object_mut().context("an object")?;
        if let Value::Object(about) = about {
            members.extend(about);
        }
        let (text, reason) = match &answer {
            Ok(Answer::Ok) => ("ok", None),
            Ok(Answer::Retry(reason)) => ("retry", Some(reason)),
            Ok(Answer::Refuse(reason)) => ("refuse", Some(reason)),
            Err(Ended { reason }) => ("ended", Some(reason)),
        };
        members.insert("answer".into(), text.into());
        members.extend(reason.map(|reason| ("reason".into(), reason.as_str().into())));
        members.insert("milliseconds".into(), (took.as_micros() as f64 / 1000.0).into());
        members.extend(instance.fuel().map(|fuel| ("fuel".into(), fuel.into())));
        members.insert("memory_bytes".into(), instance.memory_bytes().into());
        let metrics = instance.take_metrics();
        if answer.is_ok() && !metrics.is_empty() {
            members.insert("metrics".into(), metrics.to_json().into());
        }
        let printed = if answer.is_ok() { Level::Info } else { Level::Error };
        let log: Vec<Value> = instance.take_lines(printed).iter().map(logged).collect();
        members.insert("log".into(), log.into());
        if answer.is_err() {
            self.instance = None;
        }
        self.print(&line)?;
        Ok(answer.ok())
    }

    fn print(&mut self, line: &Value) -> Result<()> {
        self.out.write(format!("{line}\n").as_bytes())
    }
}

/// Returns the outcome of a call without a chunk.
fn told(result: Result<(), String>) -> Answer {
    result.map_or_else(Answer::Refuse, |()| Answer::Ok)
}

fn logged((level, line): &(Level, String)) -> Value {
    let level = match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
    };
    json!({ "level": level, "line": line })
}
