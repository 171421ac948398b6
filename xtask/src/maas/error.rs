//! Why something with MAAS failed.

use std::fmt;
use std::time::Duration;

/// What was being done, and why it failed. Texts hold no part of an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaasError {
    /// What was being done: "list the images".
    pub doing: String,
    /// The kind.
    pub kind: Kind,
}

/// The kinds of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ctrl-C.
    Interrupted,
    /// No answer: whether the request was obeyed is not known.
    NoAnswer(String),
    /// MAAS, or something before it, said no.
    Refused {
        /// HTTP status.
        status: u16,
        /// Its text, scrubbed, or ours.
        why: String,
        /// When to come again.
        retry_after: Option<Duration>,
    },
    /// The answer was not what this version of the API gives.
    Unexpected(String),
}

impl MaasError {
    /// The status of an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.kind {
            Kind::Refused { status, .. } => Some(status),
            _ => None,
        }
    }

    /// It may work a little later: nothing came, or the answer is one that
    /// proxies and a busy MAAS give.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match &self.kind {
            Kind::NoAnswer(_) => true,
            Kind::Refused { status, .. } => {
                matches!(status, 408 | 409 | 413 | 425 | 429 | 500 | 502 | 503 | 504)
            }
            Kind::Interrupted | Kind::Unexpected(_) => false,
        }
    }

    /// How long the server wants to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            Kind::Refused { retry_after, .. } => retry_after,
            _ => None,
        }
    }

    /// The server's words.
    #[must_use]
    pub fn why(&self) -> &str {
        match &self.kind {
            Kind::Interrupted => "interrupted",
            Kind::NoAnswer(why) | Kind::Unexpected(why) | Kind::Refused { why, .. } => why,
        }
    }
}

impl fmt::Display for MaasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Interrupted => write!(f, "interrupted while trying to {}", self.doing),
            Kind::NoAnswer(why) => write!(f, "cannot {}: {why}", self.doing),
            Kind::Refused { status, why, .. } => {
                write!(f, "cannot {}: MAAS answers {status}: {why}", self.doing)
            }
            Kind::Unexpected(why) => write!(f, "cannot {}: {why}", self.doing),
        }
    }
}

impl std::error::Error for MaasError {}
