//! The QEMU command line that the built-in engine will run. Ports are chosen
//! when the build starts; everything else is final.

use std::path::PathBuf;

use crate::engine::argv::{Prepared, argv};
use crate::engine::decode;
use crate::engine::host::{Efi, QemuHost, WorkPaths};
use crate::engine::spec::{Firmware, VmSpec};

use super::Resolved;

/// The command line, program first; `None` if this engine cannot run it.
#[must_use]
pub fn of(resolved: &Resolved, host: &QemuHost, paths: &WorkPaths) -> Option<Vec<String>> {
    let (spec, _) = decode::job(&resolved.source).ok()?;
    let prepared = prepared(&spec, host, paths);
    let args = argv(&spec, host, paths, &prepared).ok()?;
    let program = host.qemu_system.clone().into_os_string();
    let all = std::iter::once(program).chain(args);
    Some(all.map(|arg| arg.to_string_lossy().into_owned()).collect())
}

/// The files as the engine will name them.
fn prepared(spec: &VmSpec, host: &QemuHost, paths: &WorkPaths) -> Prepared {
    let first = paths.output.join(&spec.vm_name);
    let more = (1..=spec.disk.additional.len())
        .map(|n| paths.output.join(format!("{}-{n}", spec.vm_name)));
    Prepared {
        disks: std::iter::once(first).chain(more).collect(),
        cd: spec.cd.is_wanted().then(|| paths.secrets.join("cd.iso")),
        efi: efi(spec, host, paths),
        http_port: spec.http.is_wanted().then_some(spec.http.ports.0),
        tpm: spec.hardware.tpm.as_ref().map(|_| paths.tpm()),
        ..Prepared::default()
    }
}

fn efi(spec: &VmSpec, host: &QemuHost, paths: &WorkPaths) -> Option<Efi> {
    let Firmware::Efi { code, vars } = &spec.firmware else { return None };
    let mut pair = host.firmware.clone()?;
    let replace = |path: &mut PathBuf, own: &Option<PathBuf>| {
        if let Some(own) = own {
            path.clone_from(own);
        }
    };
    replace(&mut pair.code.path, code);
    replace(&mut pair.vars.path, vars);
    pair.vars.path = paths.output.join("efivars.fd");
    Some(pair)
}
