//! A value that the seal says was masked is not in the output. The texts are generated: a
//! random secret under a random name, quoted, encoded and wrapped at random.

use super::{seal, sealer};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

/// The forms of a value behind its name. `%` stands for the value, escaped as a writer of
/// that form would do.
const FORMS: &[(&str, Escape)] = &[
    ("=% x", Escape::Bare),
    ("=%&x=1", Escape::Percent),
    ("=%;x=1", Escape::Bare),
    ("=%, x=1", Escape::Bare),
    ("='%' x", Escape::Doubled('\'')),
    ("=\"%\" x", Escape::Doubled('"')),
    ("='%' x", Escape::Backslashed('\'')),
    ("=\"%\" x", Escape::Backslashed('"')),
    (" = N'%'; x", Escape::Doubled('\'')),
    (" = E'%' x", Escape::Backslashed('\'')),
    (": \"%\", x", Escape::Backslashed('"')),
    ("\":\"%\",\"x\":1", Escape::Backslashed('"')),
    ("' => '%', x", Escape::Backslashed('\'')),
    ("={%};x=1", Escape::Braced),
    ("=$$%$$ x", Escape::None),
    ("=$q$%$q$ x", Escape::None),
    ("='%' x", Escape::Shell),
    (": >-\n  %\nx: 1", Escape::Bare),
    (": !!str %\nx: 1", Escape::Bare),
    (" = <<E\n%\nE\nx", Escape::Bare),
    ("', '%')", Escape::Backslashed('\'')),
];

#[derive(Clone, Copy, Debug)]
enum Escape {
    None,
    /// Nothing can be escaped: only secrets without a character that ends a value occur
    /// there.
    Bare,
    Percent,
    Doubled(char),
    Backslashed(char),
    Braced,
    Shell,
}

impl Escape {
    fn write(self, secret: &str) -> String {
        match self {
            Escape::None => secret.replace('$', "S"),
            Escape::Bare => {
                secret.replace(|character: char| !character.is_ascii_alphanumeric() && character != '-', "_")
            }
            Escape::Percent => percent(secret),
            Escape::Doubled(quote) => secret.replace('\\', "/").replace(quote, &format!("{quote}{quote}")),
            Escape::Backslashed(quote) => secret.replace('\\', "\\\\").replace(quote, &format!("\\{quote}")),
            Escape::Braced => secret.replace('}', "}}"),
            Escape::Shell => secret.replace('\\', "/").replace('\'', "'\\''"),
        }
    }
}

fn percent(text: &str) -> String {
    let encode = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// The forms into which the whole text may be wrapped.
const WRAPPERS: [fn(&str) -> String; 8] = [
    |text| text.to_owned(),
    |text| format!("2026-11-20T08:00:00Z INFO {text}"),
    |text| Value::from(text).to_string(),
    |text| Value::from(Value::from(text).to_string()).to_string(),
    |text| format!("\u{1b}[32m{text}\u{1b}[0m"),
    |text| format!("GET /x?q={}", percent(text)),
    |text| text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;"),
    |text| format!("[{{{text}}}]"),
];

const NAMES: &[&str] = &[
    "password",
    "PASSWORD",
    "db_password",
    "dbPassword1",
    "password_confirmation",
    "userPasswd",
    "passphrase",
    "client_secret",
    "API_KEY",
    "refreshToken",
    "secret_key_base",
];

fn record() -> impl Strategy<Value = (String, String)> {
    let secret = r#"[A-Za-z0-9][A-Za-z0-9 !#%&'()*+,./:;<=>?@^_`{|}~"\\$-]{10,30}[A-Za-z0-9]"#;
    (select(NAMES), select(FORMS), secret, select(&WRAPPERS[..]), any::<bool>()).prop_map(
        |(name, (form, escape), secret, wrap, is_first)| {
            let written = escape.write(&secret);
            let quote = if form.starts_with('"') || form.starts_with('\'') { &form[..1] } else { "" };
            let text = format!(
                "{}{quote}{name}{}",
                if is_first { "" } else { "user=ann " },
                form.replace('%', &written)
            );
            (wrap(&text), written)
        },
    )
}

/// Returns the parts of the secret that consist of letters and digits only, and so are
/// the same in every form.
fn parts(secret: &str) -> impl Iterator<Item = &str> {
    secret.split(|character: char| !character.is_ascii_alphanumeric()).filter(|part| part.len() >= 8)
}

fn check(text: &str, secret: &str) -> Result<(), TestCaseError> {
    let (out, redacted) = seal(&mut sealer(&super::TABLE), &serde_json::json!({ "msg": text }).to_string());
    if redacted.contains("mask") {
        for part in parts(secret) {
            for at in 0..=part.len() - 8 {
                prop_assert!(!out.contains(&part[at..at + 8]), "{}\n  {}\n  {}", text, out, redacted);
            }
        }
    }
    Ok(())
}

#[test]
fn what_is_said_to_be_masked_is_gone() {
    // A longer run by hand uses `PROPTEST_CASES=100000`.
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4000);
    proptest!(ProptestConfig::with_cases(cases), |((text, secret) in record())| {
        check(&text, &secret)?;
    });
}
