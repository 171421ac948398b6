"""Unit tests of the deploy hook: python3 -m unittest discover -s xenserver8/tests

Configurations, inventories and lsblk's output are synthetic.
"""

import importlib.machinery
import json
import os
import re
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True


def load():
    path = os.path.join(HERE, "../curtin/curtin-hooks")
    module = types.ModuleType("xen_hooks")
    module.__file__ = path
    importlib.machinery.SourceFileLoader("xen_hooks", path).exec_module(module)
    return module


hooks = load()
REPORTING = {"maas": {"endpoint": "http://10.0.0.1:5248/MAAS/metadata/status/abc", "consumer_key": "ck",
                      "token_key": "tk", "token_secret": "ts"}}
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"


def lsblk(disk="/dev/nvme0n1", prefix="/dev/nvme0n1p"):
    parts = [{"path": "%s%d" % (prefix, n), "pkname": disk, "partn": str(n), "parttype": ESP if n == 4 else "x"}
             for n in (5, 2, 1, 4, 6, 3)]
    return {"blockdevices": [{"path": "/dev/sdb", "pkname": None, "partn": ""},
                             {"path": disk, "pkname": None, "partn": "", "children": parts}]}


def physical(number, *subnets):
    return {"type": "physical", "id": "e%d" % number, "name": "e%d" % number,
            "mac_address": "52:54:00:00:00:0%d" % number, "subnets": list(subnets)}


STATIC = {"type": "static", "address": "10.0.0.21/24", "gateway": "10.0.0.1", "dns_nameservers": ["10.0.0.2"]}
DHCP = {"type": "dhcp4"}


def network(*items):
    return {"version": 1, "config": list(items)}


class Values(unittest.TestCase):
    def test_replaced_in_place_and_added(self):
        text = hooks.with_values("A='1'\nB='2'\n# C='3'\n", {"B": "9", "C": "8"})
        self.assertEqual(text, "A='1'\nB='9'\n# C='3'\nC='8'\n")
        self.assertEqual(hooks.with_values("X=1\n", {"X": "2"}, quote=""), "X=2\n")


class Disk(unittest.TestCase):
    def test_partitions_by_number_not_by_name(self):
        for disk, prefix in (("/dev/sda", "/dev/sda"), ("/dev/nvme0n1", "/dev/nvme0n1p")):
            found, parts, esp = hooks.disk_layout(lsblk(disk, prefix), prefix + "1")
            self.assertEqual((found, parts[3], esp), (disk, prefix + "3", prefix + "4"))

    def test_without_types_the_esp_is_the_fourth(self):
        rows = lsblk()
        for row in rows["blockdevices"][1]["children"]:
            row["parttype"] = None
        self.assertEqual(hooks.disk_layout(rows, "/dev/nvme0n1p1")[2], "/dev/nvme0n1p4")

    def test_another_layout_is_refused(self):
        with self.assertRaisesRegex(RuntimeError, "no partition of a disk"):
            hooks.disk_layout(lsblk(), "/dev/sdc1")
        rows = lsblk()
        rows["blockdevices"][1]["children"].pop()
        with self.assertRaisesRegex(RuntimeError, "not the partitions"):
            hooks.disk_layout(rows, "/dev/nvme0n1p1")

    def test_the_most_stable_name(self):
        links = {"ata-DISK-part3": "/dev/sda3", "wwn-0x5000-part3": "/dev/sda3", "wwn-0x5001-part3": "/dev/sdb3"}
        self.assertEqual(hooks.best_id(links, "/dev/sda3"), "/dev/disk/by-id/wwn-0x5000-part3")
        self.assertEqual(hooks.best_id({}, "/dev/vda3"), "/dev/vda3")


class Management(unittest.TestCase):
    def test_choices(self):
        vlan = {"type": "vlan", "id": "e1.7", "name": "e1.7", "vlan_link": "e1", "vlan_id": 7, "subnets": [DHCP]}
        bond = {"type": "bond", "id": "b0", "name": "b0", "bond_interfaces": ["e2", "e1"], "subnets": [DHCP]}
        for name, items, expected in [
            ("static", [physical(1, STATIC)], {"LABEL": "eth0", "MODE": "static", "IP": "10.0.0.21",
                                               "NETMASK": "255.255.255.0", "GATEWAY": "10.0.0.1", "DNS": "10.0.0.2"}),
            ("dhcp", [physical(1), physical(2, DHCP)], {"LABEL": "eth1", "MODE": "dhcp"}),
            ("gateway", [physical(1, {"type": "static", "address": "10.9.0.1/16"}), physical(2, STATIC)],
             {"LABEL": "eth1", "MODE": "static", "IP": "10.0.0.21", "NETMASK": "255.255.255.0", "GATEWAY": "10.0.0.1",
              "DNS": "10.0.0.2"}),
            ("vlan", [vlan, physical(1)], {"LABEL": "eth0", "MODE": "dhcp", "VLAN": "7"}),
            ("bond", [physical(1), physical(2), bond], {"LABEL": "eth1", "MODE": "dhcp"}),
        ]:
            with self.subTest(name=name):
                self.assertEqual(hooks.management(network(*items))[0], expected)

    def test_what_is_not_set_up_is_said(self):
        _, _, warnings = hooks.management(network(physical(1, STATIC), physical(2, DHCP)))
        self.assertEqual(warnings, ["set up in xapi: e2"])

    def test_names_of_cards_follow_maas(self):
        _, macs, _ = hooks.management(network(physical(2, STATIC), physical(1)))
        self.assertEqual(hooks.static_rules(macs), 'eth0:mac="52:54:00:00:00:02"\neth1:mac="52:54:00:00:00:01"\n')

    def test_refusals(self):
        for config in ({"version": 2}, network(), network(physical(1)),
                       network(physical(1, {"type": "static", "address": "2001:db8::1/64"}))):
            with self.assertRaises(RuntimeError):
                hooks.management(config)


class Hook(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.target = os.path.join(directory.name, "target")
        self.esp = os.path.join(directory.name, "esp")
        for name, text in [
            ("curtin/curtin-hooks", "x"), (hooks.STORAGE, "XSPARTITIONS='/dev/sda3'\nXSTYPE='ext'\nPARTITIONS='/dev/sda3'\n"),
            (hooks.INVENTORY, "PRODUCT_BRAND='XenServer'\nINSTALLATION_UUID='build'\nCONTROL_DOMAIN_UUID='build'\n"
                              "PRIMARY_DISK='/dev/sda'\nBACKUP_PARTITION='/dev/sda2'\n"),
            (hooks.XENCOMMONS, "XEN_DOM0_UUID=build\n"), (hooks.RENAME + "/dynamic-rules.json", '{"lastboot": [["build"]]}'),
            ("etc/machine-id", "build\n"), ("etc/ssh/ssh_host_rsa_key", "build"), ("etc/ssh/sshd_config", "keep"),
        ]:
            hooks.write(self.target, name, text)
        for name in ("EFI/xenserver/grubx64.efi", "EFI/xenserver/grub.cfg"):
            hooks.write(self.esp, name, name)

    def read(self, name):
        return hooks.read(self.target, name)

    def run_main(self, cfg):
        curtin = types.ModuleType("curtin")
        curtin.config = types.SimpleNamespace(load_command_config=lambda args, state: cfg)
        curtin.util = types.SimpleNamespace(load_command_environment=lambda: {"target": self.target})
        answers = {"latest/meta-data/public-keys": b"ssh-ed25519 AAAA me\n", "latest/meta-data/local-hostname": b"xen1"}
        links = {"nvme-DISK": "/dev/nvme0n1", "nvme-DISK-part2": "/dev/nvme0n1p2", "nvme-DISK-part3": "/dev/nvme0n1p3"}
        grown = []
        with mock.patch.dict(sys.modules, {"curtin": curtin}), \
                mock.patch.object(hooks.metadata.Client, "get", lambda self, entry: answers[entry]), \
                mock.patch.object(hooks, "check_machine", lambda: None), \
                mock.patch.object(hooks, "output_of", return_value="/dev/nvme0n1p1"), \
                mock.patch.object(hooks, "block_devices", lambda: lsblk()), \
                mock.patch.object(hooks, "id_links", lambda: links), mock.patch.object(hooks, "grow", grown.append), \
                mock.patch.object(hooks, "with_mount", lambda device, work: work(self.esp)):
            return hooks.main(), grown

    def test_everything(self):
        status, grown = self.run_main({"reporting": REPORTING, "network": network(physical(1, STATIC))})
        self.assertEqual((status, grown), (0, ["/dev/nvme0n1"]))
        self.assertEqual(self.read(hooks.STORAGE), "XSPARTITIONS='/dev/disk/by-id/nvme-DISK-part3'\nXSTYPE='ext'\n"
                                                   "PARTITIONS='/dev/disk/by-id/nvme-DISK-part3'\n")
        inventory = self.read(hooks.INVENTORY)
        self.assertIn("PRIMARY_DISK='/dev/disk/by-id/nvme-DISK'", inventory)
        self.assertIn("BACKUP_PARTITION='/dev/disk/by-id/nvme-DISK-part2'", inventory)
        self.assertIn("IP='10.0.0.21'\n", self.read(hooks.MANAGEMENT))
        self.assertEqual(json.loads(self.read(hooks.RENAME + "/dynamic-rules.json")), {"lastboot": [], "old": []})
        self.assertEqual(self.read("root/.ssh/authorized_keys"), "ssh-ed25519 AAAA me\n")
        self.assertEqual(self.read("etc/hostname"), "xen1\n")
        self.assertEqual(hooks.read(self.esp, "EFI/BOOT/BOOTX64.EFI"), "EFI/xenserver/grubx64.efi")
        self.assertEqual(os.stat(os.path.join(self.target, "var/lib/maas/settings")).st_mode & 0o777, 0o600)
        self.assertTrue(os.path.islink(os.path.join(
            self.target, "etc/systemd/system/multi-user.target.wants/maas-first-boot.service")))
        self.assertFalse(os.path.exists(os.path.join(self.target, "curtin")))

    def test_no_identity_of_the_build_is_left(self):
        self.run_main({"reporting": REPORTING, "network": network(physical(1, DHCP))})
        inventory, commons = self.read(hooks.INVENTORY), self.read(hooks.XENCOMMONS)
        dom0 = re.search("CONTROL_DOMAIN_UUID='([0-9a-f-]{36})'", inventory).group(1)
        self.assertEqual(commons, "XEN_DOM0_UUID=%s\n" % dom0)
        self.assertNotIn(dom0, re.search("INSTALLATION_UUID='([0-9a-f-]{36})'", inventory).group(1))
        self.assertRegex(self.read("etc/machine-id"), "^[0-9a-f]{32}\n$")
        self.assertEqual(os.listdir(os.path.join(self.target, "etc/ssh")), ["sshd_config"])
        for name in (hooks.INVENTORY, hooks.XENCOMMONS, "etc/machine-id"):
            self.assertNotIn("build", self.read(name))

    def test_failures_fail(self):
        self.assertEqual(self.run_main({"network": network(physical(1, DHCP))})[0], 1)
        self.assertEqual(self.run_main({"reporting": REPORTING})[0], 1)
        bad = {"maas": dict(REPORTING["maas"], token_secret="a'; reboot; '")}
        self.assertEqual(self.run_main({"reporting": bad, "network": network(physical(1, DHCP))})[0], 1)
        os.unlink(os.path.join(self.target, hooks.STORAGE))
        self.assertEqual(self.run_main({"reporting": REPORTING, "network": network(physical(1, DHCP))})[0], 1)

    def test_maas_asks_for_cloud_init(self):
        """DEPS_PER_OS of MAAS's preseed.py: `cloud-init --version` for every custom image of base rhel."""
        self.run_main({"reporting": REPORTING, "network": network(physical(1, DHCP))})
        program = os.path.join(self.target, "usr/bin/cloud-init")
        self.assertIn(b"maas-first-boot", subprocess.run([program, "--version"], check=True, stdout=subprocess.PIPE).stdout)
        self.assertEqual(subprocess.run([program, "init"], check=False).returncode, 2)
        # A real one stays.
        hooks.write(self.target, "usr/bin/cloud-init", "real")
        hooks.answer_for_cloud_init(self.target)
        self.assertEqual(self.read("usr/bin/cloud-init"), "real")

    def test_a_machine_with_bios_is_refused(self):
        hooks.check_machine(self.esp)
        with self.assertRaisesRegex(RuntimeError, "boot mode to UEFI"):
            hooks.check_machine(os.path.join(self.esp, "no-such-directory"))

    def test_the_vendors_loader_and_configuration_stay(self):
        hooks.set_loader(self.esp)
        for name in ("EFI/xenserver/grubx64.efi", "EFI/xenserver/grub.cfg"):
            self.assertEqual(hooks.read(self.esp, name), name)
        # What updates write there counts, not a copy of today.
        self.assertEqual(hooks.read(self.esp, "EFI/BOOT/grub.cfg"), "configfile /EFI/xenserver/grub.cfg\n")
        with open(os.path.join(HERE, "../curtin/curtin-hooks"), encoding="utf-8") as stream:
            # Neither is the loader replaced, nor the firmware's order of starting.
            self.assertFalse(re.search("grub2?-(install|mkconfig)|efibootmgr", stream.read()))

    def test_an_esp_without_a_loader(self):
        os.unlink(os.path.join(self.esp, "EFI/xenserver/grubx64.efi"))
        self.assertEqual(self.run_main({"reporting": REPORTING, "network": network(physical(1, DHCP))})[0], 1)


if __name__ == "__main__":
    unittest.main()
