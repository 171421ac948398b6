"""Unit tests of the deploy hook on SLES: python3 -m unittest discover -s sles12/tests

Configurations are shaped like those MAAS sends (synthetic: written by hand
after MAAS's preseed code, no captured deployment).
"""

import os
import unittest

from harness import HookCase, hooks

CONFIG = {"cloudconfig": {"maas-datasource": {"content": "datasource_list: [ MAAS ]"}}}
KERNEL = "4.12.14-122.37-default"


class Sles(HookCase):
    def target(self, **more):
        files = {"etc/os-release": 'ID="sles"\nID_LIKE="suse"\n', "boot/vmlinuz-" + KERNEL: "x",
                 "usr/bin/dracut": "x", "usr/sbin/shim-install": "x"}
        return self.make_target({**files, **more})

    def test_uefi_gets_shim_under_both_names(self):
        target = self.target()

        def install(argv):
            if argv[0] == "shim-install" and "--removable" in argv:
                os.makedirs(os.path.join(target, "boot/efi/EFI/BOOT"))
                open(os.path.join(target, "boot/efi/EFI/BOOT/BOOTX64.EFI"), "w", encoding="utf-8").close()

        status, calls = self.run_main(CONFIG, target, uefi=True, on_command=install)
        self.assertEqual(status, 0)
        commands = self.commands(calls)
        self.assertEqual([c[0] for c in commands], ["dracut", "shim-install", "shim-install", "grub2-mkconfig"])
        self.assertEqual(commands[0][-2:], ["/boot/initrd-" + KERNEL, KERNEL])

    def test_shim_that_leaves_no_loader_fails_the_deployment(self):
        with self.assertRaisesRegex(RuntimeError, "no EFI/BOOT/BOOTX64.EFI"):
            self.run_main(CONFIG, self.target(), uefi=True)

    def test_bios_uses_grub2(self):
        _, calls = self.run_main(CONFIG, self.target())
        self.assertEqual([c[0] for c in self.commands(calls)], ["dracut", "grub2-mkconfig"])

    def test_curtins_configuration_is_not_amended(self):
        _, calls = self.run_main(CONFIG, self.target())
        self.assertIn(("builtin", CONFIG), calls)

    def test_kernel_that_is_named_like_debians_initrd_is_not_looked_for(self):
        target = self.target(**{"boot/initrd-" + KERNEL: "x"})
        mtimes = hooks.initrd_mtimes(target, "initrd-")
        self.assertEqual(list(mtimes), [KERNEL])

    def test_families(self):
        for system, expected in [
            ({"ID": "sles", "ID_LIKE": "suse"}, True),
            ({"ID": "sles"}, True),
            ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, True),
            ({"ID": "ubuntu", "ID_LIKE": "debian"}, False),
            ({}, False),
        ]:
            with self.subTest(system=system):
                self.assertIs(hooks.is_suse(system), expected)


if __name__ == "__main__":
    unittest.main()
