//! Are pinned media and their checksum lists still there, and is there something
//! newer?

use serde::Serialize;

use super::http::{self, masked};
use super::pin::{self, Token};
use super::{Checksum, Context, MediaError, download, sums};

/// What a server said about one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is there; of a list: with an entry for the medium.
    Ok,
    /// An HTTP status that is not 200.
    Status(u16),
    /// No answer, or one without what was asked for.
    Failed(String),
}

impl State {
    /// Whether builds can go on using it.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        *self == Self::Ok
    }

    /// For people.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Ok => "ok".into(),
            Self::Status(code) => format!("HTTP {code}"),
            Self::Failed(why) => why.clone(),
        }
    }
}

/// A newer medium of the same kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Newer {
    /// The part that changes, as it stands in the URL.
    pub pinned: String,
    /// What the server lists instead.
    pub found: String,
    /// The URL with it.
    pub url: String,
    /// Whether the newer medium and its checksum are really there.
    pub state: State,
    /// Texts to replace, for the templates.
    #[serde(skip)]
    pub tokens: Vec<Token>,
}

/// All about one medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// The medium itself.
    pub medium: State,
    /// Its checksum list; `None` if the checksum stands in the template.
    pub checksum: Option<State>,
    /// A successor.
    pub newer: Option<Newer>,
}

impl Probe {
    /// Whether builds can go on using it.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.medium.is_ok() && self.checksum.as_ref().is_none_or(State::is_ok)
    }
}

/// Where to ask.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// A mirror of everything: `https://host/path` is asked for as
    /// `VIA/host/path`.
    pub via: Option<&'a str>,
}

impl Asker<'_> {
    /// Asks for the medium, its checksum list, and the listing it is pinned in.
    ///
    /// # Errors
    /// Interrupted; everything else is part of the answer.
    pub fn probe(
        self,
        url: &str,
        checksum: &Checksum,
        ctx: &Context<'_>,
    ) -> Result<Probe, MediaError> {
        let medium = self.file(url, ctx)?;
        let list = match checksum {
            Checksum::File(list) => Some(self.list(list, url, ctx)?),
            Checksum::Known(_) | Checksum::None => None,
        };
        Ok(Probe { medium, checksum: list, newer: self.newer(url, checksum, ctx)? })
    }

    fn place(self, url: &str) -> String {
        match (self.via, url.split_once("://")) {
            (Some(via), Some((_, rest))) => format!("{}/{rest}", via.trim_end_matches('/')),
            _ => url.to_owned(),
        }
    }

    fn file(self, url: &str, ctx: &Context<'_>) -> Result<State, MediaError> {
        Ok(match http::get(&self.place(url), 0, None, ctx)? {
            Ok(answer) if answer.code == 200 => State::Ok,
            Ok(answer) => State::Status(answer.code),
            Err(http::NoAnswer(why)) => State::Failed(why),
        })
    }

    fn list(self, list: &str, url: &str, ctx: &Context<'_>) -> Result<State, MediaError> {
        if !list.contains("://") {
            return Ok(State::Ok); // a file of the tree; validate looks at it
        }
        let name = super::source::file_name(url);
        let found = download::text(&self.place(list), ctx)
            .and_then(|text| sums::find(&text, &name, &masked(list)));
        match found {
            Ok(_) => Ok(State::Ok),
            Err(MediaError::Interrupted) => Err(MediaError::Interrupted),
            Err(MediaError::Status { code, .. }) => Ok(State::Status(code)),
            Err(other) => Ok(State::Failed(other.to_string())),
        }
    }

    fn newer(
        self,
        url: &str,
        checksum: &Checksum,
        ctx: &Context<'_>,
    ) -> Result<Option<Newer>, MediaError> {
        let Some((listing, pinned)) = pin::place(url) else { return Ok(None) };
        let page = match download::text(&self.place(&listing), ctx) {
            Err(MediaError::Interrupted) => return Err(MediaError::Interrupted),
            // Many servers list nothing; that is no finding.
            Err(_) => return Ok(None),
            Ok(page) => page,
        };
        let Some(found) = pin::newest(&page, pinned) else { return Ok(None) };
        let tokens = pin::tokens(pinned, &found);
        let new = |text: &str| tokens.iter().fold(text.to_owned(), |text, t| t.replace(&text));
        let url = new(url);
        let mut state = self.file(&url, ctx)?;
        if let (State::Ok, Checksum::File(list)) = (&state, checksum) {
            state = self.list(&new(list), &url, ctx)?;
        }
        Ok(Some(Newer { pinned: pinned.to_owned(), found, url, state, tokens }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_server::{Reply, Server};
    use super::*;
    use crate::signal::CancelToken;

    const LISTING: &str = r#"<a href="20241201-1948/">x</a> <a href="20260112-2355/">x</a>"#;

    #[test]
    fn dead_unlisted_and_newer_are_told_apart() {
        let server = Server::start(|_, seen| {
            let sums = format!("{}  d.qcow2\n", "a".repeat(64));
            match seen.path.as_str() {
                "/h/i/" => Reply::ok(LISTING),
                "/h/i/20241201-1948/d.qcow2" | "/h/i/20260112-2355/d.qcow2" => Reply::ok("disk"),
                "/h/i/20241201-1948/SUMS" | "/h/i/20260112-2355/SUMS" => Reply::ok(sums),
                "/h/i/20241201-1948/EMPTY" => Reply::ok(""),
                _ => Reply::code(404),
            }
        });
        let ctx = Context { cancel: CancelToken::new(), ..Context::silent() };
        let asker = Asker { via: Some(&server.url) };
        let ask =
            |url: &str, list: &str| asker.probe(url, &Checksum::File(list.into()), &ctx).unwrap();
        let good = ask("https://h/i/20241201-1948/d.qcow2", "https://h/i/20241201-1948/SUMS");
        assert!(good.is_ok(), "{good:?}");
        let newer = good.newer.unwrap();
        assert_eq!((newer.found.as_str(), &newer.state), ("20260112-2355", &State::Ok));
        assert_eq!(newer.url, "https://h/i/20260112-2355/d.qcow2");
        let unlisted = ask("https://h/i/20241201-1948/d.qcow2", "https://h/i/20241201-1948/EMPTY");
        assert!(unlisted.medium.is_ok() && !unlisted.is_ok(), "{unlisted:?}");
        let newer = unlisted.newer.unwrap();
        assert_eq!(newer.state, State::Status(404), "listed, but its checksum is not there");
        let dead = ask("https://h/i/20200101-1/d.qcow2", "https://h/i/20200101-1/SUMS");
        assert_eq!((dead.medium, dead.checksum), (State::Status(404), Some(State::Status(404))));
    }
}
