//! What a run needs before its first machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Settings;
use crate::cmd::Cmd;
use crate::date;
use crate::deploy::layout::Layout;
use crate::engine::host::WorkPaths;

/// Disks, keys and sockets of one run; removed when dropped.
pub struct WorkDir {
    pub paths: WorkPaths,
}

impl WorkDir {
    /// Makes it anew: a run that was killed leaves its disks.
    pub fn create(root: &Path) -> Result<Self> {
        let cannot = || format!("cannot make {}", root.display());
        match fs::remove_dir_all(root) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).with_context(cannot);
            }
            _ => {}
        }
        let paths = WorkPaths::create(root, root).with_context(cannot)?;
        Ok(Self { paths })
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run.
        drop(fs::remove_dir_all(&self.paths.root));
        drop(fs::remove_dir_all(&self.paths.sockets));
    }
}

/// Makes the blank disk, and one over the ephemeral system's, which stays as it is.
pub fn make_disks(settings: &Settings, dir: &Path) -> Result<()> {
    let base = settings.ephemeral.canonicalize().with_context(|| {
        format!("the ephemeral system {} is not there", settings.ephemeral.display())
    })?;
    let image = |purpose: &str| {
        let cmd = Cmd::new(&settings.qemu_img, purpose).cwd(dir);
        cmd.args(["create", "-q", "-f", "qcow2"]).timeout(Duration::from_secs(120))
    };
    image("lay a disk over the ephemeral system's")
        .args(["-F", "qcow2", "-b"])
        .arg(&base)
        .arg("ephemeral.qcow2")
        .output()?;
    image("make the blank disk").args(["disk.qcow2", &settings.disk_bytes.to_string()]).output()?;
    Ok(())
}

/// Programs that MAAS's ephemeral system has and a small base disk may lack,
/// with their packages.
pub fn needs(settings: &Settings) -> Value {
    let curtin = [
        ("file", "file"),
        ("lvcreate", "lvm2"),
        ("lshw", "lshw"),
        ("mdadm", "mdadm"),
        // Modules that curtin imports: no program of theirs is looked for.
        ("python3-module-apt", "python3-apt"),
        ("python3-module-debian", "python3-debian"),
        ("python3-module-pyudev", "python3-pyudev"),
        ("python3-module-attr", "python3-attr"),
        ("python3-module-packaging", "python3-packaging"),
    ];
    let mut needs: BTreeMap<&str, &str> = BTreeMap::new();
    if settings.curtin.is_some() {
        needs.extend(curtin);
    }
    if settings.layout == Layout::Lvm {
        needs.insert("vgcreate", "lvm2");
    }
    json!(needs)
}

/// A clock that is as wrong as the settings say, in QEMU's form.
pub fn clock_at_power_on(settings: &Settings) -> String {
    let by = Duration::from_secs(settings.adversity.clock.unsigned_abs());
    let now = SystemTime::now();
    let then = if settings.adversity.clock < 0 { now.checked_sub(by) } else { now.checked_add(by) };
    date::stamp(then.unwrap_or(now)).trim_end_matches('Z').to_owned()
}

/// The artifact's name as a URL may hold it; only its extension means anything.
pub fn url_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars().map(|c| if plain(c) { c } else { '_' }).collect()
}
