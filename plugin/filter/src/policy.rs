//! The policy: the one in the module, or the one in an accessible path.

use crate::abi::{Access, find_in_preopens, policy_in_module};
use flb_audit_core::policy::{FILE_NAME, POLICY_BYTES_MAX, Policy};
use flb_audit_core::record::notes::Notes;
use flb_audit_core::redact::{HmacKey, KEY_FILE_BYTES_MAX, KEY_FILE_NAME, Redactor};

/// Returns the redactor for the records of this life, and the notes on the policy for all
/// of them. There is no redactor if there is no policy at all.
pub(crate) fn redactor() -> (Option<Redactor<'static>>, Notes) {
    let in_module = policy_in_module().and_then(Policy::read);
    let (policy, notes) = match policy_in_file() {
        None => (in_module, Notes::NONE),
        Some(Ok(policy)) => (Some(policy), Notes::NONE),
        Some(Err(Damaged)) => (in_module, Notes::POLICY_DAMAGED),
    };
    (policy.map(|policy| Redactor::new(policy, hmac_key())), notes)
}

/// Error: there is a policy file, but it cannot be used.
struct Damaged;

fn policy_in_file() -> Option<Result<Policy<'static>, Damaged>> {
    let file = match find_in_preopens(FILE_NAME, Access::Read) {
        Ok(file) => file?,
        Err(_) => return Some(Err(Damaged)),
    };
    let policy = file.read(POLICY_BYTES_MAX).map_err(|_| Damaged).and_then(|table| {
        // The table is kept for the whole life.
        Policy::check(table.leak()).map_err(|_| Damaged)
    });
    Some(policy)
}

fn hmac_key() -> Option<HmacKey> {
    let file = find_in_preopens(KEY_FILE_NAME, Access::Read).ok()??;
    HmacKey::from_file(&file.read(KEY_FILE_BYTES_MAX).ok()?)
}
