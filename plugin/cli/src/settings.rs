//! The settings of a component, and its permissions, as options give them.

use anyhow::{Context, Result, ensure};
use clap::Args;
use flb_audit_host::component::Property;
use flb_audit_host::network::{Destination, Network};
use flb_audit_host::settings::Settings;
use std::path::PathBuf;

/// The properties of a component, and of the host for it
#[derive(Args)]
pub(crate) struct Options {
    /// A property of the component, without its `config.`
    #[arg(long = "config", value_name = "NAME=VALUE")]
    config: Vec<String>,
    /// A property that is a secret: a file that holds it, or `env:NAME`
    #[arg(long = "secret", value_name = "NAME=SOURCE")]
    secret: Vec<String>,
    /// A destination that it may reach, such as `https://logs.example.com:443`
    #[arg(long, value_name = "URL", value_parser = destinations)]
    allow: Vec<Vec<Destination>>,
    /// Certificates of further authorities, in PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The directory that it may use
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

fn destinations(list: &str) -> Result<Vec<Destination>, String> {
    Network::parse_list(list).map_err(|error| format!("{error:#}"))
}

impl Options {
    /// True if the component gets any settings.
    pub(crate) fn has_settings(&self) -> bool {
        !self.config.is_empty() || !self.secret.is_empty()
    }

    /// Returns what the component may reach.
    pub(crate) fn network(&self) -> Network {
        Network { allowed: self.allow.concat(), ca_file: self.ca_file.clone() }
    }

    /// Reads the settings. Fails if the component has no property of that name.
    pub(crate) fn settings(&self, properties: &[Property]) -> Result<Settings> {
        let mut settings = Settings::default();
        for text in &self.config {
            let (name, value) = split("config", text, properties)?;
            settings.push(name, value.to_owned());
        }
        for text in &self.secret {
            let (name, source) = split("secret", text, properties)?;
            settings.push_secret(name, source)?;
        }
        Ok(settings)
    }
}

fn split<'a>(option: &str, text: &'a str, properties: &[Property]) -> Result<(&'a str, &'a str)> {
    let (name, value) =
        text.split_once('=').with_context(|| format!("--{option} {text}: must be NAME=VALUE"))?;
    let names: Vec<&str> = properties.iter().map(|property| property.name.as_str()).collect();
    ensure!(
        names.contains(&name),
        "property {option}.{name} does not exist; there are: {}",
        names.join(", ")
    );
    Ok((name, value))
}
