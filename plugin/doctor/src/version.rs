//! Versions of Fluent Bit.

use std::fmt;
use std::str::FromStr;

/// A version of Fluent Bit, such as 5.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Checks for versions in which `rewrite_tag` loses records when its emitter is busy.
    pub(crate) fn has_lossy_emitter(self) -> bool {
        self >= Version(3, 0, 2) && self < Version(5, 0, 9)
    }

    /// Returns the version of WAMR in this version. Returns `None` if it is not known.
    pub(crate) fn wamr(self) -> Option<&'static str> {
        match self {
            _ if self < Version(4, 0, 0) => None,
            _ if self < Version(4, 1, 0) => Some("1.3.3"),
            _ if self < Version(5, 2, 0) => Some("2.4.1"),
            _ => None,
        }
    }

    /// Checks for versions that continue without a module when it cannot be instantiated.
    pub(crate) fn passes_unsealed(self) -> bool {
        self < Version(4, 1, 0)
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Version, String> {
        let said = || format!("`{text}` is not a version of Fluent Bit, such as 5.1.1");
        let numbers: Result<Vec<u32>, _> = text.trim_start_matches('v').split('.').map(str::parse).collect();
        match numbers.map_err(|_| said())?[..] {
            [major, minor] => Ok(Version(major, minor, 0)),
            [major, minor, patch] => Ok(Version(major, minor, patch)),
            _ => Err(said()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}
