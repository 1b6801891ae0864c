//! Building policies into modules, and explaining modules.

use super::{CHECKED, POLICY, Place};
use flb_audit_policy::DEFAULT_POLICY;
use host_tests::program::dist;
use std::fs;

#[test]
fn what_is_built_is_explained() {
    let place = Place::new();
    place.write("policy.yaml", POLICY);
    let said = place.ok(&["build", "--policy", "policy.yaml"]);
    let digest = said.split("policy ").nth(1).and_then(|rest| rest.get(..8)).expect("a digest");
    let explained = place.ok(&["explain", "filter_audit.wasm"]);
    assert!(explained.starts_with(&format!("policy {digest}, ")), "{explained}");
    assert!(explained.contains(CHECKED) && explained.ends_with(POLICY), "{explained}");
    assert!(explained.contains("  who                      hmac      by key\n"), "{explained}");

    // A file with only the table gives the same text.
    assert!(place.ok(&["build", "--policy", "policy.yaml", "-o", "x.policy"]).contains("audit.policy"));
    assert_eq!(place.ok(&["explain", "x.policy"]), explained);
    let mut altered = place.read("x.policy");
    *altered.last_mut().expect("a byte") ^= 1;
    fs::write(place.path("x.policy"), altered).expect("a file");
    assert!(place.fails(&["explain", "x.policy"]).contains("its digest is not that of its contents"));
    assert!(place.fails(&["explain", "policy.yaml"]).contains("not a WebAssembly module"));
    assert!(place.fails(&["explain", "nothing"]).contains("nothing: cannot be read"));
}

/// The shipped module contains the default policy.
#[test]
fn the_module_that_ships_is_explained() {
    let explained = Place::new().ok(&["explain", &dist("filter_audit.wasm").to_string_lossy()]);
    assert!(explained.contains(CHECKED) && explained.ends_with(DEFAULT_POLICY), "{explained}");
}

/// A build replaces the policy of a module that has one.
#[test]
fn a_policy_takes_the_place_of_the_one_before() {
    let place = Place::new();
    place.write("small.yaml", "version: 1\n");
    place.write("own.yaml", POLICY);
    place.write("default.yaml", DEFAULT_POLICY);
    place.ok(&["build", "--policy", "own.yaml", "-o", "first.wasm"]);
    place.ok(&["build", "--policy", "default.yaml", "-o", "other.wasm", "--filter", "first.wasm"]);
    assert_eq!(place.read("other.wasm"), fs::read(dist("filter_audit.wasm")).expect("the module"));
    // Output and input can be the same file, again and again.
    for policy in ["small.yaml", "default.yaml", "small.yaml", "own.yaml"] {
        place.ok(&["build", "--policy", policy, "-o", "other.wasm", "--filter", "other.wasm"]);
    }
    assert_eq!(place.read("other.wasm"), place.read("first.wasm"));
    // Files have the requested names, and no other file is left.
    assert_eq!(place.names(), ["default.yaml", "first.wasm", "other.wasm", "own.yaml", "small.yaml"]);
}

#[test]
fn of_what_is_wrong_nothing_is_written() {
    let place = Place::new();
    place.write("wrong.yaml", "version: 1\nredact:\n  detectors: {emial: on}\n");
    place.write(
        "large.yaml",
        "version: 1\nredact:\n  patterns: [{name: a, pattern: '[ab]*a[ab]{15}', action: mask}]\n",
    );
    place.write("right.yaml", POLICY);
    place.write("empty.wasm", "\0asm\u{1}\0\0\0");
    place.write("there.wasm", "as it was");
    let before = place.names();
    for (policy, rest, part) in [
        (
            "wrong.yaml",
            &["-o", "new.wasm"][..],
            "wrong.yaml:3:15: `emial` is no detector; did you mean `email`?",
        ),
        ("wrong.yaml", &["-o", "there.wasm"], "wrong.yaml:3:15"),
        ("wrong.yaml", &["-o", "new.policy"], "wrong.yaml:3:15"),
        ("large.yaml", &["-o", "new.wasm"], "large.yaml:3:33: the pattern of `a`"),
        ("nothing.yaml", &["-o", "new.wasm"], "nothing.yaml: cannot be read"),
        (
            "right.yaml",
            &["-o", "new.wasm", "--filter", "empty.wasm"],
            "not a filter_audit.wasm of this version",
        ),
        ("right.yaml", &["-o", "new.wasm", "--filter", "right.yaml"], "not a WebAssembly module"),
        ("right.yaml", &["-o", "new.wasm", "--filter", "nothing"], "nothing: no such file"),
        ("right.yaml", &["-o", "nowhere/new.wasm"], "nowhere/new.wasm: cannot be written"),
    ] {
        let said = place.fails(&[&["build", "--policy", policy], rest].concat());
        assert!(said.contains(part), "{said}");
        assert_eq!(place.names(), before, "{said}");
    }
    assert_eq!(place.read("there.wasm"), b"as it was");
}

/// A mistyped output name does not destroy a file that is not a module.
#[test]
fn a_build_writes_over_modules_alone() {
    let place = Place::new();
    place.write("policy.yaml", POLICY);
    let build = |output: &str| place.fails(&["build", "--policy", "policy.yaml", "--output", output]);
    assert!(build("policy.yaml").contains("policy.yaml: exists and is neither a module nor"));
    assert_eq!(place.read("policy.yaml"), POLICY.as_bytes());
    fs::create_dir(place.path("x.policy")).expect("a directory");
    assert!(build("x.policy").contains("x.policy: exists and is not a regular file"));
    #[cfg(unix)]
    {
        assert!(build("/dev/null").contains("/dev/null: exists and is not a regular file"));
        // A symbolic link stays a symbolic link.
        place.ok(&["build", "--policy", "policy.yaml", "-o", "a.wasm"]);
        std::os::unix::fs::symlink("a.wasm", place.path("b.wasm")).expect("a link");
        place.write("small.yaml", "version: 1\n");
        place.ok(&["build", "--policy", "small.yaml", "-o", "b.wasm"]);
        assert!(place.path("b.wasm").is_symlink());
        assert_eq!(place.read("a.wasm"), place.read("b.wasm"));
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(place.path("a.wasm")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o600, 0o600);
    }
}

/// A file that may never end is not opened.
#[cfg(unix)]
#[test]
fn fifos_and_devices_are_refused() {
    let place = Place::new();
    let fifo = place.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    place.write("schema.yaml", "version: 1\nschema:\n  - {tag: \"*\", file: fifo, name: s}\n");
    for name in ["fifo", "/dev/zero"] {
        assert!(
            place
                .fails(&["build", "--policy", name])
                .contains("a named pipe or a device, which may never end"),
            "{name}"
        );
        assert!(
            place.fails(&["explain", name]).contains("a named pipe or a device, which may never end"),
            "{name}"
        );
    }
    assert!(
        place
            .fails(&["build", "--policy", "schema.yaml"])
            .contains("a named pipe or a device, which may never end")
    );
}
