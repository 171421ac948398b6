//! The fuzz targets as data; the functions are in the crate `xtask-fuzz`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::at::At as _;
use crate::build::output::write_atomic;

/// Environment variable that names the target to the program of `xtask-fuzz`.
pub const TARGET_VARIABLE: &str = "XTASK_FUZZ_TARGET";

/// How inputs may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Anywhere, also in length.
    Bytes,
    /// A disk in the small form: in place.
    Disk,
}

/// Something that reads foreign bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line, and of its directories of inputs.
    pub name: &'static str,
    /// What reads what.
    pub about: &'static str,
    /// How inputs may be changed.
    pub form: Form,
    /// Files of this tree that are inputs, too: ends of their paths.
    pub from_tree: &'static [&'static str],
}

/// Longest input, bytes.
pub const MAX_LEN: usize = 256 << 10;

/// All targets.
pub const TARGETS: &[Target] = &[
    text("hcl", "templates: format, load, evaluate", &[".pkr.hcl"]),
    text("template", "files of templatefile()", &[".pkrtpl.hcl"]),
    text("image-toml", "image.toml", &["/image.toml"]),
    text("kickstart", "kickstarts, also those of ESXi", &["/ks.pkrtpl.hcl"]),
    text(
        "xml",
        "answer files in XML: unattend, AutoYaST, XenServer",
        &[".xml.pkrtpl.hcl", "/unattend.pkrtpl.hcl", "/sysprep.pkrtpl.hcl", "/answers.pkrtpl.hcl"],
    ),
    text("maas-json", "what MAAS says about images", &[]),
    text("sqlite", "profiles of the maas command", &[]),
    disk("partition", "MBR and GPT"),
    disk("lvm", "LVM labels and metadata"),
    disk("ext4", "ext2 to ext4, with journals"),
    disk("xfs", "XFS, with logs"),
    disk("fat", "FAT12 to FAT32"),
    Target { form: Form::Bytes, ..disk("qcow2", "qcow2 images") },
    Target { form: Form::Bytes, ..disk("rpmdb", "rpm databases: SQLite and ndb") },
    Target { form: Form::Bytes, ..disk("tar", "archives in artifacts, and the contract's checks") },
    Target { form: Form::Bytes, ..disk("gzip", "artifacts") },
    Target { form: Form::Bytes, ..disk("rpmdb", "rpm databases: SQLite and ndb") },
];

const fn text(
    name: &'static str,
    about: &'static str,
    from_tree: &'static [&'static str],
) -> Target {
    Target { name, about, form: Form::Bytes, from_tree }
}

const fn disk(name: &'static str, about: &'static str) -> Target {
    Target { name, about, form: Form::Disk, from_tree: &[] }
}

/// The target of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// One run: a line of `records/fuzz.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Name of the target.
    pub target: String,
    /// `YYYY-MM-DD`.
    pub date: String,
    /// Commit of this repository, with `-dirty` if it was.
    pub commit: String,
    /// How long it ran.
    pub seconds: u64,
    /// Inputs tried.
    pub executions: u64,
    /// Edges of the control flow that were reached.
    pub coverage: u64,
    /// Crashes, hangs and memory beyond the limit.
    pub findings: u64,
}

/// All runs, oldest first; none if there is no file.
///
/// # Errors
/// The file cannot be read, or a line is no record.
pub fn records(path: &Path) -> anyhow::Result<Vec<Record>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => {
            return Err(e).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    let parse = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| crate::records::damaged(path, i + 1, &e))
    };
    text.lines().enumerate().map(parse).collect()
}

/// Adds a run.
///
/// # Errors
/// As [`records`], or the file cannot be written.
pub fn append(path: &Path, record: Record) -> anyhow::Result<()> {
    let mut all = records(path)?;
    all.push(record);
    let lines: Result<Vec<String>, _> = all.iter().map(serde_json::to_string).collect();
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).at("make", dir)?;
    }
    write_atomic(path, (lines?.join("\n") + "\n").as_bytes())
}

/// Seconds, executions and findings of all runs, by target.
#[must_use]
pub fn totals(records: &[Record]) -> BTreeMap<&str, (u64, u64, u64)> {
    let mut totals: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for record in records {
        let total = totals.entry(&record.target).or_default();
        total.0 += record.seconds;
        total.1 += record.executions;
        total.2 += record.findings;
    }
    totals
}

/// What libFuzzer says about a run while and after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Inputs tried.
    pub executions: u64,
    /// Edges of the control flow that were reached.
    pub coverage: u64,
}

impl Seen {
    /// Takes what is in a line such as
    /// `#2048 pulse cov: 310 ft: 512 corp: 9/2Kb lim: 21 exec/s: 1024 rss: 40Mb`.
    pub fn add_line(&mut self, line: &str) {
        let number = |text: &str| text.parse::<u64>().ok();
        let mut words = line.split_whitespace();
        if let Some(count) = words.next().and_then(|word| number(word.strip_prefix('#')?)) {
            self.executions = self.executions.max(count);
            if let Some(edges) = words.skip_while(|word| *word != "cov:").nth(1).and_then(number) {
                self.coverage = self.coverage.max(edges);
            }
        } else if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = number(count.trim()).unwrap_or(self.executions);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Own run of libfuzzer-sys 0.4.13.
    const OUTPUT: &str = "INFO: seed corpus: files: 16 min: 1b max: 132121b total: 1Mb rss: 40Mb\n\
        #17\tINITED cov: 1204 ft: 3307 corp: 16/1Mb exec/s: 8 rss: 79Mb\n\
        #2048\tpulse  cov: 1310 ft: 3512 corp: 40/2Mb lim: 4096 exec/s: 1024 rss: 99Mb\n\
        Done 4711 runs in 21 second(s)\nstat::number_of_executed_units: 4711\n";

    #[test]
    fn figures_are_taken_from_what_the_engine_says() {
        let mut seen = Seen::default();
        OUTPUT.lines().for_each(|line| seen.add_line(line));
        assert_eq!(seen, Seen { executions: 4711, coverage: 1310 });
    }

    #[test]
    fn records_add_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("records/fuzz.jsonl");
        assert_eq!(records(&path).unwrap(), []);
        for (target, seconds) in [("xfs", 10), ("ext4", 20), ("xfs", 30)] {
            let record = Record {
                target: target.into(),
                date: "2026-01-01".into(),
                commit: "0".into(),
                seconds,
                executions: 7,
                coverage: 1,
                findings: 1,
            };
            append(&path, record).unwrap();
        }
        let records = records(&path).unwrap();
        assert_eq!(totals(&records)["xfs"], (40, 14, 2));
        assert_eq!(totals(&records)["ext4"], (20, 7, 1));
    }
}
