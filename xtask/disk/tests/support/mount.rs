//! Kernel loop mounts: the reference that the reader is compared with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::image::run;

/// A mounted image, unmounted when dropped.
pub struct Mount {
    point: PathBuf,
}

impl Mount {
    /// Mounts the file system that starts at byte `offset` of `image`.
    ///
    /// Never skips: without root or loop devices the test that asks for a
    /// mount fails, because without the kernel's answer it shows nothing.
    pub fn new(image: &Path, offset: u64, options: &str) -> Self {
        Self::of("ext4", image, offset, options)
    }

    /// The same for a file system of another kind.
    pub fn of(kind: &str, image: &Path, offset: u64, options: &str) -> Self {
        let point = image.with_extension("mnt");
        std::fs::create_dir_all(&point).expect("a mount point");
        let options = format!("loop,offset={offset},{options}");
        let args: [OsString; 6] = [
            "-t".into(),
            kind.into(),
            "-o".into(),
            options.into(),
            image.into(),
            point.clone().into(),
        ];
        assert!(
            rustix::process::geteuid().is_root(),
            "this test compares with the kernel through loop mounts and needs root; \
             run it as root, or leave it out by name with `-- --skip kernel`"
        );
        run("mount", &args);
        Self { point }
    }

    /// Where the root directory is.
    pub fn path(&self) -> &Path {
        &self.point
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Another test's child process may hold an inherited descriptor for
        // the instant between its fork and its exec.
        for _ in 0..100 {
            if unmounted(&self.point) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        // Panicking here would hide a panic that is already under way; what
        // uses the image next fails anyway.
        eprintln!("cannot unmount {}", self.point.display());
    }
}

#[expect(clippy::disallowed_methods, reason = "tests may run programs directly")]
fn unmounted(point: &Path) -> bool {
    let output = std::process::Command::new("umount").arg(point).output();
    output.is_ok_and(|output| output.status.success())
}
