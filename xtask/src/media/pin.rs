//! The part of a URL that names a version, and newer ones in a listing. Pure.

/// URL of the listing, and the part of the URL that it lists: the last directory
/// that is a version, else the file name.
#[must_use]
pub fn place(url: &str) -> Option<(String, &str)> {
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

/// `9.8`; `20260923-2610`; `release-20260705`; Oracle's `u8`; openEuler's
/// `…-LTS-SP3`. A lone number is the release that the target is about.
fn is_version(part: &str) -> bool {
    if is_dated(part) {
        return true;
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let dotted = part.contains('.') && part.split('.').all(digits);
    dotted
        || part.strip_prefix('u').is_some_and(digits)
        || part.rsplit_once("-SP").is_some_and(|(_, number)| digits(number))
}

/// A date, with or without a build number, also after `release-`.
fn is_dated(part: &str) -> bool {
    let part = part.strip_prefix("release-").unwrap_or(part);
    let known = |c: char| c.is_ascii_digit() || "._-".contains(c);
    let date = part.chars().take_while(char::is_ascii_digit).count();
    date >= 8 && part.chars().all(known)
}

/// The newest name in a listing that is a later version of the same thing: a
/// later date, or one number higher behind a dot or a letter (9.9 after 9.8, SP4
/// after SP3, but not 10.0 or 45-1.7: what the release is, stays).
#[must_use]
pub fn newest(page: &str, pinned: &str) -> Option<String> {
    let links = page.split("href=").skip(1).filter_map(|rest| {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let target = rest.get(1..)?.split(quote).next()?;
        target.trim_end_matches('/').rsplit('/').next()
    });
    let alike = links.filter(|name| shape(name) == shape(pinned) && is_later(name, pinned));
    alike.max_by_key(|name| numbers(name)).map(str::to_owned)
}

fn is_later(name: &str, pinned: &str) -> bool {
    let (new, old) = (numbers(name), numbers(pinned));
    if new.len() != old.len() || new <= old {
        return false;
    }
    let marks = marks(pinned);
    let differ = new.iter().zip(&old).zip(&marks).filter(|((new, old), _)| new != old);
    let minor: Vec<bool> = differ.map(|(_, mark)| *mark == '.' || mark.is_alphabetic()).collect();
    is_dated(pinned) || minor == [true]
}

/// What stands before each number: a dot or a letter before the part of a version
/// that updates change, a dash before the release itself (`44` of `F-44-1.7`).
fn marks(name: &str) -> Vec<char> {
    let mut last = '-';
    let mut marks = vec![];
    for c in name.chars() {
        if c.is_ascii_digit() && !last.is_ascii_digit() {
            marks.push(last);
        }
        last = c;
    }
    marks
}

/// A text of a template and what replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// As it stands there.
    pub old: String,
    /// What is to stand there.
    pub new: String,
}

impl Token {
    /// `text` with every occurrence replaced that is no part of a longer version
    /// or word.
    #[must_use]
    pub fn replace(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = self.split(rest, &out) {
            out.push_str(before);
            out.push_str(&self.new);
            rest = after;
        }
        out + rest
    }

    /// Around the first whole occurrence in `rest`; `done` is what comes before.
    fn split<'t>(&self, rest: &'t str, done: &str) -> Option<(&'t str, &'t str)> {
        let mut from = 0;
        while let Some(at) = rest.get(from..)?.find(&self.old) {
            let start = from + at;
            let (before, after) = (rest.get(..start)?, rest.get(start + self.old.len()..)?);
            let left = before
                .chars()
                .next_back()
                .or_else(|| if start == 0 { done.chars().next_back() } else { None });
            let next: Vec<char> = after.chars().take(2).collect();
            let goes_on = matches!(next.as_slice(), [c, ..] if c.is_alphanumeric())
                || matches!(next.as_slice(), ['.', c] if c.is_ascii_digit());
            if !goes_on && left.is_none_or(|c| !c.is_alphanumeric() && c != '.') {
                return Some((before, after));
            }
            from = start + 1;
            while !rest.is_char_boundary(from) {
                from += 1;
            }
        }
        None
    }
}

/// What to replace for a new pin: a directory as it is (Oracle writes `u8` and
/// `U8`), of a file name only the version that differs.
#[must_use]
pub fn tokens(pinned: &str, found: &str) -> Vec<Token> {
    let token = |old: &str, new: &str| Token { old: old.to_owned(), new: new.to_owned() };
    if !is_version(pinned) {
        let runs = |name: &str| -> Vec<String> {
            let runs = name.split(|c: char| !c.is_ascii_digit() && c != '.');
            runs.map(|run| run.trim_matches('.').to_owned()).filter(|run| !run.is_empty()).collect()
        };
        let pairs = runs(pinned).into_iter().zip(runs(found));
        return pairs.filter(|(a, b)| a != b).map(|(a, b)| token(&a, &b)).collect();
    }
    let mut all = vec![token(pinned, found)];
    if pinned.starts_with('u') {
        all.push(token(&pinned.to_uppercase(), &found.to_uppercase()));
    }
    all
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
    use super::*;

    #[test]
    fn pins_of_all_layouts() {
        for (url, listing, pinned) in [
            (
                "https://h/images/bookworm/20260923-2610/debian-12-generic-amd64-20260923-2610.qcow2",
                "https://h/images/bookworm/",
                "20260923-2610",
            ),
            (
                "https://h/rocky/9.8/isos/x86_64/Rocky-9.8-x86_64-boot.iso",
                "https://h/rocky/",
                "9.8",
            ),
            ("https://h/OL9/u8/x86_64/OracleLinux-R9-U8-x86_64-boot.iso", "https://h/OL9/", "u8"),
            (
                "https://h/openEuler-24.03-LTS-SP3/ISO/x.iso",
                "https://h/",
                "openEuler-24.03-LTS-SP3",
            ),
            (
                "https://h/releases/44/iso/F-44-1.7.iso",
                "https://h/releases/44/iso/",
                "F-44-1.7.iso",
            ),
            ("https://h/10-stream/iso/C-latest.iso", "https://h/10-stream/iso/", "C-latest.iso"),
            (
                "https://h/noble/release-20260705/ubuntu-24.04-server-cloudimg-amd64.img",
                "https://h/noble/",
                "release-20260705",
            ),
            ("https://h/x.iso", "https://h/", "x.iso"),
        ] {
            assert_eq!(place(url), Some((listing.to_owned(), pinned)), "{url}");
        }
        assert_eq!(place("/srv/x.iso"), None);
    }

    #[test]
    fn later_is_another_date_or_the_next_of_the_same_release() {
        for (listed, pinned, newer) in [
            (&["9.7", "9.10", "9.9", "10.0"][..], "9.8", Some("9.10")),
            (&["8.10", "9.8"], "8.10", None),
            (
                &["20241201-1948", "20260112-2355", "daily", "99999999"],
                "20250210-2019",
                Some("20260112-2355"),
            ),
            (&["u7", "u8", "u10"], "u8", Some("u10")),
            (
                &["F-x86_64-44-1.8.iso", "F-x86_64-45-1.7.iso"],
                "F-x86_64-44-1.7.iso",
                Some("F-x86_64-44-1.8.iso"),
            ),
            (
                &["ubuntu-24.04.6-live.iso", "ubuntu-26.04.1-live.iso"],
                "ubuntu-24.04.5-live.iso",
                Some("ubuntu-24.04.6-live.iso"),
            ),
            (
                &["openEuler-24.03-LTS-SP4", "openEuler-26.03-LTS-SP1"],
                "openEuler-24.03-LTS-SP3",
                Some("openEuler-24.03-LTS-SP4"),
            ),
        ] {
            let page: String = listed.iter().map(|name| format!("<a href=\"{name}/\">")).collect();
            assert_eq!(newest(&page, pinned).as_deref(), newer, "{pinned}");
        }
    }

    #[test]
    fn only_whole_versions_are_replaced() {
        for (pinned, found, before, after) in [
            (
                "9.8",
                "9.9",
                "/9.8/isos/Rocky-9.8-x.iso 19.8 9.80 9.8.1",
                "/9.9/isos/Rocky-9.9-x.iso 19.8 9.80 9.8.1",
            ),
            ("u8", "u9", "OL9/u8/OracleLinux-R9-U8-x au8", "OL9/u9/OracleLinux-R9-U9-x au8"),
            ("F-44-1.7.iso", "F-44-1.8.iso", "\"44\" = \"1.7\"", "\"44\" = \"1.8\""),
            ("20250101-1", "20260101-2", "é20250101-1 20250101-1", "é20250101-1 20260101-2"),
        ] {
            let replaced =
                tokens(pinned, found).iter().fold(before.to_owned(), |s, t| t.replace(&s));
            assert_eq!(replaced, after);
        }
    }
}
