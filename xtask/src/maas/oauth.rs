//! OAuth 1 with the PLAINTEXT method, as MAAS's API takes it: the header is the
//! key itself, with a nonce and a time stamp that make it fresh.

use std::fs::File;
use std::io::{self, Read as _};
use std::time::{SystemTime, UNIX_EPOCH};

use super::secret::ApiKey;

/// Bytes of a nonce; MAAS refuses one it has seen.
const NONCE: usize = 16;

/// The value of `Authorization` for one request: never use it twice.
/// `ahead` is how many seconds MAAS's clock is ahead of ours; it refuses what is
/// older than 300 s.
///
/// # Errors
/// The operating system gives no random bytes.
pub fn header(key: &ApiKey, ahead: i64) -> io::Result<String> {
    Ok(format(key, &nonce()?, now().saturating_add(ahead)))
}

fn format(key: &ApiKey, nonce: &str, stamp: i64) -> String {
    let (consumer, token, secret) = key.parts();
    // The signature is the consumer's secret, which is empty, `&`, the token's.
    format!(
        "OAuth oauth_nonce=\"{nonce}\", oauth_timestamp=\"{stamp}\", oauth_version=\"1.0\", \
         oauth_signature_method=\"PLAINTEXT\", oauth_consumer_key=\"{consumer}\", \
         oauth_token=\"{token}\", oauth_signature=\"%26{secret}\""
    )
}

fn nonce() -> io::Result<String> {
    let mut bytes = [0; NONCE];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// Seconds since 1970 by our clock.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_every_part_maas_wants() {
        let key = ApiKey::parse("ck:tk:ts").unwrap();
        assert_eq!(
            format(&key, "n", 12),
            "OAuth oauth_nonce=\"n\", oauth_timestamp=\"12\", oauth_version=\"1.0\", \
             oauth_signature_method=\"PLAINTEXT\", oauth_consumer_key=\"ck\", oauth_token=\"tk\", \
             oauth_signature=\"%26ts\""
        );
    }

    #[test]
    fn nonces_differ() {
        let key = ApiKey::parse("ck:tk:ts").unwrap();
        assert_ne!(header(&key, 0).unwrap(), header(&key, 0).unwrap());
    }
}
