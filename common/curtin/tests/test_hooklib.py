"""Unit tests of hooklib.py: python3 -m unittest discover -s common/curtin/tests

Configurations and program output are synthetic: written by hand after MAAS's
preseed code and the programs' manuals.
"""

import ast
import os
import stat
import subprocess
import sys
import tempfile
import types
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

    def test_datasource_files_have_curtins_names(self):
        self.assertEqual(hooklib.datasource_files({"maas-datasource": {"content": "a", "path": "/etc/x"}, "b": "c"}),
                         {"95-cloudconfig-maas-datasource.cfg": "a", "95-cloudconfig-b.cfg": "c"})
        self.assertEqual(hooklib.datasource_files(None), {})

    def test_kernel_parameters(self):
        for cmdline, expected in [
            ("root=squash:http://x console=ttyS1,115200 ro --- nosplash intel_iommu=on",
             ["console=ttyS1,115200", "nosplash", "intel_iommu=on", "rd.auto=1"]),
            ("root=/dev/ram", ["rd.auto=1"]),
            ("console=tty0 --- console=tty0", ["console=tty0", "rd.auto=1"]),
            # The last console wins.
            ("console=tty0 console=ttyS0 --- console=tty0", ["console=ttyS0", "console=tty0", "rd.auto=1"]),
            # PXELINUX and GRUB append these; dracut would wait for that network.
            ("ro --- nosplash BOOTIF=01-52-54-00-12-34-56 initrd=i BOOT_IMAGE=k", ["nosplash", "rd.auto=1"]),
            ("ro -- nosplash", ["nosplash", "rd.auto=1"]),
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

    def test_a_multipath_disk_is_one(self):
        tree = "/dev/mapper/mpatha-part1 part\n/dev/mapper/mpatha mpath\n/dev/sda disk\n/dev/sdb disk\n"
        self.assertEqual(hooklib.parse_disks(tree), ["/dev/mapper/mpatha"])

    def test_firmware_entries_may_stay(self):
        for cfg, expected in [({}, True), ({"grub": {"update_nvram": False}}, False), ({"boot": {"update_nvram": False}}, False),
                              ({"grub": {"update_nvram": True}}, True), ({"grub": {"reorder_uefi": False}}, True)]:
            with self.subTest(cfg=cfg):
                self.assertIs(hooklib.updates_nvram(cfg), expected)


class Offline(unittest.TestCase):
    def test_no_hook_calls_a_package_manager_or_the_network(self):
        top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
        forbidden = {"apt-get", "curl", "dnf", "rpm --import", "tdnf", "wget", "yum", "zypper"}
        for name in ("common/el/curtin/curtin-hooks", "common/suse/curtin/curtin-hooks", "common/linux/curtin/curtin-hooks",
                     "azurelinux/curtin/curtin-hooks",
                     "centos6/curtin/curtin-hooks", "common/curtin/hooklib.py"):
            with open(os.path.join(top, name), encoding="utf-8") as stream:
                tree = ast.parse(stream.read())
            words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
            with self.subTest(hook=name):
                self.assertGreater(len(words), 10)
                self.assertFalse(words & forbidden)


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

    def test_kernel_parameters_with_and_without_settings_of_the_image(self):
        for before, lines in [(None, 1), ("GRUB_TIMEOUT=1\n", 2)]:
            if before:
                self.put("etc/default/grub", before)
            hooklib.set_kernel_parameters(self.target)
            with open(os.path.join(self.target, "etc/default/grub"), encoding="utf-8") as stream:
                text = stream.read()
            self.assertEqual(len(text.splitlines()), lines)
            self.assertIn("rd.auto=1", text)
            os.unlink(os.path.join(self.target, "etc/default/grub"))

    def test_network_without_configuration(self):
        hooklib.write_network(self.target, {"network_config": None})
        hooklib.write_network(self.target, {"network_config": "/nowhere"})
        self.assertEqual(os.listdir(self.target), [])

    def test_nothing_is_downloaded_for_multipath(self):
        seen = []
        curthooks = mock.Mock()
        curthooks.detect_and_handle_multipath.side_effect = lambda cfg, target, osfamily: seen.append((cfg, osfamily))
        given = {"multipath": {"mode": "force"}, "swap": {"size": 0}}
        hooklib.configure_storage(curthooks, given, self.target, {"fstab": "/w/fstab"}, iscsi="debian")
        self.assertEqual(seen, [({"multipath": {"mode": "force", "packages": []}, "swap": {"size": 0}}, "redhat")])
        self.assertEqual(given["multipath"], {"mode": "force"})
        self.assertEqual(curthooks.configure_iscsi.call_args, mock.call(given, "/w", self.target, osfamily="debian"))


class Disks(unittest.TestCase):
    """With curtin's functions for block devices in their places."""

    def with_curtin(self, **functions):
        block, commands = types.ModuleType("curtin.block"), types.ModuleType("curtin.commands")
        block.get_blockdev_for_partition = functions.get("partition")
        commands.block_meta = types.SimpleNamespace(
            extract_storage_ordered_dict=lambda cfg: {item["id"]: item for item in cfg["storage"]["config"]},
            get_path_to_storage_volume=lambda name, volumes: volumes[name]["path"])
        package = types.ModuleType("curtin")
        package.block, package.commands = block, commands
        return mock.patch.dict(sys.modules, {"curtin": package, "curtin.block": block, "curtin.commands": commands})

    def test_the_disk_that_maas_marked(self):
        storage = [{"id": "sda", "type": "disk", "path": "/dev/sda", "grub_device": True},
                   {"id": "sdb", "type": "disk", "path": "/dev/sdb"}]
        with self.with_curtin(), mock.patch.object(hooklib, "output_of", side_effect=AssertionError("not asked")):
            self.assertEqual(hooklib.boot_disks({"storage": {"config": storage}}, "/t"), ["/dev/sda"])

    def test_without_a_mark_the_disks_below_the_kernels(self):
        said = ["/dev/md0[/@]", "/dev/md0 raid1\n/dev/sda2 part\n/dev/sda disk\n/dev/sdb2 part\n/dev/sdb disk\n"]
        with mock.patch.object(hooklib, "output_of", side_effect=said) as asked:
            self.assertEqual(hooklib.boot_disks({}, "/t"), ["/dev/sda", "/dev/sdb"])
        self.assertEqual(asked.call_args[0][0][-1], "/dev/md0")

    def test_esp_on_a_multipath_disk(self):
        with self.with_curtin(partition=lambda path: ("/dev/dm-0", "1")), \
                mock.patch.object(hooklib, "output_of", return_value="/dev/mapper/mpatha-part1"):
            self.assertEqual(hooklib.esp_of("/t"), ("/dev/dm-0", "1"))

    def test_esp_on_a_whole_device_fails(self):
        with self.with_curtin(partition=lambda path: (path, None)), \
                mock.patch.object(hooklib, "output_of", return_value="/dev/md0"):
            with self.assertRaisesRegex(RuntimeError, "/dev/md0 is none"):
                hooklib.esp_of("/t")


class Entries(unittest.TestCase):
    def run_with(self, outputs, cfg=None):
        commands = []

        def run(argv, check=True):
            commands.append(argv)
            text = outputs.pop(0) if argv == ["efibootmgr"] else ""
            return subprocess.CompletedProcess(argv, 0, stdout=text)

        with mock.patch.object(hooklib, "esp_of", return_value=("/dev/nvme0n1", "1")):
            hooklib.register_entry(run, cfg or {}, "/t", "fedora", "\\EFI\\fedora\\shimx64.efi")
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

    def test_entries_stay_where_they_should(self):
        self.assertEqual(self.run_with([], {"grub": {"update_nvram": False}}), [])

    def test_no_entry_is_an_error(self):
        with self.assertRaisesRegex(RuntimeError, "no entry 'fedora'"):
            self.run_with([EFIBOOTMGR, EFIBOOTMGR])


if __name__ == "__main__":
    unittest.main()
