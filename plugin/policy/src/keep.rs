//! Fields that identify, by format: they stay.

/// A format's name, where its fields are described, and their paths.
pub const KEEP: &[(&str, &str, &[&str])] = &[("kubernetes-audit", "", &["user.username"])];
