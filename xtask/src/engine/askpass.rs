//! How OpenSSH's client gets a password without seeing it in argv or in the
//! environment: it runs us again as its askpass program, and we print the file
//! whose name (not content) stands in a variable.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Names the file with the password, mode 0600.
pub const VARIABLE: &str = "XTASK_ASKPASS_FILE";

/// Environment for a child that is to ask us.
pub fn environment(program: &Path, file: &Path) -> [(&'static str, OsString); 3] {
    [
        ("SSH_ASKPASS", program.as_os_str().to_owned()),
        // Also with a terminal, and without X11 (OpenSSH 8.4).
        ("SSH_ASKPASS_REQUIRE", "force".into()),
        (VARIABLE, file.as_os_str().to_owned()),
    ]
}

/// Call first in `main`. If we were started as askpass program, prints the
/// password and returns the exit code.
pub fn intercept() -> Option<ExitCode> {
    let file = PathBuf::from(std::env::var_os(VARIABLE)?);
    let print = || -> std::io::Result<()> {
        let password = std::fs::read(&file)?;
        let mut stdout = std::io::stdout();
        stdout.write_all(&password)?;
        stdout.write_all(b"\n")?;
        stdout.flush()
    };
    Some(if print().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
