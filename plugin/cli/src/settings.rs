//! The settings of a component, as options `--config NAME=VALUE` give them.

use anyhow::{Context, Result, ensure};
use flb_audit_host::component::{Property, Setting};

/// Reads settings. Fails if the component has no property of that name.
pub(crate) fn read(config: &[String], properties: &[Property]) -> Result<Vec<Setting>> {
    let setting = |text: &String| {
        let (name, value) =
            text.split_once('=').with_context(|| format!("--config {text}: it takes NAME=VALUE"))?;
        let names: Vec<&str> = properties.iter().map(|property| property.name.as_str()).collect();
        ensure!(
            names.contains(&name),
            "property config.{name}: there is none of that name; there are: {}",
            names.join(", ")
        );
        Ok(Setting { name: name.to_owned(), value: value.to_owned() })
    };
    config.iter().map(setting).collect()
}
