//! The nodes of a fleet, as the last report of a state has them: one line for each.

use crate::durable;
use crate::stdout::{print, shown};
use crate::time;
use crate::verdict::Verdict;
use crate::whole;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

/// The name of the file in the directory of the state.
const STATUS: &str = "status.json";

/// The nodes by name. A chain that nobody vouches for has its own name.
#[derive(Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) nodes: BTreeMap<String, Node>,
}

/// A node, with the chain of it that has the latest record.
#[derive(Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) chain: Option<String>,
    pub(crate) segment: Option<u64>,
    /// The time of the latest record, in seconds since 1970. Absent if there is none.
    pub(crate) last: Option<u64>,
    /// The digest of the policy that the last checkpoint names.
    pub(crate) policy: Option<String>,
    /// The number of findings of each kind, of all chains of the node.
    pub(crate) findings: BTreeMap<Verdict, u64>,
}

impl Status {
    /// Writes the nodes into the directory of a state.
    pub(crate) fn write(&self, directory: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        durable::replace(&directory.join(STATUS), text.as_bytes())
    }
}

/// Prints the nodes of a state, the one that has been silent for the longest time first.
pub(crate) fn show_status(directory: &Path) -> Result<()> {
    let path = directory.join(STATUS);
    let text = whole::read(&path)
        .with_context(|| format!("{}: cannot be read; `verify --state` writes it", path.display()))?;
    let status: Status =
        serde_json::from_slice(&text).with_context(|| format!("{}: not a status", path.display()))?;
    let now = time::seconds(SystemTime::now());
    let mut nodes: Vec<(&String, &Node)> = status.nodes.iter().collect();
    nodes.sort_by_key(|(_, node)| node.last);
    let mut said = line(["NODE", "LAST RECORD", "LAG", "CHAIN", "SEG", "POLICY", "FINDINGS"]);
    for (name, node) in nodes {
        said += &line([
            &shown(name),
            // The year and the seconds have no place in 80 columns.
            &node
                .last
                .map_or("never".into(), |last| time::utc(last).chars().take(16).skip(5).collect::<String>()),
            &node.last.map_or("-".into(), |last| lag(now.saturating_sub(last))),
            node.chain.as_deref().unwrap_or("-"),
            &node.segment.map_or("-".into(), |segment| segment.to_string()),
            node.policy.as_deref().unwrap_or("-"),
            &findings(&node.findings),
        ]);
    }
    print(&said)
}

/// The widths of the columns. With a space between them, they have 80 characters.
const WIDTHS: [usize; 7] = [18, 11, 4, 12, 5, 6, 18];

fn line(columns: [&str; 7]) -> String {
    let cut =
        |(text, width): (&str, usize)| format!("{:width$}", text.chars().take(width).collect::<String>());
    let columns: Vec<String> = columns.into_iter().zip(WIDTHS).map(cut).collect();
    columns.join(" ").trim_end().to_owned() + "\n"
}

/// Returns a time in one unit.
fn lag(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Names the worst kind of findings, and the number of all others.
fn findings(of: &BTreeMap<Verdict, u64>) -> String {
    let Some((worst, count)) = of.last_key_value() else { return "-".to_owned() };
    let others: u64 = of.values().sum::<u64>() - count;
    let others = if others > 0 { format!(" +{others}") } else { String::new() };
    let name: String = worst.name().chars().take(WIDTHS[6].saturating_sub(others.len() + 3)).collect();
    format!("{count} {}{others}", name.trim_end())
}
