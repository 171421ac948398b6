//! What a run needs before its first machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cmd::Cmd;
use crate::engine::host::WorkPaths;
use crate::exit::Coded;

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

/// Packs what of a curtin checkout runs.
pub fn archive_curtin(tree: &Path, work: &Path) -> Result<PathBuf> {
    for part in ["curtin/__init__.py", "bin/curtin", "helpers/smtar"] {
        if !tree.join(part).is_file() {
            let message =
                format!("--curtin {}: no checkout of curtin, {part} is missing", tree.display());
            return Err(Coded::usage(message));
        }
    }
    let file = work.join("curtin.tar");
    Cmd::new("tar", "pack curtin")
        .cwd(tree)
        .arg("-cf")
        .arg(&file)
        .args(["--exclude=__pycache__", "bin", "curtin", "helpers"])
        .timeout(Duration::from_secs(60))
        .output()?;
    Ok(file)
}

/// The artifact's name as a URL may hold it; only its extension means anything.
pub fn url_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars().map(|c| if plain(c) { c } else { '_' }).collect()
}
