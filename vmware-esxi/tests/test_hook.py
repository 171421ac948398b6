"""curtin-hooks, first boot, kickstart and scripts/inject. Configurations are synthetic."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

import harness

sys.path.insert(0, harness.HERE)
import plans  # noqa: E402

hooks = harness.load("curtin_hooks", "curtin/curtin-hooks")
inject = harness.load("inject", "scripts/inject")
import firstboot  # noqa: E402

REPORTING = {"maas": {"endpoint": "http://10.0.0.1:5248/MAAS/metadata/status/abc", "consumer_key": "ck",
                      "token_key": "tk", "token_secret": "ts"}}


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as stream:
        return stream.read()


class Scratch(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = directory.name

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path


class Sibling(Scratch):
    def sysfs(self, disk, prefix):
        """/sys/class/block as the kernel has it: links to directories below the disk."""
        for number in (1, 5, 6, 10):
            name = "%s%d" % (prefix, number)
            self.write("devices/%s/%s/partition" % (disk, name), "%d\n" % number)
            os.makedirs(os.path.join(self.dir, "block"), exist_ok=True)
            os.symlink("../devices/%s/%s" % (disk, name), os.path.join(self.dir, "block", name))
        return os.path.join(self.dir, "block")

    def test_all_kinds_of_names(self):
        for disk, prefix in (("sda", "sda"), ("nvme0n1", "nvme0n1p"), ("mmcblk0", "mmcblk0p")):
            sysfs = self.sysfs(disk, prefix)
            mounts = "proc /proc proc rw 0 0\n/dev/%s1 /tmp/target vfat rw 0 0\n" % prefix
            self.assertEqual(hooks.sibling(mounts, "/tmp/target", 6, sysfs), "/dev/%s6" % prefix)
            with self.assertRaisesRegex(RuntimeError, "no partition 7"):
                hooks.sibling(mounts, "/tmp/target/", 7, sysfs)
            shutil.rmtree(os.path.join(self.dir, "block"))

    def test_nothing_mounted(self):
        with self.assertRaisesRegex(RuntimeError, "nothing is mounted"):
            hooks.sibling("", "/tmp/target", 6)


class Hook(Scratch):
    def run_main(self, cfg, vendor=b"{}"):
        """main() with a minimal curtin, and JSON for YAML: every JSON is YAML."""
        target, bank = os.path.join(self.dir, "target"), os.path.join(self.dir, "bank")
        os.makedirs(os.path.join(target, "curtin"))
        os.makedirs(bank)
        curtin = types.ModuleType("curtin")
        curtin.config = types.SimpleNamespace(load_command_config=lambda args, state: cfg)
        curtin.util = types.SimpleNamespace(load_command_environment=lambda: {"target": target})
        yaml = types.ModuleType("yaml")
        yaml.safe_load, yaml.YAMLError = json.loads, ValueError
        with mock.patch.dict(sys.modules, {"curtin": curtin, "yaml": yaml}), \
                mock.patch.object(hooks.metadata.Client, "get", lambda self, entry: vendor), \
                mock.patch.object(hooks, "sibling", return_value="/dev/sda6"), \
                mock.patch.object(hooks, "mounted", lambda device, work: work(bank)):
            return hooks.main(), target, bank

    def test_everything(self):
        inner = {"ntp": {"servers": ["10.0.0.2"]}, "other": 1, "write_files": [
            {"path": "/altbootbank/maas/vcenter.yaml", "content": json.dumps({"vcenter_server": "vc"})}]}
        cfg = {"network": {"version": 1, "config": []}, "reporting": REPORTING, "apt": {"secret": 1}}
        status, target, bank = self.run_main(cfg, json.dumps({"cloud-init": json.dumps(inner)}).encode())
        self.assertEqual(status, 0)
        # Only what the helpers need, and nobody else may read it.
        self.assertEqual(sorted(json.loads(read(bank, "maas/curtin.json"))), ["network", "reporting"])
        self.assertEqual(os.stat(os.path.join(bank, "maas/curtin.json")).st_mode & 0o777, 0o600)
        self.assertEqual(json.loads(read(bank, "maas/vendor.json"))["vcenter"], {"vcenter_server": "vc"})
        self.assertTrue(os.path.isfile(os.path.join(bank, "maas/metadata.py")))
        self.assertFalse(os.path.islink(os.path.join(bank, "maas/metadata.py")))
        self.assertFalse(os.path.exists(os.path.join(target, "curtin")))

    def test_failures_fail(self):
        self.assertEqual(self.run_main({"reporting": REPORTING})[0], 1)  # no network

    def test_no_credentials(self):
        self.assertEqual(self.run_main({"network": {"version": 1}})[0], 1)

    def test_vendor_data_that_is_none(self):
        for text in ("null", "[]", '{"cloud-init": null}', '{"cloud-init": "[]"}'):
            self.assertEqual(hooks.vendor_config(text, json.loads), {})


class FirstBoot(Scratch):
    def test_identity(self):
        self.assertEqual(firstboot.without_uuid('/a = "1"\n/system/uuid = "x"\n/b = "2"\n'), '/a = "1"\n/b = "2"\n')

    def test_addresses_in_order(self):
        says = {"ipv4": harness.fixture("ipv4-get.txt"), "ipv6": harness.fixture("ipv6-list.txt")}
        with mock.patch.object(firstboot, "output", lambda argv: says[argv[4]]):
            self.assertEqual(firstboot.addresses("esx1"), ["esx1", "10.0.0.21", "2001:db8::21"])

    def run_deploy(self, **steps):
        """main() with a directory of its own; steps: name to what replaces it."""
        for name in ("curtin.json", "vendor.json"):
            self.write("maas/" + name, json.dumps({"reporting": REPORTING}))
        reports, commands = [], []
        nothing = {name: (lambda *args: None) for name in (
            "new_identity", "access", "set_network", "set_storage", "set_keys", "set_name", "set_vendor", "join_vcenter",
            "run_user_data")}
        nothing.update(steps)
        with mock.patch.multiple(firstboot, HERE=os.path.join(self.dir, "maas"), release=lambda: (8, 0, 2),
                                 run=lambda argv, *a, **k: commands.append(argv), log=lambda text: None, **nothing), \
                mock.patch.object(firstboot.metadata.Client, "report",
                                  lambda self, name, text, **more: reports.append((name, more["result"]))), \
                mock.patch.object(firstboot.traceback, "print_exc"):
            return firstboot.main(), reports, commands

    def test_all_well(self):
        status, reports, commands = self.run_deploy()
        self.assertEqual(status, 0)
        self.assertEqual([name for name, _ in reports], ["esxi/storage", "esxi/ssh-keys", "esxi/hostname",
                                                         "esxi/vendor-data", "esxi/vcenter", "esxi/user-data"])
        self.assertIn("--enabled=true", commands[-1])
        self.assertFalse(os.path.exists(os.path.join(self.dir, "maas")))

    def test_a_failed_step_is_told_and_the_others_run_and_the_secrets_go(self):
        def broken(*args):
            raise firstboot.storage.StorageError("no room")

        status, reports, commands = self.run_deploy(set_storage=broken)
        self.assertEqual(status, 1)
        self.assertEqual(reports[0], ("esxi/storage", "FAIL"))
        self.assertEqual(reports[-1], ("esxi/user-data", "SUCCESS"))
        self.assertIn("--enabled=true", commands[-1])
        self.assertFalse(os.path.exists(os.path.join(self.dir, "maas")))

    def test_user_data(self):
        os.makedirs(os.path.join(self.dir, "maas"))
        for text, ran in [(b"#!/bin/sh\n", "/bin/sh"), (b"#!/usr/bin/env python3\n", sys.executable),
                          (b"#cloud-config\n", None), (b"", None)]:
            commands = []
            client = types.SimpleNamespace(get=lambda entry, text=text: text)
            with mock.patch.multiple(firstboot, HERE=os.path.join(self.dir, "maas"), run=commands.append, log=lambda t: None):
                firstboot.run_user_data(client)
            self.assertEqual([argv[0] for argv in commands], [ran] if ran else [], text)

    def test_the_temporary_administrator_is_removed_whatever_happens(self):
        commands = []
        values = {"vcenter_server": "vc", "vcenter_username": "u", "vcenter_password": "p"}
        with mock.patch.multiple(firstboot, run=lambda argv, *a, **k: commands.append(argv), addresses=lambda name: [name]), \
                mock.patch.object(firstboot.vcenter, "register", side_effect=firstboot.vcenter.VcenterError("x")):
            with self.assertRaises(firstboot.vcenter.VcenterError):
                firstboot.join_vcenter(values, "esx1")
        self.assertEqual([argv[2:4] for argv in commands], [["account", "add"], ["permission", "set"], ["account", "remove"]])


class Kickstart(unittest.TestCase):
    # VMware's documentation of installation scripts, 6.7 to 8.0.
    KEYWORDS = {"vmaccepteula", "rootpw", "serialnum", "install", "network"}

    def test_keywords_and_options(self):
        for version, media, legacy in (("6.7", False, False), ("7", True, True), ("8", True, True), ("9", True, True)):
            source = plans.source("vmware-esxi-%s-amd64" % version)
            text = source["http_content"]["/ks.cfg"]
            head = text.split("%post")[0]
            words = [line.split()[0] for line in head.splitlines() if line and not line.startswith("#")]
            self.assertLessEqual(set(words), self.KEYWORDS)
            self.assertEqual([line.split()[0] for line in text.splitlines() if line.startswith("%")], ["%post", "%firstboot"])
            keys = "".join(source["boot_command"])
            self.assertIs("systemMediaSize=min" in keys, media, version)
            self.assertIs("allowLegacyCPU=true" in keys, legacy, version)
            self.assertIs(source["efi_boot"], version != "6.7")

    def test_options_of_newer_releases(self):
        """The grammar of 6.x has no --forceunsupportedinstall; see ANS008."""
        for version, expected in (("6.7", False), ("7", True), ("8", True), ("9", True)):
            text = plans.source("vmware-esxi-%s-amd64" % version)["http_content"]["/ks.cfg"]
            self.assertIs("--forceunsupportedinstall" in text, expected, version)
        text = plans.source("vmware-esxi-8-amd64", allow_legacy_cpu="false")["http_content"]["/ks.cfg"]
        self.assertNotIn("--forceunsupportedinstall", text)

    def test_the_random_password_is_one_that_esxi_takes(self):
        """passwdqc takes 40 characters at most; three kinds of them are enough for 7."""
        with open(os.path.join(harness.HERE, "../vmware-esxi.pkr.hcl"), encoding="utf-8") as stream:
            start = re.search(r'local "random_password" \{\s+expression = "(.*)\$\{uuidv4\(\)\}"', stream.read()).group(1)
        self.assertLessEqual(len(start) + 36, 40)
        self.assertRegex(start, "[^A-Za-z0-9]")

    def test_typed_options_wait_for_the_loader(self):
        for version, wait in (("6.7", "3s"), ("8", "7s")):
            self.assertEqual(plans.source("vmware-esxi-%s-amd64" % version)["boot_wait"], wait)
        self.assertEqual(plans.source("vmware-esxi-8-amd64", boot_wait="20s")["boot_wait"], "20s")

    def test_password_and_license_are_not_shown(self):
        source = plans.source("vmware-esxi-8-amd64", root_password_hash="$6$salt$hash", license_key="AAAAA-BBBBB-CCCCC-DDDDD-EEEEE")
        text = source["http_content"]["/ks.cfg"]
        self.assertIn("rootpw --iscrypted (sensitive)", text)
        self.assertIn("serialnum --esx=(sensitive)", text)

    @unittest.skipUnless(shutil.which("shellcheck"), "shellcheck is not installed")
    def test_scripts_are_clean(self):
        text = plans.source("vmware-esxi-8-amd64")["http_content"]["/ks.cfg"]
        for part in text.split("--interpreter=busybox\n")[1:]:
            script = part.split("\n%")[0]
            done = subprocess.run(["shellcheck", "--shell=sh", "-"], input=script.encode(), check=False, stdout=subprocess.PIPE)
            self.assertEqual(done.returncode, 0, done.stdout.decode())


def gpt(first, last):
    """Header and the first entry of a GPT, without checksums, which inject does not read."""
    header = inject.HEADER.pack(b"EFI PART", 0x10000, 92, 0, 0, 1, last + 34, 34, last, bytes(16), 2, 128, 128)
    entry = inject.ENTRY.pack(bytes.fromhex("28732ac11ff8d211ba4b00a0c93ec93b"), bytes(16), first, last, 0, b"")
    return bytes(512) + header.ljust(512, b"\0") + entry


class Inject(Scratch):
    def disk(self, fat=True):
        path = os.path.join(self.dir, "disk.raw")
        with open(path, "wb") as stream:
            stream.write(gpt(64, 64 + 65535))
            stream.truncate(40 << 20)
        if fat:
            # 32 MiB, where ESXi 6 has 4 and later releases have 100.
            subprocess.run(["mkfs.vfat", "--offset=64", path, "32768"], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        return path

    def run_inject(self, disk):
        env = dict(os.environ, DISK=disk, CURTIN=harness.CURTIN)
        return subprocess.run([sys.executable, "-B", os.path.join(harness.HERE, "../scripts/inject")], env=env, check=False,
                              universal_newlines=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    @unittest.skipUnless(shutil.which("mcopy") and shutil.which("mkfs.vfat"), "mtools or dosfstools are not installed")
    def test_into_fat_and_again(self):
        disk = self.disk()
        for _ in range(2):
            done = self.run_inject(disk)
            self.assertEqual(done.returncode, 0, done.stderr)
        place = disk + "@@32768"
        listed = subprocess.run(["mdir", "-i", place, "-b", "-/", "::curtin"], check=True, stdout=subprocess.PIPE)
        for name in ("::/curtin/curtin-hooks", "::/curtin/maas/firstboot.py", "::/curtin/maas/metadata.py"):
            self.assertIn(name, listed.stdout.decode().split())
        text = subprocess.run(["mtype", "-i", place, "::curtin/maas/metadata.py"], check=True, stdout=subprocess.PIPE)
        self.assertEqual(text.stdout.decode(), read(harness.CURTIN, "maas/metadata.py"))
        check = subprocess.run(["dd", "if=" + disk, "bs=512", "skip=64", "of=" + self.dir + "/fat"], check=True,
                               stderr=subprocess.DEVNULL)
        self.assertEqual(check.returncode, 0)

    def test_disks_that_are_not_installed(self):
        empty = self.write("empty.raw", "\0" * 4096)
        done = self.run_inject(empty)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no GPT", done.stderr)
        done = self.run_inject(self.disk(fat=False))
        self.assertEqual(done.returncode, 1)
        self.assertIn("no FAT", done.stderr)


if __name__ == "__main__":
    unittest.main()
