//! The signature check of the API, with the answers MAAS gives.

use std::collections::BTreeSet;

use super::message::{Response, decode};

/// Seconds a time stamp may be old; the future is not checked.
const THRESHOLD: i64 = 300;

/// One user's key and every nonce that was used.
#[derive(Debug)]
pub struct Auth {
    /// Consumer, token, secret.
    pub key: [String; 3],
    /// The key's user is an administrator.
    pub is_admin: bool,
    nonces: BTreeSet<String>,
}

impl Auth {
    /// For this key.
    #[must_use]
    pub fn new(key: [&str; 3]) -> Self {
        Self { key: key.map(str::to_owned), is_admin: true, nonces: BTreeSet::new() }
    }

    /// Checks an `Authorization` header at `now` of the server's clock.
    ///
    /// # Errors
    /// The 401 that MAAS answers, with its leak of the secret.
    pub fn check(&mut self, header: Option<&str>, now: i64) -> Result<(), Response> {
        let refuse = |text: String| Response::text(401, text);
        let [consumer, token, secret] = &self.key;
        let header = header.and_then(|h| h.strip_prefix("OAuth ")).unwrap_or_default();
        let value = |name: &str| {
            let pairs = header.split(',').filter_map(|p| p.trim().split_once('='));
            let mut named = pairs.filter(|(key, _)| *key == name);
            named
                .next()
                .map(|(_, v)| decode(v.trim_matches('"')))
                .ok_or_else(|| refuse("Forbidden".into()))
        };
        let (nonce, stamp) = (value("oauth_nonce")?, value("oauth_timestamp")?);
        if value("oauth_consumer_key")? != *consumer {
            return Err(refuse("Authorization Error: Invalid API key.".into()));
        }
        let given = value("oauth_token")?;
        if given != *token {
            return Err(refuse(format!("Authorization Error: 'Invalid access token: {given}'")));
        }
        if value("oauth_signature_method")? != "PLAINTEXT"
            || value("oauth_signature")? != format!("&{secret}")
        {
            return Err(refuse(format!(
                "Authorization Error: 'Invalid signature. Expected signature base string: &{secret}'"
            )));
        }
        if now - stamp.parse::<i64>().unwrap_or(0) > THRESHOLD {
            return Err(refuse(format!(
                "Expired timestamp: given {stamp} and now {now} has a greater difference than threshold {THRESHOLD}"
            )));
        }
        if !self.nonces.insert(nonce.clone()) {
            return Err(refuse(format!("Nonce already used: {nonce}")));
        }
        Ok(())
    }
}
