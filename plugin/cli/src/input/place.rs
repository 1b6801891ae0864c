//! Places: where in a text a record stands, and which store writes records there.

use std::fmt::Write;

/// Where in a text a record stands; nowhere if the text is the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Members and elements.
    path: String,
    /// The same without the numbers of elements, and what lines and strings they are in.
    shape: String,
    /// What stands in the shape before the next member.
    joint: &'static str,
}

impl Place {
    /// Returns the path, as it is shown.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns the path without numbers, and the store that it is known for.
    pub(super) fn shape(&self) -> String {
        match store(&self.shape) {
            Some(store) => format!("{} ({store})", self.shape),
            None => self.shape.clone(),
        }
    }

    /// Returns the place of something in the string that stands here.
    pub(super) fn in_string(&self, what: &str) -> Place {
        let mut place = self.clone();
        place.shape += if place.shape.is_empty() { "a string, as " } else { ", as " };
        place.shape += what;
        place.joint = ": ";
        place
    }

    /// Returns the place of something in the lines that stand here.
    pub(super) fn in_lines(&self, what: &str) -> Place {
        let mut place = self.clone();
        place.shape += place.joint;
        place.shape += what;
        place.joint = ": ";
        place
    }

    pub(super) fn push_member(&mut self, name: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path += name;
        self.shape += std::mem::replace(&mut self.joint, ".");
        self.shape += name;
    }

    /// An element; if it is not known which, there is no number.
    pub(super) fn push_element(&mut self, number: Option<usize>) {
        // Writing to a string cannot fail.
        let _ = match number {
            Some(number) => write!(self.path, "[{number}]"),
            None => write!(self.path, "[]"),
        };
        if self.joint == ": " {
            self.shape += ": ";
        }
        self.joint = ".";
        self.shape += "[]";
    }
}

/// Names of stores and transports by the places in which they have records. They are for
/// the report alone: a record is read wherever it stands.
const STORES: [(&str, &str); 23] = [
    ("hits.hits[]._source", "Elasticsearch, OpenSearch"),
    ("_source", "Elasticsearch, OpenSearch"),
    ("doc", "bulk update"),
    ("data.result[].values[][], as text", "Loki"),
    ("streams[].values[][], as text", "Loki"),
    ("event", "Splunk HEC"),
    ("event, as text", "Splunk HEC"),
    ("result._raw, as text", "Splunk export"),
    ("_raw, as text", "Splunk export"),
    ("events[].message, as text", "CloudWatch"),
    ("logEvents[].message, as text", "CloudWatch"),
    ("data[].attributes", "Datadog"),
    ("data[].attributes.attributes", "Datadog"),
    ("data[].attributes.message, as text", "Datadog"),
    ("payload", "Kafka Connect"),
    ("payload, as text", "Kafka Connect"),
    ("records[].data, as base64", "Kinesis"),
    ("Records[].kinesis.data, as base64", "Kinesis"),
    ("records[].properties", "Azure Monitor"),
    ("jsonPayload", "Google Cloud Logging"),
    ("log, as text", "Docker"),
    ("MESSAGE, as text", "journald"),
    ("message, as text", "Logstash, Beats"),
];

fn store(shape: &str) -> Option<&'static str> {
    STORES.iter().find(|(known, _)| *known == shape).map(|(_, store)| *store)
}
