//! The disk that is packed: a Debian server, installed from the mirror.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cmd::Cmd;

/// What makes a root of about 2 GB: a kernel with all modules, compilers,
/// databases, interpreters and their libraries, documentation. The boot loaders
/// are for the contract.
const PACKAGES: &str = "linux-image-amd64,initramfs-tools,zstd,grub-pc-bin,grub-efi-amd64,\
    grub-efi-amd64-signed,shim-signed,efibootmgr,cloud-init,netplan.io,openssh-server,sudo,\
    build-essential,cmake,gdb,git,python3-full,python3-dev,emacs-nox,vim,postgresql,\
    mariadb-server,apache2,nginx,php,ruby,nodejs,samba,bind9,qemu-utils,perl-doc,man-db,\
    manpages-dev";
const SUITE: &str = "bookworm";

/// Size of the disk: 10 GB of which a fifth is in use.
const DISK: u64 = 10_000_000_000 / SECTOR * SECTOR;
const SECTOR: u64 = 512;
/// First byte of the root partition.
pub(super) const ROOT_AT: u64 = 1 << 20;
/// At the end, for the backup table.
const TAIL: u64 = 1 << 20;

/// The disk in both formats.
#[derive(Clone, Debug)]
pub(super) struct Corpus {
    pub(super) raw: PathBuf,
    pub(super) qcow2: PathBuf,
}

/// Makes the disks in `dir`, or takes those that are there.
pub(super) fn prepare(dir: &Path, mirror: &str) -> Result<Corpus> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let corpus = Corpus { raw: dir.join("disk.raw"), qcow2: dir.join("disk.qcow2") };
    // The last one to get its name.
    if !corpus.qcow2.exists() {
        make(dir, mirror)?;
    }
    Ok(corpus)
}

fn make(dir: &Path, mirror: &str) -> Result<()> {
    eprintln!("making the disk in {} (once; log: bench.log)", dir.display());
    let run = |tool: &str, purpose: &str, args: &[&str]| {
        let log = dir.join("bench.log");
        Cmd::new(tool, purpose).cwd(dir).args(args).log(log).timeout(HOUR).run().map(drop)
    };
    if !dir.join("root/curtin").exists() {
        run("rm", "remove what an earlier run left", &["-rf", "--one-file-system", "root"])?;
        let include = format!("--include={PACKAGES}");
        let plain = ["--mode=root", "--variant=important", "--format=directory"];
        let args = [&plain[..], &[&include, SUITE, "root", mirror]].concat();
        run("mmdebstrap", "install the server", &args)?;
        // Marks the root of a whole disk, and a complete tree.
        run("mkdir", "mark the tree", &["root/curtin"])?;
    }
    let size = DISK.to_string();
    run("rm", "remove what an earlier run left", &["-f", "disk.new", "disk.qcow2.new"])?;
    run("truncate", "make the disk", &["-s", &size, "disk.new"])?;
    let table =
        "label: gpt\nstart=1MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, size=+\n".to_owned();
    Cmd::new("sfdisk", "partition it").cwd(dir).args(["-q", "disk.new"]).stdin(table).run()?;
    let (offset, blocks) = (format!("offset={ROOT_AT}"), (DISK - ROOT_AT - TAIL) / 1024);
    let blocks = format!("{blocks}k");
    let args = ["-q", "-t", "ext4", "-d", "root", "-E", &offset, "disk.new", &blocks];
    run("mke2fs", "make the file system", &args)?;
    run("qemu-img", "convert it", &["convert", "-O", "qcow2", "disk.new", "disk.qcow2.new"])?;
    std::fs::rename(dir.join("disk.new"), dir.join("disk.raw"))?;
    std::fs::rename(dir.join("disk.qcow2.new"), dir.join("disk.qcow2"))?;
    run("rm", "remove the tree", &["-rf", "--one-file-system", "root"])?;
    Ok(())
}

/// A slow mirror may take its time.
const HOUR: Duration = Duration::from_secs(3600);
