"""Unit tests of curtin/finalize: python3 -m unittest discover -s windows/tests

Configurations are synthetic, shaped like those MAAS sends; the credentials are
made up.
"""

import configparser
import importlib.machinery
import json
import os
import sys
import tempfile
import types
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True


def load():
    loader = importlib.machinery.SourceFileLoader("finalize", os.path.join(HERE, "../curtin/finalize"))
    module = types.ModuleType("finalize")
    loader.exec_module(module)
    return module


finalize = load()
URL = "http://10.0.0.1:5248/MAAS/metadata/"
REPORTING = {"maas": {"type": "webhook", "endpoint": URL + "status/abc123", "consumer_key": "ck",
                      "token_key": "tk", "token_secret": "ts"}}
DEBCONF = {"maas": "\n".join([
    "cloud-init   cloud-init/datasources  multiselect MAAS",
    "cloud-init   cloud-init/maas-metadata-url  string " + URL,
    "cloud-init   cloud-init/maas-metadata-credentials  string "
    "oauth_consumer_key=ck&oauth_token_key=tk&oauth_token_secret=ts",
    "cloud-init   cloud-init/local-cloud-config  string manage_etc_hosts: true\\n",
])}
CONF = "[DEFAULT]\r\nusername=Admin\r\nmetadata_services=x.Other\r\n[other]\r\na=1\r\n"


class Credentials(unittest.TestCase):
    def test_both_forms_are_equal(self):
        expected = [URL, "ck", "tk", "ts"]
        self.assertEqual(finalize.from_reporting({"reporting": REPORTING}), expected)
        self.assertEqual(finalize.from_debconf({"debconf_selections": DEBCONF}), expected)

    def test_escapes_of_debconf_are_undone(self):
        text = DEBCONF["maas"].replace("=ts", "=a%2Bb")
        self.assertEqual(finalize.from_debconf({"debconf_selections": {"maas": text}})[3], "a+b")

    def test_neither_is_an_error_that_says_so(self):
        for cfg in ({}, {"reporting": {}}, {"reporting": {"maas": {"endpoint": URL}}}, {"debconf_selections": None},
                    {"debconf_selections": {"maas": "cloud-init cloud-init/maas-metadata-url string " + URL}}):
            with self.assertRaisesRegex(RuntimeError, "reporting.maas"):
                finalize.maas_options(cfg)


class Options(unittest.TestCase):
    def test_set_replaced_and_kept(self):
        text = finalize.with_options(CONF, finalize.maas_options({"reporting": REPORTING}))
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(text)
        self.assertEqual(parser["DEFAULT"]["metadata_services"], finalize.SERVICE)
        self.assertEqual(parser["DEFAULT"]["username"], "Admin")
        self.assertEqual(parser["other"]["a"], "1")
        self.assertEqual(parser["maas"]["metadata_base_url"], URL)
        self.assertEqual(parser["maas"]["oauth_token_secret"], "ts")
        self.assertEqual(text.count("metadata_services"), 1)
        self.assertEqual(text.count("\n"), text.count("\r\n"))

    def test_twice_is_once(self):
        options = finalize.maas_options({"reporting": REPORTING})
        once = finalize.with_options(CONF, options)
        self.assertEqual(finalize.with_options(once, options), once)

    def test_no_section_at_all(self):
        text = finalize.with_options("", {"DEFAULT": {"a": "1"}, "maas": {"b": "2"}})
        self.assertEqual(text.split(), ["[DEFAULT]", "a=1", "[maas]", "b=2"])


class Network(unittest.TestCase):
    def test_the_address_of_a_bridge_is_on_its_card(self):
        static = {"type": "static", "address": "10.0.0.2/24"}
        items = [{"type": "physical", "id": "eth0", "name": "eth0", "subnets": [{"type": "manual"}]},
                 {"type": "bridge", "id": "br0", "name": "br0", "bridge_interfaces": ["eth0"], "subnets": [static]}]
        found = finalize.without_bridges({"version": 1, "config": items})
        self.assertEqual(found, {"version": 1, "config": [dict(items[0], subnets=[static])]})
        self.assertEqual(items[0]["subnets"], [{"type": "manual"}])  # MAAS's own stays as it was

    def test_netplan_is_refused(self):
        with self.assertRaisesRegex(RuntimeError, "version 2"):
            finalize.without_bridges({"version": 2, "ethernets": {}})


class Hook(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.target = directory.name
        self.conf = os.path.join(self.target, finalize.PROGRAMS[0], "conf")
        os.makedirs(self.conf)
        os.makedirs(os.path.join(self.target, "curtin"))
        for name in finalize.CONF_FILES:
            with open(os.path.join(self.conf, name), "w", encoding="utf-8", newline="") as stream:
                stream.write(CONF)

    def run_main(self, cfg, target=None):
        curtin = types.ModuleType("curtin")
        curtin.config = types.SimpleNamespace(load_command_config=lambda args, state: cfg)
        curtin.util = types.SimpleNamespace(load_command_environment=lambda: {"target": target or self.target})
        with mock.patch.dict(sys.modules, {"curtin": curtin}), mock.patch.object(finalize, "check_machine", lambda: None):
            return finalize.main()

    def read(self, *path):
        with open(os.path.join(self.target, *path), encoding="utf-8", newline="") as stream:
            return stream.read()

    def test_everything(self):
        network = {"version": 1, "config": [{"type": "physical", "id": "eth0"}]}
        key = "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"
        status = self.run_main({"reporting": REPORTING, "network": network, "license_key": key})
        self.assertEqual(status, 0)
        for name in finalize.CONF_FILES:
            self.assertIn("oauth_token_secret=ts\r\n", self.read(self.conf, name))
        self.assertEqual(json.loads(self.read("curtin/network.json")), network)
        self.assertIn("/ipk " + key, self.read(finalize.PROGRAMS[0], finalize.LICENSE_SCRIPT))

    def test_without_key_and_network_nothing_is_written_for_them(self):
        self.assertEqual(self.run_main({"reporting": REPORTING}), 0)
        self.assertFalse(os.path.exists(os.path.join(self.target, "curtin/network.json")))
        self.assertFalse(os.path.exists(os.path.join(self.target, finalize.PROGRAMS[0], "LocalScripts")))

    def test_a_machine_with_bios_is_refused(self):
        finalize.check_machine(self.target)
        with self.assertRaisesRegex(RuntimeError, "boot mode to UEFI"):
            finalize.check_machine(os.path.join(self.target, "no-such-directory"))

    def test_failures_fail(self):
        self.assertEqual(self.run_main({}), 1)
        self.assertEqual(self.run_main({"reporting": REPORTING, "license_key": "A; rm"}), 1)
        os.unlink(os.path.join(self.conf, "cloudbase-init-unattend.conf"))
        self.assertEqual(self.run_main({"reporting": REPORTING}), 1)
        with tempfile.TemporaryDirectory() as empty:
            self.assertEqual(self.run_main({"reporting": REPORTING}, empty), 1)


if __name__ == "__main__":
    unittest.main()
