//! An emulated TPM, by `swtpm`.

use std::fs;
use std::time::{Duration, Instant};

use super::error::Trouble;
use super::host::WorkPaths;
use super::spec::VmSpec;
use crate::cmd::{Child, Cmd};
use crate::signal::CancelToken;

/// How long it may take to open its socket.
const START: Duration = Duration::from_secs(10);

/// Starts one if the source has `vtpm = true`. Its state is the build's own.
///
/// # Errors
/// `swtpm` is not installed or does not start.
pub fn start(
    spec: &VmSpec,
    paths: &WorkPaths,
    cancel: &CancelToken,
) -> Result<Option<Child>, Trouble> {
    let Some(tpm) = &spec.hardware.tpm else { return Ok(None) };
    let state = paths.secrets.join("tpm");
    fs::create_dir_all(&state).map_err(|source| Trouble::io("create", &state, &source))?;
    let option = |name: &str, path: &std::path::Path| {
        let mut option = std::ffi::OsString::from(name);
        option.push(path);
        option
    };
    let mut cmd = Cmd::new("swtpm", "emulate a TPM").cwd(&paths.root).arg("socket");
    cmd = cmd.arg("--tpmstate").arg(option("dir=", &state));
    cmd = cmd.arg("--ctrl").arg(option("type=unixio,path=", &paths.tpm()));
    if !tpm.version_1 {
        cmd = cmd.arg("--tpm2");
    }
    let log = paths.logs.join("swtpm.log");
    let child = cmd.log(&log).cancel(cancel).spawn()?;
    let begin = Instant::now();
    while !paths.tpm().exists() {
        if cancel.is_set() {
            return Err(Trouble::interrupted());
        }
        if !child.is_running() || begin.elapsed() > START {
            let what = format!("swtpm did not start, see {}", log.display());
            return Err(Trouble::host(what));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(Some(child))
}
