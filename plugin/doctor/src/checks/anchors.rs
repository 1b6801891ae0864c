//! Checks of anchors: checkpoints that are kept elsewhere.

use super::filters::plain;
use super::outputs::{has_retry_limit, is_local};
use super::{Check, Hit, Scene, Severity};
use crate::config::{Section, Setting, size};
use crate::plugins;
use crate::source::Place;
use crate::wildcard::Fit;
use std::path::Path;

/// The maximum length of a checkpoint's line, with some room, in bytes.
const LINE_BYTES: u64 = 8000;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "anchors-none",
        severity: Severity::Note,
        why: "Without anchors, a log whose end was cut off verifies: no log can know its own end.",
        remedy: "Send checkpoints to another place, as the example `anchors.yaml` does, from this Fluent Bit or \
                 from another on the node; or fetch them with `flb-audit checkpoints`.",
        find: |scene| {
            let has_anchors = anchors(scene).next().is_some();
            let filters = scene.audit_filters().map(|(_, filter)| filter.place);
            let first = filters.chain(scene.ledgers().map(|(_, ledger)| ledger.place)).next();
            let hit = |place| Hit::new(place, "no anchors are sent from here");
            first.filter(|_| !has_anchors).map(hit).into_iter().collect()
        },
    },
    Check {
        id: "anchors-buffer",
        severity: Severity::Error,
        why: "A checkpoint is a line of up to 6 KiB. `exec_wasi` cuts lines at `buf_size`, 4096 if it is not set, and a \
              cut checkpoint proves nothing.",
        remedy: "Set `buf_size 16k`.",
        find: |scene| {
            let is_small = |input: &Section| match input.setting("buf_size") {
                Setting::Absent => true,
                Setting::Unknown => false,
                Setting::Is(value) => size(value).is_some_and(|bytes| bytes < LINE_BYTES),
            };
            let small = anchors(scene).filter(|(_, input)| is_small(input));
            small
                .map(|(at, input)| {
                    Hit::new(input.place_of("buf_size"), "checkpoints are cut").set(at, "buf_size", "16k")
                })
                .collect()
        },
    },
    Check {
        id: "anchors-parser",
        severity: Severity::Error,
        why: "Without a parser, checkpoints are sent as text in a member, which `--anchors` does not read.",
        remedy: "Set `parser` to one with `format json`.",
        find: |scene| {
            let without = anchors(scene).filter(|(_, input)| !input.has("parser"));
            without
                .map(|(at, input)| {
                    Hit::new(input.place, "checkpoints are sent as text").set(at, "parser", "json")
                })
                .collect()
        },
    },
    Check {
        id: "anchors-retry",
        severity: Severity::Warning,
        why: "A checkpoint is sent when it is new, and again only after an hour. An output that gives up sooner loses \
              it: until then, less of the log is proven.",
        remedy: "Set `retry_limit no_limits` for the output of the anchors.",
        find: |scene| {
            let of_anchors = |input: usize| plugins::is_anchors(&scene.config.sections[input]);
            let takes = |output| {
                scene.flows.arrivals_at(output).any(|way| way.fit == Fit::Yes && of_anchors(way.input))
            };
            let lossy = scene
                .outputs()
                .filter(|(at, output)| takes(*at) && !is_local(output) && has_retry_limit(output));
            lossy
                .map(|(at, output)| {
                    Hit::new(output.place_of("retry_limit"), "anchors are given up during an outage").set(
                        at,
                        "retry_limit",
                        "no_limits",
                    )
                })
                .collect()
        },
    },
    Check {
        id: "anchors-twice",
        severity: Severity::Warning,
        why: "The sender of anchors notes in each state directory what it has sent. Of two senders for one directory, \
              each sends only what the other has not sent yet: neither receiver has all anchors.",
        remedy: "Give each state directory one sender. To send anchors to two places, give that sender two outputs.",
        find: |scene| {
            let (mut seen, mut hits) = (Vec::<(String, Place)>::new(), Vec::new());
            for (_, input) in anchors(scene) {
                let place = input.place_of("accessible_paths");
                for path in input.list("accessible_paths").unwrap_or_default() {
                    let own = plain(path);
                    let other = seen.iter().find(|(other, at)| *at != place && is_one_within(&own, other));
                    if let Some((_, other)) = other {
                        let message = format!("line {} sends the checkpoints below {own}, too", other.line);
                        hits.push(Hit::new(place, message));
                    }
                    seen.push((own, place));
                }
            }
            hits
        },
    },
    Check {
        id: "anchors-sealed",
        severity: Severity::Error,
        why: "A checkpoint that goes through the audit filter becomes a record: its `audit` is renamed, and it proves \
              nothing.",
        remedy: "Give anchors a tag that the audit filter does not match.",
        find: |scene| {
            let sealed = |at: &usize| scene.flows.sealed_inputs.get(at).is_some_and(|fit| *fit == Fit::Yes);
            let hits = anchors(scene).filter(|(at, _)| sealed(at));
            hits.map(|(_, input)| {
                Hit::new(input.place_of("tag"), "the audit filter matches the anchors' tag")
            })
            .collect()
        },
    },
    Check {
        id: "anchors-beside-log",
        severity: Severity::Warning,
        why: "Anchors that are kept where the log is prove nothing against whoever can write there: who cuts the log \
              cuts them, too.",
        remedy: "Send anchors to another place, under other credentials.",
        find: |scene| {
            let of_anchors = |input: usize| plugins::is_anchors(&scene.config.sections[input]);
            let takes = |output: usize, anchors: bool| {
                let arrivals = scene.flows.arrivals_at(output);
                arrivals
                    .filter(|arrival| arrival.fit == Fit::Yes)
                    .any(|arrival| of_anchors(arrival.input) == anchors)
            };
            let both = scene
                .outputs()
                .filter(|(at, output)| !output.is("null") && takes(*at, true) && takes(*at, false));
            both.map(|(_, output)| Hit::new(output.place_of("match"), "anchors go where the log goes"))
                .collect()
        },
    },
];

/// Checks whether two paths are the same, or one is below the other.
fn is_one_within(one: &str, other: &str) -> bool {
    Path::new(one).starts_with(other) || Path::new(other).starts_with(one)
}

fn anchors<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (usize, &'a Section)> {
    scene.inputs().filter(|(_, input)| plugins::is_anchors(input))
}
