//! From what people type to targets: ids, leading components, globs.

use super::{Catalog, Image, Target};
use crate::arch::Arch;
use crate::finding::suggest;

/// What the command line asked for.
#[derive(Clone, Debug, Default)]
pub struct Selection<'a> {
    /// Ids, leading whole components of them, or globs.
    pub patterns: &'a [String],
    /// Everything that is not EOL.
    pub all: bool,
    /// Architecture where a pattern names none.
    pub arch: Option<Arch>,
    /// Date that decides what is EOL, `YYYY-MM-DD`.
    pub today: &'a str,
}

/// The targets a selection means, in catalog order, each once.
///
/// # Errors
/// A pattern that matches nothing, with a suggestion.
pub fn select<'c>(
    catalog: &'c Catalog,
    selection: &Selection<'_>,
) -> Result<Vec<&'c Target>, String> {
    let mut chosen: Vec<&str> = vec![];
    if selection.all {
        let live = catalog.targets().filter(|t| !t.is_eol(selection.today));
        chosen.extend(live.filter(|t| selection.arch.is_none_or(|a| a == t.arch)).map(|t| &*t.id));
    }
    for pattern in selection.patterns {
        let found = matching(catalog, pattern, selection);
        if found.is_empty() {
            return Err(unknown(catalog, pattern, selection));
        }
        chosen.extend(found.iter().map(|t| &*t.id));
    }
    Ok(catalog.targets().filter(|t| chosen.contains(&&*t.id)).collect())
}

fn matching<'c>(catalog: &'c Catalog, pattern: &str, selection: &Selection<'_>) -> Vec<&'c Target> {
    let pattern = pattern.trim_end_matches('/');
    if let Some(target) = catalog.targets().find(|t| t.id == pattern) {
        return vec![target];
    }
    let is_glob = pattern.contains(['*', '?', '[']);
    if is_glob {
        let live = catalog.targets().filter(|t| !t.is_eol(selection.today));
        let whole: Vec<_> = live
            .filter(|t| glob(pattern, &t.id) && selection.arch.is_none_or(|a| a == t.arch))
            .collect();
        if !whole.is_empty() {
            return whole;
        }
    }
    let mut prefixes: Vec<(&Image, String)> = vec![];
    for image in &catalog.images {
        for prefix in image.targets.iter().flat_map(Target::prefixes) {
            let hit = if is_glob { glob(pattern, &prefix) } else { prefix == pattern };
            if hit && !prefixes.iter().any(|(_, p)| *p == prefix) {
                prefixes.push((image, prefix));
            }
        }
    }
    prefixes.iter().filter_map(|(image, prefix)| fill(image, prefix, selection.arch)).collect()
}

/// The one target a leading part means: the image's defaults fill the rest,
/// the architecture is the asked one, the host's, or the first.
fn fill<'c>(image: &'c Image, prefix: &str, arch: Option<Arch>) -> Option<&'c Target> {
    let candidates: Vec<&Target> =
        image.targets.iter().filter(|t| t.prefixes().iter().any(|p| p == prefix)).collect();
    let score = |t: &Target| {
        let release = t.release.as_deref() == image.default_release.as_deref();
        let flavor = t.flavor.as_deref() == image.default_flavor.as_deref();
        let asked = arch.is_none_or(|a| a == t.arch);
        (asked, release, flavor, Some(t.arch) == Arch::host())
    };
    // Of equals the last release is the newest, but the first arch is first.
    let best = candidates.iter().map(|t| score(t)).max()?;
    candidates.into_iter().find(|t| score(t) == best && arch.is_none_or(|a| a == t.arch))
}

fn unknown(catalog: &Catalog, pattern: &str, selection: &Selection<'_>) -> String {
    if let Some(arch) = selection.arch {
        let any = Selection { arch: None, ..selection.clone() };
        if let Some(other) = matching(catalog, pattern, &any).first() {
            let (name, has) = (arch.name(), other.arch.name());
            return format!(
                "`{pattern}` has no target for {name}\n  hint: {} is for {has}; leave --arch out",
                other.id
            );
        }
    }
    let prefixes: Vec<String> = catalog.targets().flat_map(Target::prefixes).collect();
    let near = suggest(pattern, prefixes.iter().map(String::as_str));
    let hint = match (near, continued(&prefixes, pattern)) {
        (near, Some(there))
            if is_number(pattern) || near.is_none_or(|n| pattern.starts_with(n)) =>
        {
            format!("there is {there}")
        }
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, _) if catalog.images.is_empty() => {
            "this tree has no image.toml: work in a clone of the repository, or name it with --root"
                .into()
        }
        (None, _) => "`cargo xtask list` shows every image".into(),
    };
    format!("no target matches `{pattern}`\n  hint: {hint}")
}

/// Whether the last part of a name begins as releases do: one number is like
/// another, so that the nearest is not what was meant.
fn is_number(pattern: &str) -> bool {
    let last = pattern.rsplit('-').next().unwrap_or_default();
    last.starts_with(|c: char| c.is_ascii_digit())
}

/// What can follow the part of a name before its last dash: the releases, for
/// `debian-99`.
fn continued(prefixes: &[String], pattern: &str) -> Option<String> {
    let (known, _) = pattern.trim_end_matches('/').rsplit_once('-')?;
    let longer = |prefix: &&String| prefix.strip_prefix(known).is_some_and(|r| r.starts_with('-'));
    let all: Vec<&String> = prefixes.iter().filter(longer).collect();
    let mut next: Vec<&str> = vec![];
    for prefix in &all {
        // Of `debian-12` and `debian-12-mirror`, the first.
        let is_next =
            !all.iter().any(|p| prefix.strip_prefix(&***p).is_some_and(|r| r.starts_with('-')));
        if is_next && !next.contains(&prefix.as_str()) {
            next.push(prefix);
        }
    }
    (!next.is_empty()).then(|| next.join(", "))
}

/// Shell-style match: `*`, `?`, `[ab]`, `[0-9]`, `[!x]`. Ids are ASCII.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    glob_bytes(pattern.as_bytes(), text.as_bytes())
}

fn glob_bytes(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|i| glob_bytes(rest, &text[i..])),
        ([b'[', rest @ ..], [c, after @ ..]) => match rest.iter().position(|b| *b == b']') {
            Some(end) => class(&rest[..end], *c) && glob_bytes(&rest[end + 1..], after),
            None => false,
        },
        ([b'?', rest @ ..], [_, after @ ..]) => glob_bytes(rest, after),
        ([p, rest @ ..], [c, after @ ..]) => p == c && glob_bytes(rest, after),
        _ => false,
    }
}

fn class(set: &[u8], c: u8) -> bool {
    let (negated, set) = match set {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, set),
    };
    let mut hit = false;
    let mut rest = set;
    while let [first, tail @ ..] = rest {
        (hit, rest) = match tail {
            [b'-', last, more @ ..] => (hit || (*first..=*last).contains(&c), more),
            _ => (hit || *first == c, tail),
        };
    }
    hit != negated
}
