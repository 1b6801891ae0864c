//! `flb-audit explain`: shows the policy in a module, and its effect on a record.

mod mapping;
mod record;

use crate::stdout::{print, shown};
use crate::terminal::print_report;
use crate::{filter_module, whole};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use flb_audit_core::policy::policy_text;
use flb_audit_core::policy::{Kind, MAGIC, Policy};
use flb_audit_policy::{Problem, module};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Print the policy in a module with its digest and rules; or show what it does to a
/// record; or print a mapping into events of OCSF
#[derive(Args)]
pub(crate) struct Explain {
    /// A filter_audit.wasm or an audit.policy [default: with --record, the module beside
    /// this program]
    #[arg(required_unless_present_any = ["record", "mapping"])]
    file: Option<PathBuf>,
    /// Show the format of the record in this file, or on standard input if it is `-`, and
    /// for each field why it stays or goes. If the record becomes an event of OCSF, also show
    /// which rule of which mapping made each member of the event
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The tag of the record. A policy may pin a format to a tag
    #[arg(long, requires = "record", default_value = "")]
    tag: String,
    /// Print the rules of the mapping with this name: one of the policy's own, or the built-in
    /// one of a format
    #[arg(long, value_name = "NAME", conflicts_with = "record")]
    mapping: Option<String>,
}

impl Explain {
    pub(crate) fn run(self) -> Result<()> {
        let file = match (self.file, &self.mapping) {
            (Some(file), _) => file,
            (None, Some(name)) => return print(&mapping::rules(&mapping::built_in(name)?)?),
            (None, None) => filter_module(None)?,
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
        let policy = Policy::check(table).map_err(|what| anyhow!("{name}: {what}"))?;
        let again = read_again(&policy);
        if let Some(wanted) = &self.mapping {
            let own = again.as_ref().ok().and_then(|again| again.mapping(wanted));
            return print(&mapping::rules(&own.map_or_else(|| mapping::built_in(wanted), Ok)?)?);
        }
        if let Some(path) = &self.record {
            let (tag, text) = (self.tag.as_bytes(), record::read(path)?);
            let said = record::explain(policy, tag, &text)?;
            return print_report(&(said + &mapping::of_record(policy, again.as_ref().ok(), tag, &text)?));
        }
        let source = String::from_utf8_lossy(policy.source());
        // The digest covers the whole table with its text. Only compiling the text again
        // shows that the rules match it.
        let compiled = again.as_ref().map(flb_audit_policy::compile);
        let is_same = matches!(compiled, Ok(Ok(compiled)) if compiled == table);
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
        report += &again.as_ref().map(mapping::entries).unwrap_or_default();
        print_report(&report)?;
        // A policy is printed as it is.
        print(&format!("\ntext\n\n{source}"))
    }
}

/// Reads a policy from the texts in its table.
fn read_again(policy: &Policy<'_>) -> Result<flb_audit_policy::Policy, Problem> {
    let schemas = policy.streams().map(|stream| stream.text).filter(|text| !text.is_empty());
    let files = policy.files().split(|byte| *byte == 0).filter(|text| !text.is_empty());
    let mut texts = schemas.chain(files);
    let mut files = |_: &str| {
        let text = texts.next().ok_or("not in the table")?;
        String::from_utf8(text.to_vec()).map_err(|_| "not UTF-8".to_owned())
    };
    flb_audit_policy::Policy::read_with(&String::from_utf8_lossy(policy.source()), &mut files)
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
