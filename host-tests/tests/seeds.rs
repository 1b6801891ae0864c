//! The fuzz targets' seeds through both properties.

mod properties;

use std::fs;
use std::path::Path;

#[test]
fn every_seed_has_both_properties() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    let mut count = 0;
    for target in ["tape", "call"] {
        for entry in fs::read_dir(seeds.join(target)).expect("a directory of seeds") {
            let path = entry.expect("a seed").path();
            let seed = fs::read(&path).expect("a seed");
            let result = std::panic::catch_unwind(|| {
                properties::tape(&seed);
                properties::call(&seed);
            });
            assert!(result.is_ok(), "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 50, "{count} seeds");
}
