//! Makes the seeds in `xtask/fuzz/seeds`: small real images, by the tools that
//! make real ones. Needs root, for loop mounts and loop devices.
//!
//! `cargo run -p xtask-fuzz --bin make-seeds`

use std::fs;
use std::path::Path;
use std::time::Duration;

use xtask::cmd::Cmd;
use xtask_fuzz::sparse;

/// A file `disk` or `bytes` that a script leaves in its directory, and whether
/// it is packed as a disk.
struct Seed {
    target: &'static str,
    name: &'static str,
    script: &'static str,
    packed: bool,
}

const fn disk(target: &'static str, name: &'static str, script: &'static str) -> Seed {
    Seed { target, name, script, packed: true }
}

const fn bytes(target: &'static str, name: &'static str, script: &'static str) -> Seed {
    Seed { target, name, script, packed: false }
}

/// Shell functions that the scripts share.
const COMMON: &str = r#"
set -eu
export LC_ALL=C TEST_DEV=x TEST_DIR=x QA_CHECK_FS=x
tree() { # DIR: what the images hold
    mkdir -p "$1/dir/sub"
    i=0; while [ $i -lt "${2:-60}" ]; do echo "$i" >"$1/dir/$i-name-of-a-file"; i=$((i + 1)); done
    echo content >"$1/file"
    ln "$1/file" "$1/hard"
    ln -s file "$1/link"
    ln -s "$(printf '%0200d' 0)" "$1/long-link"
    mkfifo "$1/fifo"
    mknod "$1/device" c 5 1
    truncate -s 3M "$1/sparse"
    echo end >>"$1/sparse"
    setfattr -n user.name -v value "$1/file"
    setfattr -n security.selinux -v label "$1/dir"
    setfattr -n trusted.large -v "$(printf '%0700d' 0)" "$1/file"
}
ext() { tree tree 30; truncate -s 4M disk; mke2fs -q -F -d tree "$@" disk; }
xfs() { # OPTIONS: an empty one, mounted
    truncate -s 34M disk; mkfs.xfs -q -f "$@" disk; mkdir mnt; mount -t xfs -o loop disk mnt
    trap 'umount mnt 2>/dev/null || true' EXIT
}
many() { # attributes in blocks, a comb of extents
    i=0; while [ $i -lt 40 ]; do setfattr -n "user.attribute-$i" -v "$(printf '%060d' $i)" mnt/file; i=$((i + 1)); done
    setfattr -n trusted.long -v "$(printf '%03000d' 0)" mnt/file
    i=0; while [ $i -lt 40 ]; do printf x | dd of=mnt/comb bs=1024 seek=$((i * 2)) conv=notrunc status=none; i=$((i + 1)); done
}
fat() { truncate -s "$1" disk; shift; mkfs.vfat "$@" disk >/dev/null; mkdir t; echo x >"t/A long name of a file.txt"; mkdir t/DIR; echo y >t/DIR/SHORT.TXT; mcopy -s -i disk t/* ::; }
small() { tree tree 3; truncate -s 512K disk; mke2fs -q -F -b 1024 -O ^has_journal,^resize_inode -d tree disk; }
lvm() { # COMMANDS with DEVICE
    truncate -s 24M disk; loop=$(losetup -f --show disk); trap 'losetup -d $loop' EXIT
    flags="--driverloaded n --devices $loop"
    pvcreate -q --metadatasize 64k $flags $loop >/dev/null
    vgcreate -q $flags -s 1M group $loop >/dev/null
    for lv in "$@"; do lvcreate -q $flags -an -Zn -Wn $lv group >/dev/null 2>&1; done
    sync
}
"#;

const SEEDS: &[Seed] = &[
    disk("ext4", "default", "ext -t ext4 -b 1024 -J size=1 -O ^resize_inode"),
    disk("ext4", "inline", "ext -t ext4 -b 1024 -I 256 -O inline_data,^has_journal,^resize_inode,ea_inode"),
    disk("ext4", "bigalloc", "ext -t ext4 -b 1024 -O bigalloc,meta_bg,^has_journal,^resize_inode -C 2048"),
    disk("ext4", "no-checksums", "ext -t ext4 -b 1024 -O ^metadata_csum,^64bit,uninit_bg,^has_journal"),
    disk("ext4", "ext2", "ext -t ext2 -b 1024 -I 128 -O ^resize_inode"),
    disk("ext4", "ext3", "ext -t ext3 -b 1024 -J size=1 -O ^resize_inode"),
    disk(
        "ext4",
        "dirty",
        "ext -t ext4 -b 1024 -J size=1 -O ^resize_inode
         head -c 5120 /dev/zero | tr '\\0' x >new
         printf 'jo -c -v 3\\njw -b 1900-1904 new\\njw -r 1901-1902\\njw -b 1903 new\\njc\\n' >script
         debugfs -w -f script disk >/dev/null",
    ),
    disk(
        "xfs",
        "small-blocks",
        "xfs -b size=1024 -d agcount=2 -l size=4m; tree mnt 60; many; umount mnt",
    ),
    disk("xfs", "default", "xfs -d agcount=1; tree mnt 8; umount mnt"),
    disk(
        "xfs",
        "old-features",
        "xfs -m bigtime=0,reflink=0,finobt=0,rmapbt=0,inobtcount=0 -i sparse=0,size=512 -b size=1024 -d agcount=1 -l size=4m; tree mnt 70; umount mnt",
    ),
    disk(
        "xfs",
        "dirty",
        "xfs -b size=1024 -d agcount=1 -l size=4m; tree mnt 5; sync; echo new >mnt/new; mkdir mnt/dir/new
         rm mnt/dir/1-*; setfattr -n user.new -v value mnt/new; mv mnt/file mnt/moved; xfs_io -x -c 'shutdown -f' mnt; umount mnt",
    ),
    disk(
        "xfs",
        "dirty-default",
        "xfs -d agcount=1; tree mnt 5; sync; i=0
         while [ $i -lt 20 ]; do echo new >mnt/dir/new-$i; i=$((i + 1)); done; rm mnt/dir/new-3
         xfs_io -x -c 'shutdown -f' mnt; umount mnt",
    ),
    disk("fat", "fat12", "fat 1M -F 12 -s 1"),
    disk("fat", "fat16", "fat 6M -F 16 -s 1"),
    disk("fat", "fat32", "fat 34M -F 32 -s 1 -f 1"),
    disk("partition", "gpt", "truncate -s 4M disk; printf 'label: gpt\\nstart=2048,size=2048,type=U\\nstart=4096,name=root\\n' | sfdisk -q disk"),
    disk("partition", "mbr", "truncate -s 8M disk; printf 'label: dos\\nstart=2048,size=2048,type=83,bootable\\nstart=4096,size=12288,type=5\\nstart=6144,size=1024,type=83\\nstart=9216,size=1024,type=83\\n' | sfdisk -q disk"),
    disk("partition", "gpt-fat", "truncate -s 4M disk; printf 'label: gpt\\nstart=2048,size=4096,type=U\\n' | sfdisk -q disk; mkfs.vfat --offset 2048 disk 2048 >/dev/null"),
    disk("lvm", "linear", "lvm '-l 3 -n root' '-l 2 -n swap' '-l 4 -n home'"),
    disk("lvm", "segments", "lvm '-l 3 -n root' '-l 2 -n second'; lvextend -q $flags -l +3 group/root >/dev/null 2>&1; sync"),
    bytes("qcow2", "plain", "small; qemu-img convert -O qcow2 -o cluster_size=4k,refcount_bits=16 disk bytes"),
    bytes("qcow2", "v2", "small; qemu-img convert -O qcow2 -o compat=0.10,cluster_size=1k disk bytes"),
    bytes("qcow2", "zlib", "small; qemu-img convert -c -O qcow2 -o cluster_size=4k disk bytes"),
    bytes("qcow2", "zstd", "small; qemu-img convert -c -O qcow2 -o cluster_size=4k,compression_type=zstd disk bytes"),
    bytes("qcow2", "empty", "qemu-img create -q -f qcow2 -o cluster_size=512 bytes 1M"),
    bytes("qcow2", "snapshot", "qemu-img create -q -f qcow2 -o cluster_size=512 bytes 64K; qemu-img snapshot -c one bytes; qemu-io -c 'write -P 7 0 2k' -c 'write -z 8k 4k' bytes >/dev/null; qemu-img bitmap --add bytes b"),
    bytes("tar", "pax", "tree tree 3; tar --format=posix --xattrs --xattrs-include='*' --sparse -C tree -cf bytes ."),
    bytes("tar", "gnu", "tree tree 3; mkdir -p tree/$(printf 'd%0120d' 0)/$(printf 'e%0120d' 0); tar --format=gnu --sparse -C tree -cf bytes ."),
    bytes("tar", "ustar", "tree tree 2; rm tree/long-link tree/sparse; tar --format=ustar -C tree -cf bytes ."),
    bytes("tar", "root", "mkdir -p t/etc t/boot t/var/lib/dpkg t/curtin; printf 'ID=debian\\nVERSION_ID=\"12\"\\n' >t/etc/os-release; echo x >t/boot/vmlinuz-6.1.0-1-amd64; printf 'Package: base-files\\nStatus: install ok installed\\nVersion: 1\\nArchitecture: amd64\\n' >t/var/lib/dpkg/status; echo '#!/bin/sh' >t/curtin/curtin-hooks; tar --format=posix -C t -cf bytes ."),
    bytes("gzip", "tgz", "tree tree 3; tar --format=posix --sparse -C tree -cf - . | gzip -9n >bytes"),
    bytes("gzip", "members", "tree tree 1; rm tree/sparse; tar --format=posix -C tree -cf t .; (head -c 2000 t | gzip -n; tail -c +2001 t | gzip -n) >bytes"),
    bytes("gzip", "disk", "small; gzip -9n <disk >bytes"),
];

/// A mount stamps up to 2 MiB of the log after the newest record with headers
/// of empty records. Zeros mean the same.
fn without_stale_log(mut disk: Vec<u8>) -> Vec<u8> {
    for sector in disk.chunks_exact_mut(sparse::SECTOR) {
        let is_header = sector.starts_with(&[0xfe, 0xed, 0xba, 0xbe]);
        // Length of the record, count of its operations.
        if is_header && sector[12..16] == [0; 4] && sector[40..44] == [0; 4] {
            sector.fill(0);
        }
    }
    disk
}

fn make(seed: &Seed, seeds: &Path) -> Result<usize, String> {
    let scratch = tempfile::tempdir_in("/dev/shm").map_err(|e| e.to_string())?;
    Cmd::new("sh", format!("make the seed {}/{}", seed.target, seed.name))
        .cwd(scratch.path())
        .args(["-c", &format!("{COMMON}\n{}", seed.script)])
        .timeout(Duration::from_secs(120))
        .output()
        .map_err(|e| e.to_string())?;
    let file = scratch.path().join(if seed.packed { "disk" } else { "bytes" });
    let content = fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let content = if seed.target == "xfs" { without_stale_log(content) } else { content };
    let content = if seed.packed { sparse::pack(&content).ok_or("too long")? } else { content };
    if content.len() > xtask::fuzz::MAX_LEN {
        return Err(format!("{}/{}: {} bytes are too much", seed.target, seed.name, content.len()));
    }
    let dir = seeds.join(seed.target);
    fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    fs::write(dir.join(seed.name), &content).map_err(|e| e.to_string())?;
    Ok(content.len())
}

fn main() -> std::process::ExitCode {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let (mut failed, mut total) = (0, 0);
    let only: Vec<String> = std::env::args().skip(1).collect();
    for seed in SEEDS.iter().filter(|it| only.is_empty() || only.iter().any(|o| o == it.target)) {
        match make(seed, &seeds) {
            Ok(len) => {
                total += len;
                println!("{:<10} {:<14} {len:>7} bytes", seed.target, seed.name);
            }
            Err(error) => {
                failed += 1;
                eprintln!("{}/{}: {error}", seed.target, seed.name);
            }
        }
    }
    println!("{total} bytes, {failed} failed");
    if failed == 0 { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
