"""Unit tests of curtin/curtin-hooks: python3 -m unittest discover -s centos6/tests"""

import importlib.machinery
import os
import sys
import types
import unittest
from unittest import mock

HOOK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "curtin", "curtin-hooks")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(HOOK))
hooks = types.ModuleType("centos6_hooks")
importlib.machinery.SourceFileLoader("centos6_hooks", HOOK).exec_module(hooks)


class Pure(unittest.TestCase):
    def test_boot_interface(self):
        for cmdline, expected in [
            ("root=x BOOTIF=01-52-54-00-12-34-56 ro", "52:54:00:12:34:56"),
            ("BOOTIF=eth0", None),
            ("root=x", None),
        ]:
            with self.subTest(cmdline=cmdline):
                self.assertEqual(hooks.boot_mac(cmdline), expected)

    def test_partitions(self):
        for disk, partition, expected in [
            ("/dev/sda", "/dev/sda1", "(hd0,0)"), ("/dev/nvme0n1", "/dev/nvme0n1p2", "(hd0,1)"),
        ]:
            self.assertEqual(hooks.grub_partition(disk, partition), expected)
        for elsewhere in ("/dev/mapper/vg-root", "/dev/sdb1"):
            with self.assertRaisesRegex(RuntimeError, "plain partition of /dev/sda"):
                hooks.grub_partition("/dev/sda", elsewhere)

    def test_newest_kernel_is_the_default(self):
        text = hooks.grub_conf(["2.6.32-1", "2.6.32-2"], "abcd", "/boot", ["console=tty0"])
        self.assertEqual([l for l in text.splitlines() if l.startswith("title")],
                         ["title CentOS 6 (2.6.32-2)", "title CentOS 6 (2.6.32-1)"])
        self.assertIn("\tkernel /boot/vmlinuz-2.6.32-2 ro root=UUID=abcd console=tty0\n", text)

    def test_uefi_is_refused(self):
        with mock.patch.object(hooks.os.path, "isdir", return_value=True):
            with self.assertRaisesRegex(RuntimeError, "BIOS only"):
                hooks.run_hooks(None, {}, "/nowhere", {})


if __name__ == "__main__":
    unittest.main()
