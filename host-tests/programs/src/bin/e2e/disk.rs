//! Small disks, to be filled.

use crate::case::Skipped;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory, which is unmounted when it is dropped.
pub(crate) struct Disk {
    dir: PathBuf,
}

impl Disk {
    /// Mounts one over an empty directory, with a size as `mount` takes it.
    pub(crate) fn mount(dir: &Path, size: &str) -> Result<Disk> {
        if !mount(dir, &format!("size={size}")) {
            return Err(Skipped("it takes root to mount a small disk").into());
        }
        Ok(Disk { dir: dir.to_path_buf() })
    }

    /// Makes it larger.
    pub(crate) fn grow(&self, size: &str) -> Result<()> {
        ensure!(mount(&self.dir, &format!("remount,size={size}")), "the disk cannot be made larger");
        Ok(())
    }
}

fn mount(dir: &Path, options: &str) -> bool {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir);
    command.output().is_ok_and(|output| output.status.success())
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A case that has failed may still write there.
        let _ = Command::new("umount").arg("-l").arg(&self.dir).status();
    }
}
