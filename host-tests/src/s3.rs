//! An S3 server for the tests: moto with Object Lock, if `.ci/run` has installed it.

use crate::root;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The message for tests that are skipped without a server.
pub const REMEDY: &str = "skipped: the S3 server is not in target/moto; .ci/run installs it";

/// A server with its buckets. It ends on drop.
pub struct Server {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    port: u16,
}

impl Server {
    /// Starts a server. Returns none if it is not installed.
    pub fn start() -> Result<Option<Server>> {
        let python = root().join("target/moto/bin/python");
        if !python.is_file() {
            return Ok(None);
        }
        let mut process = Command::new(python)
            .arg(root().join("host-tests/s3/server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let commands = process.stdin.take();
        let mut answers = BufReader::new(process.stdout.take().context("no pipe")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let port = line.trim().parse().context("the S3 server has not started")?;
        Ok(Some(Server { process, commands, answers, port }))
    }

    /// Returns the server's port on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the environment variables with which clients find the server.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
        ]
    }

    /// Creates a bucket. With `lock`, its objects cannot be deleted for a day.
    pub fn bucket(&mut self, name: &str, versions: bool, lock: bool) -> Result<()> {
        self.ask(&json!({"do": "bucket", "name": name, "versions": versions, "lock": lock})).map(|_| ())
    }

    /// Puts a file into a bucket. Returns its version, if the bucket has versions.
    pub fn put(&mut self, bucket: &str, key: &str, file: &Path) -> Result<Option<String>> {
        let version = self.ask(&json!({"do": "put", "name": bucket, "key": key, "file": file}))?;
        Ok(version.as_str().map(str::to_owned))
    }

    /// Deletes an object or a version of it. Returns false if that is not allowed.
    pub fn delete(&mut self, bucket: &str, key: &str, version: Option<&str>) -> Result<bool> {
        let command = json!({"do": "delete", "name": bucket, "key": key, "version": version});
        Ok(self.ask(&command)? == Value::Bool(true))
    }

    /// Returns the text of an object, which may be compressed with gzip.
    pub fn get(&mut self, bucket: &str, key: &str) -> Result<String> {
        let text = self.ask(&json!({"do": "get", "name": bucket, "key": key}))?;
        text.as_str().map(str::to_owned).with_context(|| format!("{key}: no object"))
    }

    /// Returns the keys of a bucket's objects.
    pub fn keys(&mut self, bucket: &str) -> Result<Vec<String>> {
        Ok(serde_json::from_value(self.ask(&json!({"do": "keys", "name": bucket}))?)?)
    }

    fn ask(&mut self, command: &Value) -> Result<Value> {
        let commands = self.commands.as_mut().context("it has ended")?;
        writeln!(commands, "{command}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        serde_json::from_str(&answer).with_context(|| format!("the S3 server fails at {command}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The server ends when its input ends.
        self.commands = None;
        let _ = self.process.wait();
    }
}
