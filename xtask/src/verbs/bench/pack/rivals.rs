//! The pipelines that packing is compared with, as people run them today.

use std::path::Path;

use anyhow::Result;

use super::corpus::{Corpus, ROOT_AT};
use super::measure::{Run, script};
use crate::cmd::which;

/// A pipeline from a disk to a compressed file with its hash.
pub(super) struct Rival {
    pub(super) name: &'static str,
    /// Tools with the Debian packages that have them.
    tools: &'static [(&'static str, &'static str)],
    script: &'static str,
    output: &'static str,
}

/// In user space, the archive in a temporary file.
pub(super) const FUSE: Rival = Rival {
    name: "qemu-nbd + nbdfuse + fuse2fs, tar to a file, pigz --best, sha256sum",
    tools: &[
        ("qemu-nbd", "qemu-utils"),
        ("nbdfuse", "libnbd-bin"),
        ("fuse2fs", "fuse2fs"),
        ("pigz", "pigz"),
    ],
    script: r#"mkdir -p nbd mnt
rm -f root.tar root.tar.gz
trap 'umount mnt || :; umount nbd || :' EXIT
nbdfuse -r nbd --socket-activation qemu-nbd -r -f qcow2 --offset="$ROOT_AT" "$QCOW2" &
while [ ! -e nbd/nbd ]; do sleep 0.05; done
fuse2fs -o ro,fakeroot nbd/nbd mnt
tar -C mnt --acls --xattrs --selinux --sparse --numeric-owner -cpf root.tar .
umount mnt
umount nbd
wait
trap - EXIT
pigz --best root.tar
sha256sum root.tar.gz >root.tar.gz.sha256"#,
    output: "root.tar.gz",
};

/// As root, by the kernel, streamed.
pub(super) const MOUNT: Rival = Rival {
    name: "kernel mount, tar | pigz -6, sha256sum",
    tools: &[("pigz", "pigz")],
    script: r#"mkdir -p mnt
rm -f root.tar.gz
mount -o ro,loop,noload,offset="$ROOT_AT" "$RAW" mnt
trap 'umount mnt' EXIT
tar -C mnt --acls --xattrs --selinux --sparse --numeric-owner -cpf - . | pigz -6 >root.tar.gz
sha256sum root.tar.gz >root.tar.gz.sha256
umount mnt
trap - EXIT"#,
    output: "root.tar.gz",
};

/// The whole disk.
pub(super) const CONVERT: Rival = Rival {
    name: "qemu-img convert, pigz --best, sha256sum",
    tools: &[("qemu-img", "qemu-utils"), ("pigz", "pigz")],
    script: r#"rm -f disk.dd disk.dd.gz
qemu-img convert -O raw "$QCOW2" disk.dd
pigz --best disk.dd
sha256sum disk.dd.gz >disk.dd.gz.sha256"#,
    output: "disk.dd.gz",
};

impl Rival {
    /// What has to be installed first.
    pub(super) fn missing(&self) -> Option<String> {
        let missing = self.tools.iter().filter(|(tool, _)| which(tool).is_none());
        let shown: Vec<_> = missing.map(|(tool, from)| format!("{tool} ({from})")).collect();
        (!shown.is_empty()).then(|| shown.join(", "))
    }

    /// One run in `dir`. The output is removed: it was measured.
    pub(super) fn run(&self, dir: &Path, corpus: &Corpus) -> Result<Run> {
        let offset = ROOT_AT.to_string();
        let env = [
            ("QCOW2", corpus.qcow2.as_path()),
            ("RAW", corpus.raw.as_path()),
            ("ROOT_AT", Path::new(&offset)),
        ];
        let run = script(dir, self.name, self.script, &env, self.output)?;
        std::fs::remove_file(dir.join(self.output))?;
        Ok(run)
    }
}
