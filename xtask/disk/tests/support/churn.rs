//! Random changes to a mounted tree, decided by a seed.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FileType, Mode, Timespec, Timestamps, XattrFlags, lsetxattr,
    makedev, mknodat, utimensat,
};

use super::oddities::pattern;

/// A stream of numbers that a seed decides.
struct Random(u64);

impl Random {
    /// A number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 24) % limit.max(1)
    }

    /// Mostly small, at times up to `limit`.
    fn skewed(&mut self, limit: u64) -> u64 {
        let ceiling = limit >> self.below(16);
        self.below(ceiling + 1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    fn name(&mut self) -> OsString {
        let len = 1 + self.skewed(254);
        let byte = |random: &mut Self| match random.below(256) as u8 {
            0 | b'/' | b'.' => b'x',
            byte => byte,
        };
        OsString::from_vec((0..len).map(|_| byte(self)).collect())
    }
}

/// The tree as far as choosing what to change next needs it.
struct Tree {
    random: Random,
    directories: Vec<PathBuf>,
    files: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

impl Tree {
    fn fresh(&mut self) -> PathBuf {
        let dir = self.random.pick(&self.directories).clone();
        dir.join(self.random.name())
    }

    /// Some file, directory or other node, but not the root.
    fn any(&mut self) -> Option<PathBuf> {
        let all = [&self.directories[1..], &self.files, &self.others].concat();
        (!all.is_empty()).then(|| self.random.pick(&all).clone())
    }

    /// One change. What the file system refuses (names that are too long for
    /// a path, attributes that do not fit, a full disk) changes nothing.
    fn step(&mut self) {
        match self.random.below(20) {
            0 => self.directory(),
            1..=5 => self.file(),
            6..=8 => self.write(),
            9 => self.resize(),
            10 | 11 => self.other(),
            12 => self.link(),
            13 | 14 => self.attribute(),
            15 => self.owner_and_mode(),
            16 => self.time(),
            17 => self.rename(),
            _ => self.remove(),
        }
    }

    fn directory(&mut self) {
        let path = self.fresh();
        if path.as_os_str().len() < 2000 && fs::create_dir(&path).is_ok() {
            self.directories.push(path);
        }
    }

    fn file(&mut self) {
        let path = self.fresh();
        let size = self.random.skewed(300_000);
        // Never an existing name: opening a FIFO would wait for its reader.
        if let Ok(file) = File::create_new(&path) {
            file.write_all_at(&pattern(size, size), 0).ok();
            self.files.push(path);
        }
    }

    fn write(&mut self) {
        let Some(path) = self.files.last().cloned() else { return };
        let path =
            if self.random.below(3) == 0 { path } else { self.random.pick(&self.files).clone() };
        let file = File::options().write(true).open(path).unwrap();
        let (offset, len) = (self.random.skewed(8 << 20), self.random.skewed(50_000));
        file.write_all_at(&pattern(offset, len), offset).ok();
    }

    fn resize(&mut self) {
        if self.files.is_empty() {
            return;
        }
        let file = File::options().write(true).open(self.random.pick(&self.files)).unwrap();
        let (offset, len) = (self.random.skewed(2 << 20), 1 + self.random.skewed(400_000));
        let keep = FallocateFlags::KEEP_SIZE;
        let flags = [
            FallocateFlags::empty(),
            keep,
            keep | FallocateFlags::PUNCH_HOLE,
            FallocateFlags::ZERO_RANGE,
        ];
        match self.random.below(5) {
            0 => file.set_len(offset).ok(),
            choice => rustix::fs::fallocate(&file, flags[choice as usize - 1], offset, len).ok(),
        };
    }

    fn other(&mut self) {
        let path = self.fresh();
        let kinds =
            [FileType::Fifo, FileType::Socket, FileType::CharacterDevice, FileType::BlockDevice];
        let made = match self.random.below(8) {
            choice @ 0..4 => {
                let device =
                    makedev(self.random.skewed(4096) as u32, self.random.skewed(1 << 20) as u32);
                mknodat(CWD, &path, kinds[choice as usize], Mode::from_raw_mode(0o600), device)
                    .is_ok()
            }
            _ => symlink("t".repeat(1 + self.random.skewed(1000) as usize), &path).is_ok(),
        };
        if made {
            self.others.push(path);
        }
    }

    fn link(&mut self) {
        let path = self.fresh();
        if !self.files.is_empty() && fs::hard_link(self.random.pick(&self.files), &path).is_ok() {
            self.files.push(path);
        }
    }

    fn attribute(&mut self) {
        let Some(path) = self.any() else { return };
        if self.random.below(4) == 0 {
            return self.access(&path);
        }
        let prefix = *self.random.pick(&["user.", "trusted.", "security."]);
        let name = [prefix.as_bytes(), self.random.name().as_bytes()].concat();
        let value = pattern(1, self.random.skewed(5000));
        let name = OsStr::from_bytes(&name[..name.len().min(255)]);
        if self.random.below(4) == 0 {
            rustix::fs::lremovexattr(&path, name).ok();
        }
        lsetxattr(&path, name, &value, XattrFlags::empty()).ok();
    }

    /// An access control list, for directories also one to inherit, or a
    /// capability. Links have none.
    fn access(&mut self, path: &Path) {
        // Version 2: tag, permissions and id of each entry (linux/posix_acl_xattr.h).
        let mut acl = 2_u32.to_le_bytes().to_vec();
        let mut add = |tag: u16, permissions: u64, id: u32| {
            acl.extend(tag.to_le_bytes());
            acl.extend((permissions as u16).to_le_bytes());
            acl.extend(id.to_le_bytes());
        };
        add(0x1, self.random.below(8), u32::MAX);
        let users = self.random.below(20);
        (0..users).for_each(|user| add(0x2, self.random.below(8), 1000 + user as u32));
        add(0x4, self.random.below(8), u32::MAX);
        add(0x8, self.random.below(8), self.random.below(1 << 30) as u32);
        add(0x10, self.random.below(8), u32::MAX);
        add(0x20, self.random.below(8), u32::MAX);
        // vfs_cap_data, revision 2 (linux/capability.h).
        let capability = [0x0200_0001, self.random.below(1 << 20) as u32, 0, 0, 0];
        let capability = capability.map(u32::to_le_bytes).concat();
        let (name, value) = match self.random.below(3) {
            0 => ("security.capability", capability),
            1 => ("system.posix_acl_default", acl),
            _ => ("system.posix_acl_access", acl),
        };
        lsetxattr(path, name, &value, XattrFlags::empty()).ok();
    }

    fn owner_and_mode(&mut self) {
        let Some(path) = self.any() else { return };
        let ids = [self.random.skewed(u64::from(u32::MAX - 1)), self.random.skewed(1 << 20)];
        lchown(&path, Some(ids[0] as u32), Some(ids[1] as u32)).unwrap();
        if !path.is_symlink() {
            let mode = self.random.below(0o10000) as u32;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    fn time(&mut self) {
        let Some(path) = self.any() else { return };
        let seconds = self.random.skewed(17 << 30).cast_signed() - (2 << 30);
        let time =
            Timespec { tv_sec: seconds, tv_nsec: self.random.below(1_000_000_000).cast_signed() };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }

    fn rename(&mut self) {
        let path = self.fresh();
        if self.files.is_empty() {
            return;
        }
        let index = self.random.below(self.files.len() as u64) as usize;
        if fs::rename(&self.files[index], &path).is_ok() {
            // The target may have been another name of the same file, which
            // leaves both, or any file, which is gone.
            self.files.push(path);
            self.files.sort();
            self.files.dedup();
            self.files.retain(|file| file.exists());
            self.others.retain(|other| other.symlink_metadata().is_ok());
        }
    }

    fn remove(&mut self) {
        let list = if self.random.below(3) == 0 { &mut self.others } else { &mut self.files };
        if !list.is_empty() {
            let index = self.random.below(list.len() as u64) as usize;
            fs::remove_file(list.swap_remove(index)).unwrap();
        }
    }
}

/// Changes the tree below `root` at random.
pub fn populate(root: &Path, seed: u64, operations: u64) {
    let mut tree = Tree {
        random: Random(seed),
        directories: vec![root.to_owned()],
        files: vec![],
        others: vec![],
    };
    for _ in 0..operations {
        tree.step();
        if tree.random.below(100) == 0 {
            File::open(root).unwrap().sync_all().unwrap();
        }
    }
}
