//! The actions of rules, and their numbers in the table.

/// The action of a rule on a value that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Replaces the value with `[rule]`.
    Mask,
    /// Replaces the value with `[rule:…]`, which contains its last characters: this many,
    /// and never more than a quarter of the value.
    Partial(u8),
    /// Removes the value without a replacement. A member is removed with its key; an
    /// element of an array becomes `null`.
    Remove,
    /// Replaces the value with `[class:key:…]`, which contains its HMAC under the
    /// operator's key.
    Hmac,
    /// Removes from an IP address the part that identifies a host: the first 24 bits of
    /// an IPv4 address stay, and the first 48 of an IPv6 address.
    Truncate,
}

impl Action {
    /// Returns the action with this number in a table.
    pub fn from_id(id: u8, parameter: u8) -> Option<Self> {
        Some(match id {
            0 => Action::Mask,
            1 => Action::Partial(parameter),
            2 => Action::Remove,
            3 => Action::Hmac,
            4 => Action::Truncate,
            _ => return None,
        })
    }

    /// Returns its number in a table, and its parameter.
    pub fn id(self) -> (u8, u8) {
        match self {
            Action::Mask => (0, 0),
            Action::Partial(last) => (1, last),
            Action::Remove => (2, 0),
            Action::Hmac => (3, 0),
            Action::Truncate => (4, 0),
        }
    }

    /// Returns its name in a policy and in a seal.
    pub fn name(self) -> &'static str {
        match self {
            Action::Mask => "mask",
            Action::Partial(_) => "partial",
            Action::Remove => "remove",
            Action::Hmac => "hmac",
            Action::Truncate => "truncate",
        }
    }
}
