//! Triggers that several detectors share: each costs states in the one
//! automaton that all texts go through, and a lead that fails costs a few
//! steps. The ends of words are enough: the lead has the whole.

/// A key that may be a secret's, and what assigns: `secret=`, `"secret": `.
pub(super) const ASSIGNMENT: &str =
    r#"(?i)(word|asswd|phrase|pwd|ecret|oken|key|ature|sig|zation)["'\\\]]{0,3} ?[:=]"#;

/// An option of a command, whose value follows as a word of its own.
pub(super) const OPTION: &str = "--(pass|token|secret|api-key)";

/// A literal in SQL that may be a password.
pub(super) const LITERAL: &str = "(?i)(word|by|as)[ (]{1,2}'";

/// A scheme of HTTP's credentials.
pub(super) const SCHEME: &str = "(?i)(earer|asic) ";

/// A user's name ends here, in a URL or an e-mail address.
pub(super) const AT: &str = "@|%40";

/// Three groups of digits, or two of which the second is long.
pub(super) const DIGITS: &str =
    "[ .)][0-9]+[ .-][0-9]|-[0-9]+-[0-9]{3}|-[0-9]{2}-[0-9]{2}-[0-9]|[0-9][ /-][0-9]{6}";

/// An international telephone number begins.
pub(super) const PLUS: &str = r"\+[1-9]";

/// A word that announces a telephone number.
pub(super) const LABEL: &str = "(?i)(hone|obile|fax)[: \n\"']";

/// Groups of hexadecimal digits.
pub(super) const GROUPS: &str = ":[0-9A-Fa-f]*:|-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-";
