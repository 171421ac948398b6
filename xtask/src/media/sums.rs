//! Lists of checksums: what `sha512sum` and `shasum` write (GNU), what BSD's
//! tools and Fedora write, and a file that holds one value alone.

use super::{Digest, MediaError, checksum::Algorithm};

/// Finds the digest of file `name` in the list `text`; `origin` is where the
/// list came from, for messages. SHA-512 wins over SHA-256 where both stand.
///
/// # Errors
/// No usable entry. The message says whether the name or the algorithm was
/// missing, and names close entries.
pub fn find(text: &str, name: &str, origin: &str) -> Result<Digest, MediaError> {
    let mut names = Vec::new();
    let mut best: Option<Digest> = None;
    for entry in text.lines().filter_map(parse_line) {
        if !same_file(&entry.name, name) {
            names.push(entry.name);
            continue;
        }
        match entry.digest {
            Some(digest) if best.as_ref().is_none_or(|b| b.algorithm < digest.algorithm) => {
                best = Some(digest);
            }
            Some(_) => {}
            None => names.push(format!("{name} ({} only)", entry.algorithm)),
        }
    }
    if let Some(digest) = best.or_else(|| lone_value(text)) {
        return Ok(digest);
    }
    Err(MediaError::NoEntry {
        name: name.to_owned(),
        origin: origin.to_owned(),
        near: near(name, names),
    })
}

struct Entry {
    name: String,
    algorithm: String,
    /// `None` if the algorithm is one we do not accept.
    digest: Option<Digest>,
}

fn parse_line(line: &str) -> Option<Entry> {
    let line = line.trim_end();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    parse_bsd(line).or_else(|| parse_gnu(line))
}

/// `SHA512 (name) = hex`; OpenSSL writes no spaces.
fn parse_bsd(line: &str) -> Option<Entry> {
    let (algorithm, rest) = line.split_once('(')?;
    let (name, value) = rest.rsplit_once(')')?;
    let value = value.trim_start().strip_prefix('=')?.trim();
    let algorithm = algorithm.trim();
    let digest = Algorithm::by_name(algorithm).and_then(|a| Digest::new(a, value).ok());
    Some(Entry { name: name.to_owned(), algorithm: algorithm.to_owned(), digest })
}

/// `hex  name` or `hex *name`; a leading backslash says that the name is escaped.
fn parse_gnu(line: &str) -> Option<Entry> {
    let (escaped, line) = line.strip_prefix('\\').map_or((false, line), |rest| (true, rest));
    let (hex, name) = line.split_once([' ', '\t'])?;
    if hex.len() < 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let name = name.trim_start().trim_start_matches('*');
    let name =
        if escaped { name.replace("\\n", "\n").replace("\\\\", "\\") } else { name.to_owned() };
    let algorithm = format!("{}-bit", hex.len() * 4);
    Some(Entry { name, algorithm, digest: Digest::by_length(hex) })
}

fn same_file(entry: &str, name: &str) -> bool {
    entry == name || entry.rsplit('/').next() == Some(name)
}

/// A file with nothing but one value belongs to whatever lies beside it.
fn lone_value(text: &str) -> Option<Digest> {
    let mut words = text.split_whitespace();
    let (first, second) = (words.next()?, words.next());
    if second.is_some() {
        return None;
    }
    Digest::by_length(first)
}

/// Up to three entries that look like `name`, best first.
fn near(name: &str, mut names: Vec<String>) -> Vec<String> {
    let score = |n: &String| strsim::jaro_winkler(name, n);
    names.sort_by(|a, b| score(b).total_cmp(&score(a)));
    names.truncate(3);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aa";

    fn hex(pair: &str, algorithm: Algorithm) -> String {
        pair.repeat(if algorithm == Algorithm::Sha512 { 64 } else { 32 })
    }

    #[test]
    fn every_form_is_read() {
        let h5 = hex(A, Algorithm::Sha512);
        let h2 = hex(A, Algorithm::Sha256);
        for (text, expected) in [
            (format!("{h5}  disk.qcow2\n"), &h5),
            (format!("{h2} *disk.qcow2\n"), &h2),
            (format!("{h2}  ./sub/disk.qcow2\n"), &h2),
            (format!("\\{h2}  disk.qcow2\n"), &h2),
            (format!("SHA512 (disk.qcow2) = {h5}\n"), &h5),
            (format!("SHA256(disk.qcow2)= {h2}\n"), &h2),
            (format!("# disk.qcow2: 1234 bytes\nSHA256 (disk.qcow2) = {h2}\n"), &h2),
            (format!("{}\n", h5.to_uppercase()), &h5),
            (format!("{h2}  disk.qcow2\r\n"), &h2),
            // Strongest wins, in either order.
            (format!("{h2}  disk.qcow2\n{h5}  disk.qcow2\n"), &h5),
            (format!("{h5}  disk.qcow2\n{h2}  disk.qcow2\n"), &h5),
        ] {
            assert_eq!(&find(&text, "disk.qcow2", "S").unwrap().hex, expected, "{text}");
        }
    }

    #[test]
    fn a_signed_list_with_prose_is_read() {
        let text = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSHA256 (a.iso) = {}\n-----BEGIN PGP SIGNATURE-----\n\niQ==\n",
            hex("bb", Algorithm::Sha256)
        );
        assert_eq!(find(&text, "a.iso", "S").unwrap().hex, hex("bb", Algorithm::Sha256));
    }

    #[test]
    fn a_missing_entry_names_what_is_close() {
        let h = hex(A, Algorithm::Sha256);
        let text = format!("{h}  debian-12-generic-arm64.qcow2\n{h}  readme\n");
        let error = find(&text, "debian-12-generic-amd64.qcow2", "https://x/SUMS").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("https://x/SUMS") && text.contains("arm64"), "{text}");
    }

    #[test]
    fn an_md5_only_entry_says_so() {
        let error = find("d41d8cd98f00b204e9800998ecf8427e  a.iso\n", "a.iso", "S").unwrap_err();
        assert!(error.to_string().contains("128-bit only"), "{error}");
        let error =
            find("MD5 (a.iso) = d41d8cd98f00b204e9800998ecf8427e\n", "a.iso", "S").unwrap_err();
        assert!(error.to_string().contains("MD5 only"), "{error}");
    }

    #[test]
    fn an_html_error_page_is_no_list() {
        assert!(find("<html><body>502 (Bad) = gateway</body></html>", "a.iso", "S").is_err());
        assert!(find("", "a.iso", "S").is_err());
    }
}
