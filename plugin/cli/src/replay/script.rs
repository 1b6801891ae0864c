//! Scripts: the steps to run with a component, in order.

use anyhow::{Context, Result, bail};
use flb_audit_core::text::quantity;
use std::path::PathBuf;
use std::time::Duration;

/// A step, which is one line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `flush FILE [within TIME]`: delivers each chunk of a file once.
    Flush(PathBuf, Option<Duration>),
    /// `retry FILE [within TIME]`: delivers each chunk of a file until it is answered
    /// `ok` or `refuse`.
    Retry(PathBuf, Option<Duration>),
    /// `tick`: calls the component's tick.
    Tick,
    /// `kill`: ends the instance as a loss of power would. The next step starts a new
    /// one.
    Kill,
    /// `drain [within TIME]`: ends the instance as a shutdown does.
    Drain(Option<Duration>),
}

/// Reads a script. Files are relative to `dir`.
pub(super) fn read(text: &str, dir: &std::path::Path) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for (line, at) in text.lines().zip(1..) {
        let line = line.split('#').next().unwrap_or_default();
        if !line.trim().is_empty() {
            steps.push(step(line, dir).with_context(|| format!("line {at}"))?);
        }
    }
    Ok(steps)
}

fn step(line: &str, dir: &std::path::Path) -> Result<Step> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let within = |words: &[&str]| match words {
        [] => Ok(None),
        ["within", time] => {
            let time = quantity::milliseconds(time).map(Duration::from_millis);
            Ok(Some(time.with_context(|| format!("`{}` is not a time, such as 500ms", words[1]))?))
        }
        _ => bail!("`{}`: `within TIME` is expected", words.join(" ")),
    };
    Ok(match &words[..] {
        ["flush", file, rest @ ..] => Step::Flush(dir.join(file), within(rest)?),
        ["retry", file, rest @ ..] => Step::Retry(dir.join(file), within(rest)?),
        ["tick"] => Step::Tick,
        ["kill"] => Step::Kill,
        ["drain", rest @ ..] => Step::Drain(within(rest)?),
        _ => bail!("`{}`: a step is `flush FILE`, `retry FILE`, `tick`, `kill` or `drain`", line.trim()),
    })
}
