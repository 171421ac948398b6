"""Unit tests of curtin/curtin-hooks: python3 -m unittest discover -s debian/tests

Configurations are shaped like those MAAS sends (synthetic: written by hand
after MAAS's preseed code, no captured deployment).
"""

import os
import subprocess
import tempfile
import unittest
from unittest import mock

from harness import HookCase, Recorder, hooks

MAAS_CONFIG = {
    "kernel": {"package": "linux-generic", "mapping": {}},
    "apt": {
        "preserve_sources_list": False,
        "primary": [{"arches": ["default"], "uri": "http://archive.ubuntu.com/ubuntu"}],
        "security": [{"arches": ["default"], "uri": "http://security.ubuntu.com/ubuntu"}],
        "sources_list": "deb http://archive.ubuntu.com/ubuntu $RELEASE main\n",
        "proxy": "http://10.0.0.1:8000/",
        "sources": {
            "team.list": {"source": "deb http://repo.example/apt bookworm main"},
            "ppa.list": {"source": "ppa:someone/thing"},
        },
    },
    "cloudconfig": {
        "maas-datasource": {"content": "datasource_list: [ MAAS ]", "path": "/etc/cloud/cloud.cfg.d/90_maas.cfg"},
        "maas-cloud-config": {"content": "#cloud-config\ndatasource: {MAAS: {token_key: k}}\n"},
    },
}


class Configuration(unittest.TestCase):
    def test_kernel_is_the_images_own(self):
        cfg = hooks.amend(MAAS_CONFIG, "linux-image-amd64", "bookworm")
        self.assertEqual(cfg["kernel"], {"package": "linux-image-amd64", "fallback-package": "linux-image-amd64",
                                         "mapping": {}, "install": False})

    def test_null_kernel_section(self):
        self.assertEqual(hooks.kernel_config({"kernel": None}, "k")["package"], "k")

    def test_image_without_record_keeps_the_kernel_section(self):
        self.assertEqual(hooks.amend(MAAS_CONFIG, "", "bookworm")["kernel"], MAAS_CONFIG["kernel"])

    def test_ubuntu_sources_go_and_proxy_stays(self):
        apt = hooks.amend(MAAS_CONFIG, "k", "bookworm")["apt"]
        self.assertIs(apt["preserve_sources_list"], True)
        self.assertEqual(apt["proxy"], "http://10.0.0.1:8000/")
        self.assertEqual(list(apt["sources"]), ["team.list"])
        self.assertNotIn("sources_list", apt)
        self.assertNotIn("ubuntu", str(apt))

    def test_missing_apt_section_still_preserves(self):
        self.assertEqual(hooks.amend({}, "k", "bookworm")["apt"], {"preserve_sources_list": True})

    def test_input_is_not_changed(self):
        before = repr(MAAS_CONFIG)
        hooks.amend(MAAS_CONFIG, "k", "bookworm")
        self.assertEqual(repr(MAAS_CONFIG), before)


PLAIN = [
    {"id": "sda", "type": "disk"},
    {"id": "sda-part1", "type": "partition"},
    {"id": "root", "type": "format", "fstype": "ext4"},
    {"id": "esp", "type": "format", "fstype": "fat32"},
    {"id": "m0", "type": "mount", "device": "root", "path": "/"},
    {"id": "m1", "type": "mount", "device": "esp", "path": "/boot/efi"},
]


class Initrd(unittest.TestCase):
    def target(self, *initrds):
        """Two kernels, initrds as given, all made of files of time 100."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        top = directory.name
        files = ["boot/vmlinuz-1-amd64", "boot/vmlinuz-2-amd64", "etc/initramfs-tools/initramfs.conf",
                 "lib/modules/1-amd64/modules.dep", "lib/modules/2-amd64/modules.dep"]
        for name in files + ["boot/initrd.img-%s-amd64" % number for number in initrds]:
            path = os.path.join(top, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write("x")
        for parent, names, others in os.walk(top):
            for name in names + others:
                os.utime(os.path.join(parent, name), (100, 100))
        return top

    def commands(self, target, started=200.0, special=""):
        run = Recorder()
        hooks.update_initrds(run, target, started, special)
        return [command[1:] for command in run.commands]

    def test_a_generic_initrd_stays(self):
        self.assertEqual(self.commands(self.target(1, 2)), [])

    def test_a_missing_and_an_empty_one_are_made(self):
        target = self.target(1, 2)
        # An empty initrd is what an interrupted run leaves behind.
        open(os.path.join(target, "boot/initrd.img-2-amd64"), "w", encoding="utf-8").close()
        self.assertEqual(self.commands(target), [["-c", "-k", "2-amd64"]])
        self.assertEqual(self.commands(self.target(2)), [["-c", "-k", "1-amd64"]])

    def test_special_storage_is_served_once(self):
        target = self.target(1, 2)
        both = [["-u", "-k", "1-amd64"], ["-u", "-k", "2-amd64"]]
        self.assertEqual(self.commands(target, special="LVM"), both)
        # Made by curtin's own hooks a moment ago.
        self.assertEqual(self.commands(target, started=50.0, special="LVM"), [])

    def test_a_newer_input_is_served(self):
        for name in ("etc/crypttab", "etc/initramfs-tools/conf.d/x", "lib/modules/2-amd64/updates/new.ko"):
            target = self.target(1, 2)
            path = os.path.join(target, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, "w", encoding="utf-8").close()
            self.assertIn(["-u", "-k", "2-amd64"], self.commands(target), name)

    def test_only_ext4_on_a_partition_is_plain(self):
        def special(items):
            return hooks.special_storage({"storage": {"version": 1, "config": items}})

        self.assertEqual(special(PLAIN), "")
        xfs = [dict(item, fstype="xfs") if item["id"] == "root" else item for item in PLAIN]
        self.assertIn("xfs", special(xfs))
        self.assertIn("lvm_partition", special(PLAIN + [{"id": "lv", "type": "lvm_partition"}]))
        self.assertIn("unknown", special(PLAIN[:4]))
        self.assertIn("not described", hooks.special_storage({}))

    def test_lvm_is_plain_for_an_initrd_made_with_lvm2(self):
        lvm = PLAIN + [{"id": "vg", "type": "lvm_volgroup"}, {"id": "lv", "type": "lvm_partition"}]
        raid = lvm + [{"id": "md", "type": "raid"}]
        self.assertEqual(hooks.special_storage({"storage": {"config": lvm}}, lvm=True), "")
        self.assertIn("raid", hooks.special_storage({"storage": {"config": raid}}, lvm=True))

    def test_lvm2_after_the_initrd_or_without_its_hook_is_not_in_it(self):
        hook, listed = "usr/share/initramfs-tools/hooks/lvm2", "var/lib/dpkg/info/lvm2.list"
        for names, installed, expected in (([hook, listed], 50, True), ([hook, listed], 150, False),
                                           ([listed], 50, False), ([hook], 50, False),
                                           ([hook, listed, "usr/bin/dracut"], 50, False)):
            target = self.target(1, 2)
            for name in names:
                path = os.path.join(target, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                open(path, "w", encoding="utf-8").close()
                os.utime(path, (installed, installed))
            self.assertEqual(hooks.initrds_hold_lvm(target), expected, (names, installed))

    def test_the_menu_is_made_only_where_it_would_change(self):
        for name, reason in ((None, ""), ("boot/initrd.img-2-amd64", "/boot/initrd.img-2-amd64 is newer"),
                             ("etc/default/grub.d/maas.cfg", "/etc/default/grub.d/maas.cfg is newer")):
            target = self.target(1, 2)
            self.assertEqual(hooks.menu_reason(target, 200.0), "there is none")
            for path, time in (("boot/grub/grub.cfg", 300), (name, 400)):
                if path:
                    path = os.path.join(target, path)
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    open(path, "w", encoding="utf-8").close()
                    os.utime(path, (time, time))
                    os.utime(os.path.dirname(path), (100, 100))
            self.assertEqual(hooks.menu_reason(target, 350.0), "it is the build's")
            self.assertEqual(hooks.menu_reason(target, 200.0), reason)

    def test_diversion_is_undone(self):
        with tempfile.TemporaryDirectory() as target:
            os.makedirs(os.path.join(target, "usr/sbin"))
            for name in ("update-initramfs", "update-initramfs.curtin-disabled"):
                open(os.path.join(target, "usr/sbin", name), "w", encoding="utf-8").close()
            run = Recorder()
            hooks.restore_update_initramfs(run, target)
            self.assertEqual(run.commands, [["dpkg-divert", "--rename", "--remove", "/usr/sbin/update-initramfs"]])
            self.assertFalse(os.path.exists(os.path.join(target, "usr/sbin/update-initramfs")))


class Loader(unittest.TestCase):
    def target(self, *files):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        for name in files:
            path = os.path.join(directory.name, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, "w", encoding="utf-8").close()
        return directory.name

    def test_bios_takes_the_package_in_the_image(self):
        target = self.target("curtin/packages/grub-pc_2.06-13_amd64.deb")
        run = Recorder(installed=["grub-efi-amd64"])
        hooks.select_bios_loader(run, target)
        self.assertIn(["dpkg", "--remove", "--force-depends", "grub-efi-amd64"], run.commands)
        self.assertEqual(run.commands[-1], ["dpkg", "--install", "/curtin/packages/grub-pc_2.06-13_amd64.deb"])

    def test_bios_without_the_package_is_an_error(self):
        with self.assertRaisesRegex(RuntimeError, "neither grub-pc"):
            hooks.select_bios_loader(Recorder(), self.target("curtin/kernel-package"))

    def test_a_held_package_is_installed(self):
        for state, expected in (("ii ", True), ("hi ", True), ("rc ", False), ("iF ", False)):
            done = subprocess.CompletedProcess([], 0, stdout=state)
            self.assertIs(hooks.is_installed(lambda *_, **__: done, "grub-pc"), expected, state)

    def test_bios_with_grub_pc_does_nothing(self):
        run = Recorder(installed=["grub-pc"])
        hooks.select_bios_loader(run, self.target())
        self.assertEqual(len(run.commands), 1)

    def test_uefi_installs_only_if_the_removable_path_is_missing(self):
        run = Recorder()
        hooks.install_uefi_loader(run, self.target("boot/efi/EFI/BOOT/BOOTX64.EFI"), "x86_64")
        self.assertEqual(run.commands, [])
        hooks.install_uefi_loader(run, self.target(), "aarch64")
        self.assertIn("--target=arm64-efi", run.commands[0])

class Main(HookCase):
    """The whole hook against a minimal curtin package."""

    def target(self):
        return self.make_target({
            "etc/os-release": "ID=debian\nVERSION_CODENAME=bookworm\n",
            "curtin/kernel-package": "linux-image-amd64\n",
            "boot/vmlinuz-6.1": "x",
            "lib/modules/6.1/modules.dep": "x",
        })

    def test_tgz(self):
        target = self.target()
        status, calls = self.run_main(MAAS_CONFIG, target)
        self.assertEqual(status, 0)
        builtin = dict(call for call in calls if call[0] == "builtin")["builtin"]
        self.assertEqual(builtin["kernel"]["package"], "linux-image-amd64")
        commands = self.commands(calls)
        self.assertIn(["update-initramfs", "-c", "-k", "6.1"], commands)
        self.assertIn(["update-grub"], commands)
        self.assertFalse(os.path.exists(os.path.join(target, "curtin")))
        self.assertTrue(os.path.exists(os.path.join(
            target, hooks.hooklib.DATASOURCE_DIR, "95-cloudconfig-maas-datasource.cfg")))

    def test_dd_leaves_the_disk_alone(self):
        target = self.target()
        status, calls = self.run_main(dict(MAAS_CONFIG, sources={"00": {"type": "dd-gz"}}), target)
        self.assertEqual((status, calls), (0, [("network", None)]))

    def test_failed_deploy_keeps_the_evidence(self):
        target = self.target()
        with mock.patch.object(hooks, "deploy_root", side_effect=RuntimeError("boom")):
            with self.assertRaisesRegex(RuntimeError, "boom"):
                self.run_main({}, target)
        self.assertTrue(os.path.exists(os.path.join(target, "curtin")))

    def test_unknown_machine(self):
        self.assertEqual(self.run_main({}, self.target(), machine="riscv64")[0], 1)


if __name__ == "__main__":
    unittest.main()
