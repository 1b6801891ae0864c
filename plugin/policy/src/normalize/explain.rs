//! Mappings rule by rule, for `flb-audit explain`: each rule as text, and as a mapping of its
//! own, which shows whether the rule makes something of a record.

use super::path::{self, Step, Target};
use super::read::CONVERSIONS;
use super::{Case, Conditions, Each, Field, From, Item, Lookup, Mapping, Question, Source, Value};
use crate::yaml::Problem;
use flb_audit_core::normalize::{Conversion, CutAt, Fits, Test};
use flb_audit_core::recognize::ValueType;
use std::collections::BTreeMap;

/// The member that a rule's own program writes.
pub const PROBE: &str = "probe";

/// A case of a mapping: the records that become events of one class.
pub struct Class {
    /// The uid of the class.
    pub uid: u16,
    /// The line of the case in the mapping's file, counted from 1.
    pub line: usize,
    /// The conditions of the case; empty if all records meet them.
    pub conditions: String,
    /// The rules for its members, by member; of several for one, the first that makes something is
    /// used.
    pub rules: Vec<Rule>,
    /// The paths of values that it drops, since the event has them in another form.
    pub dropped: Vec<String>,
    alone: Mapping,
}

/// A rule of a mapping: what makes a member of an event.
pub struct Rule {
    /// The path of the member.
    pub target: String,
    /// The line of the rule in the mapping's file, counted from 1.
    pub line: usize,
    /// The rule, as text.
    pub text: String,
    /// The path of the value that the event has as a whole if the rule makes the member: it
    /// leaves the rest of the record.
    pub takes: Option<String>,
    alone: Mapping,
}

impl Mapping {
    /// Returns its cases. The first one whose conditions hold is taken.
    pub fn explained(&self) -> impl Iterator<Item = Class> + '_ {
        self.cases.iter().map(|case| Class {
            uid: case.class,
            line: case.line,
            conditions: conditions(&case.when),
            rules: case.fields.iter().flat_map(|(target, field)| self.rules(target, field)).collect(),
            dropped: case.drop.iter().map(|steps| path::write(steps)).collect(),
            alone: self.alone(case.when.clone(), BTreeMap::new()),
        })
    }

    /// The rules for one member.
    fn rules(&self, target: &Target, field: &Field) -> Vec<Rule> {
        let rule = |line, text, takes, value| {
            let probe = Field { value, line };
            let fields = BTreeMap::from([(vec![Step::Member(PROBE.into())], probe)]);
            Rule { target: path::write(target), line, text, takes, alone: self.alone(Vec::new(), fields) }
        };
        match &field.value {
            Value::Sources(sources) => sources
                .iter()
                .map(|source| {
                    rule(source.line, text(source), taken(source), Value::Sources(vec![source.clone()]))
                })
                .collect(),
            Value::Each(arrays) => arrays
                .iter()
                .map(|each| {
                    let takes = Some(path::write(&each.array));
                    rule(each.line, of_each(each), takes, Value::Each(vec![each.clone()]))
                })
                .collect(),
            Value::Pairs { array, key, value } => {
                let text = format!("the pairs of {key} and {value} in {}", path::write(array));
                vec![rule(field.line, text, None, field.value.clone())]
            }
        }
    }

    /// A mapping of one case, for any class.
    fn alone(&self, when: Conditions, fields: BTreeMap<Target, Field>) -> Mapping {
        let case = Case { when, class: 0, fields, drop: Vec::new(), line: 1 };
        Mapping { absent: self.absent.clone(), cases: vec![case] }
    }
}

impl Class {
    /// The program that makes an event of the records that meet the conditions of the case.
    pub fn program(&self) -> Result<Vec<u8>, Problem> {
        self.alone.program()
    }
}

impl Rule {
    /// The program that writes a member [`PROBE`] if the rule makes something of a record.
    pub fn program(&self) -> Result<Vec<u8>, Problem> {
        self.alone.program()
    }
}

fn taken(source: &Source) -> Option<String> {
    let is_whole = source.cuts.is_empty()
        && matches!(
            source.conversion,
            Conversion::Copy
                | Conversion::Texts
                | Conversion::String
                | Conversion::Integer
                | Conversion::Boolean
                | Conversion::Ip
                | Conversion::Host
                | Conversion::Email
        );
    match &source.from {
        From::Path(steps) if is_whole || source.conversion == Conversion::Join => Some(path::write(steps)),
        _ => None,
    }
}

fn text(source: &Source) -> String {
    let mut text = match &source.from {
        From::Path(steps) => path::write(steps),
        From::Constant(token) => token.clone(),
        From::Now => "the time by Fluent Bit".into(),
    };
    if source.conversion == Conversion::Join {
        let between = source.cuts.first().map_or("", |cut| &cut.before);
        text += &format!(", joined with {between:?}");
    } else {
        for cut in &source.cuts {
            let (before, after) = (&cut.before, &cut.after);
            text += &match (cut.at, before.is_empty(), after.is_empty()) {
                (CutAt::Part, ..) => format!(", part {} between {before:?}", cut.count),
                (CutAt::Rest, ..) => format!(", from part {} between {before:?} on", cut.count),
                (CutAt::First, true, _) => format!(", up to {after:?}"),
                (CutAt::First, _, true) => format!(", behind {before:?}"),
                (CutAt::First, ..) => format!(", between {before:?} and {after:?}"),
                (CutAt::Last, true, _) => format!(", up to the last {after:?}"),
                (CutAt::Last, ..) => format!(", behind the last {before:?}"),
            };
        }
    }
    if let Some((name, _)) = CONVERSIONS.iter().find(|(_, known)| *known == source.conversion)
        && (source.conversion != Conversion::String || source.cuts.is_empty())
    {
        text += &format!(", as {name}");
    }
    if let Some(lookup) = &source.lookup {
        text += &format!(", looked up: {}", looked_up(lookup));
    }
    if !source.when.is_empty() {
        text += &format!(", if {}", conditions(&source.when));
    }
    text
}

fn looked_up(lookup: &Lookup) -> String {
    let entry = |(fits, wanted, token): &(Fits, Vec<u8>, String)| {
        let wanted = match (fits, wanted.as_chunks().0) {
            (Fits::Range, [first, last]) => {
                format!("{}..{}", i64::from_le_bytes(*first), i64::from_le_bytes(*last))
            }
            _ => String::from_utf8_lossy(wanted).into_owned(),
        };
        match fits {
            Fits::Starts => format!("{wanted}* {token}"),
            Fits::Ends => format!("*{wanted} {token}"),
            Fits::Contains => format!("*{wanted}* {token}"),
            Fits::Is | Fits::Range => format!("{wanted} {token}"),
        }
    };
    let entries = lookup.entries.iter().map(entry);
    let default = lookup.default.iter().map(|token| format!("other texts {token}"));
    entries.chain(default).collect::<Vec<_>>().join("; ")
}

fn of_each(each: &Each) -> String {
    let array = path::write(&each.array);
    match &each.item {
        Item::Value(sources) => {
            format!("each element of {array}: {}", sources.iter().map(text).collect::<Vec<_>>().join("; or "))
        }
        Item::Object(fields) => {
            let member = |(target, field): (&Target, &Field)| {
                let sources: Vec<String> = match &field.value {
                    Value::Sources(sources) => sources.iter().map(text).collect(),
                    _ => Vec::new(),
                };
                format!("{} = {}", path::write(target), sources.join("; or "))
            };
            format!(
                "each element of {array}, with {}",
                fields.iter().map(member).collect::<Vec<_>>().join("; ")
            )
        }
    }
}

fn conditions(conditions: &Conditions) -> String {
    let one_of = |questions: &Vec<Question>| questions.iter().map(question).collect::<Vec<_>>().join(" or ");
    let all: Vec<String> = conditions.iter().map(one_of).collect();
    all.join(", and ")
}

fn question(question: &Question) -> String {
    let (path, wanted) = (path::write(&question.path), &question.text);
    let (is, has) = if question.is_negated { ("is not", "there is no") } else { ("is", "there is") };
    let negated = |word: &str| {
        if question.is_negated { format!("does not {word}") } else { format!("{word}s") }
    };
    match question.test {
        Test::Has => format!("{has} {path}"),
        Test::Is => format!("{path} {is} {wanted:?}"),
        Test::Starts => format!("{path} {} with {wanted:?}", negated("start")),
        Test::Ends => format!("{path} {} with {wanted:?}", negated("end")),
        Test::Contains => format!("{path} {} {wanted:?}", negated("contain")),
        Test::Type => {
            let types = [
                (ValueType::Object, "an object"),
                (ValueType::Array, "an array"),
                (ValueType::String, "a text"),
                (ValueType::Number, "a number"),
                (ValueType::Boolean, "true or false"),
            ];
            let kind = types.iter().find(|(kind, _)| *kind as u16 == question.kind);
            format!("{path} {is} {}", kind.map_or("of that type", |(_, name)| name))
        }
    }
}
