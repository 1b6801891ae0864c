//! A wrong file is named with its option's purpose and the command that makes a right one.

use crate::inputs::Bench;

#[test]
fn a_wrong_file_is_named_with_the_remedy() {
    let bench = Bench::new();
    bench.write("empty", "");
    for name in ["directory", "ledger"] {
        std::fs::create_dir(bench.path(name)).expect("a directory");
    }
    bench.write("ledger/manifests.ndjson", "");
    bench.write("nodes.json", "[\n  {\"node\": \"n\"}\n]\n");
    bench.write("nodes.bin", b"n\n\x00\x01\n");
    assert!(bench.run(&["hmac-key", "keys", "--id", "k1"]).status.success());
    let prove = ["prove", "empty", "--chain", "inputs-chain", "--seg", "1", "--seq", "0", "--under", "empty"];
    for (arguments, expected) in [
        (
            &["verify", "--roster", "empty", "log"][..],
            "empty: not a roster, as `flb-audit init --roster` writes it",
        ),
        (
            &["verify", "--roster", "no*.json", "log"],
            "no*.json: cannot be read: no file matches this pattern",
        ),
        (
            &["verify", "--identity", "empty", "log"],
            "empty: not a file of age identities, as `age-keygen` writes it",
        ),
        (
            &["verify", "--roster", "roster.json", "--expect", "nodes.json", "log"],
            "nodes.json:2: not a node's name: it is longer than 253 bytes, or has a quotation mark",
        ),
        (
            &["verify", "--roster", "roster.json", "--expect", "nodes.bin", "log"],
            "nodes.bin:2: not a node's name",
        ),
        (
            &["verify", "az://logs/a"],
            "Account must be specified; set AZURE_STORAGE_ACCOUNT_NAME to the storage account",
        ),
        (&["verify", "--identity", "nothing", "log"], "nothing: cannot be read: No such file"),
        (&["verify", "--proof", "empty"], "empty: not a proof, as `flb-audit prove` prints it"),
        (
            &["verify", "--export", "directory"],
            "directory/manifests.ndjson: cannot be read; is directory a directory that `flb-audit export` has made?",
        ),
        (&["merge", "no*.part"], "no*.part: cannot be read: no file matches this pattern"),
        (&["merge", "directory"], "directory: cannot be read: a directory; name a file"),
        (
            &["verify", "--roster", "s3://bucket/r.json", "log"],
            "no such file; logs, anchors and parts can be objects",
        ),
        (
            &["verify", "--html", "nodir/a.html", "log"],
            "nodir/a.html: cannot be written: nodir: no such directory; make it first",
        ),
        (
            &["verify", "--metrics", "nodir/a", "log"],
            "nodir/a: cannot be written: nodir: no such directory; make it first",
        ),
        (
            &["verify", "--part", "nodir/a", "log"],
            "nodir/a: cannot be written: nodir: no such directory; make it first",
        ),
        (
            &["verify", "--html", "same", "--metrics", "same", "log"],
            "--metrics and --html name the same file, same; name two",
        ),
        (
            &["verify", "--state", "empty", "log"],
            "empty: exists and is not a directory; name another directory",
        ),
        (
            &["export", "ledger", "--output", "directory"],
            "directory: exists already; name a directory that does not",
        ),
        (
            &["export", "ledger", "--output", "nodir/a"],
            "nodir/a: cannot be made: nodir: no such directory; make it first",
        ),
        (
            &["find", "--key", "keys/hmac.key", "--value", "x", "ledger"],
            "ledger:1: a ledger's directory, which only `verify` and `export` read as a whole; name the \
             files in it, or what `flb-audit export` writes",
        ),
        (&["find", "--key", "keys/hmac.key", "--value", "", "log"], "--value: empty, and"),
        (&prove, "empty: not a checkpoint; `flb-audit checkpoints` prints those of a log"),
    ] {
        let output = bench.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(expected), "{arguments:?}: {said}");
    }
    let output = bench.run(&["verify", "--roster", "roster.json", "--since", "yesterday", "log"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("write a day or a time in UTC, such as 2026-11-20 or 2026-11-20T08:00:00Z"),
        "{said}"
    );
    let output = bench.run(&["verify", "ftp://host/log"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("can be objects by s3://"));
}
