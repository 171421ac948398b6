//! Our own rules for answer files and scripts, as targets render and carry
//! them: no other program is needed, and no network.

mod autoyast;
pub mod esxi;
pub mod kickstart;
pub mod passwords;
pub mod structured;
pub mod unattend;
pub mod xenserver;
pub mod xml;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use rayon::prelude::*;
use regex::Regex;
use serde_json::Value;

use super::documents::{Document, Documents, Uses};
use crate::arch::Arch;
use crate::finding::Finding;

/// What is wrong: line from 1, and why.
pub type Problem = (usize, String);

/// A rule with what breaks it.
pub type Broken = (&'static str, Problem);

/// What is known about a text beside its words.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// Says whether the user gave a value.
    pub given: &'a dyn Fn(&str) -> bool,
    /// Ids of the targets that have the text.
    pub targets: &'a [&'a str],
}

impl About<'_> {
    /// Of a text that nobody says anything about.
    pub const NOTHING: Self = Self { given: &|_| false, targets: &[] };

    /// The architecture of all its targets.
    fn arch(&self) -> Option<Arch> {
        let of = |target: &str| Arch::ALL.into_iter().find(|arch| target.ends_with(arch.name()));
        let first = of(self.targets.first()?)?;
        self.targets.iter().all(|target| of(target) == Some(first)).then_some(first)
    }
}

/// Checks every text once, however many targets share it.
#[must_use]
pub fn check(root: &Path, documents: &Documents) -> Vec<Finding> {
    let mut by_text: BTreeMap<(&str, bool), Vec<(&Document, &Uses)>> = BTreeMap::new();
    for (document, uses) in &documents.texts {
        let key = (document.text.as_str(), document.name.ends_with(".json"));
        by_text.entry(key).or_default().push((document, uses));
    }
    let texts: Vec<_> = by_text.into_values().collect();
    let found = texts.par_iter().flat_map_iter(|same| {
        let Some((first, _)) = same.first() else { return vec![] };
        let given = |password: &str| documents.given.iter().any(|value| value == password);
        let targets = same.iter().flat_map(|(_, uses)| &uses.targets).map(String::as_str);
        let targets: Vec<&str> = targets.collect();
        let about = About { given: &given, targets: &targets };
        let broken = problems(&first.name, &first.text, &about);
        broken.into_iter().flat_map(|broken| findings(root, same, &broken)).collect()
    });
    found.collect()
}

/// One finding for each place that the text comes from.
fn findings(root: &Path, same: &[(&Document, &Uses)], (id, problem): &Broken) -> Vec<Finding> {
    let one = |(document, uses): &(&Document, &Uses)| {
        let place = document.place(root, &uses.sources, problem.0);
        let finding = Finding::error(id, place, document.message(&problem.1));
        Finding { targets: uses.targets.clone(), ..finding.help(help(id)) }
    };
    same.iter().map(one).collect()
}

fn help(id: &str) -> &'static str {
    match id {
        "SEC002" => "lock the account, or render a local with uuidv4() that is sensitive",
        "NET001" => "{{ .HTTPIP }}:{{ .HTTPPort }} in boot_command, or cd_content",
        _ => "correct the answer file; `cargo xtask plan` shows it rendered",
    }
}

/// Everything wrong with one text.
#[must_use]
pub fn problems(name: &str, text: &str, about: &About<'_>) -> Vec<Broken> {
    let mut found = printed(text, about);
    let mut passwords = passwords::in_lines(text);
    let start = text.trim_start_matches('\u{feff}').trim_start();
    if start.starts_with("<?xml") || (name.ends_with(".xml") && start.starts_with('<')) {
        match xml::parse(text) {
            Ok(root) => {
                passwords.extend(passwords::in_xml(&root));
                found.extend(profile(&root, about));
            }
            Err(problem) => found.push(("ANS001", problem)),
        }
    } else if name.ends_with(".json") || (start.starts_with('{') && !name.is_empty()) {
        match serde_json::from_str::<Value>(text) {
            Ok(value) => {
                passwords.extend(passwords::in_json(text, &value));
                if structured::is_agama(&value) {
                    let agama = structured::agama(text, &value);
                    found.extend(agama.into_iter().map(|p| ("ANS006", p)));
                }
            }
            Err(e) => found.push(("ANS001", (e.line(), format!("no JSON: {e}")))),
        }
    } else if start.starts_with("#cloud-config") {
        found.extend(cloud_config(text));
    } else if is_kickstart(name, text) {
        found.extend(kickstart(text, about));
    }
    found.extend(ports(text));
    let fixed = passwords.into_iter().filter(|(_, password, _)| !(about.given)(password));
    found.extend(fixed.map(|(line, _, what)| {
        ("SEC002", (line, format!("{what} sets a password that is the same for every build")))
    }));
    found
}

/// XML that a script prints for an installer, as XenServer's does, from its
/// here-documents.
fn printed(text: &str, about: &About<'_>) -> Vec<Broken> {
    let mut found = vec![];
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate().filter(|_| text.starts_with("#!")) {
        let Some((_, tag)) = line.rsplit_once("<<") else { continue };
        let tag = tag.trim_start_matches('-').trim().trim_matches(['\'', '"']);
        let rest = lines.get(at + 1..).unwrap_or_default();
        let end = rest.iter().position(|line| line.trim() == tag).unwrap_or(0);
        let body = rest.get(..end).unwrap_or_default();
        if body.first().is_some_and(|first| first.starts_with("<?xml")) {
            let inner = problems("", &body.join("\n"), about);
            found.extend(inner.into_iter().map(|(id, (n, why))| (id, (n + at + 1, why))));
        }
    }
    found
}

/// [`problems`] of whatever stands in a file of that name: the entry for fuzzing.
#[must_use]
pub fn of_bytes(name: &str, bytes: &[u8]) -> Vec<Broken> {
    problems(name, &String::from_utf8_lossy(bytes), &About::NOTHING)
}

/// What the element at the top makes of an XML answer file.
fn profile(root: &xml::Element, about: &About<'_>) -> Vec<Broken> {
    match root.name.as_str() {
        "unattend" => unattend::unattend(root, about.arch()),
        "profile" => autoyast::autoyast(root).into_iter().map(|p| ("ANS004", p)).collect(),
        "installation" => xenserver::xenserver(root),
        _ => vec![],
    }
}

/// What is wrong with a kickstart, of Anaconda's kind or of ESXi's.
fn kickstart(text: &str, about: &About<'_>) -> Vec<Broken> {
    let read = kickstart::parse(text);
    let broken = kickstart::broken(&read).into_iter().map(|p| ("ANS001", p));
    if read.is_esxi() {
        let releases: Vec<_> = about.targets.iter().filter_map(|id| esxi::release(id)).collect();
        return broken
            .chain(esxi::esxi(&read, &releases).into_iter().map(|p| ("ANS008", p)))
            .collect();
    }
    broken.chain(kickstart::quiet(&read).into_iter().map(|p| ("ANS002", p))).collect()
}

fn cloud_config(text: &str) -> Vec<Broken> {
    match packer_hcl::yaml::read(text) {
        Err(problem) => vec![("ANS001", (problem.0, format!("no YAML: {}", problem.1)))],
        Ok(value) => {
            let json = value.to_plan_json();
            let answers = json.get("autoinstall");
            let found = answers.map(|answers| structured::autoinstall(text, answers));
            found.into_iter().flatten().map(|problem| ("ANS007", problem)).collect()
        }
    }
}

fn is_kickstart(name: &str, text: &str) -> bool {
    let commands = ["vmaccepteula", "rootpw ", "clearpart "];
    text.starts_with("#version=")
        || name.ends_with("ks.cfg")
        || (!text.starts_with("#!")
            && text.lines().any(|line| commands.iter().any(|word| line.starts_with(word))))
}

/// NET001: the build host's address inside a guest, with a port written out.
fn ports(text: &str) -> Vec<Broken> {
    static HOST: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\b10\.0\.2\.2:\d{2,5}\b").ok());
    if !text.contains("10.0.2.2:") {
        return vec![];
    }
    let Some(host) = HOST.as_ref() else { return vec![] };
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let address = host.find(line)?.as_str();
            Some(("NET001", (index + 1, format!("{address} is a fixed port of the build host"))))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_text_meets_its_rules() {
        for (name, text, id, line) in [
            (
                "/generate",
                "#!/bin/sh\nsed s/a/b/ <<'EOT'\n<?xml version=\"1.0\"?>\n<installation>\n<scrpt/>\n</installation>\nEOT\n",
                "ANS012",
                5,
            ),
            ("/ks.cfg", "vmaccepteula\nclearpart --linux\n", "ANS008", 2),
            ("/a.xml", "<a>\n</b>", "ANS001", 2),
            ("/p.json", "{\n\"a\": 1,\n}", "ANS001", 3),
            ("user-data", "#cloud-config\na: [\n", "ANS001", 3),
            (
                "user-data",
                "#cloud-config\nautoinstall:\n  version: 2\n  user-data: {}\n",
                "ANS007",
                2,
            ),
            ("/ks.cfg", "poweroff\n%packages\n", "ANS001", 2),
            ("/ks.cfg", "poweroff\n%post\n%end\n", "ANS002", 2),
            ("x", "<?xml version='1.0'?>\n<unattend/>", "ANS003", 2),
            ("/p.json", "{\"product\":{},\"user\":{}}", "ANS006", 1),
            ("/x.sh", "#!/bin/sh\ncurl http://10.0.2.2:8000/x\n", "NET001", 2),
            ("/ks.cfg", "poweroff\nrootpw secret\n", "SEC002", 2),
        ] {
            let found = problems(name, text, &About::NOTHING);
            let hit = found.iter().any(|(rule, (at, _))| (*rule, *at) == (id, line));
            assert!(hit, "{id} {line}: {found:?}");
        }
        let about = About { given: &|p| p == "secret", targets: &[] };
        assert_eq!(problems("/ks.cfg", "poweroff\nrootpw secret\n", &about), vec![]);
    }
}
