"""Unit tests of the deploy hook on Ubuntu: python3 -m unittest discover -s ubuntu/tests

Configurations are shaped like those MAAS sends (synthetic: written by hand
after MAAS's preseed code, no captured deployment).
"""

import os
import subprocess
import unittest

from harness import HookCase, hooks

MAAS_CONFIG = {
    "apt": {
        "preserve_sources_list": False,
        "sources_list": "deb http://archive.ubuntu.com/ubuntu $RELEASE main\n",
        "proxy": "http://10.0.0.1:8000/",
    },
    "cloudconfig": {"maas-datasource": {"content": "datasource_list: [ MAAS ]"}},
}
NOBLE = "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"
LIBRARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts", "lib.sh")


class Tgz(HookCase):
    def target(self, **more):
        files = {"etc/os-release": NOBLE, "boot/vmlinuz-6.8": "x", "lib/modules/6.8/modules.dep": "x",
                 "boot/efi/EFI/BOOT/BOOTX64.EFI": "x"}
        return self.make_target({**files, **more})

    def builtin(self, calls):
        return dict(call for call in calls if call[0] == "builtin")["builtin"]

    def test_policy_image_names_the_kernel_and_installs_nothing(self):
        target = self.target(**{"curtin/kernel-package": "linux-generic\n"})
        status, calls = self.run_main(MAAS_CONFIG, target, uefi=True)
        self.assertEqual(status, 0)
        self.assertEqual(self.builtin(calls)["kernel"],
                         {"package": "linux-generic", "fallback-package": "linux-generic", "install": False})

    def test_policy_pinned_names_the_version(self):
        pinned = "linux-image-6.8.0-45-generic=6.8.0-45.45"
        target = self.target(**{"curtin/kernel-package": pinned + "\n"})
        _, calls = self.run_main(MAAS_CONFIG, target, uefi=True)
        self.assertEqual(self.builtin(calls)["kernel"]["package"], pinned)

    def test_policy_maas_leaves_the_kernel_to_curtin(self):
        target = self.target(**{"curtin/curtin-hooks": "x"})
        _, calls = self.run_main(MAAS_CONFIG, target, uefi=True)
        self.assertNotIn("kernel", self.builtin(calls))

    def test_maas_package_sources_stay(self):
        _, calls = self.run_main(MAAS_CONFIG, self.target(), uefi=True)
        self.assertEqual(self.builtin(calls)["apt"], MAAS_CONFIG["apt"])

    def test_datasource_is_written_where_curtin_does_not(self):
        target = self.target()
        self.run_main(MAAS_CONFIG, target, uefi=True)
        path = os.path.join(target, hooks.hooklib.DATASOURCE_DIR, "95-cloudconfig-maas-datasource.cfg")
        with open(path, encoding="utf-8") as stream:
            self.assertEqual(stream.read(), "datasource_list: [ MAAS ]")

    def test_initramfs_tools_and_dracut(self):
        commands = self.commands(self.run_main({}, self.target(), uefi=True)[1])
        self.assertIn(["update-initramfs", "-c", "-k", "6.8"], commands)
        target = self.target(**{"usr/bin/dracut": "x"})
        commands = self.commands(self.run_main({}, target, uefi=True)[1])
        self.assertIn(["dracut", "--force", "--no-hostonly", "/boot/initrd.img-6.8", "6.8"], commands)

    def test_missing_loader_is_installed_under_ubuntus_name(self):
        target = self.make_target({"etc/os-release": NOBLE, "boot/vmlinuz-6.8": "x", "lib/modules/6.8/modules.dep": "x"})
        commands = self.commands(self.run_main({}, target, machine="aarch64", uefi=True)[1])
        install = [command for command in commands if command[0] == "grub-install"]
        self.assertEqual(len(install), 1)
        self.assertIn("--target=arm64-efi", install[0])
        self.assertIn("--bootloader-id=ubuntu", install[0])


class WholeDisk(HookCase):
    def test_only_network_and_package_sources_change(self):
        target = self.make_target({"etc/os-release": NOBLE, "curtin/curtin-hooks": "x", "etc/fstab": "own\n"})
        cfg = dict(MAAS_CONFIG, sources={"00": {"type": "dd-gz", "uri": "http://x"}})
        status, calls = self.run_main(cfg, target, uefi=True)
        self.assertEqual((status, calls), (0, [("apt", MAAS_CONFIG["apt"]), ("network", None)]))
        with open(os.path.join(target, "etc/fstab"), encoding="utf-8") as stream:
            self.assertEqual(stream.read(), "own\n")
        self.assertFalse(os.path.exists(os.path.join(target, "curtin")))


class KernelOfPackage(unittest.TestCase):
    """lib.sh with a dpkg-query that knows a few packages (synthetic)."""

    PACKAGES = {
        "linux-generic": "linux-image-generic (= 6.8.0-45.45), linux-headers-generic (= 6.8.0-45.45)",
        "linux-image-generic": "linux-image-6.8.0-45-generic | linux-image-unsigned-6.8.0-45-generic, linux-firmware",
        "linux-image-6.8.0-45-generic": "kmod, linux-base (>= 4.5), linux-modules-6.8.0-45-generic",
        "linux-image-unsigned-6.8.0-99-lab": "kmod, linux-base (>= 4.5)",
        "linux-image-amd64": "linux-image-6.1.0-26-amd64 (= 6.1.112-1)",
        "linux-image-6.1.0-26-amd64": "kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120+deb8u2)",
    }

    def version(self, package):
        cases = "".join("%s) echo '%s';;\n" % item for item in self.PACKAGES.items())
        script = """
            . "$1"
            dpkg-query() { case ${!#} in %s*) return 1;; esac; }
            is_installed() { dpkg-query -W "$1" >/dev/null; }
            kernel_of_package "$2"
        """ % cases
        done = subprocess.run(["bash", "-c", script, "bash", LIBRARY, package], check=True,
                              stdout=subprocess.PIPE, universal_newlines=True)
        return done.stdout.strip()

    def test_metapackages_are_followed(self):
        for package, version in [
            ("linux-generic", "6.8.0-45-generic"),
            ("linux-image-6.8.0-45-generic", "6.8.0-45-generic"),
            ("linux-image-unsigned-6.8.0-99-lab", "6.8.0-99-lab"),
            ("linux-image-amd64", "6.1.0-26-amd64"),
        ]:
            with self.subTest(package=package):
                self.assertEqual(self.version(package), version)


if __name__ == "__main__":
    unittest.main()
