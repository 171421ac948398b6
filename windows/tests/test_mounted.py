"""curtin-hooks and finalize, executed from an NTFS volume that ntfs-3g mounts, as the
deploying system does: python3 -m unittest discover -s windows/tests

Cloudbase-Init's files are synthetic; what must stay of them is asserted.
"""

import json
import os
import shutil
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import mounted  # noqa: E402

PROGRAM = "Program Files/Cloudbase Solutions/Cloudbase-Init"
# Where the tests run there may be no UEFI.
MACHINE = "check_machine = lambda: None"
CONF = "[DEFAULT]\r\nusername=Admin\r\nmetadata_services=x.Other\r\n"


@mounted.needs("mkntfs", "ntfs-3g", "mkfs.vfat", "mcopy")
class Ntfs(mounted.MountedCase):
    def volume(self, uefi=None):
        """The volume of an installed Windows, as first-logon.ps1 leaves it. uefi: what stands for /sys/firmware/efi."""
        image = self.image("windows.ntfs", 32, "mkntfs", "--force", "--fast", "--quiet")
        with self.mounted(image, "ntfs-3g") as place:
            os.makedirs(os.path.join(place, PROGRAM, "conf"))
            os.makedirs(os.path.join(place, "Windows/System32"))
            for name in ("cloudbase-init.conf", "cloudbase-init-unattend.conf"):
                with open(os.path.join(place, PROGRAM, "conf", name), "w", newline="", encoding="utf-8") as stream:
                    stream.write(CONF)
            # Contents only: Windows has no run bits.
            shutil.copytree(os.path.join(HERE, "../curtin"), os.path.join(place, "curtin"), copy_function=shutil.copyfile)
            if uefi:
                mounted.replace(os.path.join(place, "curtin/finalize"), "/sys/firmware/efi", uefi)
        return image

    def read(self, image, name):
        return mounted.run("ntfscat", image, name).decode("utf-8")

    def test_curtin_runs_both_files_and_windows_finds_the_result(self):
        image = self.volume()
        reporting = self.serve()
        network = {"version": 1, "config": [{"type": "physical", "id": "eth0", "mac_address": "52:54:00:00:00:01"}]}
        config = {"reporting": reporting, "network": network, "license_key": "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"}
        with self.mounted(image, "ntfs-3g") as place:
            self.assertEqual(self.run_hook("curtin/curtin-hooks", place, config), (0, ""))
            self.assertEqual(self.run_hook("curtin/finalize", place, config, MACHINE), (0, ""))
        # Read by another program, with nothing mounted.
        for name in ("cloudbase-init.conf", "cloudbase-init-unattend.conf"):
            text = self.read(image, PROGRAM + "/conf/" + name)
            self.assertIn("username=Admin\r\n", text)
            self.assertIn("metadata_base_url=%s/\r\n" % reporting["maas"]["endpoint"].rpartition("/status/")[0], text)
            self.assertIn("oauth_token_secret=ts\r\n", text)
            self.assertNotIn("x.Other", text)
        self.assertEqual(json.loads(self.read(image, "curtin/network.json")), network)
        self.assertIn("/ipk AAAAA-BBBBB-CCCCC-DDDDD-EEEEE", self.read(image, PROGRAM + "/LocalScripts/ChangeLicenseKey.ps1"))

    def test_the_whole_disk_deploys(self):
        """By the installer of deploy-test: written, its root found, both files run, MAAS's commands after them."""
        esp, msr, basic = ("C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "E3C9E316-0B5C-4DB8-817D-F92DF00215AE",
                           "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
        parts = [(1, esp, self.image("esp.fat", 8, "mkfs.vfat")), (2, msr, 1), (4, basic, self.volume(uefi=self.dir))]
        config = {"reporting": self.serve(), "network": {"version": 1, "config": []}, "late_commands": {"maas": ["true"]}}
        with self.deployed(64, parts, config) as (device, said):
            self.assertIn('"root_device": "%sp4"' % device, said)
            text = mounted.run("ntfscat", device + "p4", PROGRAM + "/conf/cloudbase-init.conf").decode()
        self.assertIn("oauth_token_secret=ts\r\n", text)

    def test_a_failure_is_told_and_nothing_is_changed(self):
        image = self.volume()
        with self.mounted(image, "ntfs-3g") as place:
            status, said = self.run_hook("curtin/finalize", place, {"network": {"version": 1}}, MACHINE)
        self.assertEqual(status, 1)
        self.assertIn("neither reporting.maas nor debconf_selections.maas", said)
        self.assertEqual(self.read(image, PROGRAM + "/conf/cloudbase-init.conf"), CONF)

    def test_a_volume_that_cannot_be_written_fails(self):
        # A hibernated or dirty Windows is mounted like this.
        image = self.volume()
        with self.mounted(image, "ntfs-3g") as place:
            mounted.run("mount", "-o", "remount,ro", place)
            status, said = self.run_hook("curtin/finalize", place, {"reporting": self.serve()}, MACHINE)
        self.assertEqual(status, 1)
        self.assertIn("Read-only file system", said)


if __name__ == "__main__":
    unittest.main()
