//! The properties of a component as they were configured, and texts without its secrets.

use crate::component::Setting;
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::Read;

/// The longest secret, in bytes.
const SECRET_BYTES_MAX: u64 = 64 << 10;
/// The shortest line of a secret that is hidden by itself, in bytes.
const LINE_BYTES_MIN: usize = 8;
/// The form of a source that is an environment variable.
const VARIABLE: &str = "env:";

/// Settings, some of which are secrets.
#[derive(Clone, Default)]
pub struct Settings {
    settings: Vec<Setting>,
    /// Texts that nobody may read, the longest first, and the text in their place.
    hidden: Vec<(String, String)>,
}

impl Settings {
    /// Asks for the properties of a component by their whole names, `config.NAME` and
    /// `secret.NAME`.
    pub(crate) fn ask(names: &[String], value: impl Fn(&str) -> Option<String>) -> Result<Settings> {
        let mut settings = Settings::default();
        for name in names {
            let (open, secret) = (value(&format!("config.{name}")), value(&format!("secret.{name}")));
            ensure!(
                open.is_none() || secret.is_none(),
                "property secret.{name}: there is config.{name} as well; set one of them"
            );
            if let Some(value) = open {
                settings.push(name, value);
            }
            if let Some(source) = secret {
                settings.push_secret(name, &source)?;
            }
        }
        Ok(settings)
    }

    /// Adds a setting.
    pub fn push(&mut self, name: &str, value: String) {
        self.settings.push(Setting { name: name.to_owned(), value });
    }

    /// Adds a secret, which is in a file, or in an environment variable: `env:NAME`.
    pub fn push_secret(&mut self, name: &str, source: &str) -> Result<()> {
        let secret = read(source.trim()).with_context(|| format!("property secret.{name}"))?;
        let mask = format!("[secret.{name}]");
        let lines = secret.lines().filter(|line| line.len() >= LINE_BYTES_MIN);
        let mut texts: Vec<String> = lines.map(str::to_owned).collect();
        texts.extend([secret.escape_debug().to_string(), secret.clone()]);
        self.hidden.extend(texts.into_iter().map(|text| (text, mask.clone())));
        self.hidden.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        self.push(name, secret);
        Ok(())
    }

    pub(crate) fn as_slice(&self) -> &[Setting] {
        &self.settings
    }

    /// Puts the names of secrets in the place of the secrets.
    pub(crate) fn hide(&self, text: String) -> String {
        self.hidden.iter().fold(
            text,
            |text, (secret, mask)| {
                if text.contains(secret) { text.replace(secret, mask) } else { text }
            },
        )
    }
}

/// Reads a secret, without the line break at its end.
fn read(source: &str) -> Result<String> {
    let text = match source.strip_prefix(VARIABLE) {
        Some(name) => {
            let value = std::env::var_os(name).with_context(|| format!("no environment variable {name}"))?;
            value.into_encoded_bytes()
        }
        None => {
            let file = File::open(source).with_context(|| format!("{source}: cannot be read"))?;
            let mut bytes = Vec::new();
            let read = file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes);
            read.with_context(|| format!("{source}: cannot be read"))?;
            bytes
        }
    };
    ensure!(text.len() as u64 <= SECRET_BYTES_MAX, "{source}: longer than 64 KiB");
    // The error would have the text.
    let text = String::from_utf8(text).ok().with_context(|| format!("{source}: not UTF-8"))?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    ensure!(!secret.is_empty(), "{source}: empty");
    Ok(secret.to_owned())
}
