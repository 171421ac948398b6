//! What the README of every image has to hold: all thirty, by the catalog and
//! the templates, not by sample. `docs --check` holds the generated parts; this
//! asks for what people look for, wherever it stands.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::Path;

use xtask::catalog::{Catalog, Image, MediaKind, Target};
use xtask::validate::readme::HEADINGS;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A README by its sections, and what is wrong with it.
struct Readme {
    name: String,
    text: String,
    wrong: Vec<String>,
}

impl Readme {
    fn of(image: &Image) -> Self {
        let text = fs::read_to_string(image.dir.join("README.md")).unwrap();
        Self { name: image.name.clone(), text, wrong: vec![] }
    }

    fn section(&self, heading: &str) -> String {
        let after = self.text.split_once(&format!("\n## {heading}\n")).map(|(_, after)| after);
        after.unwrap_or_default().split("\n## ").next().unwrap_or_default().to_owned()
    }

    /// `needle` has to stand in `place`; line ends count as spaces.
    fn holds(&mut self, place: &str, what: &str, needle: &str) {
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        if !flat(place).contains(&flat(needle)) {
            self.wrong.push(format!("{}: {what}: `{needle}` is missing", self.name));
        }
    }

    fn headings(&mut self) {
        let all = self.text.lines().filter_map(|line| line.strip_prefix("## "));
        let ours: Vec<&str> = all.filter(|heading| HEADINGS.contains(heading)).collect();
        if ours != HEADINGS {
            self.wrong.push(format!("{}: headings {ours:?}", self.name));
        }
    }

    fn by_hand(&mut self, image: &Image) {
        let packer = self.section("Build with packer");
        for line in [&format!("cd {}", image.name), "packer init .", "packer build"] {
            self.holds(&packer, "plain Packer", line);
        }
        let (limits, text) = (self.section("Known limits"), self.text.clone());
        self.holds(&limits, "at least one limit", "* ");
        self.holds(&text.to_lowercase(), "how it is deployed", "curtin");
        if let Some(word) = ["TODO", "FIXME", "XXX"].iter().find(|word| text.contains(**word)) {
            self.wrong.push(format!("{}: {word}", self.name));
        }
    }

    fn target(&mut self, target: &Target) {
        let (text, facts) = (self.text.clone(), &target.facts);
        self.holds(&text, "row", &format!("| `{}` |", target.id));
        self.holds(&text, "name in MAAS", &format!("`{}`", facts.maas.name));
        self.holds(&text, "oldest MAAS", &format!("MAAS {} or later", facts.maas.min_version));
        let log_in = self.section("Log in");
        self.holds(&log_in, "login user", &format!("User `{}`", facts.maas.login_user));
        if let Some(base) = &facts.maas.base_image {
            self.holds(&text, "base image", base);
        }
        for note in &facts.maas.notes {
            self.holds(&text, "note", note);
        }
        if facts.media.kind == MediaKind::User {
            let known = [&facts.media.env, &facts.media.from];
            for medium in known.into_iter().flatten() {
                self.holds(&text, "medium", medium);
            }
        }
    }

    /// A row for each variable that the template declares, with type and default.
    fn knobs(&mut self, dir: &Path) {
        let knobs = self.section("Knobs");
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            if !entry.file_name().to_string_lossy().ends_with(".pkr.hcl") {
                continue;
            }
            let template = fs::read_to_string(entry.path()).unwrap();
            let names = template.lines().filter_map(|line| line.strip_prefix("variable \""));
            for name in names.filter_map(|rest| rest.split('"').next()) {
                let row = knobs.lines().find(|line| line.starts_with(&format!("| `{name}` | ")));
                let cells =
                    row.map(|row| row.split(" | ").filter(|c| !c.trim().is_empty()).count());
                if cells.is_none_or(|cells| cells < 4) {
                    self.wrong.push(format!("{}: knob {name}: {row:?}", self.name));
                }
            }
        }
    }
}

#[test]
fn every_readme_answers_what_people_ask() {
    let catalog = Catalog::load(Path::new(ROOT)).unwrap();
    assert!(catalog.images.len() >= 30, "{}", catalog.images.len());
    let mut wrong = vec![];
    for image in &catalog.images {
        let mut readme = Readme::of(image);
        readme.headings();
        readme.by_hand(image);
        readme.knobs(&image.dir);
        image.targets.iter().for_each(|target| readme.target(target));
        wrong.extend(readme.wrong);
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A README without a fact is noticed, whichever it is.
#[test]
fn what_is_missing_is_told() {
    let catalog = Catalog::load(Path::new(ROOT)).unwrap();
    let image = catalog.image("rhel9").unwrap();
    for (taken, told) in [
        ("RHEL9_ISO_PATH", "medium"),
        ("cloud-user", "login user"),
        ("packer init .", "plain Packer"),
        ("MAAS 3.3 or later", "oldest MAAS"),
        ("| `kernel` |", "knob kernel"),
        ("rhel/rhel9", "name in MAAS"),
        ("## Knobs", "headings"),
        ("subscription-manager", "note"),
    ] {
        let mut readme = Readme::of(image);
        assert!(readme.text.contains(taken), "{taken}");
        readme.text = readme.text.replace(taken, "");
        readme.headings();
        readme.by_hand(image);
        readme.knobs(&image.dir);
        image.targets.iter().for_each(|target| readme.target(target));
        assert!(readme.wrong.iter().any(|w| w.contains(told)), "{taken}: {:?}", readme.wrong);
    }
}
