//! Architectures, under the names that each format has for them.

use std::process::{Command, Stdio};

/// A processor that programs are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    pub(super) const ALL: [Arch; 2] = [Arch::Amd64, Arch::Arm64];
    pub(super) const AMD64_TRIPLE: &str = "x86_64-unknown-linux-gnu";
    pub(super) const ARM64_TRIPLE: &str = "aarch64-unknown-linux-gnu";

    /// The name in Debian, Go and OCI images.
    pub(super) fn debian(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
        }
    }

    /// The name in the kernel, RPM and WAMR.
    pub(super) fn kernel(self) -> &'static str {
        match self {
            Arch::Amd64 => "x86_64",
            Arch::Arm64 => "aarch64",
        }
    }

    /// The target of rustc.
    pub(super) fn triple(self) -> &'static str {
        match self {
            Arch::Amd64 => Self::AMD64_TRIPLE,
            Arch::Arm64 => Self::ARM64_TRIPLE,
        }
    }

    /// The program that links for it.
    pub(super) fn linker(self) -> String {
        if self.is_host() { String::from("cc") } else { format!("{}-linux-gnu-gcc", self.kernel()) }
    }

    pub(super) fn is_host(self) -> bool {
        cfg!(target_os = "linux") && std::env::consts::ARCH == self.kernel()
    }

    /// Names the linker that this machine lacks to build for the architecture, if it
    /// lacks one.
    pub(super) fn missing(self) -> Option<String> {
        let linker = self.linker();
        let mut command = Command::new(&linker);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        let is_there = command.status().is_ok_and(|status| status.success());
        (!is_there).then(|| {
            format!("{linker} is missing (Debian: apt-get install gcc-{}-linux-gnu)", {
                self.kernel().replace('_', "-")
            })
        })
    }
}
