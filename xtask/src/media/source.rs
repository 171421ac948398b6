//! What `iso_url` may say: an address or a path.

use std::path::PathBuf;

use super::MediaError;
use super::http::masked;

/// Where a medium is.
pub(super) enum Source {
    Url(String),
    Path(PathBuf),
}

impl Source {
    pub(super) fn parse(text: &str) -> Result<Self, MediaError> {
        let bad = |why: &str| MediaError::Form(format!("`{}` is no medium: {why}", masked(text)));
        match text.split_once("://") {
            Some(("http" | "https", rest)) if !rest.is_empty() => Ok(Self::Url(text.to_owned())),
            Some(("file", path)) if path.starts_with('/') => {
                Ok(Self::Path(percent_decoded(path).into()))
            }
            Some(("file", _)) => {
                Err(bad("a file:// URL names a full path, as in file:///srv/x.iso"))
            }
            Some((scheme, _)) => Err(bad(&format!("`{scheme}` is not https, http or file"))),
            None if text.is_empty() => Err(bad("it is empty")),
            None => Ok(Self::Path(text.into())),
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match code.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Last path component, without query and fragment; never a directory name.
pub(super) fn file_name(url: &str) -> String {
    let path = if url.contains("://") { url.split(['?', '#']).next().unwrap_or(url) } else { url };
    match path.rsplit('/').next() {
        None | Some("" | "." | "..") => "download".into(),
        Some(name) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn names_of_files() {
        for (url, name) in [
            ("https://h/a/b.iso", "b.iso"),
            ("https://h/a/b.iso?token=x#y", "b.iso"),
            ("/srv/weird?name.iso", "weird?name.iso"),
            ("https://h/", "download"),
            ("https://h/..", "download"),
        ] {
            assert_eq!(file_name(url), name, "{url}");
        }
    }

    #[test]
    fn sources() {
        for (text, path) in
            [("/a b.iso", "/a b.iso"), ("file:///a%20b.iso", "/a b.iso"), ("file:///100%", "/100%")]
        {
            assert!(
                matches!(Source::parse(text).unwrap(), Source::Path(p) if p == Path::new(path)),
                "{text}"
            );
        }
        for (text, reason) in [
            ("s3://b/k", "`s3` is not"),
            ("", "empty"),
            ("file://host/x", "full path"),
            ("https://", "is not"),
        ] {
            let error = Source::parse(text).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
