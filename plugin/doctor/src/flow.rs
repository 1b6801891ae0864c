//! The ways of records: from each input through processors and filters to outputs, with
//! their tags, and sealed or not.

use crate::config::{Config, Kind, Route, Section, Setting};
use crate::plugins::{self, For};
use crate::wildcard::{self, Fit};
use regex::{Regex, RegexBuilder};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The maximum number of ways that are followed. Rules of `rewrite_tag` can multiply the
/// ways.
const WAYS_MAX: usize = 2000;
/// The maximum number of comparisons between a pattern's byte and a tag's byte. Beyond
/// it, a pattern counts as possibly matching.
const COMPARED_MAX: usize = 50_000_000;
/// The maximum size of a compiled `match_regex`, in bytes.
const REGEX_BYTES_MAX: usize = 256 << 10;

/// A filter, or a step of an input's or output's processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Step {
    pub(crate) section: usize,
    pub(crate) processor: Option<usize>,
}

/// Records of an input that reach an output.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrival {
    pub(crate) output: usize,
    pub(crate) input: usize,
    /// The answer to whether the records are sealed when they arrive.
    pub(crate) sealed: Fit,
    pub(crate) fit: Fit,
    /// The last audit filter that the records went through.
    pub(crate) sealer: Option<Step>,
}

/// The ways of all records through the configuration.
#[derive(Default)]
pub(crate) struct Flows {
    pub(crate) arrivals: BTreeSet<Arrival>,
    /// Audit filters that get records which are already sealed, each with such a record's
    /// tag.
    pub(crate) sealed_twice: BTreeMap<Step, String>,
    /// Steps that are not audit filters and get sealed records, each with such a record's
    /// tag.
    pub(crate) behind: BTreeMap<Step, (Fit, String)>,
    /// The best match of any tag for each filter.
    pub(crate) fits: BTreeMap<usize, Fit>,
    /// The inputs that an audit filter certainly or possibly seals.
    pub(crate) sealed_inputs: BTreeMap<usize, Fit>,
    /// Routes to an output with records that certainly or possibly nothing has sealed:
    /// the input, the route, and the output.
    pub(crate) unsealed_routes: BTreeMap<(usize, usize), usize>,
    /// Sealed records that no output takes, by input and tag.
    pub(crate) nowhere: BTreeSet<(usize, String)>,
    /// The tag of each input.
    pub(crate) tags: BTreeMap<usize, String>,
    /// Audit filters with a guard after them.
    pub(crate) guarded: BTreeSet<Step>,
    /// Audit filters with a step before them that removes a client's own `audit`.
    pub(crate) unspoiled: BTreeSet<Step>,
    compared: usize,
}

#[derive(Clone)]
struct Way {
    input: usize,
    /// The input's route whose name is the tag.
    route: Option<usize>,
    tag: String,
    sealed: Fit,
    /// The last audit filter that the records went through.
    sealer: Option<Step>,
    /// True if the records have no `audit` of a client.
    is_unspoiled: bool,
    /// True if these records exist only if an audit filter cannot run.
    is_fallback: bool,
}

/// Follows the records of all inputs.
pub(crate) fn follow(config: &Config) -> Flows {
    let mut flows = Flows::default();
    let mut ways = VecDeque::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (index, input) in config.all(Kind::Input) {
        let nth = counts.entry(input.name()).or_default();
        let tag = plugins::tag(input, *nth);
        *nth += 1;
        flows.tags.insert(index, tag.clone());
        let mut way = Way {
            input: index,
            route: None,
            tag,
            sealed: Fit::No,
            sealer: None,
            is_unspoiled: false,
            is_fallback: false,
        };
        for (at, step) in input.processors.iter().enumerate() {
            flows.step(Step { section: index, processor: Some(at) }, step, Fit::Yes, &mut way);
        }
        for (at, route) in input.routes.iter().enumerate().filter(|(_, route)| route.is_conditional) {
            ways.push_back(Way { route: Some(at), tag: route.name.clone(), ..way.clone() });
        }
        ways.push_back(way);
    }
    let filters: Vec<_> =
        config.all(Kind::Filter).map(|(index, filter)| (index, filter, Match::of(filter))).collect();
    let outputs: Vec<_> =
        config.all(Kind::Output).map(|(index, output)| (index, output, Match::of(output))).collect();
    let mut seen = BTreeSet::new();
    while let Some(mut way) = ways.pop_front() {
        if seen.len() >= WAYS_MAX || !seen.insert((way.input, way.tag.clone(), way.sealed, way.is_fallback)) {
            continue;
        }
        for (index, filter, rule) in &filters {
            let fit = flows.compare(rule, &way.tag);
            let best = flows.fits.entry(*index).or_insert(Fit::No);
            *best = (*best).max(fit);
            if fit == Fit::No {
                continue;
            }
            flows.step(Step { section: *index, processor: None }, filter, fit, &mut way);
            if plugins::rewrites_marked_only(filter) && fit == Fit::Yes {
                flows.guarded.extend(way.sealer);
            }
            ways.extend(rewritten(filter, &way));
        }
        flows.arrive(config, &way, &outputs);
    }
    flows
}

/// Checks whether a route's name means this output: by its alias, or by its plugin's name
/// with or without a number.
fn is_called(output: &Section, name: &str) -> bool {
    let plugin =
        name.rsplit_once('.').filter(|(_, n)| n.parse::<u32>().is_ok()).map_or(name, |(plugin, _)| plugin);
    output.text("alias") == Some(name) || output.is(plugin)
}

/// Returns the ways of records that continue under other tags, from the first filter on.
fn rewritten<'a>(filter: &'a Section, way: &'a Way) -> impl Iterator<Item = Way> + 'a {
    let rules =
        filter.properties.iter().filter(|property| property.key == "rule" && filter.is("rewrite_tag"));
    rules.filter_map(|rule| {
        let rule = rule.value.as_deref()?;
        let (sealed, is_fallback) = match plugins::rule_for(rule) {
            For::Sealed if way.sealed == Fit::No => return None,
            For::Sealed => (Fit::Yes, way.is_fallback),
            For::Marked => (Fit::No, true),
            For::Any => (way.sealed, way.is_fallback),
        };
        let tag = plugins::new_tag(rule, &way.tag)?;
        Some(Way {
            input: way.input,
            route: None,
            tag,
            sealed,
            sealer: way.sealer,
            is_unspoiled: way.is_unspoiled,
            is_fallback,
        })
    })
}

impl Flows {
    fn step(&mut self, at: Step, step: &Section, fit: Fit, way: &mut Way) {
        if plugins::is_audit_filter(step) {
            if way.sealed == Fit::Yes && fit == Fit::Yes {
                self.sealed_twice.insert(at, way.tag.clone());
            }
            if !way.is_fallback {
                let input = self.sealed_inputs.entry(way.input).or_insert(Fit::No);
                *input = (*input).max(fit);
            }
            way.sealed = way.sealed.max(fit);
            way.sealer = Some(at);
            if way.is_unspoiled {
                self.unspoiled.insert(at);
            }
            return;
        }
        way.is_unspoiled |= plugins::takes_audit_away(step) && fit == Fit::Yes;
        if way.sealed == Fit::No {
            return;
        }
        if plugins::is_guard(step) && fit == Fit::Yes {
            self.guarded.extend(way.sealer);
        }
        let best = self.behind.entry(at).or_insert((Fit::No, way.tag.clone()));
        let fit = fit.min(way.sealed);
        if fit > best.0 {
            *best = (fit, way.tag.clone());
        }
    }

    fn compare(&mut self, rule: &Match, tag: &str) -> Fit {
        self.compared += rule.glob.as_ref().map_or(1, String::len) * tag.len().max(1);
        if self.compared > COMPARED_MAX { Fit::Maybe } else { rule.fit(tag) }
    }

    fn arrive(&mut self, config: &Config, way: &Way, outputs: &[(usize, &Section, Match)]) {
        let mut is_taken = false;
        let routes = config.sections[way.input].routes.iter().enumerate();
        let own = |(at, route): &(usize, &Route)| way.route.map_or(!route.is_conditional, |own| own == *at);
        let named: Vec<&str> =
            routes.filter(own).flat_map(|(_, route)| route.outputs.iter().map(String::as_str)).collect();
        for (index, output, rule) in outputs {
            let is_named = named.iter().any(|name| is_called(output, name));
            let fit = if is_named { Fit::Yes } else { self.compare(rule, &way.tag) };
            if fit == Fit::No {
                continue;
            }
            is_taken = true;
            if let Some(route) = way.route
                && way.sealed < Fit::Yes
                && !plugins::is_ledger(output)
            {
                self.unsealed_routes.insert((way.input, route), *index);
            }
            if !way.is_fallback {
                let Way { input, sealed, sealer, .. } = *way;
                self.arrivals.insert(Arrival { input, output: *index, sealed, fit, sealer });
            }
            let mut way = way.clone();
            for (at, step) in output.processors.iter().enumerate() {
                self.step(Step { section: *index, processor: Some(at) }, step, fit, &mut way);
            }
        }
        if !is_taken && way.sealed == Fit::Yes && !outputs.is_empty() {
            self.nowhere.insert((way.input, way.tag.clone()));
        }
    }

    /// Returns the arrivals at an output.
    pub(crate) fn arrivals_at(&self, output: usize) -> impl Iterator<Item = &Arrival> {
        let first = |output| Arrival { output, input: 0, sealed: Fit::No, fit: Fit::No, sealer: None };
        self.arrivals.range(first(output)..first(output + 1))
    }

    /// Returns whether the records that reach an output are sealed. The best case counts.
    pub(crate) fn sealed_at(&self, output: usize) -> Fit {
        self.arrivals_at(output).map(|arrival| arrival.sealed.min(arrival.fit)).max().unwrap_or(Fit::No)
    }
}

/// A `match`, a `match_regex`, or both.
pub(crate) struct Match {
    glob: Option<String>,
    regex: Option<Regex>,
    /// True if a part of it is not known.
    is_open: bool,
}

impl Match {
    pub(crate) fn of(section: &Section) -> Match {
        let mut is_open = section.setting("match") == Setting::Unknown;
        let regex = match section.setting("match_regex") {
            Setting::Absent => None,
            Setting::Unknown => {
                is_open = true;
                None
            }
            // Fluent Bit matches from the beginning of the tag. A regular expression in a
            // syntax that only Fluent Bit has may match anything.
            Setting::Is(pattern) => {
                let regex = RegexBuilder::new(&format!("^(?:{})", pattern.trim_matches('/')))
                    .size_limit(REGEX_BYTES_MAX)
                    .build()
                    .ok();
                is_open |= regex.is_none();
                regex
            }
        };
        Match { glob: section.text("match").map(String::from), regex, is_open }
    }

    /// Checks whether there is no rule, so that nothing matches.
    pub(crate) fn is_none(&self) -> bool {
        self.glob.is_none() && self.regex.is_none() && !self.is_open
    }

    pub(crate) fn fit(&self, tag: &str) -> Fit {
        let by_glob = self.glob.as_deref().map_or(Fit::No, |glob| wildcard::fit(glob, tag));
        let by_regex = match &self.regex {
            Some(_) if tag.contains('*') => Fit::Maybe,
            Some(regex) if regex.find(tag).is_some_and(|found| !found.is_empty()) => Fit::Yes,
            _ => Fit::No,
        };
        let open = if self.is_open { Fit::Maybe } else { Fit::No };
        by_glob.max(by_regex).max(open)
    }
}
