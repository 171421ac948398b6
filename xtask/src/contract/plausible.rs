//! Is it an artifact at all?

use disk_image::artifact::NodeKind;
use disk_image::policy::Kind;

use super::{Breach, Input, breach, breach_of_all};
use crate::catalog::Family;

pub(super) fn kind(input: &Input<'_>) -> Vec<Breach> {
    let name = |kind| match kind {
        Kind::Tgz => "a gzipped tar archive (tgz)",
        Kind::Ddgz => "a gzipped disk (ddgz)",
    };
    let (is, should) = (input.artifact.kind, input.expect.kind);
    if is == should {
        return Vec::new();
    }
    vec![breach_of_all(format!("it is {}, not {}", name(is), name(should)))]
}

pub(super) fn readable(input: &Input<'_>) -> Vec<Breach> {
    match &input.artifact.root {
        // Of Windows and ESXi there is nothing to judge but the hooks.
        Err(_) if matches!(input.family, Family::Windows | Family::Esxi) => Vec::new(),
        Ok(_) => Vec::new(),
        Err(reason) => {
            vec![breach_of_all(format!("nothing inside can be judged: {reason}"))]
        }
    }
}

/// Below these no Linux with a kernel fits: a kernel with its modules alone
/// has more files and bytes.
const MIN_ENTRIES: usize = 2000;
const MIN_BYTES: u64 = 64 << 20;

pub(super) fn size(input: &Input<'_>) -> Vec<Breach> {
    let (entries, bytes) = (input.index.len(), input.index.total_bytes());
    if entries >= MIN_ENTRIES && bytes >= MIN_BYTES {
        return Vec::new();
    }
    let size = crate::table::size(bytes);
    vec![breach_of_all(format!("only {entries} entries with {size} in all"))]
}

/// What programs and curtin's chroot expect at the top.
const TOP: &[&str] = &[
    "bin", "boot", "dev", "etc", "lib", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "var",
];

pub(super) fn tree(input: &Input<'_>) -> Vec<Breach> {
    let missing = |name: &&&str| {
        let found = input.index.find(&format!("/{name}"));
        !found.is_some_and(|(_, node)| node.kind == NodeKind::Directory)
    };
    let missing: Vec<_> = TOP.iter().filter(missing).copied().collect();
    if missing.is_empty() {
        return Vec::new();
    }
    vec![breach("/", format!("no directory {}", missing.join(", ")))]
}

pub(super) fn clean_archive(input: &Input<'_>) -> Vec<Breach> {
    input.artifact.warnings.iter().map(|w| breach_of_all(w.as_str())).collect()
}
