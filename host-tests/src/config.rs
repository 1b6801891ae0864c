//! Fluent Bit's configuration, as sections with properties, in both formats.

use std::fmt::{Display, Write};

/// A plugin with its properties.
#[derive(Clone, Debug)]
pub struct Section {
    kind: Kind,
    properties: Vec<(String, String)>,
    processors: Vec<Section>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Input,
    Filter,
    Output,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Input, Kind::Filter, Kind::Output];

    fn classic(self) -> &'static str {
        match self {
            Kind::Input => "INPUT",
            Kind::Filter => "FILTER",
            Kind::Output => "OUTPUT",
        }
    }

    fn yaml(self) -> &'static str {
        match self {
            Kind::Input => "inputs",
            Kind::Filter => "filters",
            Kind::Output => "outputs",
        }
    }
}

impl Section {
    fn new(kind: Kind, plugin: &str) -> Self {
        Section { kind, properties: vec![("name".into(), plugin.into())], processors: Vec::new() }
    }

    /// Creates an input with the name of its plugin.
    pub fn input(plugin: &str) -> Self {
        Section::new(Kind::Input, plugin)
    }

    /// Creates a filter that matches all tags.
    pub fn filter(plugin: &str) -> Self {
        Section::new(Kind::Filter, plugin).with("match", "*")
    }

    /// Creates a filter that matches all tags and calls a function of a WASM module.
    pub fn wasm(module: impl Display, function: &str) -> Self {
        Section::filter("wasm")
            .with("event_format", "json")
            .with("wasm_path", module)
            .with("function_name", function)
    }

    /// Creates an output that matches all tags.
    pub fn output(plugin: &str) -> Self {
        Section::new(Kind::Output, plugin).with("match", "*")
    }

    /// Sets a property. Replaces an earlier value.
    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        self.properties.retain(|(set, _)| set != name);
        self.properties.push((name.into(), value.to_string()));
        self
    }

    /// Adds a filter as a processor of logs, without its `match`. Only YAML supports
    /// this.
    pub fn with_processor(mut self, mut filter: Section) -> Self {
        filter.properties.retain(|(name, _)| name != "match");
        self.processors.push(filter);
        self
    }

    fn write_yaml(&self, indent: &str, out: &mut String) {
        let mut start = "- ";
        for (name, value) in &self.properties {
            line(out, format_args!("{indent}{start}{name}: {}", quoted(value)));
            start = "  ";
        }
        if !self.processors.is_empty() {
            line(out, format_args!("{indent}  processors:\n{indent}    logs:"));
            self.processors.iter().for_each(|filter| filter.write_yaml(&format!("{indent}      "), out));
        }
    }
}

/// A whole configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    service: Vec<(String, String)>,
    sections: Vec<Section>,
}

impl Config {
    /// Sets a property of the service.
    pub fn service(mut self, name: &str, value: impl Display) -> Self {
        self.service.push((name.into(), value.to_string()));
        self
    }

    /// Adds a plugin.
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// Prints the configuration in the classic format.
    pub fn classic(&self) -> String {
        let mut out = String::from("[SERVICE]\n");
        let properties = |out: &mut String, properties: &[(String, String)]| {
            properties.iter().for_each(|(name, value)| line(out, format_args!("    {name} {value}")));
        };
        properties(&mut out, &self.service);
        for section in &self.sections {
            line(&mut out, format_args!("\n[{}]", section.kind.classic()));
            properties(&mut out, &section.properties);
        }
        out
    }

    /// Prints the configuration in YAML.
    pub fn yaml(&self) -> String {
        let mut out = String::from("service:\n");
        for (name, value) in &self.service {
            line(&mut out, format_args!("  {name}: {}", quoted(value)));
        }
        out.push_str("pipeline:\n");
        for kind in Kind::ALL {
            let mut sections = self.sections.iter().filter(|section| section.kind == kind).peekable();
            if sections.peek().is_some() {
                line(&mut out, format_args!("  {}:", kind.yaml()));
                sections.for_each(|section| section.write_yaml("    ", &mut out));
            }
        }
        out
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String never fails.
    let _ = writeln!(out, "{text}");
}

/// Prints a YAML scalar that Fluent Bit takes for a string, whatever is in it.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
