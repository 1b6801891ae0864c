//! A running Fluent Bit.

use crate::case::Place;
use crate::poll;
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The file for Fluent Bit's standard output, in the case's directory.
pub(crate) const STDOUT: &str = "stdout";
const LOG: &str = "fluent-bit.log";

/// A child process that ends with its case.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the place's Fluent Bit with a config file. What it prints is appended to
    /// the output of earlier processes.
    pub(crate) fn start(place: &Place, config: &Path) -> Result<Self> {
        Process::spawn(place, Command::new(&place.fluent_bit.path).arg("--config").arg(config))
    }

    /// Starts Fluent Bit with its HTTP server on a port.
    pub(crate) fn start_with_server(place: &Place, config: &Path, port: u16) -> Result<Self> {
        let mut command = Command::new(&place.fluent_bit.path);
        Process::spawn(place, command.arg("-H").args(["-P", &port.to_string(), "--config"]).arg(config))
    }

    /// Starts Fluent Bit where no file can grow beyond 10,240 bytes.
    pub(crate) fn start_in_little_room(place: &Place, config: &Path) -> Result<Self> {
        // `ulimit` counts blocks of 512 bytes.
        let script = "trap '' XFSZ; ulimit -f 20; exec \"$0\" --config \"$1\"";
        Process::spawn(place, Command::new("sh").args(["-c", script]).arg(&place.fluent_bit.path).arg(config))
    }

    /// Starts Fluent Bit as a user who owns nothing else.
    pub(crate) fn start_as_nobody(place: &Place, config: &Path) -> Result<Self> {
        let user = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        let mut command = Command::new("setpriv");
        command.args(user).arg(&place.fluent_bit.path).arg("--config").arg(config);
        Process::spawn(place, &mut command)
    }

    fn spawn(place: &Place, command: &mut Command) -> Result<Self> {
        Process::spawn_in(place, &place.at(""), command)
    }

    /// Starts Fluent Bit with a command, in the given directory.
    pub(crate) fn spawn_in(place: &Place, dir: &Path, command: &mut Command) -> Result<Self> {
        let append = |name| OpenOptions::new().append(true).create(true).open(place.at(name));
        let child = command
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(append(STDOUT)?)
            .stderr(append(LOG)?)
            .spawn()
            .with_context(|| format!("{}: cannot be started", place.fluent_bit.path.display()))?;
        Ok(Process { child, log: place.at(LOG) })
    }

    /// Fails if the process has ended.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("fluent-bit has ended: {status}");
        }
        Ok(())
    }

    /// Returns everything that it and earlier processes have logged.
    pub(crate) fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// Waits until `text` is in the log `count` times.
    pub(crate) fn wait_for_log(&mut self, text: &str, count: usize) -> Result<()> {
        let what = format!("{text:?} in its log, {count} times");
        poll::until(
            &what,
            || {
                self.ensure_running()?;
                Ok((self.log()?.matches(text).count() >= count).then_some(()))
            },
            || String::from("it is not there"),
        )
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        // Uses the shell's own `kill`, because the program is not installed everywhere.
        let script = format!("kill -s {name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &script]).status()?;
        ensure!(status.success(), "{script}: {status}");
        Ok(())
    }

    /// Makes it deliver what it holds and end. Fails if it ends in another way.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.signal("TERM")?;
        let status =
            poll::until("fluent-bit to end", || Ok(self.child.try_wait()?), || String::from("it runs on"))?;
        ensure!(status.success(), "fluent-bit ended with {status}");
        Ok(())
    }

    /// Ends it at once, with SIGKILL.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
