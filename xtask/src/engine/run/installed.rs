//! Evidence for an installation without a communicator: the answer file was
//! fetched, and its last step spoke on the serial console. That the guest
//! turned itself off proves neither.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::Duration;

use crate::engine::argv;
use crate::engine::error::Trouble;
use crate::engine::host::WorkPaths;
use crate::engine::spec::VmSpec;

/// What the last step of an answer file writes to the serial console.
const MARKER: &str = "image-build: installed";

/// From the last key to the first request: kernel, initramfs and DHCP take half
/// a minute with KVM. Multiplied like every limit where the guest is emulated.
pub const FETCH_LIMIT: Duration = Duration::from_secs(240);

/// Console lines longer than this hold no marker.
const LINE: u64 = 64 << 10;

/// The boot command names our HTTP server, so the guest has to ask it.
pub(crate) fn must_fetch(spec: &VmSpec) -> bool {
    spec.http.is_wanted() && spec.boot.steps.iter().any(|step| step.keys.contains(".HTTPPort"))
}

/// What it means that nothing was fetched in time.
pub(crate) fn nothing_fetched(limit: Duration) -> Trouble {
    Trouble::guest(format!(
        "the installer asked for no answer file within {limit:?} of the boot command (hint: look \
         at the screenshot; if the menu was not there yet, raise boot_wait)"
    ))
}

/// An answer file that holds the marker promises to write it.
fn promises(spec: &VmSpec) -> bool {
    let rendered = spec.http.content.values().chain(spec.cd.content.values());
    rendered.into_iter().any(|text| text.contains(MARKER))
}

/// Whether the installation finished, if the answer file tells.
///
/// # Errors
/// The marker is missing.
pub(super) fn finished(spec: &VmSpec, paths: &WorkPaths) -> Result<(), Trouble> {
    let Some(serial) = argv::serial_file(spec, paths).filter(|_| promises(spec)) else {
        return Ok(());
    };
    if says_marker(&serial) {
        return Ok(());
    }
    Err(Trouble::guest(format!(
        "the guest turned itself off, but the installation did not finish: `{MARKER}` is not on \
         the serial console"
    )))
}

fn says_marker(serial: &Path) -> bool {
    let Ok(file) = File::open(serial) else { return false };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut part = std::io::Read::take(&mut reader, LINE);
        match part.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return false,
            Ok(_) if String::from_utf8_lossy(&line).contains(MARKER) => return true,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::spec::BootStep;

    #[test]
    fn only_what_names_our_server_must_fetch() {
        let mut spec = VmSpec::new("x", "x.iso");
        let keys = |text: &str| vec![BootStep { keys: text.into(), description: None }];
        spec.boot.steps = keys("inst.ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/ks.cfg");
        assert!(!must_fetch(&spec));
        spec.http.content.insert("/ks.cfg".into(), format!("echo {MARKER}"));
        assert!(must_fetch(&spec) && promises(&spec));
        spec.boot.steps = keys("<enter>");
        assert!(!must_fetch(&spec));
    }

    #[test]
    fn the_marker_is_found_among_junk() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("serial.log");
        for (text, found) in [
            ("", false),
            ("Booting\r\n\x1b[0mimage-build: installed\r\nPower down.\r\n", true),
            ("image-build: local packages\n", false),
        ] {
            std::fs::write(&log, text).unwrap();
            assert_eq!(says_marker(&log), found, "{text:?}");
        }
        std::fs::write(&log, [vec![0xff; 200_000], b"\nimage-build: installed".to_vec()].concat())
            .unwrap();
        assert!(says_marker(&log));
        assert!(!says_marker(&dir.path().join("none")));
    }
}
