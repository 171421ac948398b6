"""Unit tests of curtin/curtin-hooks: python3 -m unittest discover -s azurelinux/tests"""

import importlib.machinery
import os
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

HOOK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "curtin", "curtin-hooks")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(HOOK))
hooks = types.ModuleType("azure_hooks")
importlib.machinery.SourceFileLoader("azure_hooks", HOOK).exec_module(hooks)


class Loader(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.target = directory.name

    def install(self):
        run = mock.Mock(side_effect=lambda argv: subprocess.CompletedProcess(argv, 0, stdout="/boot/grub2\n"))
        with mock.patch.object(hooks.hooklib, "register_entry") as register:
            hooks.install_uefi_loader(run, {}, self.target, "x86_64")
        return register.call_args[0][3:]

    def test_loaders_come_from_beside_the_hook(self):
        hooks.hooklib.write_file(self.target, "curtin/esp/EFI/BOOT/bootx64.efi", "shim")
        hooks.hooklib.write_file(self.target, "curtin/esp/EFI/BOOT/grubx64.efi", "grub")
        self.assertEqual(self.install(), ("azurelinux", "\\EFI\\BOOT\\bootx64.efi"))
        for name in ("EFI/BOOT/grubx64.efi", "boot/grub2/grub.cfg"):
            self.assertTrue(os.path.isfile(os.path.join(self.target, "boot/efi", name)), name)

    def test_no_loader_is_an_error(self):
        os.makedirs(os.path.join(self.target, "curtin/esp"))
        with self.assertRaisesRegex(RuntimeError, "no bootx64.efi"):
            self.install()


if __name__ == "__main__":
    unittest.main()
