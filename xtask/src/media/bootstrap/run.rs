//! Carries out a [`Plan`].

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::grub;
use super::plan::{BIOS, BOOT, ESP, Mode, Plan};
use crate::arch::Arch;
use crate::cmd::{Cmd, CmdError};
use crate::media::{Context, MediaError};

/// A slow mirror may take its time; a dead one is noticed by apt's own timeout.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(3600);
/// For everything that only works on local files.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(900);

/// Makes the disk of `plan` in `work` and returns its path. `log` receives the
/// output of all tools.
pub(super) fn run(
    plan: &Plan,
    work: &Path,
    log: &Path,
    ctx: &Context<'_>,
) -> Result<PathBuf, MediaError> {
    let job = Job { plan, work, log, ctx };
    (ctx.notice)(&format!("installing {} from {}", plan.name, mirrors(plan)));
    job.install()?;
    (ctx.notice)("making the disk");
    job.file_system()?;
    job.extract()?;
    job.esp()?;
    job.assemble()?;
    job.convert()
}

fn mirrors(plan: &Plan) -> String {
    let mut names: Vec<_> = plan.suites.iter().map(|s| s.mirror.as_str()).collect();
    names.dedup();
    names.join(" and ")
}

struct Job<'a> {
    plan: &'a Plan,
    work: &'a Path,
    log: &'a Path,
    ctx: &'a Context<'a>,
}

impl Job<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    fn cmd(&self, tool: &str, purpose: &str) -> Cmd {
        Cmd::new(find_tool(tool).unwrap_or_else(|| tool.into()), purpose)
            .cwd(self.work)
            .env("LC_ALL", "C.UTF-8")
            .env("PATH", search_path())
            .timeout(LOCAL_TIMEOUT)
            .log(self.log)
            .cancel(&self.ctx.cancel)
    }

    fn install(&self) -> Result<(), MediaError> {
        let argv = self.plan.mmdebstrap(&self.path("root.tar"), &apt_proxies(self.work)?);
        self.cmd("mmdebstrap", &format!("install {}", self.plan.name))
            .args(argv)
            .timeout(INSTALL_TIMEOUT)
            // It unmounts and deletes its tree in a user namespace that we could not enter.
            .grace(Duration::from_secs(30))
            .run()
            .map(drop)
            .map_err(|e| tool_error(&e, install_hint(self.plan.mode)))
    }

    /// The shell opens all files before the user namespace begins: inside, the
    /// media directory may be out of reach.
    fn file_system(&self) -> Result<(), MediaError> {
        let mut inner = vec!["sh", "-c"];
        let script = self.plan.file_system_script();
        inner.push(&script);
        if self.plan.mode == Mode::Unshare {
            inner.splice(0..0, ["mmdebstrap", "--unshare-helper"]);
        }
        let files = match self.plan.has_boot_partition() {
            true => "exec \"$@\" <root.tar >root.ext4 3>boot.ext4",
            false => "exec \"$@\" <root.tar >root.ext4",
        };
        self.cmd("sh", "make the root file system")
            .args(["-c", files, "sh"])
            .args(inner)
            .run()
            .map_err(|e| {
                tool_error(&e, "the log above names the step; is there room in TMPDIR?")
            })?;
        let path = self.path("root.ext4");
        let set = OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|f| f.set_len(self.plan.root_size()));
        set.map_err(|e| MediaError::io("cannot write", &path, e))
    }

    /// Takes the loaders out of the tar file.
    fn extract(&self) -> Result<(), MediaError> {
        let mut files: Vec<_> = self.plan.esp_files().into_iter().map(|(from, _)| from).collect();
        if self.plan.arch == Arch::Amd64 {
            files.extend(
                ["./usr/lib/grub/i386-pc/boot.img", "./boot/grub/i386-pc/core.img"]
                    .map(String::from),
            );
        }
        self.cmd("tar", "take the boot loaders out of the new system")
            .args(["--no-same-owner", "-xf", "root.tar", "--"])
            .args(files)
            .run()
            .map(drop)
            .map_err(|e| tool_error(&e, "does bootstrap.toml install the signed loaders?"))
    }

    fn esp(&self) -> Result<(), MediaError> {
        let hint = "are mtools and dosfstools in order?";
        let failed = |e| tool_error(&e, hint);
        fs::write(self.path("stub.cfg"), self.plan.esp_config())
            .map_err(|e| MediaError::io("cannot write", &self.path("stub.cfg"), e))?;
        make_sparse(&self.path("esp.img"), ESP.1)?;
        self.cmd("mkfs.vfat", "make the EFI system partition")
            .args(["-F", "32", "-n", "ESP", "-i", &self.plan.esp_serial(), "esp.img"])
            .run()
            .map_err(failed)?;
        let mtool =
            |tool| self.cmd(tool, "fill the EFI system partition").env("MTOOLS_SKIP_CHECK", "1");
        mtool("mmd")
            .args(["-i", "esp.img", "::EFI", "::EFI/BOOT", "::EFI/debian"])
            .run()
            .map_err(failed)?;
        let mut files = Vec::from(self.plan.esp_files());
        // The removable path's GRUB looks beside itself, the signed one in EFI/debian.
        files.extend(
            ["EFI/debian/grub.cfg", "EFI/BOOT/grub.cfg"]
                .map(|to| ("stub.cfg".into(), to.to_owned())),
        );
        for (from, to) in files {
            mtool("mcopy")
                .args(["-i", "esp.img", &from, &format!("::{to}")])
                .run()
                .map_err(failed)?;
        }
        Ok(())
    }

    fn assemble(&self) -> Result<(), MediaError> {
        let disk = self.path("disk.raw");
        make_sparse(&disk, self.plan.disk_size())?;
        self.cmd("sfdisk", "partition the base disk")
            .args(["--quiet", "--no-reread", "--no-tell-kernel", "disk.raw"])
            .stdin(self.plan.partitions())
            .run()
            .map_err(|e| tool_error(&e, "is package fdisk in order?"))?;
        let failed = |e| MediaError::io("cannot write", &disk, e);
        let mut file = OpenOptions::new().write(true).open(&disk).map_err(failed)?;
        copy_sparse(&self.path("root.ext4"), &mut file, self.plan.root_start(), self.ctx)?;
        if self.plan.has_boot_partition() {
            copy_sparse(&self.path("boot.ext4"), &mut file, BOOT.0, self.ctx)?;
        }
        copy_sparse(&self.path("esp.img"), &mut file, ESP.0, self.ctx)?;
        if self.plan.arch == Arch::Amd64 {
            self.bios(&mut file).map_err(|e| e.unwrap_or_else(failed))?;
        }
        file.sync_all().map_err(failed)
    }

    fn bios(&self, disk: &mut File) -> Result<(), BiosError> {
        let read = |name: &str| {
            let path = self.path(name);
            fs::read(&path).map_err(|e| BiosError::Media(MediaError::io("cannot read", &path, e)))
        };
        let boot = read("usr/lib/grub/i386-pc/boot.img")?;
        let core = read("boot/grub/i386-pc/core.img")?;
        let linked = grub::link(&boot, &core, BIOS.0 / grub::SECTOR as u64, BIOS.1)
            .map_err(BiosError::Media)?;
        // The protective table behind the boot code is sfdisk's.
        write_at(disk, 0, &linked.code).map_err(BiosError::Io)?;
        write_at(disk, BIOS.0, &linked.core).map_err(BiosError::Io)
    }

    fn convert(&self) -> Result<PathBuf, MediaError> {
        self.cmd("qemu-img", "convert the base disk")
            .args(["convert", "-f", "raw", "-O", "qcow2", "disk.raw", "disk.qcow2"])
            .run()
            .map_err(|e| tool_error(&e, "is package qemu-utils in order?"))?;
        Ok(self.path("disk.qcow2"))
    }
}

enum BiosError {
    Media(MediaError),
    Io(std::io::Error),
}

impl BiosError {
    fn unwrap_or_else(self, io: impl FnOnce(std::io::Error) -> MediaError) -> MediaError {
        match self {
            Self::Media(error) => error,
            Self::Io(error) => io(error),
        }
    }
}

const fn install_hint(mode: Mode) -> &'static str {
    match mode {
        Mode::Unshare => {
            "a rootless run needs package uidmap, a line for you in /etc/subuid and /etc/subgid, and user namespaces; as root use --mode root"
        }
        Mode::Auto | Mode::Root => {
            "check the mirror and its signing keyring (package debian-archive-keyring, or --keyring)"
        }
    }
}

/// Where administration programs are. Debian leaves them out of a user's PATH,
/// but mke2fs and sfdisk work on a user's files just as well.
const SBIN: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// PATH with the directories above behind it.
fn search_path() -> OsString {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&own).chain(SBIN.iter().map(PathBuf::from));
    // Fails only for a directory with a colon in its name, which PATH cannot hold.
    std::env::join_paths(all).unwrap_or(own)
}

/// Like `which`, with the directories above.
pub(super) fn find_tool(tool: &str) -> Option<PathBuf> {
    let sbin = || SBIN.iter().find_map(|dir| crate::cmd::which(Path::new(dir).join(tool)));
    crate::cmd::which(tool).or_else(sbin)
}

/// apt's proxies on this host: mmdebstrap's apt reads a configuration of its own.
fn apt_proxies(cwd: &Path) -> Result<Vec<String>, MediaError> {
    if crate::cmd::which("apt-config").is_none() {
        return Ok(Vec::new());
    }
    let dump = Cmd::new("apt-config", "read apt's proxy settings")
        .cwd(cwd)
        .arg("dump")
        .timeout(LOCAL_TIMEOUT)
        .output()
        .map_err(|e| tool_error(&e, "is apt's configuration valid?"))?;
    Ok(proxy_lines(&dump.stdout_text()))
}

/// Lines such as `Acquire::http::Proxy "http://p:3128";` that have a value.
fn proxy_lines(dump: &str) -> Vec<String> {
    let is_proxy = |line: &&str| {
        let (key, value) = line.split_once(' ').unwrap_or_default();
        let words: Vec<_> = key.split("::").collect();
        let known = matches!(
            words.as_slice(),
            ["Acquire", _, "Proxy" | "Proxy-Auto-Detect"] | ["Acquire", _, "Proxy", _]
        );
        known && value != "\"\";"
    };
    dump.lines().filter(is_proxy).map(|line| line.trim_end_matches(';').to_owned()).collect()
}

/// A failed tool with what to do about it; cancellation stays cancellation.
pub(super) fn tool_error(error: &CmdError, hint: &str) -> MediaError {
    if error.is_interrupted() {
        return MediaError::Interrupted;
    }
    MediaError::Tool(format!("{error}\n  hint: {hint}"))
}

fn make_sparse(path: &Path, size: u64) -> Result<(), MediaError> {
    let made = File::create(path).and_then(|file| file.set_len(size));
    made.map_err(|e| MediaError::io("cannot write", path, e))
}

fn write_at(file: &mut File, at: u64, bytes: &[u8]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

/// Copies `from` to byte `at` of a file that reads as zeros there.
fn copy_sparse(from: &Path, to: &mut File, at: u64, ctx: &Context<'_>) -> Result<(), MediaError> {
    let failed = |e| MediaError::io("cannot copy", from, e);
    let mut source = File::open(from).map_err(failed)?;
    let mut buffer = vec![0; 1 << 20];
    let zeros = vec![0; buffer.len()];
    let mut offset = at;
    loop {
        if ctx.cancel.is_set() {
            return Err(MediaError::Interrupted);
        }
        let count = source.read(&mut buffer).map_err(failed)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        // memcmp: a loop over 8 GB of bytes takes an unoptimised build 10 seconds.
        if zeros.get(..count) != Some(bytes) {
            write_at(to, offset, bytes).map_err(failed)?;
        }
        offset += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proxies_with_a_value_are_passed_on() {
        let dump = "APT \"\";\nAcquire::http::Proxy \"http://p:3128\";\nAcquire::https::Proxy \"\";\nAcquire::http::Proxy::deb.local \"DIRECT\";\nAcquire::http::Timeout \"5\";\nAcquire::Retries \"3\";\n";
        assert_eq!(
            proxy_lines(dump),
            [
                "Acquire::http::Proxy \"http://p:3128\"",
                "Acquire::http::Proxy::deb.local \"DIRECT\""
            ]
        );
    }

    #[test]
    fn a_sparse_copy_is_a_copy() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a"), dir.path().join("b"));
        let mut data = vec![0; 3 << 20];
        data[5] = 1;
        *data.last_mut().unwrap() = 2;
        fs::write(&from, &data).unwrap();
        make_sparse(&to, 4 << 20).unwrap();
        let mut file = OpenOptions::new().write(true).open(&to).unwrap();
        copy_sparse(&from, &mut file, 1 << 20, &Context::silent()).unwrap();
        let copied = fs::read(&to).unwrap();
        assert_eq!(copied.len(), 4 << 20);
        assert!(copied[..1 << 20].iter().all(|b| *b == 0) && copied[1 << 20..] == data);
    }
}
