"""Rules for the rendered answers and scripts, and first-boot against a real HTTP server.

Elements and values: doc/answerfile.txt of github.com/xenserver/host-installer.
"""

import http.server
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
import xml.etree.ElementTree as ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import plans  # noqa: E402

TARGETS = ["xenserver8-%s-amd64" % product for product in ("xenserver-8", "xcp-ng-8.2", "xcp-ng-8.3")]
ELEMENTS = {"primary-disk", "guest-disk", "source", "driver-source", "bootloader", "network-backend", "script",
            "admin-interface", "root-password", "name-server", "hostname", "timezone", "ntp", "ntp-server", "keymap"}
STAGES = {"installation-start", "filesystem-populated", "installation-complete"}
INTERPRETERS = ("#!/bin/sh", "#!/bin/bash", "#!/usr/bin/python")


def served(target, **variables):
    return plans.source(target, **variables)["http_content"]


def answers(target, **variables):
    """The answer file that the generator prints, with a command line of our own."""
    text = served(target, **variables)["/generate"].replace("/proc/cmdline", "$CMDLINE")
    with tempfile.NamedTemporaryFile("w", suffix="cmdline") as line:
        line.write("root=/dev/ram0 answerfile_generator=http://10.0.2.2:8123/generate network_device=all\n")
        line.flush()
        env = dict(os.environ, CMDLINE=line.name)
        done = subprocess.run(["bash", "-c", text], env=env, check=True, stdout=subprocess.PIPE)
    return ElementTree.fromstring(done.stdout)


class Answers(unittest.TestCase):
    def test_every_product(self):
        for target in TARGETS:
            with self.subTest(target=target):
                root = answers(target)
                self.assertEqual((root.tag, root.get("mode"), root.get("sr-type")), ("installation", "fresh", "ext"))
                self.assertLessEqual({child.tag for child in root}, ELEMENTS)
                scripts = {child.get("stage"): child for child in root.iter("script")}
                self.assertLessEqual(set(scripts), STAGES)
                for stage, script in scripts.items():
                    self.assertEqual((script.get("type"), script.text), ("url", "http://10.0.2.2:8123/" + stage))
                    self.assertIn("/" + stage, served(target))
                self.assertEqual(root.find("root-password").text, "(sensitive)")

    def test_values(self):
        root = answers(TARGETS[0], sr_type="lvm", network_backend="bridge", timezone="Europe/Berlin", keymap="de",
                       root_password_hash="$6$salt$a&b")
        self.assertEqual(root.get("sr-type"), "lvm")
        self.assertEqual([root.find(name).text for name in ("network-backend", "timezone", "keymap")],
                         ["bridge", "Europe/Berlin", "de"])
        self.assertEqual(root.find("root-password").get("type"), "hash")
        self.assertIn("must be ext or lvm", plans.refusal(TARGETS[0], sr_type="zfs"))

    def test_no_generator_on_the_command_line(self):
        text = served(TARGETS[0])["/generate"].replace("/proc/cmdline", "/dev/null")
        done = subprocess.run(["bash", "-c", text], check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stdout), (1, b""))

    def test_the_firmware_keeps_its_order_and_the_disk_is_sata(self):
        for target in TARGETS:
            root = answers(target)
            self.assertEqual(root.find("bootloader").get("write-boot-entry"), "false")
            self.assertEqual((plans.source(target)["disk_interface"], root.find("primary-disk").text), ("ide", "sda"))
            self.assertEqual(root.find("timezone").text, "Etc/UTC")

    def test_defaults_are_values_that_the_template_takes(self):
        """`packer build .` gives no variable but the ISO's."""
        with open(os.path.join(HERE, "../xenserver8.pkr.hcl"), encoding="utf-8") as stream:
            blocks = re.findall(r'^variable "(\w+)" \{(.*?)^\}', stream.read(), re.M | re.S)
        checked = []
        for name, block in blocks:
            default = re.search(r'^  default += "(.*)"', block, re.M)
            words = re.search(r"contains\(\[(.*?)\]", block)
            allowed = re.findall('"([^"]*)"', words.group(1)) if words else re.findall(r'var\.\w+ == "([^"]*)"', block)
            if default and allowed:
                self.assertIn(default.group(1), allowed, name)
                checked.append(name)
        self.assertEqual(checked, ["product", "architecture", "sr_type", "network_backend"])

    def test_keys(self):
        keys = plans.source(TARGETS[0], boot_menu_lines="2", boot_command_suffix="debug")["boot_command"]
        self.assertEqual("".join(keys), "e<wait2s><down><down><left> answerfile_generator=http://{{ .HTTPIP }}:{{ .HTTPPort }}"
                                        "/generate network_device=all debug<wait1s><f10>")


class Scripts(unittest.TestCase):
    NAMES = ("/generate", "/filesystem-populated", "/installation-complete", "/customize", "/curtin/first-boot")

    def test_interpreters_that_the_installer_takes(self):
        for name in self.NAMES:
            self.assertTrue(served(TARGETS[0])[name].startswith(INTERPRETERS), name)

    def test_only_the_last_stage_turns_the_machine_off(self):
        """Before that the installer still writes."""
        off = [name for name in self.NAMES if re.search(r"^\s*(trap ')?(poweroff|halt|shutdown|reboot)\b",
                                                         served(TARGETS[0])[name], re.M)]
        self.assertEqual(off, ["/installation-complete"])

    def test_nothing_comes_from_the_internet(self):
        for name in self.NAMES:
            text = served(TARGETS[0])[name]
            self.assertFalse(re.search(r"\b(yum|dnf|pip)\b|https?://(?!\[)", text), name)

    @unittest.skipUnless(shutil.which("shellcheck"), "shellcheck is not installed")
    def test_shellcheck(self):
        for variables in ({}, {"package_directory": HERE}):
            for name in self.NAMES:
                text = served(TARGETS[0], **variables)[name]
                done = subprocess.run(["shellcheck", "-"], input=text.encode(), check=False, stdout=subprocess.PIPE)
                self.assertEqual(done.returncode, 0, name + done.stdout.decode())

    def test_the_end_is_told_before_the_power_goes(self):
        text = served(TARGETS[0])["/installation-complete"].replace("poweroff -f", "echo off")
        for status, word in (("0", "image-build: installed"), ("1", "FAILED")):
            with tempfile.TemporaryDirectory() as directory:
                port = os.path.join(directory, "tty")
                open(port, "w").close()
                script = text.replace("/dev/ttyS0 /dev/hvc0", port)
                done = subprocess.run(["bash", "-c", script, "x", status], check=True, stdout=subprocess.PIPE)
                with open(port, encoding="utf-8") as stream:
                    self.assertIn(word, stream.read())
                self.assertEqual(done.stdout, b"off\n")


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.headers.append((self.path, self.headers["Authorization"]))
        status, body = self.server.answers.pop(0)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@unittest.skipUnless(shutil.which("curl"), "curl is not installed")
class FirstBoot(unittest.TestCase):
    def get(self, *replies):
        """get_user_data against a server with these replies: (status, text, requests)."""
        server = http.server.HTTPServer(("127.0.0.1", 0), Server)
        server.headers, server.answers = [], list(replies)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with tempfile.TemporaryDirectory() as state:
                script = ('source "$1"; state=$2; BASE=$3 CONSUMER_KEY=ck TOKEN_KEY=tk TOKEN_SECRET=ts\n'
                          'sleep() { :; }\nget_user_data "$state/user-data"\n')
                done = subprocess.run(["bash", "-c", script, "x", os.path.join(HERE, "../curtin/first-boot"), state,
                                       "http://127.0.0.1:%d/MAAS/metadata/" % server.server_port], check=False,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                path = os.path.join(state, "user-data")
                with open(path, "rb") as stream:
                    return done.returncode, stream.read(), server.headers
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def test_signed(self):
        status, text, seen = self.get((200, b"#!/bin/sh\n"))
        self.assertEqual((status, text), (0, b"#!/bin/sh\n"))
        path, header = seen[0]
        self.assertEqual(path, "/MAAS/metadata/latest/user-data")
        self.assertTrue(header.startswith('OAuth oauth_version="1.0"'), header)
        for part in ('oauth_signature="%26ts"', 'oauth_consumer_key="ck"', 'oauth_token="tk"'):
            self.assertIn(part, header)

    def test_none(self):
        self.assertEqual(self.get((404, b"not found"))[:2], (0, b""))

    def test_again_after_an_error(self):
        status, text, seen = self.get((500, b""), (401, b""), (200, b"x"))
        self.assertEqual((status, text, len(seen)), (0, b"x", 3))


if __name__ == "__main__":
    unittest.main()
