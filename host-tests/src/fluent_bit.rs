//! Where a real Fluent Bit is.

use std::env;
use std::path::PathBuf;

/// What to do where there is none.
pub const REMEDY: &str = "no fluent-bit found; name one, or several, with FLUENT_BIT=path[:path…]";

/// Those that `FLUENT_BIT` names; without it the first on `PATH` or in
/// `/opt/fluent-bit/bin`.
pub fn paths() -> Vec<PathBuf> {
    if let Some(named) = env::var_os("FLUENT_BIT") {
        return env::split_paths(&named).collect();
    }
    let on_path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&on_path).chain([PathBuf::from("/opt/fluent-bit/bin")]);
    places.map(|place| place.join("fluent-bit")).find(|path| path.is_file()).into_iter().collect()
}
