//! What a failed call of the file system was about: the system's words alone
//! ("Permission denied") name no file.

use std::io;
use std::path::Path;

use anyhow::Context as _;

/// Says what could not be done to which file.
pub trait At<T> {
    /// `cannot write /x/y: Permission denied`, for `action` "write".
    ///
    /// # Errors
    /// The error, with the place in front.
    fn at(self, action: &str, path: &Path) -> anyhow::Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &str, path: &Path) -> anyhow::Result<T> {
        self.with_context(|| format!("cannot {action} {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_comes_first_and_what_helps_last() {
        let error = std::fs::write("/proc/no-such", "").at("write", Path::new("/proc/no-such"));
        let text = crate::exit::text(&error.unwrap_err());
        assert!(text.starts_with("cannot write /proc/no-such: "), "{text}");
        let denied: io::Result<()> = Err(io::ErrorKind::PermissionDenied.into());
        let text = crate::exit::text(&denied.at("make", Path::new("out")).unwrap_err());
        assert!(text.contains("cannot make out: ") && text.contains("hint: "), "{text}");
    }
}
