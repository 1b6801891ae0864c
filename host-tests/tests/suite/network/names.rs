//! Names that stand for addresses inside. The names are in a file that takes the place of
//! `/etc/hosts` for one process.

use super::component;
use host_tests::program::dist;
use std::fs;
use std::process::Command;

/// Names with their addresses, as `/etc/hosts` has them.
const HOSTS: &[(&str, &str)] = &[
    ("loopback.test", "127.0.0.2"),
    ("mapped.test", "::ffff:127.0.0.1"),
    ("link.test", "169.254.1.1"),
    ("link-v6.test", "fe80::1"),
    ("metadata.test", "169.254.169.254"),
    ("mapped-metadata.test", "::ffff:169.254.169.254"),
    ("metadata-v6.test", "fd00:ec2::254"),
    ("azure.test", "168.63.129.16"),
    ("alibaba.test", "100.100.100.200"),
    ("translated.test", "64:ff9b::a9fe:a9fe"),
];

#[test]
fn names_do_not_lead_inside() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let hosts: String = HOSTS.iter().map(|(name, address)| format!("{address} {name}\n")).collect();
    fs::write(at("hosts"), hosts).expect("written");
    let record = r#"{"tag":"app","sec":1,"nsec":0,"record":"{\"n\":1}"}"#;
    fs::write(at("stream.ndjson"), record).expect("written");
    let with_hosts = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c"]);
        command.arg(r#"mount --bind "$0" /etc/hosts && exec "$@""#).arg(at("hosts"));
        command
    };
    if !with_hosts().arg("true").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: unshare cannot replace /etc/hosts here");
        return;
    }
    for (name, address) in HOSTS {
        let url = format!("http://{name}:9");
        let mut command = with_hosts();
        command.arg(dist("flb-audit")).args(["replay", "--attempts", "1", "--output"]);
        // The name is allowed, and its address is not.
        command.arg(component("out_http.wasm")).arg("--allow").arg(&url);
        let output = command.arg("--config").arg(format!("url={url}")).arg(at("stream.ndjson")).output();
        let output = output.expect("flb-audit runs");
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        let is_refused = printed.contains("the property `allow` does not have the address");
        assert!(is_refused, "{name}: {printed} {}", String::from_utf8_lossy(&output.stderr));
        let line = format!("{url} has the address {address}: ");
        assert!(printed.contains(&line), "{name}: {printed}, and not {line}");
    }
}
