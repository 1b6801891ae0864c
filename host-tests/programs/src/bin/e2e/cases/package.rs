//! The packages for Debian and for systems with RPM, each installed, used and removed in a
//! new Debian. The commands for Debian's package are those of `docs/install.md`.

use super::image::succeed;
use crate::case::{Place, Skipped};
use anyhow::{Context, Result, bail, ensure};
use host_tests::page::blocks;
use host_tests::root;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SUITE: &str = "bookworm";
/// The libraries that Fluent Bit's builds link to.
const LIBRARIES: &str = "--include=libssl3,libyaml-0-2,libstdc++6";
/// The configuration in Fluent Bit's own package, without its comments.
const STOCK: &str = "\
[SERVICE]
    flush        1
    daemon       Off
    log_level    info
    parsers_file parsers.conf
    plugins_file plugins.conf
    http_server  Off
    http_listen  0.0.0.0
    http_port    2020
    storage.metrics on

[INPUT]
    name cpu
    tag  cpu.local
    interval_sec 1

[OUTPUT]
    name  stdout
    match *
";
const PLUGINS: &str = "[PLUGINS]\n";
const PARSERS: &str = "[PARSER]\n    Name json\n    Format json\n";
/// The place of a replacement of systemd for a service with a drop-in.
const STAND_IN: &str = "usr/local/bin/systemctl";
const SYSTEMCTL: &str = r#"#!/bin/sh
set -e
drop_in=/usr/lib/systemd/system/fluent-bit.service.d/50-flb-audit.conf
if [ -f /run/fluent-bit.pid ]; then
    kill "$(cat /run/fluent-bit.pid)" || true
    while kill -0 "$(cat /run/fluent-bit.pid)" 2> /dev/null; do sleep 0.1; done
    rm /run/fluent-bit.pid
fi
[ "$1" = restart ] || exit 0
sed -n 's/^StateDirectory=//p' "$drop_in" | tr ' ' '\n' | while read -r name; do
    install -d -m "$(sed -n 's/^StateDirectoryMode=//p' "$drop_in")" "/var/lib/$name"
done
sed -n 's/^LogsDirectory=//p' "$drop_in" | while read -r name; do
    install -d -m "$(sed -n 's/^LogsDirectoryMode=//p' "$drop_in")" "/var/log/$name"
done
sed -n 's/^ExecStartPre=//p' "$drop_in" | sed 's/%H/node-1/' > /run/before
sh -e /run/before > /var/log/before.log
/opt/fluent-bit/bin/fluent-bit -c /etc/fluent-bit/fluent-bit.conf > /var/log/fluent-bit.log 2>&1 &
echo $! > /run/fluent-bit.pid
"#;
/// An operator's additional commands, between those on the page, before the package is
/// removed.
const UPGRADE: [&str; 9] = [
    "echo '# mine' >> /etc/flb-audit/audit.conf",
    "cp /etc/flb-audit/audit.conf /var/lib/flb-audit/audit/chain.key /root/",
    "dpkg -i ./flb-audit_*_amd64.deb",
    "cmp /etc/flb-audit/audit.conf audit.conf",
    "systemctl restart fluent-bit",
    "echo 'type=USER_LOGOUT msg=audit(1795161601.082:418): acct=\"alice\"' >> /var/log/audit/audit.log; sleep 3",
    "flb-audit verify --roster /var/lib/flb-audit/roster.json /var/log/flb-audit/*",
    "test \"$(grep -c USER_LOG /var/log/flb-audit/linux.audit)\" = 2",
    "systemctl stop fluent-bit",
];
const AFTERWARDS: [&str; 8] = [
    "test ! -e /usr/bin/flb-audit",
    "test ! -e /usr/lib/flb-audit",
    "test -s /etc/flb-audit/audit.conf",
    "dpkg --purge flb-audit",
    "test ! -e /etc/flb-audit",
    "test -s /var/lib/flb-audit/audit/chain.state",
    "test \"$(stat -c '%U %a' /var/lib/flb-audit /var/lib/flb-audit/audit/chain.key | xargs)\" = 'root 700 root 600'",
    "test -s /var/log/flb-audit/linux.audit",
];

/// Commands on the package for systems with RPM, in a root that has a shell. `rpm` works
/// from outside.
const RPM: [&str; 6] = [
    "rpm --install PACKAGE",
    "chroot ROOT flb-audit init /var/lib/flb-audit/audit --node node-1 --roster /var/lib/flb-audit/roster.json",
    "echo '# mine' >> ROOT/etc/flb-audit/audit.conf",
    "rpm --upgrade --force PACKAGE",
    "grep --quiet '# mine' ROOT/etc/flb-audit/audit.conf",
    "rpm --erase flb-audit",
];
/// The files that stay after the package was removed.
const LEFT: [&str; 9] = [
    "etc/flb-audit",
    "etc/flb-audit/audit.conf.rpmsave",
    "var/lib/flb-audit",
    "var/lib/flb-audit/audit",
    "var/lib/flb-audit/audit/chain.checkpoint",
    "var/lib/flb-audit/audit/chain.key",
    "var/lib/flb-audit/audit/chain.state",
    "var/lib/flb-audit/audit/roster.json",
    "var/lib/flb-audit/roster.json",
];

pub(crate) fn in_a_new_debian(place: &Place) -> Result<String> {
    let base = debian_for_packages()?;
    let Some(package) = packed("_amd64.deb")? else {
        bail!(Skipped("dist/packages has no package; `cargo xtask package` makes it"));
    };
    let debian = lay_out(place, &base, &package)?;
    let page = Page::read()?;
    let removal = page.commands("Upgrade and remove");
    let mut commands: Vec<String> =
        ["Install", "Configure", "Verify"].into_iter().flat_map(|section| page.commands(section)).collect();
    commands.extend(UPGRADE.map(String::from));
    ensure!(removal.iter().any(|it| it.contains("remove")), "the page removes nothing");
    commands.extend(removal);
    commands.extend(AFTERWARDS.map(String::from));
    let seen = run(place, &debian, &commands)?;
    ensure!(seen.contains("all 2 records are intact"), "{seen}");
    let left = fs::read_to_string(debian.join("var/log/flb-audit/linux.audit"))?;
    ensure!(left.contains(r#""tag":"linux.audit""#), "{left}");
    Ok(format!("{} commands", commands.len()))
}

pub(crate) fn from_the_archive(place: &Place) -> Result<String> {
    let base = debian_for_packages()?;
    let Some(archive) = packed("-linux-amd64.tar.gz")? else {
        bail!(Skipped("dist/packages has no archive; `cargo xtask package` makes it"));
    };
    let debian = lay_out(place, &base, &archive)?;
    fs::remove_file(debian.join(STAND_IN))?;
    let page = Page::read()?;
    let mut commands = page.commands("From the archive");
    for command in page.commands("Configure") {
        let is_restart = command.starts_with("systemctl");
        commands.extend(if is_restart { page.commands("Without systemd") } else { vec![command] });
    }
    commands.extend(page.commands("Verify"));
    let seen = run(place, &debian, &commands)?;
    ensure!(seen.contains("all 1 records are intact"), "{seen}");
    Ok(format!("{} commands", commands.len()))
}

pub(crate) fn rpm_leaves_chains(place: &Place) -> Result<String> {
    let base = debian_for_packages()?;
    if Command::new("rpm").arg("--version").output().is_err() {
        bail!(Skipped("it needs rpm"));
    }
    let Some(package) = packed(".x86_64.rpm")? else {
        bail!(Skipped("dist/packages has no RPM; `cargo xtask package` makes it"));
    };
    let system = place.at("system");
    succeed(Command::new("cp").arg("--archive").arg(&base).arg(&system))?;
    let before = paths(&system)?;
    // Debian's rpm keeps its database in the home directory otherwise. The requirements are
    // those of systems whose packages are in that database.
    let options = format!("--root {} --define '_dbpath /rpm' --nodeps", system.display());
    for command in RPM {
        let command = command.replace("rpm --", &format!("rpm {options} --"));
        let command = command.replace("PACKAGE", &package.display().to_string());
        succeed(Command::new("sh").arg("-c").arg(command.replace("ROOT", &system.display().to_string())))?;
    }
    let after = paths(&system)?;
    let ours = |path: &&String| !before.contains(*path) && !path.starts_with("rpm");
    let left: Vec<&String> = after.iter().filter(ours).collect();
    ensure!(left == LEFT, "left behind: {left:?}");
    ensure!(before.is_subset(&after), "removed: {:?}", before.difference(&after).collect::<Vec<_>>());
    Ok(format!("{} paths stay", left.len()))
}

/// Returns all paths below a directory.
fn paths(dir: &Path) -> Result<BTreeSet<String>> {
    let output =
        Command::new("find").args([".", "-mindepth", "1", "-printf", "%P\\n"]).current_dir(dir).output()?;
    ensure!(output.status.success(), "find: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.lines().map(String::from).collect())
}

/// Returns the released file whose name has this end, if `dist/packages` has one.
pub(super) fn packed(end: &str) -> Result<Option<PathBuf>> {
    let Ok(entries) = fs::read_dir(root().join("dist/packages")) else { return Ok(None) };
    let paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    Ok(paths.into_iter().find(|path| path.to_string_lossy().ends_with(end)))
}

/// Returns the folder of a Debian, which the first run makes.
fn debian_for_packages() -> Result<PathBuf> {
    if Command::new("id").arg("-u").output()?.stdout != b"0\n" {
        bail!(Skipped("it needs root, to change into another system"));
    }
    if cfg!(not(target_arch = "x86_64")) || Command::new("debootstrap").arg("--version").output().is_err() {
        bail!(Skipped("it needs debootstrap, on amd64"));
    }
    let base = root().join("target").join(format!("debian-{SUITE}"));
    // Runs of the suite wait for the one that makes it. The lock ends with the process.
    let lock = fs::File::create(base.with_extension("lock"))?;
    lock.lock()?;
    if !base.exists() {
        let new = base.with_extension("new");
        if new.exists() {
            fs::remove_dir_all(&new)?;
        }
        succeed(Command::new("debootstrap").args(["--variant=minbase", LIBRARIES, SUITE]).arg(&new))?;
        fs::rename(&new, &base)?;
    }
    Ok(base)
}

/// Creates a Debian with a Fluent Bit that is installed as by its own package.
fn lay_out(place: &Place, base: &Path, package: &Path) -> Result<PathBuf> {
    let debian = place.at("debian");
    succeed(Command::new("cp").arg("--archive").arg(base).arg(&debian))?;
    for dir in ["opt/fluent-bit/bin", "etc/fluent-bit"] {
        fs::create_dir_all(debian.join(dir))?;
    }
    fs::copy(&place.fluent_bit.path, debian.join("opt/fluent-bit/bin/fluent-bit"))?;
    for (name, text) in [("fluent-bit.conf", STOCK), ("plugins.conf", PLUGINS), ("parsers.conf", PARSERS)] {
        fs::write(debian.join("etc/fluent-bit").join(name), text)?;
    }
    let systemctl = debian.join(STAND_IN);
    fs::write(&systemctl, SYSTEMCTL)?;
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755))?;
    fs::copy(package, debian.join("root").join(package.file_name().context("a package without a name")?))?;
    Ok(debian)
}

/// The page that says how to install.
struct Page(String);

impl Page {
    fn read() -> Result<Page> {
        Ok(Page(fs::read_to_string(root().join("docs/install.md"))?))
    }

    /// Returns the commands for root in a section. A section without any is empty.
    fn commands(&self, section: &str) -> Vec<String> {
        let (_, rest) = self.0.split_once(&format!("\n## {section}\n")).unwrap_or_default();
        let text = rest.split("\n## ").next().unwrap_or_default();
        let consoles = blocks(text).into_iter().filter(|block| block.language == "console");
        let lines = consoles.flat_map(|it| it.text.lines().map(String::from).collect::<Vec<_>>());
        lines.filter_map(|line| Some(line.strip_prefix("# ")?.to_owned())).collect()
    }
}

/// Runs commands in the Debian. Each must end with its expected code. Returns everything
/// that they print.
fn run(place: &Place, debian: &Path, commands: &[String]) -> Result<String> {
    let mut script = String::from("cd /root; export HOME=/root PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin\n");
    for command in commands {
        let codes = expected(command);
        script += &format!("cat <<'END'\n# {command}\nEND\n( {command}\n) ; code=$?\n");
        script += &format!("case $code in {codes}) ;; *) echo \"ended with $code\"; exit 1 ;; esac\n");
    }
    fs::write(debian.join("root/commands"), script)?;
    // The processes and mounts are in namespaces that end with the command.
    let inside = "mount -t proc proc \"$0/proc\" && mount --bind /dev \"$0/dev\" && exec chroot \"$0\" /bin/sh /root/commands";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", inside]).arg(debian);
    let output = command.output()?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    fs::write(place.at("commands.log"), &said)?;
    ensure!(output.status.success(), "{}", said.lines().rev().take(8).collect::<Vec<_>>().join(" < "));
    Ok(said)
}

/// Returns the expected exit codes of a command, as a pattern of the shell.
fn expected(command: &str) -> &'static str {
    match command {
        // No anchor proves the end yet.
        _ if command.starts_with("flb-audit verify") => "3",
        // The stock configuration loses metrics at restarts.
        _ if command.starts_with("flb-audit doctor") => "0|60",
        _ => "0",
    }
}
