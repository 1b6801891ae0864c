//! Keys of a record that are not under its seal.

use clap::Args;

/// Keys that Fluent Bit's outputs add: `json_date_key` of `file`, `http`,
/// `stdout` and others; `time_key` and `tag_key` of `es` and `opensearch`.
const OUTPUT_KEYS: [&str; 3] = ["date", "@timestamp", "_flb-key"];

/// Keys at the top level that are not under the seal.
#[derive(Args, Clone)]
pub(crate) struct IgnoredKeys {
    /// A key that an output adds at the top level and no seal covers, in addition to `date`,
    /// `@timestamp` and `_flb-key`
    #[arg(long, value_name = "KEY")]
    ignore_key: Vec<String>,
}

impl IgnoredKeys {
    /// Returns these keys, and the keys that outputs add by default.
    pub(crate) fn all(self) -> Vec<String> {
        OUTPUT_KEYS.into_iter().map(str::to_owned).chain(self.ignore_key).collect()
    }
}
