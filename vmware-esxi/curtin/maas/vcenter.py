"""Registers this host with vCenter. Python 3.5 and later.

The API of 7.0U2 and later first (`/api`), the older one (`/rest`) if the server
does not know it.
"""

import base64
import json
import ssl
import urllib.error
import urllib.request
from urllib.parse import quote, urlencode

KEYS = ("vcenter_server", "vcenter_username", "vcenter_password", "vcenter_datacenter")
TIMEOUT = 60


class VcenterError(Exception):
    """A registration that did not succeed, in words for the log."""


def settings(values):
    """{server, username, password, datacenter, thumbprint}, or None if there is nothing to do."""
    values = values or {}
    if values.get("configure") is False or not values.get("vcenter_server"):
        return None
    missing = [key for key in KEYS[:3] if not values.get(key)]
    if missing:
        raise VcenterError("vCenter's configuration has no %s" % ", ".join(missing))
    found = {key.replace("vcenter_", ""): values.get(key) for key in KEYS}
    found["datacenter"] = found["datacenter"] or "Datacenter"
    found["thumbprint"] = values.get("thumbprint")
    return found


class Api:
    """Paths and forms of one of the two interfaces."""

    def __init__(self, modern):
        self.modern = modern
        self.session = "/api/session" if modern else "/rest/com/vmware/cis/session"
        self.base = "/api/vcenter/" if modern else "/rest/vcenter/"

    def query(self, kind, filters):
        """Path that lists objects: {"names": x} becomes names=x or filter.names.1=x."""
        single = ("type",)
        words = []
        for name, value in sorted(filters.items()):
            if self.modern:
                words.append((name, value))
            else:
                words.append(("filter." + name if name in single else "filter.%s.1" % name, value))
        return self.base + kind + "?" + urlencode(words, quote_via=quote)

    def value(self, body):
        """The result inside an answer."""
        found = json.loads(body.decode("utf-8")) if body else None
        return found if self.modern or not isinstance(found, dict) else found.get("value")

    def host(self, spec):
        return spec if self.modern else {"spec": spec}


def basic(username, password):
    return "Basic " + base64.b64encode(("%s:%s" % (username, password)).encode("utf-8")).decode("ascii")


def host_spec(hostname, username, password, folder, thumbprint=None):
    spec = {"hostname": hostname, "user_name": username, "password": password, "folder": folder,
            "thumbprint_verification": "THUMBPRINT" if thumbprint else "NONE"}
    if thumbprint:
        spec["thumbprint"] = thumbprint
    return spec


def first(objects, key, value=None):
    """Identifier of the first object, or of the one that has this name or identifier."""
    for item in objects or []:
        if value is None or value in (item.get("name"), item.get(key)):
            return item.get(key)
    return None


class Session:
    """Talks to one server. `opener` is replaced by tests."""

    def __init__(self, server, opener=None):
        self.server = server
        self.opener = opener or self.unverified
        self.api = None
        self.token = None

    @staticmethod
    def unverified(request, timeout):
        # MAAS passes no certificate of vCenter on.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return urllib.request.urlopen(request, timeout=timeout, context=context)

    def call(self, method, path, headers, body=None):
        data = None if body is None else json.dumps(body).encode("utf-8")
        headers = dict(headers, Accept="application/json")
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request("https://%s%s" % (self.server, path), data=data, headers=headers, method=method)
        return self.opener(request, timeout=TIMEOUT).read()

    def login(self, username, password):
        headers = {"Authorization": basic(username, password)}
        for api in (Api(True), Api(False)):
            try:
                self.token = api.value(self.call("POST", api.session, headers))
                self.api = api
                return
            except urllib.error.HTTPError as error:
                if not (api.modern and error.code in (404, 405)):
                    raise
        raise VcenterError("%s has neither /api nor /rest" % self.server)

    def ask(self, method, path, body=None):
        return self.api.value(self.call(method, path, {"vmware-api-session-id": self.token}, body))

    def folder(self, datacenter):
        """Identifier of the host folder of a datacenter, given by name or identifier."""
        found = self.ask("GET", self.api.query("datacenter", {"names": datacenter}))
        identifier = first(found, "datacenter", datacenter)
        if identifier is None:
            found = self.ask("GET", self.api.query("datacenter", {"datacenters": datacenter}))
            identifier = first(found, "datacenter", datacenter)
        if identifier is None:
            raise VcenterError("vCenter has no datacenter %s" % datacenter)
        folders = self.ask("GET", self.api.query("folder", {"type": "HOST", "datacenters": identifier}))
        folder = first(folders, "folder")
        if folder is None:
            raise VcenterError("datacenter %s has no folder for hosts" % datacenter)
        return folder

    def logout(self):
        try:
            self.ask("DELETE", self.api.session)
        except (OSError, ValueError):
            pass  # it ends by itself


def said(error):
    """What the server answered, for the log."""
    try:
        return "%s: %s" % (error, error.read().decode("utf-8", "replace")[:500])
    except (OSError, AttributeError):
        return str(error)


def register(values, addresses, username, password, opener=None):
    """Adds the host under the first of its names and addresses that vCenter accepts; returns that."""
    session = Session(values["server"], opener)
    problem = "the host has no name and no address"
    try:
        session.login(values["username"], values["password"])
        try:
            folder = session.folder(values["datacenter"])
            for address in addresses:
                spec = host_spec(address, username, password, folder, values.get("thumbprint"))
                try:
                    session.ask("POST", session.api.base + "host", session.api.host(spec))
                    return address
                except urllib.error.HTTPError as error:
                    problem = said(error)
        finally:
            session.logout()
    except urllib.error.HTTPError as error:
        problem = said(error)
    except (OSError, ValueError) as error:
        problem = str(error)
    raise VcenterError("%s: %s" % (values["server"], problem))
