//! Checks of records that leave the usual way: `routes` of inputs, and tasks of the
//! stream processor.

use super::{Check, Hit, Scene, Severity};
use crate::config::Section;
use crate::flow::Match;
use crate::plugins;
use crate::wildcard::Fit;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "route-unsealed",
        severity: Severity::Error,
        why: "Records that meet the condition of a route get the route's name as their tag, before any filter runs. A \
              filter for the input's tag does not see them: they are delivered unsealed, and with all secrets in them. \
              Fluent Bit before 4.2 does not start with `routes`.",
        remedy: "Let the `match` of the filters fit the route's name as well; or make the audit filter a processor of \
                 the input, which runs before the routes.",
        find: |scene| {
            let mut hits = Vec::new();
            for (&(input, route), output) in &scene.flows.unsealed_routes {
                let section = &scene.config.sections[input];
                let is_audited = scene.flows.sealed_inputs.contains_key(&input)
                    || scene.flows.sealed_at(*output) > Fit::No;
                if let Some(route) = section.routes.get(route)
                    && is_audited
                    && !plugins::is_no_log(section)
                {
                    let message = format!("no audit filter matches `{}`, which becomes the tag", route.name);
                    hits.push(Hit::new(route.place, message));
                }
            }
            hits
        },
    },
    Check {
        id: "stream-task",
        severity: Severity::Error,
        why: "A task of the stream processor reads records behind the filters and makes new ones, which go through the \
              filters again. If the audit filter fits their tag, sealed records are sealed twice; if only an output \
              does, copies without a seal, or with a part of the record, stand among sealed records.",
        remedy: "Give the task a tag of its own, which neither the audit filter nor an output of sealed records \
                 matches: `CREATE STREAM name WITH (tag='counts') AS …`.",
        find: |scene| {
            let tasks = scene.config.tasks.iter().filter(|_| scene.seals());
            tasks.filter_map(|task| stream(scene, task)).collect()
        },
    },
];

fn stream(scene: &Scene<'_>, task: &Section) -> Option<Hit> {
    let exec = task.property("exec")?;
    let tag = stream_tag(&exec.raw)?;
    let fits = |section: &Section| Match::of(section).fit(&tag) == Fit::Yes;
    let filters = scene.audit_filters().map(|(_, filter)| filter);
    let outputs = scene.audit_outputs().map(|(_, output)| output);
    let taker = filters.chain(outputs).find(|section| fits(section))?;
    let message = format!("records of this task have the tag `{tag}`, which line {} takes", taker.place.line);
    Some(Hit::new(exec.place, message))
}

/// Returns the tag of the records that a task makes. Returns `None` if it makes none. A
/// stream without a tag has a name that only the pattern `*` is meant to match.
fn stream_tag(exec: &str) -> Option<String> {
    let lower = exec.to_ascii_lowercase();
    let mut words = lower.split_whitespace();
    if (words.next(), words.next()) != (Some("create"), Some("stream")) {
        return None;
    }
    let head = lower.find(" select ").map_or(lower.as_str(), |at| &lower[..at]);
    let is_routable = !head.contains("routable='false'") && !head.contains("routable='off'");
    let tag = head.match_indices("tag").find_map(|(at, word)| {
        let rest = head[at + word.len()..].trim_start().strip_prefix('=')?.trim_start().strip_prefix('\'')?;
        let len = rest.find('\'')?;
        let at = head.len() - rest.len();
        exec.get(at..at + len)
    });
    is_routable.then(|| tag.unwrap_or("stream_processor.0").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_streams() {
        for (exec, expected) in [
            ("CREATE STREAM a WITH (tag='Counts.x') AS SELECT COUNT(*) FROM TAG:'kube.*';", Some("Counts.x")),
            ("CREATE STREAM tags WITH (tag='b') AS SELECT * FROM STREAM:x;", Some("b")),
            ("create stream a with(routable='true', tag = 'é') as select * from STREAM:x;", Some("é")),
            ("CREATE STREAM a WITH (tag='b', routable='false') AS SELECT * FROM STREAM:x;", None),
            ("CREATE STREAM a AS SELECT tag FROM STREAM:x;", Some("stream_processor.0")),
            ("SELECT * FROM TAG:'kube.*';", None),
            ("", None),
        ] {
            assert_eq!(stream_tag(exec).as_deref(), expected, "{exec}");
        }
    }
}
