//! Named causes: what the console says when a build is lost.

use std::sync::OnceLock;

use regex::Regex;
use serde::Deserialize;

const TABLE: &str = include_str!("../../data/console-causes.toml");

/// A known failure of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// Stable name.
    pub id: String,
    /// Regular expression for one line.
    pub pattern: String,
    /// The guest cannot recover.
    pub fatal: bool,
    /// Another attempt may succeed although nothing was changed; a checksum or a
    /// script that fails will fail again.
    #[serde(default)]
    pub transient: bool,
    /// What is behind it.
    pub cause: String,
    /// What to do.
    pub fix: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    cause: Vec<Cause>,
}

/// All causes with their compiled patterns, in order. A test keeps the table
/// readable, so that it cannot be empty in practice.
pub fn all() -> &'static [(Cause, Regex)] {
    static CAUSES: OnceLock<Vec<(Cause, Regex)>> = OnceLock::new();
    CAUSES.get_or_init(|| {
        let table = toml::from_str(TABLE).unwrap_or(Table { cause: Vec::new() });
        let compile = |cause: Cause| Regex::new(&cause.pattern).ok().map(|regex| (cause, regex));
        table.cause.into_iter().filter_map(compile).collect()
    })
}

/// The cause that explains a line.
pub fn find(line: &str) -> Option<&'static Cause> {
    all().iter().find(|(_, regex)| regex.is_match(line)).map(|(cause, _)| cause)
}

/// Whether a line of an error is that of a failure that may pass by itself.
#[must_use]
pub fn is_transient(line: &str) -> bool {
    all().iter().any(|(cause, regex)| cause.transient && regex.is_match(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Header and lines of a fixture.
    fn fixture(id: &str) -> (String, Vec<String>) {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/console");
        let text = std::fs::read_to_string(format!("{dir}/{id}.log")).unwrap();
        let (header, lines) = text.split_once('\n').unwrap();
        (header.to_owned(), lines.lines().map(str::to_owned).collect())
    }

    #[test]
    fn the_table_is_whole_and_each_fixture_shows_its_own_cause() {
        let table: Table = toml::from_str(TABLE).unwrap();
        assert_eq!(all().len(), table.cause.len());
        assert!(table.cause.len() >= 25, "{}", table.cause.len());
        for cause in &table.cause {
            let (header, lines) = fixture(&cause.id);
            let origin = header.strip_prefix("# origin: ").unwrap();
            let origins = ["own run: ", "https://", "synthetic"];
            assert!(origins.iter().any(|known| origin.starts_with(known)), "{}", cause.id);
            let found = lines.iter().find_map(|line| find(line)).map(|found| found.id.as_str());
            assert_eq!(found, Some(cause.id.as_str()), "{lines:?}");
        }
    }

    #[test]
    fn what_may_pass_by_itself_is_told_from_what_will_not() {
        for (line, transient) in [
            ("  Temporary failure resolving 'deb.debian.org'", true),
            ("curl: (6) Could not resolve host: nosuch.invalid", true),
            ("E: Failed to fetch http://x/Packages.xz  Hash Sum mismatch", true),
            ("image-build: FAILED: line 41", false),
            ("E: Unable to locate package nosuch", false),
        ] {
            assert_eq!(is_transient(line), transient, "{line}");
        }
    }

    /// Each kind of end has to stop the build at once, not after its timeout.
    #[test]
    fn panics_shells_and_questions_stop_a_build_at_once() {
        use super::super::console::Console;
        for id in [
            "panic",
            "panic-no-root",
            "panic-no-init",
            "initramfs-shell",
            "dracut-shell",
            "emergency-shell",
            "grub-shell",
            "anaconda-question",
            "subiquity-question",
            "debian-installer-question",
            "kickstart-unreachable",
            "kickstart-invalid",
        ] {
            let dir = tempfile::tempdir().unwrap();
            let log = dir.path().join("serial.log");
            std::fs::write(&log, fixture(id).1.join("\r\n") + "\r\n").unwrap();
            let mut console = Console::new(&log);
            console.poll(|_| ());
            let cause = console.cause().unwrap();
            assert!(cause.fatal && cause.id == id, "{id}: {}", cause.id);
        }
    }

    #[test]
    fn ordinary_lines_are_no_causes() {
        for line in [
            "[    0.000000] Kernel command line: root=/dev/vda1 panic=-1",
            "[  OK  ] Reached target emergency.target - Emergency Mode.",
            "Begin: Mounting root file system ... Begin: Running /scripts/local-top ... done.",
            "Booting `Debian GNU/Linux'",
            "GNU GRUB  version 2.06-13+deb12u1",
        ] {
            assert_eq!(find(line), None, "{line}");
        }
    }
}
