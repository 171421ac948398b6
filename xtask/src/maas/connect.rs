//! A MAAS that answered: who we are there and what it has.

use anyhow::Result;

use super::api::{Api, Pace, User};
use super::credentials::{self, Server, ServerFlags, Surroundings};
use super::version::Version;
use crate::exit::Coded;
use crate::signal::CancelToken;

/// Shortens the waits between attempts: how many milliseconds count as a second.
/// For tests of the program as a whole.
const SECOND: &str = "XTASK_TEST_SECOND_MS";

/// A server, checked.
#[derive(Debug)]
pub struct Connection {
    /// Where and with what.
    pub server: Server,
    /// Its API.
    pub api: Api,
    /// Its version.
    pub version: Version,
    /// Whose key it is.
    pub user: User,
}

impl Connection {
    /// Connects and checks that this is a MAAS and that it takes the key.
    ///
    /// # Errors
    /// No MAAS is set up (exit 2), or it does not answer as one.
    pub fn open(flags: &ServerFlags) -> Result<Self> {
        let server = credentials::find(flags, &Surroundings::of_process())?;
        let api = Api::new(server.client(CancelToken::global())?, pace());
        let version = api.version()?;
        let user = api.whoami()?;
        Ok(Self { server, api, version, user })
    }

    /// Images are changed by administrators only.
    ///
    /// # Errors
    /// The key is another user's.
    pub fn require_admin(&self) -> Result<()> {
        if self.user.is_superuser {
            return Ok(());
        }
        Err(Coded::usage(format!(
            "{} ({}) is no administrator of {}, and only those change images\n  hint: use a key \
             of one: --profile or MAAS_API_KEY",
            self.user.username, self.server.source, self.server.base
        )))
    }

    /// `→ http://maas:5240/MAAS (3.7.3)`.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{} ({})", self.server.base, self.version)
    }

    /// The profile to name in commands of the `maas` CLI.
    #[must_use]
    pub fn profile(&self) -> &str {
        self.server.profile.as_deref().unwrap_or("PROFILE")
    }
}

fn pace() -> Pace {
    let short = std::env::var(SECOND).ok().and_then(|ms| ms.parse().ok());
    let normal = Pace::default();
    Pace { second: short.map_or(normal.second, std::time::Duration::from_millis), ..normal }
}
