//! Checks by other programs: what templates render or carry goes through the
//! validator of its own language. Each text is checked once, however many
//! targets share it, and all in parallel. A missing program is a counted skip.
//!
//! One validator is one file here and one row of [`VALIDATORS`].

mod cache;
mod cloud;
mod kickstart;
mod python;
mod shell;
mod xml;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rayon::prelude::*;

use super::documents::{Document, Documents, Uses};
use crate::finding::Finding;
use crate::host::tools;

/// No validator takes longer for one file, even on a loaded machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// One run of a validator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Job {
    /// What is checked.
    pub document: Document,
    /// For the validator: a version, a dialect.
    pub option: String,
    /// Lines before the text in the document it was cut from.
    pub offset: usize,
}

/// A problem: line from 1, or 0, and what it is.
type Problem = (usize, String);

/// A program that knows a language.
struct Validator {
    /// Rule of its findings.
    id: &'static str,
    /// Program.
    tool: &'static str,
    /// The parts of a document that it can check.
    jobs: fn(&Document) -> Vec<Job>,
    /// Runs it; an error is a failure of the program itself.
    check: fn(&Path, &Job) -> Result<Vec<Problem>, String>,
}

/// Every validator.
const VALIDATORS: &[Validator] = &[
    Validator { id: "EXT001", tool: "ksvalidator", jobs: kickstart::jobs, check: kickstart::check },
    Validator { id: "EXT002", tool: "shellcheck", jobs: shell::jobs, check: shell::check },
    Validator { id: "EXT003", tool: "xmllint", jobs: xml::jobs, check: xml::check },
    Validator { id: "EXT004", tool: "python3", jobs: python::jobs, check: python::check },
    Validator { id: "EXT005", tool: "cloud-init", jobs: cloud::jobs, check: cloud::check },
];

/// What came of all validators.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What they found.
    pub findings: Vec<Finding>,
    /// Validators that are not installed, with what was left unchecked.
    pub skipped: Vec<String>,
}

/// Checks every document; `cache` is where good ones are remembered.
#[must_use]
pub fn check(root: &Path, documents: &Documents, cache: &Path) -> Outcome {
    let mut outcome = Outcome::default();
    for validator in VALIDATORS {
        let jobs = jobs(validator, &documents.texts);
        if jobs.is_empty() {
            continue;
        }
        let Some(program) = tools::find(validator.tool) else {
            outcome.skipped.push(format!(
                "{}: not installed, {} files unchecked (cargo xtask setup --validators)",
                validator.tool,
                jobs.len()
            ));
            continue;
        };
        let found = jobs.par_iter().flat_map(|(job, uses)| {
            let known = cache::place(cache, &program, validator.id, job);
            if known.exists() {
                return vec![];
            }
            let found = run(root, validator, &program, job, uses);
            if found.is_empty() {
                cache::remember(&known);
            }
            found
        });
        outcome.findings.extend(found.collect::<Vec<_>>());
    }
    outcome
}

/// Jobs with the targets they stand for. The same text for the same option is
/// one job, whichever document it comes from.
fn jobs(validator: &Validator, documents: &BTreeMap<Document, Uses>) -> Vec<(Job, Uses)> {
    let mut by_content: BTreeMap<(String, String), (Job, Uses)> = BTreeMap::new();
    for (document, uses) in documents {
        for job in (validator.jobs)(document) {
            let key = (job.document.text.clone(), job.option.clone());
            let entry = by_content.entry(key).or_insert_with(|| (job, Uses::default()));
            entry.1.targets.extend(uses.targets.iter().cloned());
            entry.1.sources.extend(uses.sources.iter().cloned());
        }
    }
    by_content.into_values().collect()
}

fn run(root: &Path, validator: &Validator, program: &Path, job: &Job, uses: &Uses) -> Vec<Finding> {
    let document = &job.document;
    let problems = (validator.check)(program, job)
        .unwrap_or_else(|why| vec![(0, format!("{} failed: {why}", validator.tool))]);
    let finding = |(line, text): Problem| {
        let mut place = document.place(root, &uses.sources, line);
        // A part that was cut out of a file has lines of its own.
        if line > 0 && document.name.is_empty() {
            place.line = line.saturating_add(job.offset);
        }
        let mut finding = Finding::error(validator.id, place, document.message(&text));
        finding.targets.clone_from(&uses.targets);
        finding
    };
    problems.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn document(text: &str) -> Document {
        Document {
            file: "rocky9/http/ks.pkrtpl.hcl".into(),
            name: "/ks.cfg".into(),
            text: text.into(),
        }
    }

    /// A file that is taken as it is.
    fn plain(text: &str) -> Document {
        Document { name: String::new(), ..document(text) }
    }

    fn documents<const N: usize>(texts: [(Document, &str); N]) -> Documents {
        let uses = |id: &str| Uses { targets: vec![id.to_owned()], ..Uses::default() };
        let texts = texts.into_iter().map(|(document, id)| (document, uses(id))).collect();
        let mut documents = Documents::default();
        documents.texts = texts;
        documents
    }

    #[test]
    fn a_text_that_targets_share_is_one_job() {
        let other =
            Document { file: "alma9/http/ks.pkrtpl.hcl".into(), ..document("#version=RHEL9\n") };
        let documents = documents([
            (document("#version=RHEL9\n"), "rocky9-amd64"),
            (other, "alma9-amd64"),
            (document("#version=RHEL8\n"), "rocky8-amd64"),
        ]);
        let jobs = jobs(&VALIDATORS[0], &documents.texts);
        assert_eq!(jobs.len(), 2);
        let shared = jobs.iter().find(|(job, _)| job.option == "RHEL9").unwrap();
        assert_eq!(shared.1.targets, ["alma9-amd64", "rocky9-amd64"]);
    }

    /// Each validator finds a planted mistake on its line; one that is not
    /// installed is counted, never silent.
    #[test]
    fn planted_mistakes_are_found() {
        let cache = tempfile::tempdir().unwrap();
        let kickstart = "#version=RHEL10\nlang en_US.UTF-8\ntimezone --isUtc Etc/UTC\n";
        let script = "#version=RHEL9\n%post --interpreter=/bin/bash\ncd $DIRECTORY\n%end\n";
        let xml = "<?xml version=\"1.0\"?>\n<profile>\n</profil>\n";
        let python = "#!/usr/bin/env python3\nprint(\n";
        let installer = "#cloud-config\nautoinstall:\n  version: 1\n  user-data:\n    runcmd: 3\n";
        for (tool, id, text, line) in [
            ("ksvalidator", "EXT001", kickstart, 3),
            ("shellcheck", "EXT002", script, 3),
            ("xmllint", "EXT003", xml, 3),
            ("python3", "EXT004", python, 2),
            ("cloud-init", "EXT005", "#cloud-config\nusers: []\nruncmd: 3\n", 3),
            ("cloud-init", "EXT005", installer, 5),
        ] {
            let documents = documents([(plain(text), "t")]);
            let outcome = check(Path::new("/"), &documents, cache.path());
            if tools::find(tool).is_none() {
                assert!(outcome.skipped.iter().any(|s| s.starts_with(tool)), "{tool}");
                continue;
            }
            let found = outcome.findings.iter().find(|f| f.id == id);
            let found = found.unwrap_or_else(|| panic!("{tool}: {outcome:?}"));
            assert_eq!(found.place.line, line, "{tool}: {found}");
        }
    }

    /// Only what is good is remembered, and only for the same text.
    #[test]
    fn a_good_text_is_checked_once() {
        if tools::find("xmllint").is_none() {
            // Past the capture of tests that pass.
            std::io::stderr()
                .write_all(b"skipped: xmllint is not installed (apt install libxml2-utils)\n")
                .unwrap();
            return;
        }
        let cache = tempfile::tempdir().unwrap();
        let good = "<?xml version=\"1.0\"?>\n<profile/>\n";
        let bad = "<?xml version=\"1.0\"?>\n<profile>\n";
        for _ in 0..2 {
            for (text, findings) in [(good, 0), (bad, 1)] {
                let documents = documents([(document(text), "t")]);
                let found = check(Path::new("/"), &documents, cache.path()).findings;
                assert_eq!(
                    found.iter().filter(|f| f.id == "EXT003").count(),
                    findings,
                    "{found:?}"
                );
            }
        }
        assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 1);
    }
}
