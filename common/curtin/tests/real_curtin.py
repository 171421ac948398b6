"""The deploy hooks with curtin itself, release by release, not a fake of it:

XTASK_TEST_CURTIN=DIR python3 -B common/curtin/tests/real_curtin.py

DIR is a clone of https://git.launchpad.net/curtin with its tags. Each release
is unpacked and imported by a Python of its own. What is not curtin's stays
away: commands in the target are recorded, block devices are made up.
"""

import importlib.machinery
import json
import os
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

sys.dont_write_bytecode = True
ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
HOOKS = {"el": "common/el/curtin", "suse": "common/suse/curtin", "azure": "azurelinux/curtin", "centos6": "centos6/curtin"}
# 22.1 was the first to know Rocky Linux, 23.1.1 is in the snaps of MAAS up to 3.5, 24.0.0 was the first to know AlmaLinux.
VERSIONS = ("22.1", "23.1.1", "24.0.0", "main")
# What curtin imports for the package sources of Debian and Ubuntu only.
UNUSED = {"aptsources/sourceslist.py": "SourceEntry = None\n", "debian/deb822.py": "Deb822 = None\n"}
CMDLINES = ("root=squash:http://x ro console=ttyS1,115200 --- nosplash intel_iommu=on BOOTIF=01-52-54-00-12-34-56",
            "console=tty0 console=ttyS0 ro --- console=tty0 initrd=i", "ro quiet", "console=ttyS0 ro -- nomodeset")
SYSTEMS = {"el": ("almalinux", "8"), "suse": ("sles", ""), "azure": ("azurelinux", "")}


def load(name):
    directory = os.path.join(ROOT, HOOKS[name])
    sys.path.insert(0, directory)
    module = types.ModuleType(name)
    importlib.machinery.SourceFileLoader(name, os.path.join(directory, "curtin-hooks")).exec_module(module)
    return module


class Target(unittest.TestCase):
    """What a deployment leaves, on a machine with RAID, swap, multipath and names for its disks."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.top = directory.name
        self.target = os.path.join(self.top, "target")
        self.put("state/fstab", "UUID=abcd / ext4 defaults 0 1\n")
        self.put("state/mdadm.conf", "ARRAY /dev/md0 UUID=1\n")
        self.put("state/crypttab", "c UUID=2 none\n")
        self.put("state/rules.d/disk.rules", "SUBSYSTEM==\"block\"\n")
        self.put("state/network", "network: {version: 2}\n")
        self.put("target/etc/lvm/lvm.conf", "devices {\n}\n")
        self.put("target/etc/default/grub", "GRUB_CMDLINE_LINUX=\"\"\n")
        self.put("target/etc/multipath/bindings", "")
        self.put("target/boot/vmlinuz-6.6", "x")
        self.put("target/boot/Image-6.6", "x")
        os.makedirs(os.path.join(self.target, "lib/modules/6.6"))
        self.commands = []

    def put(self, name, text):
        path = os.path.join(self.top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)

    def text(self, name):
        with open(os.path.join(self.target, name), encoding="utf-8") as stream:
            return stream.read()

    def run_in_target(self, argv, check=True):
        self.commands.append(argv)
        said = {"rpm": self.release}.get(argv[0], "")
        return subprocess.CompletedProcess(argv, 0, stdout=said)

    def deploy(self, name):
        """main() of a hook with this curtin."""
        from curtin import block, distro
        from curtin.block import multipath
        from curtin.commands import block_meta
        hooks = load(name)
        distribution, self.release = SYSTEMS[name]
        self.put("target/etc/os-release", "# who\nID=%s\n" % distribution)
        self.put("target/curtin/curtin-hooks", "")
        storage = [{"id": "sda", "type": "disk", "path": "/dev/mapper/mpatha", "grub_device": True}]
        config = {"storage": {"version": 1, "config": storage}, "swap": {"size": "1M", "force": True},
                  "cloudconfig": {"maas-datasource": {"content": "datasource: x\n", "path": "ignored"}}}
        self.put("state/config", json.dumps(config))
        state = {"TARGET_MOUNT_POINT": self.target, "OUTPUT_FSTAB": self.top + "/state/fstab", "WORKING_DIR": self.top + "/state",
                 "OUTPUT_NETWORK_CONFIG": self.top + "/state/network", "CONFIG": self.top + "/state/config"}
        runner = mock.MagicMock()
        runner.return_value.__enter__.return_value = self.run_in_target
        runner.return_value.__exit__.return_value = False
        refuse = mock.Mock(side_effect=AssertionError("a package was to be downloaded"))
        isdir = os.path.isdir
        patches = [
            mock.patch.dict(os.environ, state), mock.patch.object(hooks.hooklib, "chroot_runner", runner),
            mock.patch.object(os.path, "isdir", lambda path: path != "/sys/firmware/efi" and isdir(path)),
            mock.patch.object(distro, "install_packages", refuse),
            mock.patch.object(distro, "get_installed_packages", mock.Mock(return_value=set())),
            mock.patch.object(block, "detect_multipath", mock.Mock(return_value="/dev/dm-1")),
            mock.patch.object(block, "get_devices_for_mp", mock.Mock(return_value=["/dev/dm-1"])),
            mock.patch.object(block, "get_scsi_wwid", mock.Mock(return_value="36001")),
            mock.patch.object(block, "get_blockdev_for_partition", mock.Mock(return_value=("/dev/dm-0", "1"))),
            mock.patch.object(multipath, "multipath_supported", mock.Mock(return_value=True)),
            mock.patch.object(multipath, "get_mpath_id_from_device", mock.Mock(return_value="mpatha")),
            mock.patch.object(block_meta, "get_path_to_storage_volume", lambda volume, storage: storage[volume]["path"]),
        ]
        for patch in patches:
            patch.start()
            self.addCleanup(patch.stop)
        try:
            self.assertEqual(hooks.main(), 0)
        finally:
            mock.patch.stopall()

    def test_each_family(self):
        for name in SYSTEMS:
            with self.subTest(hook=name):
                self.setUp()
                if name == "el" and "almalinux" in known():
                    # This curtin deploys AlmaLinux itself, except 10 on BIOS.
                    SYSTEMS[name] = ("almalinux", "10")
                self.deploy(name)
                self.assertIn("/swap.img\tnone\tswap", self.text("etc/fstab"))
                self.assertIn("UUID=abcd", self.text("etc/fstab"))
                self.assertIn("/dev/md0", self.text("etc/mdadm.conf"))
                self.assertIn("multipath", self.text("etc/dracut.conf.d/10-curtin-multipath.conf"))
                for path in ("etc/crypttab", "etc/udev/rules.d/disk.rules", "etc/multipath.conf", "swap.img",
                             "etc/cloud/cloud.cfg.d/50-curtin-networking.cfg", "etc/cloud/cloud.cfg.d/95-cloudconfig-maas-datasource.cfg"):
                    self.assertTrue(os.path.exists(os.path.join(self.target, path)), path)
                self.assertIn("/dev/mapper/mpatha", [command[-1] for command in self.commands])
                self.assertFalse(os.path.exists(os.path.join(self.target, "curtin")))


def known():
    from curtin import distro
    return list(distro.DISTRO_NAMES)


class Agreement(unittest.TestCase):
    def test_kernel_parameters_are_curtins(self):
        from curtin import distro, util
        from curtin.commands import install_grub
        hooks = load("el")
        for cmdline in CMDLINES:
            with mock.patch.object(util, "load_file", lambda path, line=cmdline: line):
                said = install_grub.get_carryover_params(distro.DistroInfo("rocky", distro.DISTROS.redhat))
            with self.subTest(cmdline=cmdline):
                self.assertEqual(hooks.hooklib.kernel_parameters(cmdline), said.split() if isinstance(said, str) else said)

    def test_curtin_knows_whom_the_table_in_docs_says(self):
        since = {"rocky": "22.1", "rhel": "22.1", "centos": "22.1", "ol": "24.0.0", "almalinux": "24.0.0"}
        for name, first in since.items():
            with self.subTest(distribution=name):
                self.assertIs(name in known(), VERSIONS.index(os.environ["CURTIN_VERSION"]) >= VERSIONS.index(first))

    def test_suse_could_not_be_deployed_as_suse(self):
        """Why hooklib calls curtin as for RHEL; if this fails, it may stop to."""
        from curtin.commands import curthooks
        with tempfile.TemporaryDirectory() as state, open(os.path.join(state, "mdadm.conf"), "w", encoding="utf-8"):
            with self.assertRaisesRegex(ValueError, "Unknown mdadm conf mapping"):
                curthooks.configure_mdadm({}, state, state, osfamily="suse")


def main():
    repository = os.environ.get("XTASK_TEST_CURTIN")
    if not repository:
        sys.exit("XTASK_TEST_CURTIN: name a clone of https://git.launchpad.net/curtin with its tags")
    failed = []
    for version in VERSIONS:
        with tempfile.TemporaryDirectory() as top:
            revision = "HEAD" if version == "main" else version
            archive = subprocess.run(["git", "-C", repository, "archive", revision, "curtin"], check=True, stdout=subprocess.PIPE)
            subprocess.run(["tar", "--extract", "--directory", top], input=archive.stdout, check=True)
            for name, text in UNUSED.items():
                os.makedirs(os.path.join(top, os.path.dirname(name)))
                with open(os.path.join(top, name), "w", encoding="utf-8") as stream:
                    stream.write(text)
            print("curtin " + version, flush=True)
            env = dict(os.environ, PYTHONPATH=top, CURTIN_VERSION=version)
            done = subprocess.run([sys.executable, "-B", __file__, "--here"], env=env, check=False)
            failed += [version] if done.returncode else []
    if failed:
        sys.exit("failed with curtin " + ", ".join(failed))


if __name__ == "__main__":
    if sys.argv[1:] == ["--here"]:
        unittest.main(argv=sys.argv[:1])
    else:
        main()
