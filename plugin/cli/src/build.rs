//! `flb-audit build`: compiles a policy into the filter's module.

use crate::terminal::print_report;
use crate::{complain, durable, filter_module, whole};
use anyhow::{Context, Result, bail};
use clap::Args;
use flb_audit_core::policy;
use flb_audit_core::policy::policy_text;
use flb_audit_core::policy::{FILE_NAME, MAGIC};
use flb_audit_policy::{Policy, compile, module};
use std::path::{Path, PathBuf};

/// Compile a policy and put it into the filter's module
///
/// Errors in the policy are reported with line and column. Then nothing is written.
#[derive(Args)]
pub(crate) struct Build {
    /// The policy, in YAML
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The file to write: a module, or only the policy if the name ends in .policy. Put
    /// such a file into an accessible path as audit.policy: it overrides the module's
    /// policy. An existing file is overwritten only if it is a module or a policy
    #[arg(short, long, value_name = "FILE", default_value = "filter_audit.wasm")]
    output: PathBuf,
    /// The module to start from [default: filter_audit.wasm beside this program]
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
}

impl Build {
    pub(crate) fn run(self) -> Result<()> {
        let table = table(&self.policy)?;
        let is_policy = self.output.extension().is_some_and(|extension| extension == "policy");
        let out = if is_policy {
            table.clone()
        } else {
            let filter = filter_module(self.filter)?;
            let base =
                whole::read(&filter).with_context(|| format!("{}: cannot be read", filter.display()))?;
            module::with_table(&base, &table).with_context(|| filter.display().to_string())?
        };
        let other = "neither a module nor a policy's table";
        durable::check_replaced(&self.output, "--output", &[MAGIC, b"\0asm"], other)?;
        durable::replace(&self.output, &out)?;
        let digest = policy_text(&policy::digest(&table));
        let mut said = format!(
            "{}: {} bytes, policy {} of {} bytes\n",
            self.output.display(),
            out.len(),
            String::from_utf8_lossy(&digest),
            table.len()
        );
        if is_policy && self.output.file_name().is_none_or(|name| name != FILE_NAME) {
            said += &format!("the filter looks for it as {FILE_NAME}\n");
        }
        print_report(&said)
    }
}

/// Compiles the policy in a file. Files that the policy names are searched in the
/// policy's directory. Prints notes on rules of gitleaks that are not used, and on
/// unknown keywords in schemas.
pub(crate) fn table(path: &Path) -> Result<Vec<u8>> {
    let name = path.display();
    let text = whole::read_text(path).with_context(|| format!("{name}: cannot be read"))?;
    let mut files = |file: &str| {
        let path = path.with_file_name(file);
        whole::read_text(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
    };
    let compiled = Policy::read_with(&text, &mut files).and_then(|policy| Ok((compile(&policy)?, policy)));
    match compiled {
        Ok((table, policy)) => {
            policy
                .notes()
                .iter()
                .chain(policy.unknown_keywords())
                .for_each(|note| complain(format_args!("note: {name}:{note}")));
            Ok(table)
        }
        Err(problem) => bail!("{name}:{problem}"),
    }
}
