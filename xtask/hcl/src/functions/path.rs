//! Paths as text, as Go's `path/filepath` treats them on Unix.

/// The shortest equivalent path, found without looking at the file system;
/// `.` for an empty one.
pub(super) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".to_owned(),
        (false, path) => path,
    }
}

/// The second path as seen from the first; an absolute one stands alone.
pub(super) fn resolve(base: &str, path: &str) -> String {
    if path.starts_with('/') { clean(path) } else { join(base, path) }
}

/// Both paths, one after the other; empty ones do not count.
pub(super) fn join(base: &str, path: &str) -> String {
    match (base, path) {
        ("", "") => String::new(),
        ("", path) => clean(path),
        (base, "") => clean(base),
        (base, path) => clean(&format!("{base}/{path}")),
    }
}

/// The last element, without trailing slashes.
pub(super) fn base(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" if path.is_empty() => ".".to_owned(),
        "" => "/".to_owned(),
        trimmed => trimmed.rsplit('/').next().unwrap_or(trimmed).to_owned(),
    }
}

/// All but the last element, cleaned.
pub(super) fn dir(path: &str) -> String {
    clean(path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or(""))
}

/// The target as seen from the base; both are cleaned, and either absolute or
/// relative to the same directory.
pub(super) fn relative(base: &str, target: &str) -> String {
    let parts = |path: &str| -> Vec<String> {
        path.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect()
    };
    let (base, target) = (parts(base), parts(target));
    let common = base.iter().zip(&target).take_while(|(a, b)| a == b).count();
    let up = base.len() - common;
    let down = target.iter().skip(common).map(String::as_str);
    let path: Vec<&str> = std::iter::repeat_n("..", up).chain(down).collect();
    if path.is_empty() { ".".to_owned() } else { path.join("/") }
}

#[cfg(test)]
mod tests {
    use super::{base, clean, dir, relative, resolve};

    #[test]
    fn as_go_documents() {
        for (given, want) in [
            ("", "."),
            ("a//b/./c/..", "a/b"),
            ("/../a", "/a"),
            ("../../a/..", "../.."),
            ("/", "/"),
            ("a/../..", ".."),
        ] {
            assert_eq!(clean(given), want, "{given}");
        }
        assert_eq!(resolve("a/b", "../c"), "a/c");
        assert_eq!(resolve("a", "/c/"), "/c");
        assert_eq!(base("///"), "/");
        assert_eq!(dir("/a"), "/");
        assert_eq!(relative("a/b", "a/c/d"), "../c/d");
        assert_eq!(relative(".", "a"), "a");
    }
}
