//! `flb-audit doctor`: its exit codes, and the copies that it writes.

use std::fs;
use std::path::Path;

/// Returns a configuration that loses nothing, with a place for a property.
fn config(property: &str) -> String {
    format!(
        "service: {{storage.path: /s}}\n\
         pipeline:\n\
         \x20 inputs:\n\
         \x20   - name: tail\n\
         \x20     path: /x*\n\
         \x20     db: /d\n\
         \x20     read_from_head: on\n\
         \x20     buffer_max_size: 16M\n\
         \x20     {property}\n\
         \x20     storage.type: filesystem\n\
         \x20 outputs:\n\
         \x20   - {{name: stdout, match: '*'}}\n"
    )
}

fn doctor(arguments: &[&str]) -> u8 {
    flb_audit::run(["flb-audit", "doctor"].iter().chain(arguments).map(Into::into))
}

fn written(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).expect("a configuration");
    path.display().to_string()
}

#[test]
fn exit_codes_are_those_of_the_page() {
    let directory = tempfile::tempdir().expect("a directory");
    let own = directory.path();
    let healthy = written(own, "healthy.yaml", &config("skip_long_lines: on"));
    let warned = written(own, "warned.yaml", &config("skip_long_lines: on\n      ignore_older: 1d"));
    let wrong = written(own, "wrong.yaml", &config("skip_long_lines: off"));
    assert_eq!(doctor(&[&healthy]), 0);
    assert_eq!(doctor(&["--json", &healthy]), 0);
    assert_eq!(doctor(&[&warned]), 60);
    assert_eq!(doctor(&[&wrong]), 61);
    assert_eq!(doctor(&[&healthy, &wrong, &warned]), 61);
    assert_eq!(doctor(&["--fluent-bit", "4.0.14", "--config-only", "--user", "nobody", &healthy]), 0);
    assert_eq!(doctor(&[&own.join("none.yaml").display().to_string()]), 1);
    assert_eq!(doctor(&["--user", "a user that nobody is", &healthy]), 1);
    assert_eq!(doctor(&["--fluent-bit", "five", &healthy]), 2);
    assert_eq!(doctor(&[]), 2);
}

#[test]
fn copies_are_written_and_nothing_is_overwritten() {
    let directory = tempfile::tempdir().expect("a directory");
    let own = directory.path();
    let copies = own.join("copies");
    let to = copies.display().to_string();
    let wrong = written(own, "fluent-bit.yaml", &config("skip_long_lines: off"));
    assert_eq!(doctor(&["--fix", &to, &wrong]), 0, "nothing is left");
    let copy = fs::read_to_string(copies.join("fluent-bit.yaml")).expect("a copy");
    assert_eq!(copy, config("skip_long_lines: on"));
    assert_eq!(fs::read_to_string(&wrong).expect("the configuration"), config("skip_long_lines: off"));
    assert_eq!(doctor(&["--fix", &to, &wrong]), 1, "the copy is there already");
    let healthy = written(own, "healthy.yaml", &config("skip_long_lines: on"));
    assert_eq!(doctor(&["--fix", &to, &healthy]), 0);
    assert!(!copies.join("healthy.yaml").exists(), "nothing was to be corrected");
}
