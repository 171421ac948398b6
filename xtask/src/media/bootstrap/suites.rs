//! The parts of an archive that a base disk is installed from.

use super::plan::Options;
use super::recipe::{Recipe, Release};
use crate::media::MediaError;

/// One line of `sources.list` with the address of its signed index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Base URL of the archive.
    pub mirror: String,
    /// Suite in it.
    pub name: String,
    /// Archive areas.
    pub components: Vec<String>,
}

impl Suite {
    /// The signed index; it changes whenever a package of the suite does.
    #[must_use]
    pub fn in_release(&self) -> String {
        format!("{}/dists/{}/InRelease", self.mirror.trim_end_matches('/'), self.name)
    }

    /// The one-line source, with apt options such as `signed-by=...` if any.
    #[must_use]
    pub fn line(&self, options: &str) -> String {
        let mirror = self.mirror.trim_end_matches('/');
        format!("deb {options}{mirror} {} {}", self.name, self.components.join(" "))
    }
}

/// The suites that a base disk is installed from.
///
/// # Errors
/// A mirror is not a URL that apt takes.
pub fn suites(
    recipe: &Recipe,
    release: &Release,
    options: &Options,
) -> Result<Vec<Suite>, MediaError> {
    let mirror = options.mirror.as_ref().unwrap_or(&recipe.mirror);
    let security = match (&options.security_mirror, &options.mirror) {
        (Some(url), _) => Some(url.as_str()).filter(|url| *url != "none"),
        // A mirror of one's own carries the security archive beside it.
        (None, Some(own)) => return Err(needs_security(own)),
        (None, None) => Some(recipe.security_mirror.as_str()),
    };
    let components = options.components.as_ref().unwrap_or(&release.components);
    let suite = |mirror: &str, name: &String| Suite {
        mirror: mirror.to_owned(),
        name: name.clone(),
        components: components.clone(),
    };
    let mut suites: Vec<_> = release.suites.iter().map(|name| suite(mirror, name)).collect();
    suites.extend(security.map(|url| suite(url, &release.security_suite)));
    for suite in &suites {
        check_mirror(&suite.mirror)?;
    }
    Ok(suites)
}

fn needs_security(mirror: &str) -> MediaError {
    MediaError::Form(format!(
        "--mirror {mirror} needs --security-mirror\n  hint: give the mirror of the security archive, or `none` to go without security updates"
    ))
}

fn check_mirror(mirror: &str) -> Result<(), MediaError> {
    let known = ["http://", "https://", "file:///"].iter().any(|scheme| mirror.starts_with(scheme));
    if known && !mirror.contains([' ', '\n', '\t', '"', '[']) {
        return Ok(());
    }
    Err(MediaError::Form(format!(
        "`{mirror}` is no mirror\n  hint: use a http://, https:// or file:/// URL"
    )))
}
