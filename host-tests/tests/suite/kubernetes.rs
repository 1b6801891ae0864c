//! `examples/kubernetes`: the manifests are valid by Kubernetes' schemas, and agree with
//! each other.

use host_tests::root;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

const MANIFESTS: [&str; 2] = ["daemonset.yaml", "configmap.yaml"];
/// Manifests for third-party definitions, which `kubernetes-validate` does not have.
const OTHERS: [&str; 3] =
    ["clusterfilter.yaml", "values-fluent-bit.yaml", "values-fluent-bit-collector.yaml"];

fn read(name: &str) -> String {
    let path = root().join("examples/kubernetes").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Uses the schemas that come with kubernetes-validate, if it is installed.
#[test]
fn manifests_fit_the_schemas() {
    if Command::new("kubernetes-validate").arg("--version").output().is_err() {
        eprintln!("skipped: kubernetes-validate is not installed (pip install kubernetes-validate)");
        return;
    }
    let mut command = Command::new("kubernetes-validate");
    command.args(["--strict", "--quiet"]).args(MANIFESTS).current_dir(root().join("examples/kubernetes"));
    let output = command.output().expect("kubernetes-validate");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// Our image has the version of the build, and every manifest names it.
#[test]
fn manifests_name_this_version() {
    let image = format!("registry.example.org/flb-audit:{}", env!("CARGO_PKG_VERSION"));
    let mut named = 0;
    for name in MANIFESTS.into_iter().chain(OTHERS) {
        for line in read(name).lines().filter(|line| line.contains("/flb-audit:")) {
            assert!(line.ends_with(&image), "{name}: {line}");
            named += 1;
        }
    }
    assert!(named >= 7, "{named} images");
}

/// Every manifest has both filters: the first, which renames what may pass for a seal,
/// and the guard after it. Every manifest enrolls new chains, and needs no key for others.
#[test]
fn every_manifest_has_the_whole_filter() {
    let words = |text: &str| -> BTreeSet<String> {
        let is_word = |letter: char| letter.is_alphanumeric() || "/_.$^-".contains(letter);
        text.split(|letter| !is_word(letter)).map(|word| word.to_lowercase().replace('_', "")).collect()
    };
    for name in ["daemonset.yaml", "clusterfilter.yaml"].into_iter().chain(OTHERS) {
        let words = words(&read(name));
        for needed in [
            "/usr/lib/flb-audit/filteraudit.wasm",
            "/var/lib/flb-audit/kube",
            "/proc/self/ns",
            "hardrename",
            "^unsealed$",
            "unsealed.$tag",
            "json",
            "--enroll",
            "/run/secrets/flb-audit/enroll.key",
            "/run/secrets/flb-audit",
            "optional",
        ] {
            assert!(words.contains(needed), "{name}: no {needed}");
        }
    }
}

/// A ConfigMap is limited to 1 MiB with everything in it.
#[test]
fn the_module_fits_a_config_map() {
    let module = fs::metadata(root().join("dist/filter_audit.wasm")).expect("dist/filter_audit.wasm").len();
    let input = fs::metadata(root().join("dist/in_checkpoint.wasm")).expect("dist/in_checkpoint.wasm").len();
    assert!(module < 600 * 1024, "{module} bytes");
    assert!(module + input < 1024 * 1024);
}
