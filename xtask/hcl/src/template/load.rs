//! Finding and reading the files of a template directory.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::{MAX_SOURCE_BYTES, Source};
use crate::syntax::parse_body;
use crate::template::{Parsed, ParsedFile, Template, references};

/// Parses a directory or a single file.
pub(crate) fn load(path: &Path) -> Result<Template, Vec<Diagnostic>> {
    load_as(path, path)
}

/// See [`Template::load_as`].
pub(crate) fn load_as(path: &Path, shown: &Path) -> Result<Template, Vec<Diagnostic>> {
    let single = |error: Diagnostic| vec![error];
    let found = std::fs::metadata(path).map_err(|error| {
        let detail = format!("{}: {error}", path.display());
        single(Diagnostic::unplaced("Cannot read the template", detail))
    })?;
    if !found.is_dir() {
        let dir = shown.parent().unwrap_or(Path::new("."));
        let source = read_source_as(path, shown).map_err(single)?;
        return from_sources(dir, vec![source]);
    }
    let names = list(path).map_err(single)?;
    let ending = |suffix: &'static str| names.iter().filter(move |name| name.ends_with(suffix));
    let mut problems: Vec<Diagnostic> =
        ending(".pkr.json").map(|name| json_template(&shown.join(name))).collect();
    let mut sources = Vec::new();
    for name in ending(".pkr.hcl") {
        match read_source_as(&path.join(name), &shown.join(name)) {
            Ok(source) => sources.push(source),
            Err(problem) => problems.push(problem),
        }
    }
    if sources.is_empty() && problems.is_empty() {
        problems.push(Diagnostic::unplaced(
            format!("Could not find any config file in {}", shown.display()),
            "A config file must be suffixed with `.pkr.hcl`. A folder can be referenced.",
        ));
    }
    let auto = ending(".auto.pkrvars.hcl").chain(ending(".auto.pkrvars.json"));
    let auto = auto.map(|name| (path.join(name), shown.join(name))).collect();
    parse(shown, sources, auto, problems)
}

/// Parses texts that are already in memory.
pub(crate) fn from_sources(
    dir: &Path,
    sources: Vec<Arc<Source>>,
) -> Result<Template, Vec<Diagnostic>> {
    parse(dir, sources, Vec::new(), Vec::new())
}

fn parse(
    dir: &Path,
    sources: Vec<Arc<Source>>,
    auto_var_files: Vec<(PathBuf, PathBuf)>,
    mut problems: Vec<Diagnostic>,
) -> Result<Template, Vec<Diagnostic>> {
    let mut files = Vec::with_capacity(sources.len());
    for source in sources {
        let (body, found) = parse_body(&source);
        problems.extend(found);
        files.push(ParsedFile { source, body });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let references = references::collect(&files);
    let dir = dir.to_owned();
    Ok(Template { parsed: Arc::new(Parsed { dir, files, auto_var_files, references }) })
}

/// Names of the directory's files, sorted.
fn list(dir: &Path) -> Result<Vec<String>, Diagnostic> {
    let failed = |error: std::io::Error| {
        let detail = format!("{}: {error}", dir.display());
        Diagnostic::unplaced("Cannot read hcl directory", detail)
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if let (false, Ok(name)) = (is_dir, entry.file_name().into_string()) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn json_template(path: &Path) -> Diagnostic {
    Diagnostic::unplaced(
        "JSON templates are not supported",
        format!(
            "{} is a template in JSON syntax. Rewrite it in HCL (`*.pkr.hcl`), or build this \
             directory with Packer itself.",
            path.display()
        ),
    )
}

/// Reads a text file, however large or strange the thing at that path is.
pub(crate) fn read_source_as(path: &Path, shown: &Path) -> Result<Arc<Source>, Diagnostic> {
    let failed = |reason: String, next: &str| {
        let detail = format!("{}: {reason}", shown.display());
        // The file as a whole: nobody has seen its text.
        let nothing = crate::source::Range { start: 0, end: 0 };
        let span = crate::source::Span::new(&Source::new(shown, ""), nothing);
        Diagnostic::error("Failed to read file", detail, span).with_label(Some(next.to_owned()))
    };
    let by_system = |error: std::io::Error| {
        let next = match error.kind() {
            ErrorKind::NotFound => {
                "a link to a file that is gone? remove it, or bring the file back"
            }
            _ => "see owner and mode with `ls -l`",
        };
        failed(error.to_string(), next)
    };
    let found = std::fs::metadata(path).map_err(by_system)?;
    if !found.is_file() {
        return Err(failed("it is not a regular file".to_owned(), "give a file, or rename it"));
    }
    let file = std::fs::File::open(path).map_err(by_system)?;
    let mut bytes = Vec::new();
    file.take(MAX_SOURCE_BYTES + 1).read_to_end(&mut bytes).map_err(by_system)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_SOURCE_BYTES {
        let reason = format!("it is larger than {} MiB", MAX_SOURCE_BYTES >> 20);
        return Err(failed(reason, "a disk image with the name of a template? move it away"));
    }
    String::from_utf8(bytes).map(|text| Source::new(shown, text)).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let start = u32::try_from(valid).unwrap_or(u32::MAX);
        let range = crate::source::Range { start, end: start.saturating_add(1) };
        Diagnostic::error(
            "Invalid character encoding",
            "All input files must be UTF-8 encoded. Ensure that UTF-8 encoding is selected in \
             your editor.",
            crate::source::Span::new(&Source::new(shown, text), range),
        )
    })
}
