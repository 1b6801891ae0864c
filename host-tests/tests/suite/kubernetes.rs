//! `examples/kubernetes`: the manifests are valid by Kubernetes' schemas, and agree with
//! each other.

use host_tests::root;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

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
    succeeds(&mut command);
}

/// Renders a chart with values, and writes `manifests.yaml` and the files of all ConfigMaps.
const RENDER: &str = r#"
import pathlib, sys, yaml
from helm_python.chart import Chart

folder, values, to = sys.argv[1:]
chart = Chart.load(folder)
values = yaml.safe_load(pathlib.Path(values).read_text())
chart.validate_schema(values)
rendered = chart.render(values, name="flb", namespace="logging")
texts = [text for name, text in sorted(rendered.items()) if not name.endswith("NOTES.txt")]
manifests = [one for text in texts for one in yaml.safe_load_all(text) if one]
to = pathlib.Path(to)
(to / "manifests.yaml").write_text(yaml.safe_dump_all(manifests))
for manifest in manifests:
    for name, text in ((manifest.get("data") or {}) if manifest["kind"] == "ConfigMap" else {}).items():
        (to / name).write_text(text)
"#;

/// Helm renders the charts with our values, and the doctor finds nothing in Fluent Bit's
/// configuration beside the parsers of its image. The charts are not in this repository.
#[test]
fn charts_take_our_values() {
    let python = root().join("target/helm/bin/python");
    let charts = env::var_os("HELM_CHARTS").filter(|_| python.exists());
    let Some(charts) = charts else {
        eprintln!("skipped: HELM_CHARTS names no charts, or target/helm has no Helm: RELEASING.md");
        return;
    };
    for (chart, config) in [("fluent-bit", "fluent-bit.conf"), ("fluent-bit-collector", "fluent-bit.yaml")] {
        let directory = tempfile::tempdir().expect("a directory");
        let image = directory.path().join("fluent-bit/etc");
        let rendered = image.join("conf");
        fs::create_dir_all(&rendered).expect("a directory");
        fs::write(image.join("parsers.conf"), "[PARSER]\n    Name json\n    Format json\n").expect("parsers");
        let values = root().join(format!("examples/kubernetes/values-{chart}.yaml"));
        let mut render = Command::new(&python);
        render.args(["-c", RENDER]).arg(Path::new(&charts).join(chart)).arg(values).arg(&rendered);
        succeeds(&mut render);
        let mut validate = Command::new("kubernetes-validate");
        succeeds(validate.args(["--strict", "--quiet"]).arg(rendered.join("manifests.yaml")));
        for entry in fs::read_dir(&rendered).expect("a directory") {
            let path = entry.expect("an entry").path();
            let text = fs::read_to_string(&path).expect("a text");
            fs::write(&path, text.replace("/fluent-bit/etc", &image.display().to_string())).expect("a text");
        }
        let mut doctor = Command::new(root().join("dist/flb-audit"));
        succeeds(doctor.args(["doctor", "--config-only"]).arg(rendered.join(config)));
    }
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
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
