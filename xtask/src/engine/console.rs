//! Follows the serial console in its file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::causes::{self, Cause};

/// Lines kept for an error message.
const TAIL: usize = 12;

/// Bytes of a line without end that are kept.
const MAX_LINE: usize = 4096;

/// Reads what a file gains, line by line.
#[derive(Debug)]
pub struct Console {
    path: PathBuf,
    offset: u64,
    partial: Vec<u8>,
    tail: VecDeque<String>,
    cause: Option<&'static Cause>,
    /// The line that showed it.
    sign: String,
}

impl Console {
    /// Follows a file, which need not exist yet, from its start.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            offset: 0,
            partial: Vec::new(),
            tail: VecDeque::new(),
            cause: None,
            sign: String::new(),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.offset
    }

    /// Reads on and passes each new complete line to `on_line`.
    pub fn poll(&mut self, mut on_line: impl FnMut(&str)) {
        // A file that is not there yet, or not readable now, has no news.
        let Ok(news) = self.read_on() else { return };
        for byte in news {
            if byte == b'\n' || self.partial.len() >= MAX_LINE {
                let line = self.take_partial();
                self.remember(&line);
                on_line(&line);
            }
            if byte != b'\n' {
                self.partial.push(byte);
            }
        }
        // A prompt such as `(initramfs) ` has no newline.
        if self.cause.is_none_or(|cause| !cause.fatal) {
            let prompt = plain(&self.partial);
            if let Some(found) = causes::find(&prompt).filter(|found| found.fatal) {
                (self.cause, self.sign) = (Some(found), prompt);
            }
        }
    }

    /// The first fatal pattern seen, else the first one at all.
    pub fn cause(&self) -> Option<&'static Cause> {
        self.cause
    }

    /// The line that showed [`Self::cause`]; empty without one.
    pub fn sign(&self) -> &str {
        &self.sign
    }

    /// The last lines that are not empty, an unfinished one included.
    pub fn tail(&self) -> Vec<String> {
        let mut tail: Vec<String> = self.tail.iter().cloned().collect();
        let prompt = plain(&self.partial);
        if !prompt.trim().is_empty() {
            tail.push(prompt);
        }
        tail
    }

    fn read_on(&mut self) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut news = Vec::new();
        // At most a piece at a time: a guest in a printing loop must not take
        // our memory.
        file.take(1 << 20).read_to_end(&mut news)?;
        self.offset = self.offset.saturating_add(u64::try_from(news.len()).unwrap_or(0));
        Ok(news)
    }

    fn take_partial(&mut self) -> String {
        plain(&std::mem::take(&mut self.partial))
    }

    fn remember(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        if self.cause.is_none_or(|cause| !cause.fatal)
            && let Some(found) = causes::find(line)
            && (self.cause.is_none() || found.fatal)
        {
            (self.cause, self.sign) = (Some(found), line.trim().to_owned());
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
    }
}

/// Text without terminal control: firmware and boot loaders paint their menus.
pub fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            '\t' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out.trim_end().to_owned()
}

fn skip_sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        // CSI: parameters, then one final character.
        Some('[') => drop(chars.by_ref().find(|c| ('@'..='~').contains(c))),
        // OSC: text up to BEL or the string terminator.
        Some(']') => drop(chars.by_ref().find(|c| matches!(c, '\u{7}' | '\\'))),
        // Character sets and the like take one more.
        Some('(' | ')' | '#' | '%') => drop(chars.next()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn control_sequences_are_removed() {
        for (bytes, text) in [
            (&b"\x1b[2J\x1b[01;01HBdsDxe: loading\r"[..], "BdsDxe: loading"),
            (
                b"[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mcron\x1b[0m.",
                "[  OK  ] Started cron.",
            ),
            (b"\x1b]0;title\x07x\x1b(By", "xy"),
            (b"a\xffb\t\x00c", "a\u{fffd}b c"),
            (b"\x1b[", ""),
        ] {
            assert_eq!(plain(bytes), text);
        }
    }

    #[test]
    fn a_growing_file_gives_lines_once_and_a_fatal_cause_wins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("serial.log");
        let mut console = Console::new(&path);
        let mut lines = Vec::new();
        console.poll(|line| lines.push(line.to_owned()));
        assert!(lines.is_empty());
        let mut file = File::create(&path).unwrap();
        write!(file, "one\r\nGave up waiting for root file system device.\r\ntw").unwrap();
        console.poll(|line| lines.push(line.to_owned()));
        assert_eq!(console.cause().unwrap().id, "root-device-missing");
        write!(file, "o\n\n(initramfs) ").unwrap();
        console.poll(|line| lines.push(line.to_owned()));
        assert_eq!(lines, ["one", "Gave up waiting for root file system device.", "two", ""]);
        assert_eq!(console.cause().unwrap().id, "initramfs-shell");
        assert_eq!(console.sign().trim(), "(initramfs)");
        assert_eq!(console.tail().last().unwrap(), "(initramfs)");
    }

    #[test]
    fn the_tail_is_short_and_an_endless_line_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("serial.log");
        let mut text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        text.push_str(&"x".repeat(10_000));
        std::fs::write(&path, text).unwrap();
        let mut console = Console::new(&path);
        let mut longest = 0;
        console.poll(|line| longest = longest.max(line.len()));
        assert_eq!(longest, MAX_LINE);
        assert!(console.tail().len() <= TAIL + 1);
        assert_eq!(console.bytes(), 10_790);
    }
}
