//! `flb-audit install`, and `init` in an init container.

use super::Place;
use std::fs;
use std::io::Read;

#[test]
fn what_ships_is_copied_and_replaced() {
    let place = Place::new();
    fs::create_dir_all(place.path("from/aot/inner")).expect("a directory");
    for name in ["filter_audit.wasm", "out_wasm.so", "notes.txt", "aot/filter.aot", "aot/inner/x.aot"] {
        place.write(&format!("from/{name}"), "old");
    }
    let install = ["install", "to/lib", "--from", "from"];
    let copied = "to/lib/filter_audit.wasm\nto/lib/out_wasm.so\nto/lib/aot/filter.aot\n";
    assert_eq!(place.ok(&install), copied);
    let mut open = fs::File::open(place.path("to/lib/filter_audit.wasm")).expect("a copy");
    place.write("from/filter_audit.wasm", "new");
    assert_eq!(place.ok(&install), copied);
    assert_eq!(place.read("to/lib/filter_audit.wasm"), b"new");
    let mut text = String::new();
    open.read_to_string(&mut text).expect("a file");
    assert_eq!(text, "old", "whoever has it open keeps it");
    assert!(!place.path("to/lib/notes.txt").exists() && !place.path("to/lib/aot/inner").exists());
    let left = fs::read_dir(place.path("to/lib")).expect("a directory").count();
    assert_eq!(left, 3);
}

#[test]
fn a_folder_with_nothing_of_ours_is_named() {
    let place = Place::new();
    fs::create_dir(place.path("from")).expect("a directory");
    place.write("from/notes.txt", "");
    let said = place.fails(&["install", "to", "--from", "from"]);
    assert!(
        said.contains("from: none of the shipped files is there; --from names another directory"),
        "{said}"
    );
    assert!(!place.path("to").exists());
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn modes_are_kept() {
        let place = Place::new();
        fs::create_dir(place.path("from")).expect("a directory");
        place.write("from/flb-audit", "");
        fs::set_permissions(place.path("from/flb-audit"), fs::Permissions::from_mode(0o755)).expect("a mode");
        place.ok(&["install", "to", "--from", "from"]);
        let mode = fs::metadata(place.path("to/flb-audit")).expect("a copy").permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }

    /// Only root can give files to another user. Others can give them to themselves.
    #[test]
    fn init_gives_the_directory_and_its_files_to_their_user() {
        let place = Place::new();
        let own = fs::metadata(place.path("")).expect("a directory");
        let (user, group) = if own.uid() == 0 { (1234, 5678) } else { (own.uid(), own.gid()) };
        place.ok(&["init", "state", "--node", "n", "--owner", &format!("{user}:{group}")]);
        for name in ["state", "state/chain.state", "state/chain.key", "state/chain.checkpoint"] {
            let file = fs::metadata(place.path(name)).expect("a file");
            assert_eq!((file.uid(), file.gid()), (user, group), "{name}");
        }
        let said = place.run(&["init", "other", "--owner", "nobody"]);
        assert_eq!(said.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&said.stderr).contains("1000:1000"));
        assert!(!place.path("other").exists());
    }

    #[test]
    fn init_runs_a_command_in_its_place() {
        let place = Place::new();
        let init = ["init", "state", "--if-missing", "--"];
        for _ in 0..2 {
            let ran = place.run(&[&init[..], &["sh", "-c", "test -s state/chain.state && exit 7"]].concat());
            assert_eq!(ran.status.code(), Some(7), "{}", String::from_utf8_lossy(&ran.stderr));
        }
        let ran = place.run(&[&init[..], &["./no-such-program"]].concat());
        assert_eq!(ran.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&ran.stderr).contains("./no-such-program: cannot be run"));
    }
}
