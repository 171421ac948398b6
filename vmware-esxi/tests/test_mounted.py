"""curtin-hooks, executed from FAT partition 1 where scripts/inject put it, writing to the
FAT of altbootbank: python3 -m unittest discover -s vmware-esxi/tests

The file systems are made here; only which device is partition 6 is told, because a
file has no partitions in sysfs. On whole disks: `cargo xtask test deploy-foreign`.
"""

import json
import os
import subprocess
import sys
import unittest

import harness

sys.path.insert(0, harness.HERE)
import mounted  # noqa: E402

NETWORK = {"version": 1, "config": [{"type": "physical", "id": "e1", "name": "e1", "mac_address": "52:54:00:00:00:01",
                                     "subnets": [{"type": "dhcp4"}]}]}


@mounted.needs("mkfs.vfat", "mcopy")
class Fat(mounted.MountedCase):
    def setUp(self):
        super().setUp()
        self.bank = self.image("altbootbank.fat", 16, "mkfs.vfat")
        self.boot = self.image("boot.fat", 16, "mkfs.vfat")
        mounted.run("mmd", "-i", self.boot, "::EFI", "::curtin", "::curtin/maas")
        for name in ("curtin-hooks",) + tuple("maas/" + n for n in os.listdir(os.path.join(harness.CURTIN, "maas"))
                                              if n.endswith(".py")):
            mounted.run("mcopy", "-i", self.boot, os.path.join(harness.CURTIN, name), "::curtin/" + name)

    def deploy(self, config, bank=None):
        patch = "sibling = lambda mounts, target, number: %r if number == 6 else None" % (bank or self.bank)
        with self.mounted(self.boot, "vfat") as place:
            return self.run_hook("curtin/curtin-hooks", place, config, patch)

    def names(self, image, directory="::"):
        done = mounted.run("mdir", "-i", image, "-b", directory)
        lines = [line for line in done.decode().splitlines() if line.startswith("::")]
        return sorted(line.rstrip("/").rpartition("/")[2] for line in lines)

    def test_helpers_and_configuration_are_on_altbootbank(self):
        vendor = json.dumps({"cloud-init": json.dumps({"ntp": {"servers": ["10.0.0.2"]}})}).encode()
        config = {"reporting": self.serve(meta_data__vendor_data=vendor), "network": NETWORK,
                  "apt": {"secret": "x"}}
        status, said = self.deploy(config)
        self.assertEqual(status, 0, said)
        # No trace in partition 1; its own files stay.
        self.assertEqual(self.names(self.boot), ["EFI"])
        self.assertEqual(self.names(self.bank, "::maas"), sorted(
            [n for n in os.listdir(os.path.join(harness.CURTIN, "maas")) if n.endswith(".py")]
            + ["curtin.json", "vendor.json"]))
        written = json.loads(mounted.run("mtype", "-i", self.bank, "::maas/curtin.json").decode())
        self.assertEqual(written, {"reporting": config["reporting"], "network": NETWORK})
        self.assertEqual(json.loads(mounted.run("mtype", "-i", self.bank, "::maas/vendor.json").decode()),
                         {"ntp": {"servers": ["10.0.0.2"]}})

    def test_the_first_boot_program_starts_from_there(self):
        """What the kickstart's %firstboot runs, up to the first program that only ESXi has."""
        status, said = self.deploy({"reporting": self.serve(), "network": NETWORK})
        self.assertEqual(status, 0, said)
        with self.mounted(self.bank, "vfat") as place:
            code = "import sys; sys.path.insert(0, %r); import firstboot; print(sorted(firstboot.load('curtin.json')))"
            done = subprocess.run([sys.executable, "-c", code % (place + "/maas")], check=True, stdout=subprocess.PIPE)
        self.assertEqual(done.stdout.decode().strip(), "['network', 'reporting']")

    def test_partition_6_is_found_on_a_whole_disk(self):
        esp, basic = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
        other = self.image("bootbank.fat", 16, "mkfs.vfat")
        # Partition 6 of ESXi 7 is not the sixth.
        with self.whole_disk(128, [(1, esp, self.boot), (5, basic, other), (6, basic, self.bank), (7, basic, 8)]) as device:
            # What the kernel says about the mount, which our stand-in for vfat does not make.
            patch = "real = sibling\nsibling = lambda mounts, target, number: real('%sp1 %%s vfat rw 0 0' %% target, target, number)"
            with self.mounted(device + "p1", "vfat") as place:
                config = {"reporting": self.serve(), "network": NETWORK}
                status, said = self.run_hook("curtin/curtin-hooks", place, config, patch % device)
            self.assertEqual(status, 0, said)
            self.assertIn("installing the helpers on %sp6" % device, said)
            self.assertIn("curtin.json", self.names(device + "p6", "::maas"))
            self.assertEqual(self.names(device + "p5"), [])

    def test_a_disk_without_altbootbank_fails_and_keeps_the_hook(self):
        no_fat = self.write("no.fat", "\0" * 4096)
        status, said = self.deploy({"reporting": self.serve(), "network": NETWORK}, bank=no_fat)
        self.assertEqual(status, 1)
        self.assertIn("mount", said)
        self.assertIn("curtin", self.names(self.boot))


if __name__ == "__main__":
    unittest.main()
