//! The glibc that a program needs, according to the versions of its symbols.

use anyhow::{Result, ensure};

/// The oldest glibc with which packages are promised to run: that of RHEL 9 and Ubuntu
/// 22.04.
pub(super) const OLDEST: (u32, u32) = (2, 34);

/// Checks that a program needs no newer glibc than promised.
pub(super) fn check(program: &[u8]) -> Result<()> {
    let (major, minor) = needed(program);
    ensure!((major, minor) <= OLDEST, "it needs glibc {major}.{minor}; the packages promise {OLDEST:?}");
    Ok(())
}

/// Returns the newest version among the names `GLIBC_…` in a program.
fn needed(program: &[u8]) -> (u32, u32) {
    const NAME: &[u8] = b"GLIBC_";
    let names = program.windows(NAME.len()).enumerate().filter(|(_, bytes)| *bytes == NAME);
    let versions = names.filter_map(|(at, _)| {
        let text = program.get(at + NAME.len()..)?;
        let end = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
        let (major, minor) = std::str::from_utf8(text.get(..end)?).ok()?.split_once('.')?;
        let minor = minor.split('.').next()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    });
    versions.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_counts() {
        assert_eq!(needed(b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0GLIBC_PRIVATE\0"), (2, 34));
        assert!(check(b"\0GLIBC_2.34\0").is_ok());
        assert!(check(b"\0GLIBC_2.35\0").is_err());
    }
}
