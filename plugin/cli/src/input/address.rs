//! Addresses of objects as a command line names them, such as `s3://BUCKET/KEY`.

use super::keys::KeyPattern;
use anyhow::{Context, Result, anyhow, ensure};
use std::fmt;
use std::path::Path;
use url::Url;

/// The kinds of object stores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    S3,
    Google,
    Azure,
}

/// The text before an object's version in an address.
const VERSION: &str = "?versionId=";

/// One or more objects.
#[derive(Debug)]
pub(super) enum Address {
    /// Objects of a bucket.
    Bucket {
        kind: Kind,
        /// The scheme and the bucket.
        root: String,
        keys: KeyPattern,
        /// The version of the object, if it is not the newest.
        version: Option<String>,
    },
    /// A response of a web server.
    Web(WebAddress),
}

/// The address of a web page. It may hold secrets: a password or a signature.
#[derive(Clone, Debug)]
pub(super) struct WebAddress {
    pub(super) url: Url,
    /// The parts of the URL that are never shown.
    secrets: Vec<String>,
}

impl Address {
    /// Parses an argument of a command line. Returns `None` if the argument is a file's
    /// path.
    pub(super) fn of(path: &Path) -> Result<Option<Address>> {
        let Some((scheme, rest)) = path.to_str().and_then(|text| text.split_once("://")) else {
            return Ok(None);
        };
        let kind = match scheme {
            "s3" => Kind::S3,
            "gs" => Kind::Google,
            "az" => Kind::Azure,
            "https" | "http" => return WebAddress::of(path).map(|web| Some(Address::Web(web))),
            _ => return Ok(None),
        };
        let named = || format!("{scheme}://{rest}");
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        ensure!(!bucket.is_empty(), "{}: a bucket is missing, as in {scheme}://BUCKET/KEY", named());
        let (key, version) = match key.rsplit_once(VERSION) {
            Some((key, version)) => (key, Some(version.to_owned())),
            None => (key, None),
        };
        // A folder stands for everything below it.
        let all = if key.is_empty() || key.ends_with('/') { "**" } else { "" };
        let keys = KeyPattern::read(&format!("{key}{all}")).map_err(|what| anyhow!("{}: {what}", named()))?;
        ensure!(
            version.is_none() || keys.is_literal(),
            "{}: ?versionId names one object, so its key must have no wildcards or dates",
            named()
        );
        Ok(Some(Address::Bucket { kind, root: format!("{scheme}://{bucket}"), keys, version }))
    }
}

impl WebAddress {
    fn of(path: &Path) -> Result<WebAddress> {
        let text = path.to_str().unwrap_or_default();
        // The error does not repeat the address, because it may hold a signature.
        let url = Url::parse(text).context("not a valid https:// address")?;
        let query = url.query().map(|query| format!("?{query}"));
        let user = Some(format!("{}:{}@", url.username(), url.password().unwrap_or_default()));
        let user = user.filter(|user| user.len() > ":@".len());
        Ok(WebAddress { url, secrets: query.into_iter().chain(user).collect() })
    }

    /// Removes the secrets from a message.
    pub(super) fn without_secrets(&self, message: &str) -> String {
        self.secrets.iter().fold(message.to_owned(), |message, secret| message.replace(secret, ""))
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without_secrets(self.url.as_str()))
    }
}
