"""Unit tests of hooklib.py: python3 -m unittest discover -s common/curtin/tests

Configurations and program output are synthetic: written by hand after MAAS's
preseed code and the programs' manuals.
"""

import os
import stat
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import hooklib  # noqa: E402

EFIBOOTMGR = """BootCurrent: 0003
Timeout: 0 seconds
BootOrder: 0003,0001,0000
Boot0000* UiApp\tFvVol(7cb8bdc9)
Boot0001* rocky\tHD(1,GPT,f00)/File(\\EFI\\rocky\\shimx64.efi)
Boot0003* UEFI PXEv4 (MAC:525400123456)\tPciRoot(0x0)
"""


class Pure(unittest.TestCase):
    def test_dd_sources(self):
        for sources, expected in [
            ({"00": {"type": "dd-gz"}}, True), ({"00": {"type": "tgz"}}, False), ({"00": "dd-raw:http://x"}, True),
            (["http://x/root.tgz"], False), (None, False),
        ]:
            with self.subTest(sources=sources):
                self.assertIs(hooklib.is_dd({"sources": sources}), expected)

    def test_kernel_parameters(self):
        for cmdline, expected in [
            ("root=squash:http://x console=ttyS1,115200 ro --- nosplash intel_iommu=on",
             ["console=ttyS1,115200", "nosplash", "intel_iommu=on", "rd.auto=1"]),
            ("root=/dev/ram", ["rd.auto=1"]),
            ("console=tty0 --- console=tty0", ["console=tty0", "rd.auto=1"]),
        ]:
            with self.subTest(cmdline=cmdline):
                self.assertEqual(hooklib.kernel_parameters(cmdline), expected)

    def test_parameters_replace_the_old_ones_only(self):
        text = 'GRUB_TIMEOUT=1\nGRUB_CMDLINE_LINUX="quiet"\nGRUB_CMDLINE_LINUX_DEFAULT="x"\n'
        self.assertEqual(hooklib.with_parameters(text, ["a", "b=c"]),
                         'GRUB_TIMEOUT=1\nGRUB_CMDLINE_LINUX_DEFAULT="x"\nGRUB_CMDLINE_LINUX="a b=c"\n')

    def test_boot_order_keeps_the_network_first(self):
        self.assertEqual(hooklib.boot_order(EFIBOOTMGR, "0005"), "0003,0001,0000,0005")
        self.assertEqual(hooklib.boot_order(EFIBOOTMGR, "0001"), "0003,0000,0001")
        self.assertEqual(hooklib.boot_order("", "0001"), "0001")

    def test_entry_number_is_of_the_whole_label(self):
        self.assertEqual(hooklib.entry_number(EFIBOOTMGR, "rocky"), "0001")
        self.assertIsNone(hooklib.entry_number(EFIBOOTMGR, "rock"))
        self.assertIsNone(hooklib.entry_number(EFIBOOTMGR, "fedora"))

    def test_disks_below_raid_lvm_and_nvme(self):
        tree = ("/dev/mapper/vg-root lvm\n/dev/md0 raid1\n/dev/nvme0n1p2 part\n/dev/nvme0n1 disk\n"
                "/dev/sda2 part\n/dev/sda disk\n/dev/sda disk\n")
        self.assertEqual(hooklib.parse_disks(tree), ["/dev/nvme0n1", "/dev/sda"])


class Target(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.target = directory.name

    def put(self, name, text=""):
        hooklib.write_file(self.target, name, text)

    def test_os_release_with_comments_and_quotes(self):
        self.put("etc/os-release", '# c\nID="openEuler"\nVERSION_ID=24.03\n\n')
        self.assertEqual(hooklib.os_release(self.target)["ID"], "openEuler")

    def test_kernels_need_modules(self):
        for version in ("6.1", "6.2"):
            self.put("boot/vmlinuz-" + version)
        self.put("boot/vmlinuz-0-rescue-abc")
        os.makedirs(os.path.join(self.target, "lib/modules/6.1"))
        self.assertEqual(hooklib.kernel_versions(self.target), ["6.1"])

    def test_credentials_are_private(self):
        hooklib.write_datasource(self.target, {"maas-datasource": {"content": "datasource_list: [ MAAS ]"}})
        path = os.path.join(self.target, hooklib.DATASOURCE_DIR, "95-cloudconfig-maas-datasource.cfg")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

    def test_an_existing_link_is_replaced_not_followed(self):
        outside = os.path.join(self.target, "outside")
        self.put("outside", "kept")
        os.makedirs(os.path.join(self.target, "etc"))
        os.symlink(outside, os.path.join(self.target, "etc/x"))
        hooklib.write_file(self.target, "etc/x", "new")
        with open(outside, encoding="utf-8") as stream:
            self.assertEqual(stream.read(), "kept")

    def test_network_without_configuration(self):
        hooklib.write_network(self.target, {"network_config": None})
        hooklib.write_network(self.target, {"network_config": "/nowhere"})
        self.assertEqual(os.listdir(self.target), [])

    def test_storage_uses_curtins_functions_with_their_real_signatures(self):
        # Signatures of curtin 21.3, 23.1.1 and 2026-07, which agree.
        calls = []

        class Curthooks:
            def configure_iscsi(self, cfg, state_etcd, target, osfamily="debian"):
                calls.append(("iscsi", state_etcd, osfamily))

            def configure_mdadm(self, cfg, state_etcd, target, osfamily="debian"):
                calls.append(("mdadm", state_etcd, osfamily))

            def copy_fstab(self, fstab, target):
                calls.append(("fstab", fstab))

            def add_swap(self, cfg, target, fstab):
                calls.append(("swap", fstab))

            def detect_and_handle_multipath(self, cfg, target, osfamily="debian"):
                calls.append(("multipath", osfamily))

        hooklib.configure_storage(Curthooks(), {}, self.target, {"fstab": "/w/fstab"}, "redhat")
        self.assertEqual(calls, [("iscsi", "/w", "redhat"), ("mdadm", "/w", "redhat"), ("fstab", "/w/fstab"),
                                 ("swap", "/w/fstab"), ("multipath", "redhat")])


class Entries(unittest.TestCase):
    def run_with(self, outputs):
        commands = []

        def run(argv, check=True):
            commands.append(argv)
            text = outputs.pop(0) if argv == ["efibootmgr"] else ""
            return subprocess.CompletedProcess(argv, 0, stdout=text)

        with mock.patch.object(hooklib, "esp_of", return_value=("/dev/nvme0n1", "1")):
            hooklib.register_entry(run, "/t", "fedora", "\\EFI\\fedora\\shimx64.efi")
        return commands

    def test_new_entry_comes_last(self):
        after = EFIBOOTMGR + "Boot0005* fedora\tHD(1)\n"
        commands = self.run_with([EFIBOOTMGR, after])
        self.assertIn("--create-only", commands[1])
        self.assertEqual(commands[-1], ["efibootmgr", "--bootorder", "0003,0001,0000,0005"])

    def test_stale_entry_goes(self):
        before = EFIBOOTMGR + "Boot0007* fedora\tHD(9)\n"
        commands = self.run_with([before, EFIBOOTMGR + "Boot0007* fedora\tHD(1)\n"])
        self.assertEqual(commands[1], ["efibootmgr", "--bootnum", "0007", "--delete-bootnum"])

    def test_no_entry_is_an_error(self):
        with self.assertRaisesRegex(RuntimeError, "no entry 'fedora'"):
            self.run_with([EFIBOOTMGR, EFIBOOTMGR])


if __name__ == "__main__":
    unittest.main()
