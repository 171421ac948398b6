//! Targets that read text.

use super::used;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use packer_hcl::context::{Context, Impure};
use packer_hcl::source::Source;
use packer_hcl::template::{Inputs, Template};
use packer_hcl::value::{Str, Value};
use packer_hcl::{expression, format};

/// A directory with nothing in it: templates may name files.
static NOWHERE: LazyLock<Option<tempfile::TempDir>> = LazyLock::new(|| tempfile::tempdir().ok());

/// A template of Packer: formatted twice, loaded, evaluated.
pub(super) fn hcl(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(once) = format::format(&Source::new("x.pkr.hcl", text)) {
        let again = format::format(&Source::new("x.pkr.hcl", once.as_str()));
        assert!(again.is_ok_and(|again| again == once), "formatting twice changes more");
    }
    let Some(dir) = &*NOWHERE else { return };
    let Ok(template) = Template::from_sources(dir.path(), &[("x.pkr.hcl", text)]) else { return };
    used((template.declared_variables(), template.references().len()));
    used(template.evaluate(&Inputs::new(dir.path(), "1.16.0")));
}

/// Every word of `text` as a name with some value, so that evaluation gets
/// beyond the first unknown name.
fn names(text: &str) -> Vec<(Str, Value)> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let words: BTreeSet<&str> = words.filter(|word| (1..30).contains(&word.len())).collect();
    let value = |word: &str| match word.len() % 4 {
        0 => Value::bool(word.len().is_multiple_of(8)),
        1 => Value::string("text"),
        2 => Value::length_of(word.len()),
        _ => Value::tuple(vec![Value::string("one"), Value::int(2)]),
    };
    words.into_iter().take(200).map(|word| (Str::from(word), value(word))).collect()
}

/// A file that `templatefile` reads.
pub(super) fn template(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Some(dir) = &*NOWHERE else { return };
    let context = Context {
        base_dir: dir.path(),
        cwd: dir.path(),
        env: &BTreeMap::new(),
        impure: Impure::Placeholder,
        reads: RefCell::default(),
        steps: Cell::new(0),
    };
    used(expression::render(&Source::new("x.pkrtpl.hcl", text), names(text), &context));
}

/// `image.toml`.
pub(super) fn image_toml(input: &[u8]) {
    let Ok(dir) = tempfile::Builder::new().prefix("fuzz").tempdir_in("/dev/shm") else { return };
    if std::fs::write(dir.path().join("image.toml"), input).is_ok() {
        used(xtask::catalog::load_image(Path::new("/"), dir.path()));
    }
}

/// Rules for answer files, under the name `name`.
fn answers(name: &str, input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        used(xtask::validate::answers::problems(
            name,
            text,
            &xtask::validate::answers::About::NOTHING,
        ));
    }
}

/// Kickstarts.
pub(super) fn kickstart(input: &[u8]) {
    answers("ks.cfg", input);
}

/// Answer files in XML.
pub(super) fn xml(input: &[u8]) {
    answers("autoinst.xml", input);
}

/// What MAAS says about an image.
pub(super) fn maas_json(input: &[u8]) {
    use xtask::maas::resource::Resource;
    use xtask::maas::version::Version;
    let version = Version::parse(&String::from_utf8_lossy(input));
    let Ok(resources) = serde_json::from_slice::<Vec<Resource>>(input) else { return };
    for resource in &resources {
        used((resource.bare_name().len(), resource.full_name(), resource.stored()));
        used(resource.deployable().is_some());
        for set in resource.newest_first() {
            used((set.is_whole(), set.bytes(), set.date()));
            if let Some(file) = set.only_file() {
                used(file.received(&version, 1));
            }
        }
    }
}

/// The profiles of the `maas` command.
pub(super) fn sqlite(input: &[u8]) {
    for table in ["profiles", "sqlite_master"] {
        used(xtask::maas::sqlite::rows(input, table));
    }
}
