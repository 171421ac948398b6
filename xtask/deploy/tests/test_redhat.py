"""Tests of the built-in steps for relatives of RHEL, and of the look from outside."""

import types
import unittest
from unittest import mock

from test_stand_in import InTree, installer, paths, util

from curtin import block
from curtin.commands import curthooks, redhat

MODULES = "efibootmgr\ngrub2-efi-x64\nshim-x64\n"


class Redhat(InTree):
    """A target whose programs are noted instead of run."""

    def run_steps(self, uefi, release="9", os_id="rocky", packages=MODULES, cfg=None):
        """Commands of the chroot, in order."""
        ran = []
        answers = {("rpm", "-E"): release, ("rpm", "-q"): "5.14.0-1.el9.x86_64",
                   ("rpm", "-qa"): "".join(f"ii {name} 1-1\n" for name in packages.split()),
                   ("cloud-init", "features"): "NETWORK_CONFIG_V1\nNETWORK_CONFIG_V2\n"}

        def subp(command, **_options):
            ran.append(command)
            return answers.get(tuple(command[:2]), ""), ""

        inside = types.SimpleNamespace(subp=subp)
        chroot = mock.MagicMock()
        chroot.return_value.__enter__.return_value = inside
        self.put("/etc/os-release", f"ID={os_id}\n")
        self.put("/new-fstab", "/dev/disk/by-uuid/1 / ext4 defaults 0 1\n")
        self.put("/network", '{"network": {"version": 1}}\n')
        place = paths.target_path
        state = {"fstab": place(self.target, "/new-fstab"), "network_config": place(self.target, "/network")}
        cfg = dict(cfg or {}, swap=0, cloudconfig={"maas-datasource": {"content": "datasource_list: [ MAAS ]\n"}})
        with mock.patch.object(util, "ChrootableTarget", chroot), \
                mock.patch.object(util, "is_uefi_bootable", return_value=uefi), \
                mock.patch.object(util, "get_platform_arch", return_value="amd64"), \
                mock.patch.object(block, "get_devices_for_mp", return_value=["/dev/vda2"]), \
                mock.patch.object(block, "disks_below", return_value=["/dev/vda"]), \
                mock.patch.object(block, "esp_of", return_value=("/dev/vda", "1")):
            curthooks.builtin_curthooks(cfg, self.target, state)
        return [" ".join(command) for command in ran]

    def test_uefi_takes_the_loader_of_the_packages(self):
        for os_id, vendor in (("rocky", "rocky"), ("rhel", "redhat"), ("ol", "redhat")):
            self.put(f"/boot/efi/EFI/{vendor}/shimx64.efi", "x")
            ran = self.run_steps(uefi=True, os_id=os_id)
            created = next(line for line in ran if "--create" in line)
            self.assertIn(f"--label {vendor} --disk /dev/vda --part 1 --loader /EFI/{vendor}/shimx64.efi", created)
            self.assertIn(f"grub2-mkconfig -o /boot/efi/EFI/{vendor}/grub.cfg", ran)
            self.assertNotIn("grub2-install", " ".join(ran))
        self.assertIn("dracut -f /boot/initramfs-5.14.0-1.el9.x86_64.img 5.14.0-1.el9.x86_64", ran)
        self.assertIn("by-uuid/1", self.read("/etc/fstab"))
        self.assertEqual(self.read("/.autorelabel"), "")
        self.assertIn('"version": 1', self.read("/etc/cloud/cloud.cfg.d/50-curtin-networking.cfg"))
        self.assertIn("MAAS", self.read("/etc/cloud/cloud.cfg.d/95-cloudconfig-maas-datasource.cfg"))

    def test_without_a_loader_grub_is_installed(self):
        ran = self.run_steps(uefi=True)
        self.assertTrue(any(line.startswith("grub2-install --target=x86_64-efi") for line in ran), ran)

    def test_bios(self):
        ran = self.run_steps(uefi=False)
        self.assertIn("grub2-install /dev/vda", ran)
        self.assertEqual(ran[-1], "grub2-mkconfig -o /boot/grub2/grub.cfg")
        self.assertRaisesRegex(ValueError, "no BIOS loader of release '10'", self.run_steps, False, "10")

    def test_what_curtin_would_download_is_an_error(self):
        self.assertRaisesRegex(RuntimeError, "grub2-efi-x64, shim-x64: the image lacks",
                               self.run_steps, True, packages="efibootmgr\n")
        ext4 = {"storage": {"config": [{"type": "format", "fstype": "ext4"}]}}
        self.assertRaisesRegex(RuntimeError, "e2fsprogs", self.run_steps, True, cfg=ext4)
        lvm = {"storage": {"config": [{"type": "lvm_volgroup"}]}}
        self.assertRaisesRegex(RuntimeError, "lvm2", self.run_steps, True, cfg=lvm)
        self.run_steps(True, packages=MODULES + "lvm2\n", cfg=lvm)
        self.assertIn("lvm", self.read("/etc/dracut.conf.d/50-curtin-storage.conf"))

    def test_settings_of_grub_are_replaced_once(self):
        self.put("/etc/default/grub", 'GRUB_TIMEOUT=1\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n')
        with mock.patch.object(util, "is_uefi_bootable", return_value=False):
            for _ in range(2):
                redhat._write_grub_settings(self.target)
        text = self.read("/etc/default/grub")
        self.assertEqual(text.count("GRUB_CMDLINE_LINUX_DEFAULT="), 1)
        self.assertTrue("rd.auto=1" in text and "quiet" not in text and "GRUB_TIMEOUT=1" in text)


class Look(InTree):
    def look(self, plan):
        said = []
        with mock.patch.object(installer, "TARGET", self.target), mock.patch.object(installer, "say", said.append):
            installer.Deployment(dict({"config": {}}, **plan)).look()
        return said

    def test_every_line_is_marked(self):
        script = 'cd "$TARGET_MOUNT_POINT"; echo; cat etc/fstab; ls nothing; exit 3'
        self.assertEqual(self.look({"look": script}), [])
        self.put("/etc/fstab", "a\n" + "b" * 2000 + "\n")
        said = self.look({"look": script})
        self.assertEqual(said[:3], ["DEPLOY-LOOK ", "DEPLOY-LOOK a", "DEPLOY-LOOK " + "b" * 1000])
        self.assertIn("nothing", said[3])
        self.assertEqual(self.look({}), [])


if __name__ == "__main__":
    unittest.main()
