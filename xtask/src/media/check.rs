//! Are pinned media still there, and is there something newer?

use super::http::{self, masked};
use super::{Context, MediaError, download};

/// What the server says about a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// HTTP status of the medium itself; 200 is alive.
    pub code: u16,
    /// The pinned part of the URL and a newer one of the same form.
    pub newer: Option<Newer>,
}

/// A pin and its successor: a directory (`20250210-2019`) or a file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newer {
    /// As it stands in the URL.
    pub pinned: String,
    /// As the server lists it.
    pub found: String,
}

/// Asks for the medium and looks through the listing it is pinned in.
///
/// # Errors
/// The server does not answer at all.
pub fn check(url: &str, ctx: &Context<'_>) -> Result<Checked, MediaError> {
    let answer = http::get(url, 0, None, ctx)?
        .map_err(|http::NoAnswer(reason)| MediaError::Network { url: masked(url), reason })?;
    let newer = match pin(url) {
        // Many servers list nothing; that is no finding.
        Some((listing, pinned)) => download::text(&listing, ctx)
            .ok()
            .and_then(|page| newest(&page, pinned))
            .map(|found| Newer { pinned: pinned.to_owned(), found }),
        None => None,
    };
    Ok(Checked { code: answer.code, newer })
}

/// URL of the listing, and the part of the URL that it lists: the last directory
/// that is nothing but a version, else the file name.
fn pin(url: &str) -> Option<(String, &str)> {
    let host_end = url.find("://")? + 3;
    let path_start = host_end + url.get(host_end..)?.find('/')?;
    let path = url.get(path_start + 1..)?;
    let parts: Vec<&str> = path.split('/').collect();
    let (file, directories) = parts.split_last()?;
    let index = directories.iter().rposition(|part| is_version(part)).unwrap_or(directories.len());
    let pinned = parts.get(index).copied().unwrap_or(file);
    let before: String = parts.iter().take(index).map(|part| format!("{part}/")).collect();
    Some((format!("{}/{before}", url.get(..path_start)?), pinned))
}

/// Also `release-20260705`, as Ubuntu names its cloud images' directories.
fn is_version(part: &str) -> bool {
    let part = part.strip_prefix("release-").unwrap_or(part);
    let known = |c: char| c.is_ascii_digit() || "._-".contains(c);
    part.starts_with(|c: char| c.is_ascii_digit()) && part.chars().all(known)
}

/// The newest name in a listing that differs from `pinned` only in numbers.
fn newest(page: &str, pinned: &str) -> Option<String> {
    let links = page.split("href=").skip(1).filter_map(|rest| {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let target = rest.get(1..)?.split(quote).next()?;
        target.trim_end_matches('/').rsplit('/').next()
    });
    let alike =
        links.filter(|name| shape(name) == shape(pinned) && numbers(name) > numbers(pinned));
    alike.max_by_key(|name| numbers(name)).map(str::to_owned)
}

/// The name with each run of digits as one `0`.
fn shape(name: &str) -> String {
    let mut shape = String::new();
    for c in name.chars() {
        let c = if c.is_ascii_digit() { '0' } else { c };
        if !(c == '0' && shape.ends_with('0')) {
            shape.push(c);
        }
    }
    shape
}

/// Runs of digits as numbers, compared from the left.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|run| run.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::test_server::{Reply, Server};
    use super::*;
    use crate::signal::CancelToken;

    #[test]
    fn pins() {
        for (url, listing, pinned) in [
            (
                "https://h/images/bookworm/20260923-2610/debian-12-generic-amd64-20260923-2610.qcow2",
                "https://h/images/bookworm/",
                "20260923-2610",
            ),
            (
                "https://h/iso/Rocky-9.6-x86_64-dvd.iso",
                "https://h/iso/",
                "Rocky-9.6-x86_64-dvd.iso",
            ),
            (
                "https://h/noble/release-20260705/ubuntu-24.04-server-cloudimg-amd64.img",
                "https://h/noble/",
                "release-20260705",
            ),
            ("https://h/x.iso", "https://h/", "x.iso"),
        ] {
            assert_eq!(pin(url), Some((listing.to_owned(), pinned)), "{url}");
        }
        assert_eq!(pin("/srv/x.iso"), None);
    }

    /// Form of an Apache listing (synthetic).
    const LISTING: &str = r#"<a href="../">..</a> <a href="20241201-1948/">x</a>
<a href="20260112-2355/">x</a> <a href='20260923-2610/'>x</a> <a href="daily/">x</a> <a href="99999999/">x</a>"#;

    #[test]
    fn the_newest_of_the_same_form_wins() {
        assert_eq!(newest(LISTING, "20250210-2019").as_deref(), Some("20260923-2610"));
        assert_eq!(newest(LISTING, "20260923-2610"), None);
        let files = r#"<a href="R-9.10-x86_64.iso"> <a href="R-9.9-x86_64.iso"> <a href="R-10.0-aarch64.iso">"#;
        assert_eq!(newest(files, "R-9.8-x86_64.iso").as_deref(), Some("R-9.10-x86_64.iso"));
    }

    #[test]
    fn dead_and_newer_are_both_seen() {
        let server = Server::start(|_, seen| match seen.path.as_str() {
            "/i/" => Reply::ok(LISTING),
            "/i/20241201-1948/d.qcow2" => Reply::ok("disk"),
            _ => Reply::code(404),
        });
        let ctx = Context { cancel: CancelToken::new(), ..Context::silent() };
        let alive = check(&format!("{}/i/20241201-1948/d.qcow2", server.url), &ctx).unwrap();
        assert_eq!((alive.code, alive.newer.unwrap().found.as_str()), (200, "20260923-2610"));
        let dead = check(&format!("{}/i/20200101-1/d.qcow2", server.url), &ctx).unwrap();
        assert_eq!(dead.code, 404);
    }
}
