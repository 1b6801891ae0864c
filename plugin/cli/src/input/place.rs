//! Places: where a record stands in a text, and the store that is known to write records
//! there.

use std::fmt::Write;

/// The place of a record in a text. It is empty if the text is the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Members and elements.
    path: String,
    /// The path without the numbers of elements, with the lines and strings that it leads
    /// through.
    shape: String,
    /// The separator in the shape before the next member.
    joint: &'static str,
}

impl Place {
    /// Returns the path for display.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns the path without numbers, and the store that is known for it.
    pub(super) fn shape(&self) -> String {
        match store(&self.shape) {
            Some(store) => format!("{} ({store})", self.shape),
            None => self.shape.clone(),
        }
    }

    /// Returns the place of a value in the string at this place.
    pub(super) fn in_string(&self, what: &str) -> Place {
        let mut place = self.clone();
        place.shape += if place.shape.is_empty() { "a string, as " } else { ", as " };
        place.shape += what;
        place.joint = ": ";
        place
    }

    /// Returns the place of a value in the lines at this place.
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

    /// Adds an element. It has no number if the number is not known.
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

/// Stores and transports by the places in which they put records. The names are only for
/// the report: a record is found wherever it stands.
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
