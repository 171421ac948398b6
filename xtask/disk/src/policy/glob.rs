//! Path patterns over bytes.

/// Whether `pattern` matches the whole of `path`.
///
/// `?` is one byte and `*` any number of bytes, both without `/`. `**` is any
/// number of bytes including `/`, so `/a/**` is everything below `/a`.
pub fn matches(pattern: &[u8], path: &[u8]) -> bool {
    // The last star seen, and how much of the path it has swallowed: on a
    // mismatch it takes one byte more. A `*` that meets a slash hands over to
    // the last `**`, so the cost is at most pattern times path.
    let (mut at, mut pos) = (0, 0);
    let mut single: Option<(usize, usize)> = None;
    let mut double: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(at), path.get(pos)) {
            (Some(b'*'), _) if pattern.get(at + 1) == Some(&b'*') => {
                at += 2;
                double = Some((at, pos));
                single = None;
                continue;
            }
            (Some(b'*'), _) => {
                at += 1;
                single = Some((at, pos));
                continue;
            }
            (None, None) => return true,
            (Some(b'?'), Some(byte)) if *byte != b'/' => {
                (at, pos) = (at + 1, pos + 1);
                continue;
            }
            (Some(want), Some(byte)) if want == byte && *want != b'?' => {
                (at, pos) = (at + 1, pos + 1);
                continue;
            }
            _ => {}
        }
        let grown = grow(&mut single, path, false).or_else(|| {
            single = None;
            grow(&mut double, path, true)
        });
        match grown {
            Some(next) => (at, pos) = next,
            None => return false,
        }
    }
}

/// Lets a star take one byte more and says where matching goes on.
fn grow(
    star: &mut Option<(usize, usize)>,
    path: &[u8],
    over_slashes: bool,
) -> Option<(usize, usize)> {
    let (after, taken) = (*star)?;
    let byte = path.get(taken)?;
    if *byte == b'/' && !over_slashes {
        return None;
    }
    *star = Some((after, taken + 1));
    *star
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, path, expected) in [
            ("/etc/machine-id", "/etc/machine-id", true),
            ("/etc/machine-id", "/etc/machine-id2", false),
            ("/etc/machine-id2", "/etc/machine-id", false),
            ("/etc/ssh/ssh_host_*", "/etc/ssh/ssh_host_rsa_key.pub", true),
            ("/etc/ssh/ssh_host_*", "/etc/ssh/ssh_host_/x", false),
            ("/home/*/.ssh/authorized_keys", "/home/me/.ssh/authorized_keys", true),
            ("/home/*/.ssh/authorized_keys", "/home/a/b/.ssh/authorized_keys", false),
            ("/var/log/**", "/var/log/a/b/c", true),
            ("/var/log/**", "/var/log", false),
            ("/var/log/**", "/var/logs", false),
            ("/var/**/*.log", "/var/a/b.log", true),
            ("/var/**/*.log", "/var/a/b.log/c", false),
            ("/var/**/x*/y", "/var/x1/z/x2/y", true),
            ("**/__pycache__", "/usr/lib/a/__pycache__", true),
            ("/a/?", "/a/b", true),
            ("/a/?", "/a//", false),
            ("/a/?", "/a/?", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let path = vec![b'a'; 4096];
        assert!(!matches(b"*a*a*a*a*a*a*a*a*a*a*b", &path));
        assert!(!matches(b"**a**a**a**a**a**a**b", &path));
    }
}
