//! Small disks, to be filled.

use crate::case::Skipped;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory. It is unmounted on drop.
pub(crate) struct Disk {
    dir: PathBuf,
}

impl Disk {
    /// Mounts a file system over an empty directory. The size is as for `mount`.
    pub(crate) fn mount(dir: &Path, size: &str) -> Result<Disk> {
        if !mount(dir, &format!("size={size}")) {
            return Err(Skipped("it takes root to mount a small disk").into());
        }
        Ok(Disk { dir: dir.to_path_buf() })
    }

    /// Makes the file system larger.
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
        // A failed case may still write there.
        let _ = Command::new("umount").arg("-l").arg(&self.dir).status();
    }
}
