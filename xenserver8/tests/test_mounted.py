"""curtin-hooks, executed from an ext3 root and writing to a FAT ESP, both made here; and
the growth of a GPT disk of the installer's layout by the real programs:
python3 -m unittest discover -s xenserver8/tests

Which devices there are is told, because a file has no partitions in sysfs.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import mounted  # noqa: E402
from test_hook import DHCP, hooks, lsblk, network, physical  # noqa: E402

FILES = {
    hooks.STORAGE: "XSPARTITIONS='/dev/sda3'\nXSTYPE='ext'\nPARTITIONS='/dev/sda3'\n",
    hooks.INVENTORY: "PRODUCT_BRAND='XenServer'\nINSTALLATION_UUID='build'\nCONTROL_DOMAIN_UUID='build'\nPRIMARY_DISK='/dev/sda'\n"
                     "BACKUP_PARTITION='/dev/sda2'\n",
    hooks.XENCOMMONS: "XEN_DOM0_UUID=build\n",
    "etc/machine-id": "build\n",
    "etc/ssh/ssh_host_rsa_key": "build",
}


@mounted.needs("mke2fs", "mkfs.vfat")
class Ext(mounted.MountedCase):
    def setUp(self):
        super().setUp()
        for name, text in FILES.items():
            self.write("root/" + name, text)
        shutil.copytree(os.path.join(HERE, "../curtin"), os.path.join(self.dir, "root/curtin"),
                        ignore=shutil.ignore_patterns("__pycache__"))
        self.root = self.image("root.ext3", 24, "mke2fs", "-q", "-t", "ext3", "-d", os.path.join(self.dir, "root"))
        self.esp = self.image("esp.fat", 8, "mkfs.vfat")
        mounted.run("mmd", "-i", self.esp, "::EFI", "::EFI/xenserver")
        for name in ("grubx64.efi", "grub.cfg"):
            mounted.run("mcopy", "-i", self.esp, self.write(name, name), "::EFI/xenserver/" + name)

    def deploy(self, config, root=None):
        rows = lsblk()
        for row in rows["blockdevices"][1]["children"]:
            if row["partn"] == "4":
                row["path"] = self.esp
        patch = "check_machine = lambda: None\nblock_devices = lambda: %r\noutput_of = lambda argv: '/dev/nvme0n1p1'\ngrow = lambda disk: None\n" \
                "id_links = lambda: {'nvme-X-part3': '/dev/nvme0n1p3'}\n" % rows
        with self.mounted(root or self.root, "ext3") as place:
            return self.run_hook("curtin/curtin-hooks", place, config, patch)

    def read(self, name):
        done = subprocess.run(["/sbin/debugfs", "-R", "cat " + name, self.root], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
        return done.stdout.decode()

    def config(self):
        return {"network": network(physical(1, DHCP)),
                "reporting": self.serve(meta_data__public_keys=b"ssh-ed25519 AAAA me\n", meta_data__local_hostname=b"xen1")}

    def test_identity_storage_and_loader(self):
        status, said = self.deploy(self.config())
        self.assertEqual(status, 0, said)
        inventory = self.read(hooks.INVENTORY)
        self.assertNotIn("'build'", inventory)
        dom0 = re.search("CONTROL_DOMAIN_UUID='([0-9a-f-]{36})'", inventory).group(1)
        self.assertEqual(self.read(hooks.XENCOMMONS), "XEN_DOM0_UUID=%s\n" % dom0)
        self.assertIn("XSPARTITIONS='/dev/disk/by-id/nvme-X-part3'", self.read(hooks.STORAGE))
        self.assertEqual(self.read("root/.ssh/authorized_keys"), "ssh-ed25519 AAAA me\n")
        listed = subprocess.run(["/sbin/debugfs", "-R", "ls -l /", self.root], check=True, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL).stdout.decode()
        self.assertNotIn("curtin", listed)
        self.assertEqual(mounted.run("mtype", "-i", self.esp, "::EFI/BOOT/BOOTX64.EFI"), b"grubx64.efi")
        self.assertEqual(mounted.run("mtype", "-i", self.esp, "::EFI/xenserver/grub.cfg"), b"grub.cfg")
        # Root only: the keys of the machine are in it.
        stat = subprocess.run(["/sbin/debugfs", "-R", "stat var/lib/maas/settings", self.root], check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
        self.assertRegex(stat, r"Mode:\s+0600")

    def test_two_deployments_of_one_image_are_two_hosts(self):
        seen = []
        for _ in range(2):
            shutil.copyfile(self.root, self.root + ".copy")
            self.root, kept = self.root + ".copy", self.root
            status, said = self.deploy(self.config())
            self.assertEqual(status, 0, said)
            seen.append((self.read(hooks.INVENTORY), self.read(hooks.XENCOMMONS), self.read("etc/machine-id")))
            self.root = kept
        for first, second in zip(*seen):
            self.assertNotEqual(first, second)

    def test_a_failure_is_told(self):
        status, said = self.deploy({"network": network(physical(1, DHCP))})
        self.assertEqual(status, 1)
        self.assertIn("reporting.maas", said)


LINUX, ESP = "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"


@mounted.needs("mke2fs", "mkfs.vfat", "sgdisk", "growpart")
class Disk(Ext):
    """The same on a whole disk in the installer's order, with nothing told but that there is UEFI."""

    def test_identity_storage_and_loader(self):
        config = self.config()
        parts = [(5, LINUX, 4), (2, LINUX, 8), (1, LINUX, self.root), (4, ESP, self.esp), (6, LINUX, 1), (3, LINUX, 8)]
        with self.whole_disk(256, parts) as device:
            before = os.path.getsize(os.path.join(self.dir, "disk.raw"))
            with self.mounted(device + "p1", "ext3") as place:
                status, said = self.run_hook("curtin/curtin-hooks", place, config, "check_machine = lambda: None")
            self.assertEqual(status, 0, said)
            table = json.loads(mounted.run("sfdisk", "--json", device).decode())["partitiontable"]["partitions"]
            self.root = device + "p1"
            storage, inventory = self.read(hooks.STORAGE), self.read(hooks.INVENTORY)
            loader = mounted.run("mtype", "-i", device + "p4", "::EFI/BOOT/BOOTX64.EFI")
        third = [part for part in table if part["node"].endswith("p3")][0]
        self.assertGreater((third["start"] + third["size"]) * 512, before - (2 << 20))
        # A loop device has no name by its hardware.
        self.assertIn("XSPARTITIONS='%sp3'" % device, storage)
        self.assertIn("PRIMARY_DISK='%s'\n" % device, inventory)
        self.assertIn("BACKUP_PARTITION='%sp2'" % device, inventory)
        # Before it, mtools may say that a device has no geometry.
        self.assertTrue(loader.endswith(b"grubx64.efi"), loader)

    @unittest.skipUnless(os.path.exists("/bin/busybox"), "no static busybox (apt install busybox-static)")
    def test_the_whole_disk_deploys(self):
        """By the installer of deploy-test, up to MAAS's question inside the deployed system."""
        for name in ("dev", "proc", "run", "sys", "tmp", "bin"):
            os.makedirs(os.path.join(self.dir, "root", name))
        shutil.copy("/bin/busybox", os.path.join(self.dir, "root/bin/sh"))
        os.chmod(self.write("root/bin/bash", '#!/bin/sh\nexec /bin/sh "$@"\n'), 0o755)
        mounted.replace(os.path.join(self.dir, "root/curtin/curtin-hooks"), "/sys/firmware/efi", self.dir)
        root = self.image("whole.ext3", 24, "mke2fs", "-q", "-t", "ext3", "-d", os.path.join(self.dir, "root"))
        parts = [(5, LINUX, 4), (2, LINUX, 8), (1, LINUX, root), (4, ESP, self.esp), (6, LINUX, 1), (3, LINUX, 8)]
        asked = ["curtin", "in-target", "--", "bash", "-c", "cloud-init --version || exit 1"]
        with self.deployed(64, parts, dict(self.config(), late_commands={"98": asked, "maas": ["true"]})) as (device, said):
            self.assertIn('"root_device": "%sp1"' % device, said)
            self.assertIn("maas-first-boot, in place of cloud-init", said)
            table = json.loads(mounted.run("sfdisk", "--json", device).decode())["partitiontable"]["partitions"]
        third = [part for part in table if part["node"].endswith("p3")][0]
        self.assertGreater(third["size"] * 512, 128 << 20)

    # Of the base class, with images: once is enough.
    test_two_deployments_of_one_image_are_two_hosts = None
    test_a_failure_is_told = None


@mounted.needs("sgdisk", "growpart", "mkfs.vfat")
class Grow(mounted.MountedCase):
    def test_the_repository_gets_the_rest_of_the_disk(self):
        """The layout of the installer's GPT, written to a larger disk."""
        disk = os.path.join(self.dir, "disk.raw")
        with open(disk, "wb") as stream:
            stream.truncate(64 << 20)
        run = ["sgdisk", "--clear"]
        for number, size in ((5, 4), (2, 8), (1, 8), (4, 4), (6, 1), (3, 0)):
            run.append("--new=%d:0:%s" % (number, "+%dM" % size if size else "0"))
        mounted.run(*(run + [disk]))
        with open(disk, "r+b") as stream:
            stream.truncate(128 << 20)
        path = os.environ["PATH"]
        os.environ["PATH"] = ":".join([self.dir + "/bin", path, "/usr/sbin:/sbin"])
        try:
            hooks.grow(disk)
            hooks.grow(disk)  # a second time changes nothing
        finally:
            os.environ["PATH"] = path
        table = json.loads(mounted.run("sfdisk", "--json", disk).decode())["partitiontable"]
        third = [part for part in table["partitions"] if part["node"].endswith("3")][0]
        total = (128 << 20) // 512
        self.assertGreater(third["start"] + third["size"], total - 4096)
        mounted.run("sgdisk", "--verify", disk)


if __name__ == "__main__":
    unittest.main()
