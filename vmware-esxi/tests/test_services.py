"""MAAS and vCenter as servers see us. Answers are synthetic, in the form of the documented interfaces."""

import contextlib
import io
import json
import unittest
import urllib.error
from email.message import Message
from urllib.parse import parse_qsl, unquote, urlsplit

import harness  # noqa: F401

import metadata
import vcenter
import vendor

BASE = "http://10.0.0.1:5248/MAAS/metadata/"
REPORTING = {"maas": {"endpoint": BASE + "status/abc", "consumer_key": "ck", "token_key": "tk", "token_secret": "t&s"}}


def http_error(code, date=None, body=b""):
    headers = Message()
    if date:
        headers["Date"] = date
    return urllib.error.HTTPError("http://x", code, "error", headers, io.BytesIO(body))


class Opener:
    """Gives one answer after the other and keeps the requests."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def __call__(self, request, timeout):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(answer)


def client(*answers):
    naps = []
    made = metadata.Client(metadata.Credentials(REPORTING), Opener(*answers), naps.append, lambda: 1000000000)
    return made, naps


def fields(request):
    text = request.get_header("Authorization")
    assert text.startswith("OAuth ")
    return {name: unquote(value.strip('"')) for name, value in
            (part.split("=", 1) for part in text[6:].split(", "))}


class Metadata(unittest.TestCase):
    def test_header(self):
        made, _ = client(b"key")
        self.assertEqual(made.get("latest/meta-data/public-keys"), b"key")
        request = made.opener.requests[0]
        self.assertEqual(request.full_url, BASE + "latest/meta-data/public-keys")
        found = fields(request)
        # RFC 5849, 3.4.4: both secrets, escaped, with & between.
        self.assertEqual(found["oauth_signature"], "&t%26s")
        self.assertEqual((found["oauth_consumer_key"], found["oauth_token"]), ("ck", "tk"))
        self.assertEqual((found["oauth_signature_method"], found["oauth_timestamp"]), ("PLAINTEXT", "1000000000"))

    def test_a_wrong_clock_is_corrected(self):
        made, naps = client(http_error(401, "Sun, 09 Sep 2001 02:46:40 GMT"), b"ok")
        self.assertEqual(made.get("latest/user-data"), b"ok")
        self.assertEqual(fields(made.opener.requests[1])["oauth_timestamp"], str(1000000000 + 3600))
        self.assertEqual(naps, [1])

    def test_only_the_answer_comes_out(self):
        """Keys, names and user-data are what is returned: nothing else may get between."""
        made, _ = client(http_error(401, "Sun, 09 Sep 2001 02:46:40 GMT"), urllib.error.URLError("refused"), b"ssh-ed25519 A")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            self.assertEqual(made.get("latest/meta-data/public-keys"), b"ssh-ed25519 A")
        self.assertEqual(printed.getvalue(), "")

    def test_404_is_nothing(self):
        self.assertEqual(client(http_error(404))[0].get("latest/user-data"), b"")

    def test_it_gives_up_with_words(self):
        made, naps = client(*[urllib.error.URLError("refused") for _ in metadata.DELAYS])
        with self.assertRaisesRegex(metadata.MetadataError, "user-data.*refused"):
            made.get("latest/user-data")
        self.assertEqual(tuple(naps), metadata.DELAYS)

    def test_report(self):
        made, _ = client(b"")
        self.assertIsNone(made.report("esxi/network", "done", result="SUCCESS", origin="esxi"))
        request = made.opener.requests[0]
        self.assertEqual(request.full_url, BASE + "status/abc")
        self.assertEqual(json.loads(request.data.decode()), {
            "name": "esxi/network", "description": "done", "event_type": "finish", "origin": "esxi",
            "result": "SUCCESS", "timestamp": 1000000000})
        made, _ = client(urllib.error.URLError("refused"))
        self.assertIn("refused", made.report("a", "b"))

    def test_missing_keys_are_named(self):
        for maas in ({}, {"endpoint": "http://x/other", "consumer_key": "a", "token_key": "b", "token_secret": "c"},
                     {"endpoint": BASE + "status/a"}):
            with self.assertRaises(metadata.MetadataError):
                metadata.Credentials({"maas": maas})

    def test_user_data(self):
        for text, expected in [("", ("none", None)), ("#!/bin/sh\nx", ("script", "/bin/sh")),
                               ("#cloud-config\n{}", ("cloud-config", None)), ("Content-Type: x", ("other", None))]:
            self.assertEqual(metadata.parse_user_data(text), expected)


class Vendor(unittest.TestCase):
    def test_ntp(self):
        servers = vendor.ntp_servers({"ntp": {"servers": ["10.0.0.2"], "pools": ["pool.example"]}})
        commands, text = vendor.ntp(servers, (8, 0, 2))
        self.assertEqual((commands[0][-2:], text), (["--server=10.0.0.2", "--server=pool.example"], None))
        commands, text = vendor.ntp(servers, (6, 7, 0))
        self.assertEqual(text, "server 10.0.0.2\nserver pool.example\n")
        self.assertEqual(vendor.ntp([], (8, 0)), ([], None))

    def test_files(self):
        found, warnings = vendor.files({"write_files": [
            {"path": "/etc/x", "content": "y"}, {"path": vendor.VCENTER_FILE, "content": "secret"},
            {"path": "relative"}, {"path": "/a/../b"}, {"path": "/z", "encoding": "b64", "content": "eA=="}]})
        self.assertEqual(found, [("/etc/x", "y")])
        self.assertEqual(len(warnings), 3)


VALUES = {"server": "vc", "username": "u", "password": "p", "datacenter": "DC 1", "thumbprint": None}


class Vcenter(unittest.TestCase):
    def test_settings(self):
        whole = {"vcenter_server": "vc", "vcenter_username": "u", "vcenter_password": "p", "unknown": 1}
        self.assertEqual(vcenter.settings(whole)["datacenter"], "Datacenter")
        # A key that nobody knows is no error: MAAS may send more one day.
        self.assertNotIn("unknown", vcenter.settings(whole))
        self.assertIsNone(vcenter.settings(None))
        self.assertIsNone(vcenter.settings(dict(whole, configure=False)))
        with self.assertRaisesRegex(vcenter.VcenterError, "vcenter_password"):
            vcenter.settings(dict(whole, vcenter_password=""))

    def test_api(self):
        opener = Opener(b'"token"', b'[{"datacenter": "dc-1", "name": "DC 1"}]', b'[{"folder": "group-h1"}]', b'"host-9"', b"")
        self.assertEqual(vcenter.register(VALUES, ["esx1"], "user", "secret", opener), "esx1")
        seen = [(r.get_method(), urlsplit(r.full_url).path) for r in opener.requests]
        self.assertEqual(seen, [("POST", "/api/session"), ("GET", "/api/vcenter/datacenter"), ("GET", "/api/vcenter/folder"),
                                ("POST", "/api/vcenter/host"), ("DELETE", "/api/session")])
        self.assertEqual(parse_qsl(urlsplit(opener.requests[2].full_url).query), [("datacenters", "dc-1"), ("type", "HOST")])
        body = json.loads(opener.requests[3].data.decode())
        self.assertEqual((body["hostname"], body["folder"], body["thumbprint_verification"]), ("esx1", "group-h1", "NONE"))
        self.assertEqual(opener.requests[1].get_header("Vmware-api-session-id"), "token")

    def test_rest_of_older_servers(self):
        opener = Opener(http_error(404), b'{"value": "token"}', b'{"value": [{"datacenter": "dc-1", "name": "DC 1"}]}',
                        b'{"value": [{"folder": "group-h1"}]}', b'{"value": "host-9"}', b"")
        vcenter.register(VALUES, ["esx1"], "user", "secret", opener)
        query = parse_qsl(urlsplit(opener.requests[3].full_url).query)
        self.assertEqual(query, [("filter.datacenters.1", "dc-1"), ("filter.type", "HOST")])
        self.assertEqual(list(json.loads(opener.requests[4].data.decode())), ["spec"])

    def test_the_next_address_is_tried(self):
        opener = Opener(b'"token"', b'[{"datacenter": "dc-1", "name": "DC 1"}]', b'[{"folder": "group-h1"}]',
                        http_error(400, body=b"unknown host"), b'"host-9"', b"")
        self.assertEqual(vcenter.register(VALUES, ["esx1", "10.0.0.21"], "user", "secret", opener), "10.0.0.21")

    def test_failures_have_the_servers_words_and_log_out(self):
        opener = Opener(b'"token"', b'[{"datacenter": "dc-1", "name": "DC 1"}]', b'[{"folder": "group-h1"}]',
                        http_error(500, body=b"license expired"), b"")
        with self.assertRaisesRegex(vcenter.VcenterError, "license expired"):
            vcenter.register(VALUES, ["esx1"], "user", "secret", opener)
        self.assertEqual(opener.requests[-1].get_method(), "DELETE")
        with self.assertRaisesRegex(vcenter.VcenterError, "401"):
            vcenter.register(VALUES, ["esx1"], "user", "secret", Opener(http_error(401)))
        with self.assertRaisesRegex(vcenter.VcenterError, "no datacenter DC 1"):
            vcenter.register(VALUES, ["esx1"], "user", "secret", Opener(b'"token"', b"[]", b"[]", b""))


if __name__ == "__main__":
    unittest.main()
