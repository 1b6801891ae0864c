//! The checks of a machine, with directories and files below a root that the test
//! creates.

use flb_audit_core::redact::HmacKey;
use flb_audit_doctor::{Finding, Host, Options, examine};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use tempfile::TempDir;

const CONFIG: &str = "\
service: {storage.path: /var/lib/fluent-bit/storage, plugins_file: plugins.conf}
parsers: [{name: json, format: json}]
pipeline:
  inputs:
    - name: tail
      path: /var/log/shop*
      tag: shop
      parser: json
      db: /var/lib/fluent-bit/shop.db
      read_from_head: on
      buffer_max_size: 16M
      skip_long_lines: on
      storage.type: filesystem
  filters:
    - name: wasm
      match: shop
      wasm_path: /etc/fluent-bit/filter_audit.wasm
      function_name: audit
      accessible_paths: /var/lib/flb-audit/shop,/etc/flb-audit/keys
  outputs:
    - name: wasm
      match: shop
      retry_limit: no_limits
      failure_limit: no_limits
      component: /etc/fluent-bit/out_audit.wasm
      memory_limit: 256M
      dir: /var/lib/flb-audit/ledger
";

const STATE: &str = "var/lib/flb-audit/shop";
const LEDGER: &str = "var/lib/flb-audit/ledger";

/// A machine without any problem.
struct Machine {
    root: TempDir,
}

impl Machine {
    fn new() -> Machine {
        let machine = Machine { root: tempfile::tempdir().expect("a directory") };
        for directory in [STATE, LEDGER] {
            fs::create_dir_all(machine.at(directory)).expect("a directory");
            fs::set_permissions(machine.at(directory), Permissions::from_mode(0o700)).expect("a mode");
            for name in ["chain.state", "chain.key"] {
                machine.write(&format!("{directory}/{name}"), b"");
            }
        }
        machine.write("var/lib/flb-audit/ledger/roster.json", b"{}");
        machine.write("etc/flb-audit/keys/hmac.key", &HmacKey::to_file("k1", &[7; 32]).expect("a key"));
        machine.write("etc/fluent-bit/filter_audit.wasm", b"");
        machine.write("etc/fluent-bit/out_audit.wasm", b"");
        machine.write("plugins.conf", b"[PLUGINS]\n    Path /etc/fluent-bit/out_wasm.so\n");
        machine.write("fluent-bit.yaml", CONFIG.as_bytes());
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, bytes).expect("a file");
    }

    fn own_user(&self) -> u32 {
        fs::metadata(self.root.path()).expect("a directory").uid()
    }

    fn findings_for(&self, user: u32) -> Vec<Finding> {
        self.findings(user, Some("5.1.1"))
    }

    fn findings(&self, user: u32, version: Option<&str>) -> Vec<Finding> {
        let host = Some(Host { root: self.root.path().to_owned(), user });
        let fluent_bit = version.map(|version| version.parse().expect("a version"));
        let options = Options { host, fluent_bit, ..Options::default() };
        let mut findings = examine(&self.at("fluent-bit.yaml"), &options).expect("a configuration").findings;
        findings.retain(|finding| finding.id != "anchors-none");
        findings
    }

    /// Checks the findings: the names of checks, each with a part of its message.
    fn assert_finds(&self, expected: &[(&str, &str)]) {
        assert_are(&self.findings_for(self.own_user()), expected);
    }
}

fn assert_are(findings: &[Finding], expected: &[(&str, &str)]) {
    let found: Vec<_> = findings.iter().map(|finding| (finding.id, finding.message.as_str())).collect();
    let is_same = found.len() == expected.len()
        && expected
            .iter()
            .all(|(id, part)| found.iter().any(|(other, message)| id == other && message.contains(part)));
    assert!(is_same, "{found:?} instead of {expected:?}");
}

#[test]
fn a_machine_on_which_all_is_well() {
    Machine::new().assert_finds(&[]);
}

#[test]
fn directories_that_are_missing_links_or_files() {
    let machine = Machine::new();
    let state = machine.at(STATE);
    fs::rename(&state, machine.at("elsewhere")).expect("it moves");
    machine.assert_finds(&[("directory", "/var/lib/flb-audit/shop: no such directory")]);
    symlink(machine.at("elsewhere"), &state).expect("a link");
    machine.assert_finds(&[("directory", "a link")]);
    fs::remove_file(&state).expect("no link");
    symlink(machine.at("nowhere"), &state).expect("a link");
    machine.assert_finds(&[("directory", "a link that leads nowhere")]);
    fs::remove_file(&state).expect("no link");
    machine.write(STATE, b"");
    machine.assert_finds(&[("directory", "not a directory")]);

    let machine = Machine::new();
    fs::remove_dir_all(machine.at("etc/flb-audit/keys")).expect("a directory less");
    machine.assert_finds(&[("directory", "/etc/flb-audit/keys: no such directory")]);
}

#[test]
fn directories_of_another_user() {
    let machine = Machine::new();
    let findings = machine.findings_for(machine.own_user() + 1);
    assert_are(
        &findings,
        &[("directory-owner", "flb-audit/shop belongs"), ("directory-owner", "flb-audit/ledger belongs")],
    );
}

#[test]
fn directories_that_others_can_look_into() {
    let machine = Machine::new();
    fs::set_permissions(machine.at(STATE), Permissions::from_mode(0o750)).expect("a mode");
    machine.assert_finds(&[("directory-open", "has the mode 750")]);
}

#[test]
fn directories_without_a_chain_or_keys() {
    let machine = Machine::new();
    fs::remove_file(machine.at(STATE).join("chain.state")).expect("a file less");
    fs::remove_file(machine.at(LEDGER).join("chain.key")).expect("a file less");
    machine.assert_finds(&[("chain-missing", "no chain.state"), ("chain-missing", "no chain.key")]);
}

#[test]
fn modules_and_rosters_that_are_missing() {
    let machine = Machine::new();
    fs::remove_file(machine.at("etc/fluent-bit/out_audit.wasm")).expect("a file less");
    fs::remove_file(machine.at(LEDGER).join("roster.json")).expect("a file less");
    machine.assert_finds(&[("module-missing", "out_audit.wasm"), ("roster-missing", "roster.json")]);
}

#[test]
fn policies_whose_key_is_missing() {
    let machine = Machine::new();
    let policy = flb_audit_policy::Policy::read("version: 1\nredact:\n  detectors:\n    email: hmac\n");
    let table = match policy.map(|policy| flb_audit_policy::compile(&policy)) {
        Ok(Ok(table)) => table,
        other => panic!("{:?}", other.map(|_| ())),
    };
    machine.write("etc/flb-audit/keys/audit.policy", &table);
    machine.assert_finds(&[]);
    fs::remove_file(machine.at("etc/flb-audit/keys/hmac.key")).expect("a file less");
    machine.assert_finds(&[("policy-key", "no accessible path has a key")]);
    machine.write("etc/flb-audit/keys/hmac.key", b"no key");
    machine.assert_finds(&[("policy-key", "no accessible path has a key")]);
}

#[test]
fn parsers_files_are_looked_for_beside_the_configuration() {
    let machine = Machine::new();
    fs::remove_file(machine.at("plugins.conf")).expect("a file less");
    machine.assert_finds(&[("file-missing", "plugins.conf: no such file")]);
}

#[test]
fn absolute_files_of_the_configuration_are_below_the_root() {
    let machine = Machine::new();
    let config = CONFIG.replace("plugins.conf", "/etc/fluent-bit/plugins.conf");
    machine.write("fluent-bit.yaml", format!("{config}includes: [/etc/flb-audit/more.yaml]\n").as_bytes());
    machine.write("etc/flb-audit/more.yaml", b"env: {A: b}\n");
    machine.write("etc/fluent-bit/plugins.conf", b"[PLUGINS]\n    Path /etc/fluent-bit/out_wasm.so\n");
    machine.assert_finds(&[]);
}

/// The beginnings of files that `wamrc` 1.3.3 and 2.4.1 have written.
#[test]
fn modules_that_are_compiled_for_another_fluent_bit() {
    let aot = |format: u8, machine: u8| [b"\0aot", &[format, 0, 0, 0][..], &[0; 14], &[machine, 0]].concat();
    let (x86_64, aarch64) = (62, 183);
    for (module, version, expected) in [
        (aot(3, x86_64), Some("4.0.14"), None),
        (aot(5, x86_64), Some("4.0.14"), Some("for WAMR 2.4.1, and this Fluent Bit has 1.3.3")),
        (aot(3, aarch64), Some("4.1.0"), Some("for WAMR 1.3.3, and this Fluent Bit has 2.4.1")),
        (aot(5, aarch64), Some("5.1.1"), None),
        (aot(3, x86_64), None, Some("for WAMR 1.3.3: Fluent Bit 4.0")),
        (aot(5, x86_64), Some("5.2.1"), Some("for WAMR 2.4.1: Fluent Bit 4.1 to 5.1")),
        (aot(5, x86_64), None, Some("for WAMR 2.4.1: Fluent Bit 4.1 to 5.1")),
        (aot(4, x86_64), None, Some("a WAMR that is not known here")),
        (b"\0asm".to_vec(), Some("5.1.1"), None),
        (b"\0aot".to_vec(), Some("5.1.1"), Some("a WAMR that is not known here")),
    ] {
        let machine = Machine::new();
        machine.write("etc/fluent-bit/filter_audit.wasm", &module);
        let mut findings = machine.findings(machine.own_user(), version);
        findings.retain(|finding| finding.id == "aot-unfit");
        let expected: Vec<_> = expected.map(|part| ("aot-unfit", part)).into_iter().collect();
        assert_are(&findings, &expected);
    }
}

/// With `/` as the root, the doctor's machine is the one that Fluent Bit runs on.
#[test]
fn modules_that_are_compiled_for_another_processor() {
    let directory = tempfile::tempdir().expect("a directory");
    let module = directory.path().join("filter_audit.aot");
    let config = directory.path().join("fluent-bit.yaml");
    fs::write(&config, CONFIG.replace("/etc/fluent-bit/filter_audit.wasm", &module.display().to_string()))
        .expect("a configuration");
    let host = Some(Host { root: PathBuf::from("/"), user: 0 });
    let options =
        Options { host, fluent_bit: Some("5.1.1".parse().expect("a version")), ..Options::default() };
    for (machine, name) in [(62, "x86_64"), (183, "aarch64"), (243, "another processor")] {
        fs::write(&module, [b"\0aot\x05\0\0\0", &[0; 14][..], &[machine, 0]].concat()).expect("a module");
        let findings = examine(&config, &options).expect("a configuration").findings;
        let found: Vec<_> = findings.iter().filter(|finding| finding.id == "aot-unfit").collect();
        let is_own = name == std::env::consts::ARCH;
        assert_eq!(found.is_empty(), is_own, "{name}");
        assert!(found.iter().all(|finding| finding.message.ends_with(name)), "{name}");
    }
}
