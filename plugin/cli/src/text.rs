//! Chains, keys, signatures and roles as text in JSON.

use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::enrollment::Role;
use flb_audit_core::chain::signature::{PublicKey, Signature, signature_from_text, signature_text};
use serde::Deserialize;

macro_rules! as_text {
    ($module:ident, $type:ty, $from:expr, $to:expr) => {
        pub(crate) mod $module {
            use super::*;
            use serde::{Deserializer, Serializer, de};

            pub(crate) fn serialize<S: Serializer>(value: &$type, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&$to(value))
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                let text = String::deserialize(from)?;
                $from(text.as_bytes()).ok_or_else(|| de::Error::custom("not base64url of the right length"))
            }
        }
    };
}
as_text!(chain, ChainId, ChainId::from_text, ChainId::to_string);
as_text!(key, PublicKey, PublicKey::from_text, PublicKey::to_string);
as_text!(signature, Signature, signature_from_text, signature_as_text);

/// The member `role`, which only ledgers have.
pub(crate) mod role {
    use super::*;
    use serde::{Deserializer, Serializer, de};

    pub(crate) fn is_filter(role: &Role) -> bool {
        *role == Role::Filter
    }

    pub(crate) fn serialize<S: Serializer>(_: &Role, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(Role::LEDGER)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Role, D::Error> {
        let text = String::deserialize(from)?;
        let is_ledger = text == Role::LEDGER;
        is_ledger.then_some(Role::Ledger).ok_or_else(|| de::Error::custom("the only role is `ledger`"))
    }
}

fn signature_as_text(signature: &Signature) -> String {
    String::from_utf8_lossy(&signature_text(signature)).into_owned()
}
