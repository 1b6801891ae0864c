//! What a rule does, and its number in the table.

/// What a rule does with what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `[rule]` takes its place.
    Mask,
    /// `[rule:…]`, with its last characters: so many, and never more than a
    /// quarter of it.
    Partial(u8),
    /// Nothing takes its place; a member goes as a whole, of an array's
    /// element `null` stays.
    Remove,
    /// `[class:key:…]`, with its HMAC under the operator's key.
    Hmac,
    /// An IP address without what tells a host: the first 24 bits of an IPv4
    /// address, the first 48 of an IPv6 address.
    Truncate,
}

impl Action {
    /// The action of this number in a table.
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

    /// Its number in a table, and its parameter.
    pub fn id(self) -> (u8, u8) {
        match self {
            Action::Mask => (0, 0),
            Action::Partial(last) => (1, last),
            Action::Remove => (2, 0),
            Action::Hmac => (3, 0),
            Action::Truncate => (4, 0),
        }
    }

    /// As a policy and a seal name it.
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
