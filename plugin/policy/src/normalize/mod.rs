//! Normalization: which records become events of OCSF, and the mappings that say how.
//!
//! A mapping is a file in the language that `docs/ocsf.md` describes. [`read`] takes it
//! apart, [`compile`] makes the program of it that the filter runs.

mod attributes;
mod compile;
mod explain;
mod path;
mod read;
mod streams;

pub use explain::{Class, PROBE, Rule};
pub use streams::MappingFile;
pub(crate) use streams::{Normalization, compile, normalizations};

use crate::yaml::{Problem, Read};
use flb_audit_core::normalize::{Conversion, CutAt, Fits, Test};
use path::{Step, Target};
use std::collections::BTreeMap;

/// A mapping, read and checked.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The texts that stand for nothing.
    absent: Vec<String>,
    cases: Vec<Case>,
}

impl Mapping {
    /// Reads a mapping. What is wrong in it is said with its place.
    pub fn read(source: &str) -> Result<Mapping, Problem> {
        read::parse(source)
    }

    /// The program that the filter runs.
    pub fn program(&self) -> Result<Vec<u8>, Problem> {
        compile::program(self)
    }

    /// The paths of values that are in an event in another form, or not at all.
    pub fn dropped(&self) -> Vec<String> {
        let paths = self.cases.iter().flat_map(|case| &case.drop);
        paths.map(|steps| path::print(steps)).collect()
    }

    /// The uids of the classes that its records may become, each with the line of the case.
    pub fn classes(&self) -> impl Iterator<Item = (u16, usize)> + '_ {
        self.cases.iter().map(|case| (case.class, case.line))
    }
}

/// One class, and the records that become events of it.
#[derive(Clone, Debug)]
struct Case {
    when: Conditions,
    class: u16,
    fields: BTreeMap<Target, Field>,
    drop: Vec<Vec<Step>>,
    line: usize,
}

/// The value of a member of the event.
#[derive(Clone, Debug)]
struct Field {
    value: Value,
    line: usize,
}

#[derive(Clone, Debug)]
enum Value {
    /// The first of these that yields a value.
    Sources(Vec<Source>),
    /// The first of these arrays that is there, element by element.
    Each(Vec<Each>),
    Pairs {
        array: Vec<Step>,
        key: String,
        value: String,
    },
}

#[derive(Clone, Debug)]
struct Source {
    from: From,
    when: Conditions,
    cuts: Vec<Cut>,
    conversion: Conversion,
    lookup: Option<Lookup>,
    line: usize,
}

#[derive(Clone, Debug)]
enum From {
    Path(Vec<Step>),
    /// A constant, as it stands in JSON.
    Constant(String),
    /// Fluent Bit's time.
    Now,
}

#[derive(Clone, Debug)]
struct Cut {
    at: CutAt,
    count: u16,
    before: String,
    after: String,
}

#[derive(Clone, Debug)]
struct Lookup {
    /// Each entry has the bytes to compare with, and the constant.
    entries: Vec<(Fits, Vec<u8>, String)>,
    default: Option<String>,
}

#[derive(Clone, Debug)]
struct Each {
    array: Vec<Step>,
    item: Item,
    line: usize,
}

/// The form that an element takes.
#[derive(Clone, Debug)]
enum Item {
    Object(BTreeMap<Target, Field>),
    Value(Vec<Source>),
}

/// All of these hold, each if one of its questions is answered as it has to be.
type Conditions = Vec<Vec<Question>>;

#[derive(Clone, Debug)]
struct Question {
    path: Vec<Step>,
    test: Test,
    text: String,
    /// The number of a type.
    kind: u16,
    is_negated: bool,
}

/// Checks what a test of all mappings checks: that one can be compiled.
pub(crate) fn check(source: &str) -> Read<()> {
    Mapping::read(source)?.program().map(drop)
}
