//! Where a MAAS is: from what people write to the base of its API.

use std::fmt;

/// The part of the path that names the API.
const API: &str = "api/2.0/";
/// Where the region serves MAAS when nothing else is set up.
const ROOT: &str = "/MAAS/";

/// A server and the path of its API, for example `http://maas:5240` and
/// `/MAAS/api/2.0/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    origin: String,
    path: String,
}

impl fmt::Display for Base {
    /// As people write it: `http://maas:5240/MAAS`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.path.trim_end_matches('/');
        let root = root.rsplit_once("/api/").map_or(root, |(root, _)| root);
        write!(f, "{}{root}", self.origin)
    }
}

impl Base {
    /// Accepts `http://host:5240`, `…/MAAS`, `…/MAAS/` and `…/MAAS/api/2.0/`.
    ///
    /// # Errors
    /// Not such a URL; user names and queries are refused.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong =
            |why: &str| format!("this is no URL of a MAAS: {why}\n  hint: http://HOST:5240/MAAS");
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no `http://`"))?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return Err(wrong("only http and https are known"));
        }
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.contains('@') {
            return Err(wrong("a user name has no place in it, MAAS takes an API key"));
        }
        let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        if host.is_empty() || !host.bytes().all(is_host) {
            return Err(wrong("the host name is missing or not plain ASCII (use its xn-- form)"));
        }
        let is_path = |b: u8| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b);
        if !path.bytes().all(is_path) {
            return Err(wrong("the path has a `?`, `#` or another character that cannot be there"));
        }
        Ok(Self { origin: format!("{scheme}://{host}"), path: api_path(path) })
    }

    /// The absolute URL of `uri`: a path below the API (`version/`) or, with a
    /// leading slash, one of this server (`upload_uri` of an answer).
    #[must_use]
    pub fn join(&self, uri: &str) -> String {
        if uri.starts_with('/') {
            format!("{}{uri}", self.origin)
        } else {
            format!("{}{}{uri}", self.origin, self.path)
        }
    }

    /// Path and query of `uri` on this server, as in [`Self::join`].
    #[must_use]
    pub fn target(&self, uri: &str) -> String {
        if uri.starts_with('/') { uri.to_owned() } else { format!("{}{uri}", self.path) }
    }

    /// Host and port, if there is no TLS.
    #[must_use]
    pub fn plain_host(&self) -> Option<&str> {
        self.origin.strip_prefix("http://")
    }

    /// The traffic can be read on the way.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.origin.starts_with("http:")
    }
}

/// As the `maas` CLI completes it; a bare host gets `/MAAS/` too.
fn api_path(path: &str) -> String {
    let path = path.trim_end_matches('/');
    let is_version = |v: &str| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match path.rsplit_once("/api/") {
        Some((_, version)) if is_version(version) => format!("{path}/"),
        _ if path.is_empty() => format!("{ROOT}{API}"),
        _ => format!("{path}/{API}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_means_the_same() {
        for text in [
            "http://maas:5240",
            "http://maas:5240/MAAS",
            "http://maas:5240/MAAS/",
            " HTTP://maas:5240/MAAS/api/2.0/\n",
            "http://maas:5240/MAAS/api/2.0",
        ] {
            let base = Base::parse(text).unwrap();
            assert_eq!(base.join("version/"), "http://maas:5240/MAAS/api/2.0/version/", "{text}");
            assert_eq!(base.join("/MAAS/x/"), "http://maas:5240/MAAS/x/");
            assert_eq!(base.target("version/"), "/MAAS/api/2.0/version/");
            assert_eq!(base.target("/MAAS/x/"), "/MAAS/x/");
            assert_eq!(base.plain_host(), Some("maas:5240"));
            assert_eq!(base.to_string(), "http://maas:5240/MAAS");
        }
        assert_eq!(
            Base::parse("https://m/x/MAAS").unwrap().join("a/"),
            "https://m/x/MAAS/api/2.0/a/"
        );
    }

    #[test]
    fn others_are_refused_without_showing_them() {
        for bad in [
            "",
            "maas",
            "ftp://maas",
            "http://",
            "http://u:hunter2@maas",
            "http://m/?hunter2",
            "http://m\u{e4}as/",
        ] {
            let error = Base::parse(bad).unwrap_err();
            assert!(error.contains("hint:") && !error.contains("hunter2"), "{bad}: {error}");
        }
    }
}
