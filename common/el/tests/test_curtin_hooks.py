"""Unit tests of curtin/curtin-hooks: python3 -m unittest discover -s common/el/tests

Configurations are synthetic, shaped like those MAAS sends.
"""

import importlib.machinery
import os
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
HOOK = os.path.join(HERE, "..", "curtin", "curtin-hooks")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(HOOK))


def load():
    loader = importlib.machinery.SourceFileLoader("el_hooks", HOOK)
    module = types.ModuleType("el_hooks")
    loader.exec_module(module)
    return module


hooks = load()
OLD = ["arch", "centos", "debian", "fedora", "ol", "redhat", "rhel", "rocky"]  # without almalinux: before 24.0


class Recorder:
    """A chroot runner that records commands; `says` maps a program to its output."""

    def __init__(self, says=None):
        self.says = says or {}
        self.commands = []

    def __call__(self, argv, check=True):
        self.commands.append(argv)
        return subprocess.CompletedProcess(argv, 0, stdout=self.says.get(argv[0], ""))


class Choice(unittest.TestCase):
    def test_who_deploys(self):
        for distribution, uefi, release, expected in [
            ("rocky", True, "9", True),
            ("rocky", False, "9", True),
            ("rocky", False, "10", False),  # BIOS with 10 needs curtin of 2026-02
            ("rocky", True, "10", True),
            ("almalinux", True, "9", False),
            ("fedora", True, "%rhel", True),
            ("fedora", False, "%rhel", False),
            ("openeuler", True, "%rhel", False),
        ]:
            with self.subTest(distribution=distribution, uefi=uefi):
                self.assertIs(hooks.is_native(OLD, distribution, uefi, release), expected)


class Loader(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.target = directory.name
        for name in ("EFI/openEuler/shimx64.efi", "EFI/openEuler/grubx64.efi", "EFI/BOOT/BOOTX64.EFI"):
            hooks.hooklib.write_file(self.target, "boot/efi/" + name, "x")

    def install(self):
        run = Recorder({"grub2-probe": "abcd-ef\n", "grub2-mkrelpath": "/grub2\n"})
        with mock.patch.object(hooks.hooklib, "register_entry") as register:
            hooks.install_uefi_loader(run, {}, self.target, "openEuler", "x86_64")
        return register

    def test_stub_and_entry(self):
        register = self.install()
        with open(os.path.join(self.target, "boot/efi/EFI/openEuler/grub.cfg"), encoding="utf-8") as stream:
            text = stream.read()
        self.assertIn("--set=dev abcd-ef\nset prefix=($dev)/grub2\n", text)
        self.assertEqual(register.call_args[0][3:], ("openEuler", "\\EFI\\openEuler\\shimx64.efi"))

    def test_missing_loader_fails(self):
        os.unlink(os.path.join(self.target, "boot/efi/EFI/BOOT/BOOTX64.EFI"))
        with self.assertRaisesRegex(RuntimeError, "BOOTX64.EFI"):
            self.install()

    def test_initramfs_of_each_kernel(self):
        hooks.hooklib.write_file(self.target, "boot/vmlinuz-6.6", "x")
        os.makedirs(os.path.join(self.target, "lib/modules/6.6"))
        run = Recorder()
        hooks.update_initramfs(run, self.target)
        self.assertEqual(run.commands, [["dracut", "--force", "--no-hostonly", "/boot/initramfs-6.6.img", "6.6"]])

    def test_no_kernel_fails(self):
        with self.assertRaisesRegex(RuntimeError, "no kernel"):
            hooks.update_initramfs(Recorder(), self.target)


class Deploy(unittest.TestCase):
    """What curtin's own hooks would do, and in which order."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.target = directory.name
        hooks.hooklib.write_file(self.target, "boot/vmlinuz-6.6", "x")
        hooks.hooklib.write_file(self.target, "etc/default/grub", 'GRUB_CMDLINE_LINUX=""\n')
        os.makedirs(os.path.join(self.target, "lib/modules/6.6"))
        for name in ("EFI/almalinux/shimx64.efi", "EFI/almalinux/grubx64.efi", "EFI/BOOT/BOOTX64.EFI"):
            hooks.hooklib.write_file(self.target, "boot/efi/" + name, "x")

    def deploy(self, uefi):
        run = Recorder({"grub2-probe": "abcd-ef\n", "grub2-mkrelpath": "/grub2\n"})
        runner = mock.MagicMock()
        runner.return_value.__enter__.return_value = run
        isdir = os.path.isdir
        with mock.patch.object(hooks.hooklib, "chroot_runner", runner), \
                mock.patch.object(hooks.hooklib, "configure_storage"), \
                mock.patch.object(hooks.hooklib, "write_network"), \
                mock.patch.object(hooks.hooklib, "set_kernel_parameters"), \
                mock.patch.object(hooks.hooklib, "register_entry") as register, \
                mock.patch.object(hooks.hooklib, "boot_disks", return_value=["/dev/nvme0n1"]), \
                mock.patch.object(hooks.os.path, "isdir", lambda p: uefi if p == "/sys/firmware/efi" else isdir(p)):
            hooks.deploy(None, {}, self.target, {}, "almalinux", "x86_64")
        return run.commands, register.called

    def programs(self, commands):
        return [command[0] for command in commands]

    def test_bios_machine_gets_loader_configuration_and_labels(self):
        commands, registered = self.deploy(False)
        self.assertEqual(self.programs(commands), ["dracut", "grub2-install", "grub2-mkconfig"])
        self.assertIn("/dev/nvme0n1", commands[1])
        self.assertEqual(commands[2], ["grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"])
        self.assertFalse(registered)
        self.assertIn(".autorelabel", os.listdir(self.target))

    def test_uefi_machine_needs_no_repository(self):
        commands, registered = self.deploy(True)
        self.assertEqual(self.programs(commands), ["dracut", "grub2-probe", "grub2-mkrelpath", "grub2-mkconfig"])
        self.assertTrue(registered)
        self.assertIn(".autorelabel", os.listdir(self.target))


class Main(unittest.TestCase):
    """main() with a fake curtin package."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.target = directory.name
        hooks.hooklib.write_file(self.target, "curtin/curtin-hooks", "#!")
        self.calls = []

    def curtin(self, names, target, fail=False):
        def builtin(cfg, path, state):
            self.calls.append("builtin")
            if fail:
                raise RuntimeError("curtin failed")

        package = types.ModuleType("curtin")
        package.config = types.SimpleNamespace(load_command_config=lambda args, state: {})
        package.util = types.SimpleNamespace(load_command_environment=lambda: {"target": target})
        package.distro = types.SimpleNamespace(DISTRO_NAMES=names)
        commands = types.ModuleType("curtin.commands")
        commands.curthooks = types.SimpleNamespace(builtin_curthooks=builtin)
        package.commands = commands
        return mock.patch.dict(sys.modules, {
            "curtin": package, "curtin.config": package.config, "curtin.util": package.util,
            "curtin.distro": package.distro, "curtin.commands": commands, "curtin.commands.curthooks": commands.curthooks})

    def deploy(self, distribution, release, names=tuple(OLD), fail=False):
        hooks.hooklib.write_file(self.target, "etc/os-release", "ID=%s\n" % distribution)
        runner = mock.MagicMock()
        runner.return_value.__enter__.return_value = Recorder({"rpm": release})
        with self.curtin(list(names), self.target, fail), \
                mock.patch.object(hooks.hooklib, "chroot_runner", runner), \
                mock.patch.object(hooks.os.path, "isdir", return_value=True), \
                mock.patch.object(hooks, "deploy", side_effect=lambda *a: self.calls.append(a[4])):
            return hooks.main()

    def left(self):
        return os.path.exists(os.path.join(self.target, "curtin"))

    def test_known_distribution_is_left_to_curtin(self):
        self.assertEqual(self.deploy("rocky", "9\n"), 0)
        self.assertEqual(self.calls, ["builtin"])
        self.assertFalse(self.left())

    def test_unknown_one_is_deployed_here(self):
        self.assertEqual(self.deploy("almalinux", "9\n"), 0)
        self.assertEqual(self.calls, ["almalinux"])
        self.assertFalse(self.left())

    def test_newer_curtin_knows_almalinux(self):
        self.deploy("almalinux", "9\n", OLD + ["almalinux"])
        self.assertEqual(self.calls, ["builtin"])

    def test_hook_directory_goes_and_the_error_stays(self):
        with self.assertRaisesRegex(RuntimeError, "curtin failed"):
            self.deploy("rocky", "9\n", fail=True)
        self.assertFalse(self.left())

    def test_stranger_is_refused(self):
        with self.assertRaisesRegex(RuntimeError, "does not know the distribution 'plan9'"):
            self.deploy("plan9", "%rhel")

    def test_no_target(self):
        with self.curtin(OLD, None):
            self.assertEqual(hooks.main(), 1)


if __name__ == "__main__":
    unittest.main()
