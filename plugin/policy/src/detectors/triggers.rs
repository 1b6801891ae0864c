//! Triggers that several detectors share. Each trigger costs states in the one automaton
//! that all texts go through, and a lead that fails costs a few steps. The ends of words
//! are enough, since the lead contains the whole word.

/// A part of a name that may be a secret's, or its end with the sign that assigns; an
/// option of one letter, or one for a user and a password; the start of a command with a
/// password; `IDENTIFIED`.
pub(super) const TOLD: &str = concat!(
    r"(?i)passw|passp|passc|irepass|pwd|secret|token|cookie|orization|ntified",
    r#"|(key|sig|passe?|ature|otp|cv[vc]|psk|ntials|nwort|[_-]pw)["'\\\]]* ?[:=>]"#,
    r#"|-pass |-pw |-key |-psk |ntials |ureString |[ "'+,]-[a-z]|(-user|creds|-auth|-cert)[ =]|/r?p[: ]"#,
    r"|(et|xe) use(r)? |(ult|rgo) login |nseal |plus |pdp ",
);

/// The scheme of HTTP credentials.
pub(super) const SCHEME: &str = "(?i)(earer|asic) ";

/// The end of a user's name in a URL or an e-mail address.
pub(super) const AT: &str = "@|%40";

/// Three groups of digits, or two groups of which the second is long.
pub(super) const DIGITS: &str =
    "[ .)][0-9]+[ .-][0-9]|-[0-9]+-[0-9]{3}|-[0-9]{2}-[0-9]{2}-[0-9]|[0-9][ /-][0-9]{6}";

/// The start of an international telephone number.
pub(super) const PLUS: &str = r"\+[1-9]";

/// A word that announces a telephone number.
pub(super) const LABEL: &str = "(?i)(hone|obile|fax)[: \n\"']";

/// Groups of hexadecimal digits.
pub(super) const GROUPS: &str = ":[0-9A-Fa-f]*:|-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-";
