//! `flb-audit explain`: shows the policy in a module, and its effect on a record.

mod record;

use crate::stdout::{print, shown};
use crate::{filter_module, whole};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use flb_audit_core::policy::policy_text;
use flb_audit_core::policy::{Kind, MAGIC, Policy};
use flb_audit_policy::module;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Print the policy in a module with its digest and rules; or show what it does to a
/// record
#[derive(Args)]
pub(crate) struct Explain {
    /// A filter_audit.wasm or an audit.policy [default: with --record, the module beside
    /// this program]
    #[arg(required_unless_present = "record")]
    file: Option<PathBuf>,
    /// Show the format of the record in this file, or on standard input if it is `-`, and
    /// for each field why it stays or goes
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The tag of the record. A policy may pin a format to a tag
    #[arg(long, requires = "record", default_value = "")]
    tag: String,
}

impl Explain {
    pub(crate) fn run(self) -> Result<()> {
        let file = match self.file {
            Some(file) => file,
            None => filter_module(None)?,
        };
        let name = file.display();
        let bytes = whole::read(&file).with_context(|| format!("{name}: cannot be read"))?;
        let table = if bytes.starts_with(MAGIC) {
            Some(&bytes[..])
        } else {
            module::table(&bytes).with_context(|| name.to_string())?
        };
        let Some(table) = table else {
            bail!("{name}: has no policy; `flb-audit build` puts one in");
        };
        if let Some(path) = &self.record {
            let policy = Policy::check(table).map_err(|what| anyhow!("{name}: {what}"))?;
            return print(&record::explain(policy, self.tag.as_bytes(), &record::read(path)?)?);
        }
        let policy = Policy::check(table).map_err(|what| anyhow!("{name}: {what}"))?;
        let source = String::from_utf8_lossy(policy.source);
        // The digest covers the whole table with its text. Only compiling the text again
        // shows that the rules match it.
        let schemas = policy.streams().map(|stream| stream.text).filter(|text| !text.is_empty());
        let files = policy.files.split(|byte| *byte == 0).filter(|text| !text.is_empty());
        let mut texts = schemas.chain(files);
        let mut files = |_: &str| {
            let text = texts.next().ok_or("not in the table")?;
            String::from_utf8(text.to_vec()).map_err(|_| "not UTF-8".to_owned())
        };
        let again = flb_audit_policy::Policy::read_with(&source, &mut files)
            .and_then(|policy| flb_audit_policy::compile(&policy));
        let is_same = again.is_ok_and(|again| again == table);
        let hex: String = policy.digest().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut report = format!(
            "policy {}, {} bytes\nsha-512/256 {hex}\n{}\n\nrules\n",
            String::from_utf8_lossy(&policy_text(policy.digest())),
            table.len(),
            if is_same {
                "compiled from the text below: checked"
            } else {
                "not what this flb-audit compiles from the text below: another version compiled it, or it was altered"
            }
        );
        for rule in policy.rules() {
            let kind = match rule.kind {
                Kind::Detector => "in texts",
                Kind::Key | Kind::Name | Kind::Identity => "by key",
                Kind::Path => "by path",
            };
            let name = shown(&String::from_utf8_lossy(rule.name));
            report += &format!("  {name:<24} {:<9} {kind}\n", rule.action.name());
        }
        report += &schemas_of(&policy);
        report += "\ntext\n\n";
        report += &source;
        print(&report)
    }
}

/// Lists the streams that have a schema, and the schemas that come from files.
fn schemas_of(policy: &Policy<'_>) -> String {
    let text_of = |text| String::from_utf8_lossy(text).into_owned();
    let shown = |text: &[u8]| shown(&String::from_utf8_lossy(text));
    let (mut report, mut texts) = (String::new(), BTreeMap::new());
    for stream in policy.streams() {
        if report.is_empty() {
            report += "\nschemas; the first whose tag and field match decides\n";
        }
        let dotted = |byte: &u8| if *byte == 0xff { b'.' } else { *byte };
        let field = shown(&stream.field.iter().map(dotted).collect::<Vec<_>>());
        let condition =
            if field.is_empty() { String::new() } else { format!(" with {field} {}", shown(stream.value)) };
        let (name, tag) = (shown(stream.name), shown(stream.tag));
        report += &format!("  {name:<24} {:<10} {tag}{condition}\n", stream.invalid.name());
        if !stream.text.is_empty() {
            texts.insert(name, text_of(stream.text));
        }
    }
    for (name, text) in texts {
        report += &format!("\nschema {name}\n\n{text}\n");
    }
    report
}
