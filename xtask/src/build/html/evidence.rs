//! Pictures of the guest's screen and the ends of logs, inside the page.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::build::summary::escaped;
use crate::engine::causes;

/// Lines of a log that are shown: what a screen holds, twice.
const TAIL: usize = 60;

/// Bytes read from the end of a log for them.
const TAIL_BYTES: usize = 64 << 10;

/// Pictures per build, the newest: with `--screenshots`, minutes of work.
const PICTURES: usize = 24;

/// What a build left in its directory.
pub struct Evidence<'a> {
    /// The directory as the page names it, beside which it lies.
    link: &'a str,
    pictures: Vec<PathBuf>,
    logs: Vec<PathBuf>,
}

impl<'a> Evidence<'a> {
    /// Pictures and logs in `dir`, by name: names of pictures hold their time.
    pub fn of(dir: &Path, link: &'a str) -> Self {
        let mut pictures = files(dir, "png");
        pictures.drain(..pictures.len().saturating_sub(PICTURES));
        Self { link, pictures, logs: files(dir, "log") }
    }

    /// What the screen showed at the end.
    pub fn last_picture(&self) -> String {
        self.pictures.last().map_or_else(String::new, |path| self.figure(path))
    }

    /// Those before it.
    pub fn other_pictures(&self) -> String {
        let Some((_, others @ [_, ..])) = self.pictures.split_last() else {
            return String::new();
        };
        let (count, s) = (others.len(), if others.len() == 1 { "" } else { "s" });
        format!(
            "<details><summary>{count} earlier screen{s}</summary>{}</details>\n",
            self.grid(others)
        )
    }

    /// All of them.
    pub fn all_pictures(&self) -> String {
        if self.pictures.is_empty() { String::new() } else { self.grid(&self.pictures) }
    }

    fn grid(&self, pictures: &[PathBuf]) -> String {
        let figures: String = pictures.iter().map(|path| self.figure(path)).collect();
        format!("<div class=\"screens\">{figures}</div>\n")
    }

    fn figure(&self, path: &Path) -> String {
        let Ok(bytes) = fs::read(path) else { return String::new() };
        let (file, data) = (name(path), STANDARD.encode(bytes));
        format!(
            "<figure><a href=\"{}/{}\"><img alt=\"screen of the guest\" \
             src=\"data:image/png;base64,{data}\"></a><figcaption>{}</figcaption></figure>",
            self.link,
            escaped(&file),
            escaped(&caption(&file)),
        )
    }

    /// The end of each log that says anything; that of the console first.
    pub fn logs(&self) -> String {
        let mut html = String::new();
        let mut logs: Vec<&PathBuf> = self.logs.iter().collect();
        logs.sort_by_key(|path| name(path) != "serial.log");
        for path in logs {
            let lines = tail(path);
            if lines.iter().all(|line| line.trim().is_empty()) {
                continue;
            }
            let file = escaped(&name(path));
            // Writing to a String cannot fail.
            let _ = writeln!(
                html,
                "<details><summary>{file}, its last {} lines</summary>\
                 <p><a href=\"{}/{file}\">all of it</a></p><pre>{}</pre></details>",
                lines.len(),
                self.link,
                marked(&lines),
            );
        }
        html
    }
}

/// `screen-0044.png` is 0:44 after the start.
fn caption(file: &str) -> String {
    let time = file.strip_prefix("screen-").and_then(|rest| rest.split(['.', '-']).next());
    match time.filter(|t| t.len() >= 4).and_then(|t| t.split_at_checked(t.len() - 2)) {
        Some((minutes, seconds)) => {
            format!("screen after {}:{seconds}", minutes.trim_start_matches('0').max("0"))
        }
        None => file.to_owned(),
    }
}

/// Lines as HTML; those that a known cause explains stand out.
pub fn marked(lines: &[String]) -> String {
    let each = lines.iter().map(|line| match causes::find(line) {
        Some(cause) => {
            format!("<mark title=\"{}\">{}</mark>", escaped(&cause.cause), escaped(line))
        }
        None => escaped(line),
    });
    each.collect::<Vec<_>>().join("\n")
}

/// Files with an extension, by name.
fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    all.sort();
    all
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn tail(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_default();
    let end = bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or_default();
    let mut lines: Vec<String> =
        end.split(|b| *b == b'\n').map(crate::engine::console::plain).collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    lines.drain(..lines.len().saturating_sub(TAIL));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_inside_the_page_and_cannot_break_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("screen-0144.png"), b"\x89PNG").unwrap();
        let console = "first\n".repeat(100)
            + "</pre><script>alert(1)</script>\n\x1b[31mKernel panic - not syncing: x\x1b[0m\n\n";
        fs::write(dir.path().join("serial.log"), console).unwrap();
        fs::write(dir.path().join("build.log"), "x").unwrap();
        fs::write(dir.path().join("empty.log"), "").unwrap();
        let evidence = Evidence::of(dir.path(), "a/failed");
        let html = evidence.last_picture() + &evidence.logs();
        assert!(html.contains("src=\"data:image/png;base64,iVBORw==\""), "{html}");
        assert!(html.contains("screen after 1:44"), "{html}");
        assert!(html.contains("href=\"a/failed/serial.log\""), "{html}");
        assert!(html.find("serial.log") < html.find("build.log"), "{html}");
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script"), "{html}");
        assert!(html.contains("<mark title=\"the guest's kernel stopped\">Kernel panic"), "{html}");
        assert!(!html.contains('\x1b'), "{html}");
        assert_eq!(html.matches("first").count(), TAIL - 2);
        assert!(!html.contains("empty.log"));
        assert_eq!((evidence.other_pictures(), caption("x.png")), (String::new(), "x.png".into()));
    }
}
