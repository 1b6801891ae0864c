//! `flb-audit build`: a policy into the filter's module.

use crate::filter_module;
use crate::stdout::print;
use anyhow::{Context, Result, bail};
use clap::Args;
use flb_audit_core::policy;
use flb_audit_core::policy::FILE_NAME;
use flb_audit_core::seal::policy_text;
use flb_audit_policy::{Policy, compile, module};
use std::fs;
use std::path::{Path, PathBuf};

/// Compile a policy and put it into the filter's module
///
/// What is wrong in the policy is said with line and column, and nothing is
/// written then.
#[derive(Args)]
pub(crate) struct Build {
    /// The policy, in YAML
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// What to write: a module, or, if it ends in .policy, the policy alone,
    /// which as audit.policy in an accessible path overrides the module's
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
            let base = fs::read(&filter).with_context(|| format!("{}: cannot be read", filter.display()))?;
            module::with_table(&base, &table).with_context(|| filter.display().to_string())?
        };
        write_in_place(&self.output, &out)?;
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
        print(&said)
    }
}

/// The table of a policy in a file. The files that it names are where it is.
pub(crate) fn table(path: &Path) -> Result<Vec<u8>> {
    let name = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("{name}: cannot be read"))?;
    let mut files = |file: &str| {
        let path = path.with_file_name(file);
        fs::read_to_string(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
    };
    match Policy::read_with(&text, &mut files).and_then(|policy| compile(&policy)) {
        Ok(table) => Ok(table),
        Err(problem) => bail!("{name}:{problem}"),
    }
}

/// Writes a file so that nobody ever reads half of it.
fn write_in_place(path: &Path, bytes: &[u8]) -> Result<()> {
    let what = || format!("{}: cannot be written", path.display());
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let file = tempfile::NamedTempFile::new_in(directory).with_context(what)?;
    fs::write(file.path(), bytes).with_context(what)?;
    // As a file that is simply written, and not as a temporary one.
    #[cfg(unix)]
    fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .with_context(what)?;
    file.persist(path).with_context(what)?;
    Ok(())
}
