"""Unit tests of curtin/curtin-hooks: python3 -m unittest discover -s common/suse/tests

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
    loader = importlib.machinery.SourceFileLoader("suse_hooks", HOOK)
    module = types.ModuleType("suse_hooks")
    loader.exec_module(module)
    return module


hooks = load()


class Case(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.target = directory.name
        self.commands = []

    def put(self, name):
        hooks.hooklib.write_file(self.target, name, "x")

    def run_in_target(self, argv, check=True):
        self.commands.append(argv)
        return subprocess.CompletedProcess(argv, 0, stdout="")


class Loader(Case):
    def install(self):
        with mock.patch.object(hooks.hooklib, "register_entry") as register:
            hooks.install_uefi_loader(self.run_in_target, {}, self.target, "x86_64")
        return register.call_args[0][4]

    def test_shim_where_it_is(self):
        for name in ("usr/share/efi/x86_64/shim.efi", "boot/efi/EFI/sles/shim.efi", "boot/efi/EFI/BOOT/BOOTX64.EFI"):
            self.put(name)
        self.assertEqual(self.install(), "\\EFI\\sles\\shim.efi")
        self.assertEqual([c[0] for c in self.commands], ["shim-install", "shim-install"])
        self.assertEqual(self.commands[1][-1], "--removable")

    def test_grub_without_shim(self):
        for name in ("boot/efi/EFI/sles/grubx64.efi", "boot/efi/EFI/BOOT/BOOTX64.EFI"):
            self.put(name)
        self.assertEqual(self.install(), "\\EFI\\sles\\grubx64.efi")
        self.assertIn("--target=x86_64-efi", self.commands[0])

    def test_nothing_installed_is_an_error(self):
        with self.assertRaisesRegex(RuntimeError, "left no loader"):
            self.install()


class Initrd(Case):
    def test_arm_kernels_are_called_image(self):
        self.put("boot/Image-6.4.0-default")
        os.makedirs(os.path.join(self.target, "lib/modules/6.4.0-default"))
        hooks.update_initrds(self.run_in_target, self.target)
        self.assertEqual(self.commands, [["dracut", "--force", "/boot/initrd-6.4.0-default", "6.4.0-default"]])

    def test_relabel_only_with_selinux(self):
        hooks.relabel(self.target)
        self.assertEqual(os.listdir(self.target), [])
        self.put("etc/selinux/config")
        hooks.relabel(self.target)
        self.assertIn(".autorelabel", os.listdir(self.target))


class Main(Case):
    """main() with a fake curtin package."""

    def deploy(self, fail):
        self.put("curtin/curtin-hooks")
        package = types.ModuleType("curtin")
        package.config = types.SimpleNamespace(load_command_config=lambda args, state: {"cloudconfig": None})
        package.util = types.SimpleNamespace(load_command_environment=lambda: {"target": self.target})
        commands = types.ModuleType("curtin.commands")
        commands.curthooks = types.SimpleNamespace()
        package.commands = commands
        modules = {"curtin": package, "curtin.config": package.config, "curtin.util": package.util,
                   "curtin.commands": commands, "curtin.commands.curthooks": commands.curthooks}
        runner = mock.MagicMock()
        runner.return_value.__enter__.return_value = self.run_in_target
        runner.return_value.__exit__.return_value = False
        broken = RuntimeError("no kernel") if fail else None
        with mock.patch.dict(sys.modules, modules), \
                mock.patch.object(hooks.hooklib, "chroot_runner", runner), \
                mock.patch.object(hooks.hooklib, "configure_storage"), \
                mock.patch.object(hooks.hooklib, "set_kernel_parameters"), \
                mock.patch.object(hooks.hooklib, "boot_disks", return_value=["/dev/nvme0n1", "/dev/nvme1n1"]), \
                mock.patch.object(hooks, "update_initrds", side_effect=broken), \
                mock.patch.object(hooks.os.path, "isdir", return_value=False):
            return hooks.main()

    def test_bios_machine_with_two_disks(self):
        self.assertEqual(self.deploy(False), 0)
        self.assertEqual([c[-1] for c in self.commands], ["/dev/nvme0n1", "/dev/nvme1n1", "/boot/grub2/grub.cfg"])
        self.assertFalse(os.path.exists(os.path.join(self.target, "curtin")))

    def test_hook_directory_goes_and_the_error_stays(self):
        with self.assertRaisesRegex(RuntimeError, "no kernel"):
            self.deploy(True)
        self.assertFalse(os.path.exists(os.path.join(self.target, "curtin")))


if __name__ == "__main__":
    unittest.main()
