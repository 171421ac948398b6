"""MAAS's metadata service: requests signed with OAuth 1.0 PLAINTEXT.

Standard library only, Python 3.5 and later: runs in ESXi and in the ephemeral
Ubuntu that deploys.
"""

import email.utils
import json
import time
import urllib.error
import urllib.request
import uuid
from urllib.parse import quote

DELAYS = (1, 1, 2, 4, 8, 16, 32)  # seconds between attempts
TIMEOUT = 30


class MetadataError(Exception):
    """A request that did not succeed, in words for the log."""


class Credentials:
    """Address and keys from the `reporting` section of curtin's configuration."""

    def __init__(self, reporting):
        maas = reporting.get("maas") or {}
        base, marker, _ = (maas.get("endpoint") or "").partition("status/")
        self.base = base
        self.status = maas.get("endpoint") or ""
        self.consumer_key = maas.get("consumer_key") or ""
        self.consumer_secret = maas.get("consumer_secret") or ""
        self.token_key = maas.get("token_key") or ""
        self.token_secret = maas.get("token_secret") or ""
        missing = [name for name in ("consumer_key", "token_key", "token_secret") if not getattr(self, name)]
        if not marker or missing:
            raise MetadataError("reporting.maas has no usable endpoint or lacks %s" % (", ".join(missing) or "nothing"))


def authorization(credentials, timestamp, nonce):
    """Value of the Authorization header; timestamp in seconds since 1970."""
    signature = "%s&%s" % (quote(credentials.consumer_secret, safe="~"), quote(credentials.token_secret, safe="~"))
    fields = [
        ("oauth_nonce", nonce),
        ("oauth_timestamp", str(timestamp)),
        ("oauth_version", "1.0"),
        ("oauth_signature_method", "PLAINTEXT"),
        ("oauth_consumer_key", credentials.consumer_key),
        ("oauth_token", credentials.token_key),
        ("oauth_signature", signature),
    ]
    return "OAuth " + ", ".join('%s="%s"' % (name, quote(value, safe="~")) for name, value in fields)


def clock_skew(date, now):
    """Seconds that the server's Date header is ahead of us; 0 if it has none."""
    parsed = email.utils.parsedate_tz(date or "")
    return int(email.utils.mktime_tz(parsed) - now) if parsed else 0


def parse_user_data(text):
    """What to do with user-data: ("none" | "script" | "cloud-config" | "other", interpreter)."""
    first = text.split("\n", 1)[0].strip()
    if not text.strip():
        return "none", None
    if first.startswith("#!"):
        return "script", first[2:].strip()
    if first.startswith("#cloud-config"):
        return "cloud-config", None
    return "other", None


class Client:
    """Talks to MAAS. `opener`, `sleep` and `clock` are replaced by tests."""

    def __init__(self, credentials, opener=urllib.request.urlopen, sleep=time.sleep, clock=time.time):
        self.credentials = credentials
        self.opener = opener
        self.sleep = sleep
        self.clock = clock
        self.skew = 0

    def request(self, url, data=None):
        """One signed request; returns the body."""
        stamp = int(self.clock()) + self.skew
        headers = {"Authorization": authorization(self.credentials, stamp, uuid.uuid4().hex)}
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(url, data=data, headers=headers)
        return self.opener(request, timeout=TIMEOUT).read()

    def get(self, entry):
        """Body of `latest/...`; empty if MAAS has no such thing."""
        url = self.credentials.base + entry
        problem = None
        for delay in DELAYS:
            try:
                return self.request(url)
            except urllib.error.HTTPError as error:
                date = error.headers.get("Date") if error.headers else None
                if error.code == 404:
                    return b""
                if error.code in (401, 403):
                    # MAAS accepts times that are at most 300 s off.
                    self.skew = clock_skew(date, self.clock())
                problem = error
            except (OSError, ValueError) as error:
                problem = error
            self.sleep(delay)
        raise MetadataError("%s: %s" % (url, problem))

    def report(self, name, description, event="finish", result=None, origin="image"):
        """Posts an event that MAAS shows with the machine; returns what went wrong, or None."""
        body = {"name": name, "description": description, "event_type": event, "origin": origin,
                "timestamp": int(self.clock()) + self.skew}
        if result:
            body["result"] = result
        try:
            self.request(self.credentials.status, json.dumps(body).encode("utf-8"))
        except (OSError, ValueError) as error:
            return "cannot report %s: %s" % (name, error)
        return None
