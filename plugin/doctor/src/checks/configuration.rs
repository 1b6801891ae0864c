//! Checks of the text: parts that Fluent Bit ignores, or reads differently from what was
//! meant.

use super::{Check, Hit, Scene, Severity};
use crate::config::ProblemKind;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "syntax",
        severity: Severity::Error,
        why: "Fluent Bit does not start with a configuration that it cannot read, nor reload it.",
        remedy: "Correct the line. The other checks are made when the configuration can be read.",
        find: |scene| problems(scene, ProblemKind::Syntax),
    },
    Check {
        id: "section-ignored",
        severity: Severity::Warning,
        why: "Fluent Bit skips a section that it does not know, without a word: its inputs, filters and outputs do \
              not exist.",
        remedy: "Correct the section's name, or the place where it stands.",
        find: |scene| problems(scene, ProblemKind::Ignored),
    },
    Check {
        id: "comment-in-value",
        severity: Severity::Warning,
        why: "In the classic format a comment has a line of its own. What stands behind a value belongs to the value, \
              so Fluent Bit takes another path, tag or size than was meant.",
        remedy: "Move the comment to a line of its own.",
        find: |scene| problems(scene, ProblemKind::Comment),
    },
    Check {
        id: "file-missing",
        severity: Severity::Error,
        why: "Fluent Bit does not start without the parsers and plugins files that the service names.",
        remedy: "Put the file there, or correct its name. A relative name begins at the directory of the \
                 configuration. With `--config-only` this is a note.",
        find: |scene| {
            let severity = if scene.options.host.is_some() { Severity::Error } else { Severity::Note };
            problems(scene, ProblemKind::FileMissing).into_iter().map(|hit| hit.severity(severity)).collect()
        },
    },
    Check {
        id: "parser-unknown",
        severity: Severity::Warning,
        why: "Fluent Bit goes on without a parser that it does not know: each line becomes text in a member, which \
              schemas and rules for keys do not fit.",
        remedy: "Define the parser in a parsers file that the service names, or below `parsers` in YAML. With \
                 `--parser`, name the file as for Fluent Bit.",
        find: |scene| {
            let config = scene.config;
            // Parsers in a file that could not be read are unknown.
            if config.problems.iter().any(|problem| problem.kind == ProblemKind::FileMissing) {
                return Vec::new();
            }
            let named = scene.inputs().filter_map(|(_, input)| Some((input, input.text("parser")?)));
            let unknown = named.filter(|(_, parser)| !config.parsers.contains_key(*parser));
            unknown
                .map(|(input, parser)| {
                    Hit::new(input.place_of("parser"), format!("there is no parser `{parser}`"))
                })
                .collect()
        },
    },
    Check {
        id: "parser-twice",
        severity: Severity::Error,
        why: "Fluent Bit does not start if two parsers have one name. Before 5.1, it starts if both are in parsers \
              files, and uses the first. The parsers file of Fluent Bit's own packages and images has a parser `json`, \
              which makes a member `time` like `01/Jan/2026:00:00:00 +0000` the record's time and removes it.",
        remedy: "Give each parser a name of its own, such as `audit_json`.",
        find: |scene| {
            let config = scene.config;
            let again = config.parsers_again.iter().map(|(name, place)| {
                let first = config.parsers.get(name).copied().unwrap_or(*place);
                let file = config.sources.get(first.source).map(|source| source.path.file_name());
                let file = file.flatten().unwrap_or_default().to_string_lossy();
                Hit::new(*place, format!("there is another parser `{name}`, in {file}:{}", first.line))
            });
            again.collect()
        },
    },
    Check {
        id: "variable-unset",
        severity: Severity::Note,
        why: "Fluent Bit puts nothing in the place of a variable that is not set, and does not start if a property \
              is then without a value. The checks leave out what depends on such a value.",
        remedy: "Run the doctor with the environment that Fluent Bit gets.",
        find: |scene| {
            let unset = scene.config.unset.iter();
            unset.map(|(name, place)| Hit::new(*place, format!("the variable `{name}` is not set"))).collect()
        },
    },
];

fn problems(scene: &Scene<'_>, kind: ProblemKind) -> Vec<Hit> {
    let own = scene.config.problems.iter().filter(|problem| problem.kind == kind);
    own.map(|problem| Hit::new(problem.place, problem.message.clone())).collect()
}
