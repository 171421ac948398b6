//! CPUs, memory and disk space, as far as this process may use them.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Bytes of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// What the machine has.
    pub total: u64,
    /// What can be had now without swapping: the kernel's `MemAvailable`, or
    /// what the control group leaves if that is less.
    pub available: u64,
    /// The control group's limit, if there is one below `total`.
    pub limit: Option<u64>,
}

/// `/proc/meminfo` to `(MemTotal, MemAvailable)` in bytes.
#[must_use]
pub fn parse_meminfo(text: &str) -> Option<(u64, u64)> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some((field("MemTotal")?, field("MemAvailable")?))
}

/// A control group's memory: limit and use in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    limit: u64,
    used: u64,
}

/// Reads the host's memory. All zero only if `/proc` is not there.
#[must_use]
pub fn memory() -> Memory {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let (total, available) = parse_meminfo(&text).unwrap_or_default();
    combine(total, available, &memory_groups(&groups, Path::new("/sys/fs/cgroup")))
}

fn combine(total: u64, available: u64, groups: &[Group]) -> Memory {
    let bounding = groups.iter().filter(|group| group.limit < total);
    let left = bounding.clone().map(|group| group.limit.saturating_sub(group.used)).min();
    Memory {
        total,
        available: left.map_or(available, |left| left.min(available)),
        limit: bounding.map(|group| group.limit).min(),
    }
}

/// The groups this process is in, from its own up to the root: each may limit.
/// Version 2 has the line `0::/path`, version 1 one line per controller.
fn memory_groups(proc_self_cgroup: &str, root: &Path) -> Vec<Group> {
    let mut found = Vec::new();
    for line in proc_self_cgroup.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (base, limit, used) = if controllers.is_empty() {
            (root.to_path_buf(), "memory.max", "memory.current")
        } else if controllers.split(',').any(|name| name == "memory") {
            (root.join("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes")
        } else {
            continue;
        };
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            let number = |name| read_number(&base.join(group).join(name));
            if let Some(limit) = number(limit) {
                found.push(Group { limit, used: number(used).unwrap_or(0) });
            }
        }
    }
    found
}

/// `None` for `max`, for what is missing and for what is no number.
fn read_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// CPUs this process may use: affinity and CPU quota count, at least 1.
#[must_use]
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Space on the file system that holds a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// What the directory is for: `out`, `media`, `temporary files`.
    pub role: String,
    /// The directory, which need not exist yet.
    pub path: PathBuf,
    /// Bytes that an ordinary user can still write.
    pub free: u64,
    /// The file system lives in memory.
    pub tmpfs: bool,
    /// Device number: equal for directories that share one file system.
    pub device: u64,
}

/// `f_type` of tmpfs (linux/magic.h, `TMPFS_MAGIC`).
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Measures the file system of `path`, or of the nearest ancestor that exists.
///
/// # Errors
/// Says which directory could not be asked.
pub fn space(role: &str, path: &Path) -> Result<Space, String> {
    let there = nearest_existing(path);
    let wrong = |error: std::io::Error| format!("no space figure for {}: {error}", there.display());
    let stat = rustix::fs::statfs(there).map_err(|errno| wrong(errno.into()))?;
    let meta = fs::metadata(there).map_err(wrong)?;
    let unit = u64::try_from(stat.f_bsize).unwrap_or(0);
    Ok(Space {
        role: role.to_owned(),
        path: path.to_path_buf(),
        free: stat.f_bavail.saturating_mul(unit),
        tmpfs: u64::try_from(stat.f_type) == Ok(TMPFS_MAGIC),
        device: std::os::unix::fs::MetadataExt::dev(&meta),
    })
}

fn nearest_existing(path: &Path) -> &Path {
    path.ancestors()
        .find(|ancestor| !ancestor.as_os_str().is_empty() && ancestor.exists())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// Own run on Debian 12: head -3 /proc/meminfo.
    const MEMINFO: &str = "MemTotal:       24624956 kB\nMemFree:        23069912 kB\n\
                           MemAvailable:   23741012 kB\n";

    #[test]
    fn reads_meminfo() {
        assert_eq!(parse_meminfo(MEMINFO), Some((24_624_956 * 1024, 23_741_012 * 1024)));
        assert_eq!(parse_meminfo("MemTotal: 12 kB\n"), None);
        assert_eq!(parse_meminfo("MemTotal: x kB\nMemAvailable: 1 kB\n"), None);
        assert_eq!(parse_meminfo("MemTotal: 18446744073709551615 kB\nMemAvailable: 1 kB"), None);
    }

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn the_tightest_group_on_the_way_up_counts() {
        let root = tree(&[
            ("a/memory.max", "8589934592\n"),
            ("a/memory.current", "1073741824\n"),
            ("a/b/memory.max", "max\n"),
            ("a/b/memory.current", "5\n"),
        ]);
        let memory = combine(24 * GIB, 20 * GIB, &memory_groups("0::/a/b\n", root.path()));
        assert_eq!(memory.limit, Some(8 * GIB));
        assert_eq!(memory.available, 7 * GIB);
    }

    #[test]
    fn version_one_is_read_and_its_no_limit_ignored() {
        let root = tree(&[
            ("memory/x/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/x/memory.usage_in_bytes", "77\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        let groups = memory_groups("4:memory:/x\n3:cpuset:/\n0::/\n", root.path());
        assert_eq!(groups.len(), 2);
        let memory = combine(24 * GIB, 20 * GIB, &groups);
        assert_eq!((memory.limit, memory.available), (None, 20 * GIB));
    }

    #[test]
    fn space_of_a_directory_to_come_is_its_parents() {
        let dir = tempfile::tempdir().unwrap();
        let future = space("out", &dir.path().join("not/yet")).unwrap();
        assert!(future.free > 0);
        assert_eq!(future.device, space("tmp", dir.path()).unwrap().device);
        assert!(
            Path::new("/dev/shm")
                .exists()
                .then(|| space("x", Path::new("/dev/shm")))
                .is_none_or(|s| s.unwrap().tmpfs)
        );
    }

    #[test]
    fn this_machine_has_cpus_and_memory() {
        assert!(cpus() >= 1);
        let memory = memory();
        assert!(memory.total > 0 && memory.available > 0 && memory.available <= memory.total);
    }
}
