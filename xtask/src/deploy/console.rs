//! The serial console: its lines, the installer's markers in them, and what
//! known last words mean.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A line that the installer wrote for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A stage begins.
    Stage(String),
    /// JSON of what was seen.
    Facts(String),
    /// Deployed.
    Ok,
    /// Not deployed: stage and reason.
    Fail(String, String),
}

impl Marker {
    /// Reads a line; other lines are no markers.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let rest = line.trim().strip_prefix("DEPLOY-")?;
        let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "STAGE" => Some(Self::Stage(text.to_owned())),
            "FACTS" => Some(Self::Facts(text.to_owned())),
            "OK" => Some(Self::Ok),
            "FAIL" => {
                let (stage, reason) = text.split_once(": ").unwrap_or(("?", text));
                Some(Self::Fail(stage.to_owned(), reason.to_owned()))
            }
            _ => None,
        }
    }
}

/// Last words, what they mean, and what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Part of a line.
    pub pattern: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Nothing will follow, so waiting is useless.
    pub fatal: bool,
}

const fn cause(
    pattern: &'static str,
    meaning: &'static str,
    fix: &'static str,
    fatal: bool,
) -> Cause {
    Cause { pattern, meaning, fix, fatal }
}

/// First match wins: the most telling ones stand first.
pub const CAUSES: &[Cause] = &[
    cause(
        "Unable to locate package linux-generic",
        "curtin's built-in hooks want Ubuntu's kernel package in an image that is not Ubuntu",
        "ship an executable /curtin/curtin-hooks that names the installed kernel package",
        false,
    ),
    cause(
        "ALERT!  UUID=",
        "the initrd does not find the root file system",
        "rebuild the initrd with all storage drivers (MODULES=most) in the deploy hook",
        false,
    ),
    cause(
        "Gave up waiting for root",
        "the initrd does not find the root file system",
        "rebuild the initrd with all storage drivers (MODULES=most) in the deploy hook",
        true,
    ),
    cause(
        "Unable to mount root fs",
        "the kernel has no initrd, or one without the disk's driver",
        "run update-initramfs (or dracut) for every kernel in the deploy hook",
        true,
    ),
    cause(
        "end Kernel panic",
        "the kernel stopped",
        "read the lines before it; --logs keeps the whole console",
        true,
    ),
    cause(
        "You are in emergency mode",
        "systemd did not reach its target, most often by a line of /etc/fstab",
        "make sure that the image has no fstab of the build machine",
        true,
    ),
    cause(
        "Timed out waiting for device",
        "a device of /etc/fstab does not exist here",
        "make sure that the image has no fstab of the build machine",
        false,
    ),
    cause(
        "Entering rescue mode",
        "GRUB does not find its own files",
        "let the deploy hook run grub-install for the firmware of the machine",
        true,
    ),
    cause(
        "grub rescue>",
        "GRUB does not find its own files",
        "let the deploy hook run grub-install for the firmware of the machine",
        true,
    ),
    cause(
        "No bootable device",
        "no boot loader for BIOS on the disk",
        "the image needs grub-pc, or its file for the deploy hook, and grub-install to the disk",
        true,
    ),
    cause(
        "Boot failed: not a bootable disk",
        "no boot loader for BIOS on the disk",
        "the image needs grub-pc, or its file for the deploy hook, and grub-install to the disk",
        false,
    ),
    cause(
        "BdsDxe: No bootable option or device was found",
        "no boot loader for UEFI on the disk",
        "put the loader at EFI/BOOT/BOOT<ARCH>.EFI of the ESP too (grub-install --force-extra-removable)",
        true,
    ),
    cause(
        "BdsDxe: failed to load Boot0001",
        "no boot loader for UEFI on the disk",
        "put the loader at EFI/BOOT/BOOT<ARCH>.EFI of the ESP too (grub-install --force-extra-removable)",
        false,
    ),
    cause(
        "UEFI Interactive Shell",
        "no boot loader for UEFI on the disk",
        "put the loader at EFI/BOOT/BOOT<ARCH>.EFI of the ESP too (grub-install --force-extra-removable)",
        true,
    ),
    cause(
        "error: no such device: ",
        "GRUB looks for a file system that is not there",
        "run update-grub in the deploy hook; nothing of the build machine's disk may stay in grub.cfg",
        false,
    ),
    cause(
        "No space left on device",
        "a file system is full",
        "make the disk larger (--disk-size) or the image smaller",
        false,
    ),
    cause("Out of memory", "the machine has too little memory", "give it more (--memory)", false),
    cause(
        "Temporary failure resolving",
        "the deployment wants packages from a repository and has no name service",
        "put every package that the deployment needs into the image",
        false,
    ),
];

/// The cause that these lines name.
#[must_use]
pub fn find_cause<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> Option<&'static Cause> {
    CAUSES.iter().find(|cause| lines.clone().any(|line| line.contains(cause.pattern)))
}

/// Follows the file that QEMU writes the console to.
#[derive(Debug)]
pub struct Console {
    path: PathBuf,
    offset: u64,
    partial: Vec<u8>,
    lines: Vec<String>,
}

/// Lines that are kept in memory; the file has all.
const KEPT: usize = 400;
/// Longest line; binary noise has no newlines.
const MAX_LINE: usize = 8192;

impl Console {
    /// Starts at the beginning; the file may not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.into(), offset: 0, partial: Vec::new(), lines: Vec::new() }
    }

    /// Bytes read so far: a number that grows while the guest lives.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.offset
    }

    /// New whole lines since the last call.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&mut self) -> io::Result<Vec<String>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        let read = file.take(16 << 20).read_to_end(&mut bytes)?;
        self.offset += read as u64;
        Ok(self.feed(&bytes))
    }

    fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut new = Vec::new();
        for byte in bytes {
            if *byte == b'\n' || self.partial.len() >= MAX_LINE {
                new.push(clean(&std::mem::take(&mut self.partial)));
            } else {
                self.partial.push(*byte);
            }
        }
        let shown = new.iter().filter(|line| !line.trim().is_empty()).cloned();
        self.lines.extend(shown);
        let extra = self.lines.len().saturating_sub(KEPT);
        self.lines.drain(..extra);
        new
    }

    /// What has been written without a newline yet, such as a prompt.
    #[must_use]
    pub fn prompt(&self) -> String {
        clean(&self.partial)
    }

    /// The last lines with content, the unfinished one included.
    #[must_use]
    pub fn tail(&self, count: usize) -> Vec<String> {
        let prompt = self.prompt();
        let last = Some(prompt).filter(|text| !text.trim().is_empty());
        let all: Vec<String> = self.lines.iter().cloned().chain(last).collect();
        all.iter().skip(all.len().saturating_sub(count)).cloned().collect()
    }

    /// The cause that the kept lines name.
    #[must_use]
    pub fn cause(&self) -> Option<&'static Cause> {
        let prompt = self.prompt();
        let lines = self.lines.iter().map(String::as_str).chain([prompt.as_str()]);
        find_cause(lines)
    }
}

/// A line without terminal control: escape sequences, carriage returns, bells.
#[must_use]
pub fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\x1b' {
            if !c.is_control() || c == '\t' {
                out.push(c);
            }
            continue;
        }
        match chars.next() {
            // CSI: parameters, then one final byte from @ to ~.
            Some('[') => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
            // OSC: up to BEL or ESC.
            Some(']') => while chars.next().is_some_and(|c| c != '\x07' && c != '\x1b') {},
            _ => {}
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers() {
        let fail = |s: &str, r: &str| Some(Marker::Fail(s.into(), r.into()));
        for (line, expected) in [
            ("DEPLOY-OK", Some(Marker::Ok)),
            ("  DEPLOY-STAGE extract ", Some(Marker::Stage("extract".into()))),
            ("DEPLOY-FAIL extract: tar: exited with 2", fail("extract", "tar: exited with 2")),
            ("DEPLOY-FAIL", fail("?", "")),
            ("DEPLOY-FACTS {\"a\": 1}", Some(Marker::Facts("{\"a\": 1}".into()))),
            ("DEPLOY-OTHER", None),
            ("echo DEPLOY-OK", None),
            ("", None),
        ] {
            assert_eq!(Marker::parse(line), expected, "{line}");
        }
    }

    #[test]
    fn control_sequences_go() {
        // own run: systemd 252 and 257 on QEMU's serial console
        for (bytes, text) in [
            (&b"[\x1b[0;32m  OK  \x1b[0m] Started ssh.\r"[..], "[  OK  ] Started ssh."),
            (b"\x1b[!p\x1b]104\x07\x1b[?7h\x1b[6nlogin: ", "login:"),
            (b"\x1b", ""),
            (b"\x1b[", ""),
            (b"a\xffb", "a\u{fffd}b"),
        ] {
            assert_eq!(clean(bytes), text);
        }
    }

    #[test]
    fn lines_across_reads_and_a_prompt_at_the_end() {
        let mut console = Console::new(Path::new("/nonexistent"));
        assert_eq!(console.read().unwrap(), Vec::<String>::new());
        assert_eq!(console.feed(b"one\r\n\ntw"), ["one", ""]);
        assert_eq!(console.feed(b"o\ngrub rescue> "), ["two"]);
        assert_eq!(console.tail(2), ["two", "grub rescue>"]);
        assert_eq!(console.cause().map(|c| c.pattern), Some("grub rescue>"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut console = Console::new(Path::new("/nonexistent"));
        console.feed(&vec![b'x'; 100_000]);
        console.feed("y\n".repeat(10_000).as_bytes());
        assert!(console.partial.len() <= MAX_LINE && console.lines.len() <= KEPT);
    }
}
