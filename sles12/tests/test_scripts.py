"""Build scripts of SLES 12 in a fake root: what a build changes must be gone from
the image, and each knob must do what the README says.

Run: python3 -m unittest discover -s sles12/tests. Roots are synthetic.
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tree import Tree  # noqa: E402

KNOBS = {"ARCHITECTURE": "amd64", "UPGRADE": "true", "REPOSITORIES": "", "REGISTRATION_CODE": "", "REGISTRATION_URL": "",
         "EXTRA_PACKAGES": "", "KERNEL": "", "LOCALE": "C.UTF-8", "TIMEZONE": "Etc/UTC"}
# What JeOS brings.
INSTALLED = "cloud-init efibootmgr grub2 grub2-i386-pc grub2-x86_64-efi"


class ScriptCase(unittest.TestCase):
    def tree(self, files=None):
        tree = Tree("sles12")
        self.addCleanup(tree.remove)
        tree.write("var/lib/image-build/hooklib.py", "")
        for path, text in (files or {}).items():
            tree.write(path, text)
        return tree

    def passes(self, tree, name, **more):
        """Its calls; the script must succeed."""
        status, said, calls = tree.run(name, **dict(KNOBS, INSTALLED=INSTALLED, **more))
        self.assertEqual(status, 0, said)
        return calls


class Packages(ScriptCase):
    def test_without_a_source_nothing_is_installed(self):
        calls = self.passes(self.tree(), "packages.sh")
        self.assertFalse([call for call in calls if call.startswith(("zypper", "SUSEConnect"))])

    def test_what_deployment_needs_must_be_there(self):
        status, said, _ = self.tree().run("packages.sh", **dict(KNOBS, INSTALLED="cloud-init grub2"))
        self.assertEqual(status, 1)
        self.assertIn("has no efibootmgr; set repositories or registration_code", said)

    def test_a_kernel_without_a_source_is_refused(self):
        status, said, _ = self.tree().run("packages.sh", **dict(KNOBS, INSTALLED=INSTALLED, KERNEL="kernel-default"))
        self.assertEqual(status, 1)
        self.assertIn("a kernel can only be installed with", said)

    def test_repositories_and_registration(self):
        tree = self.tree()
        calls = self.passes(tree, "packages.sh", REPOSITORIES="pool=http://rmt.example/pool", REGISTRATION_CODE="C",
                            REGISTRATION_URL="https://rmt.example", EXTRA_PACKAGES="vim", KERNEL="kernel-default-4.12")
        self.assertEqual(calls[1], "SUSEConnect --url https://rmt.example --regcode C")
        self.assertIn("zypper --non-interactive addrepo --refresh http://rmt.example/pool image-build-pool", calls)
        self.assertIn("zypper --non-interactive install vim", calls)
        self.assertTrue([call for call in calls if call.endswith(" kernel-default-4.12")])
        self.assertTrue(tree.exists("var/lib/image-build/registered"))

    def test_a_repository_needs_a_name(self):
        status, said, _ = self.tree().run("packages.sh", **dict(KNOBS, INSTALLED=INSTALLED, REPOSITORIES="http://rmt.example"))
        self.assertEqual(status, 1)
        self.assertIn("NAME=URL, not http://rmt.example", said)

    def test_local_packages_are_installed(self):
        rpm = "var/lib/image-build/packages/own-1.x86_64.rpm"
        tree = self.tree({rpm: ""})
        calls = self.passes(tree, "packages.sh")
        self.assertIn("zypper --non-interactive --no-gpg-checks install " + os.path.join(tree.root, rpm), calls)

    def test_a_failed_cloud_init_stops_the_build(self):
        status, said, calls = self.tree().run("packages.sh", CLOUD_INIT="error", **KNOBS)
        self.assertEqual(status, 1)
        self.assertIn("cloud-init failed in the build VM", said)
        self.assertEqual(len(calls), 1)


class Boot(ScriptCase):
    FILES = {"boot/vmlinuz-4.12-default": "x", "boot/initrd-4.12-default": "x", "usr/share/zoneinfo/Etc/UTC": "x",
             "etc/default/grub": 'GRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX="console=ttyS0"\nOWN=1\n', "boot/grub2/grub.cfg": "",
             "etc/dracut.conf.d/own.conf": "", "etc/ssh/sshd_config": "#PasswordAuthentication yes\n"}

    def test_any_machine_can_start_it(self):
        tree = self.tree(self.FILES)
        calls = self.passes(tree, "boot.sh")
        initrd = os.path.join(tree.root, "boot/initrd-4.12-default")
        self.assertIn("dracut --force --no-hostonly %s 4.12-default" % initrd, calls)
        self.assertTrue([call for call in calls if call.startswith("grub2-mkconfig")])
        grub = tree.read("etc/default/grub")
        self.assertIn('GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"', grub)
        self.assertEqual((grub.count("GRUB_CMDLINE_LINUX="), grub.count("OWN=1"), grub.count("GRUB_TIMEOUT=")), (1, 1, 1))
        for name in ("curtin-hooks", "hooklib.py"):
            self.assertTrue(tree.exists("curtin/" + name), name)
        self.assertTrue(os.access(os.path.join(tree.root, "curtin/curtin-hooks"), os.X_OK))
        self.assertEqual(tree.read("etc/ssh/sshd_config"), "PasswordAuthentication no\n")
        self.assertIn("name: sles", tree.read("etc/cloud/cloud.cfg.d/91-image-user.cfg"))

    def test_no_kernel_and_an_unknown_time_zone_are_told(self):
        files = dict(self.FILES)
        del files["boot/vmlinuz-4.12-default"]
        for tree, more, expected in ((self.tree(files), {}, "no kernel in"),
                                     (self.tree(self.FILES), {"TIMEZONE": "Mars/Base"}, "unknown time zone Mars/Base")):
            status, said, _ = tree.run("boot.sh", **dict(KNOBS, **more))
            self.assertEqual(status, 1)
            self.assertIn(expected, said)


class Cleanup(ScriptCase):
    # Path of what a build leaves: what of it may be in the image.
    LEFT = {
        "etc/machine-id": "", "var/lib/dbus/machine-id": None, "etc/ssh/ssh_host_rsa_key": None, "root/.ssh/authorized_keys": None,
        "root/.bash_history": None, "root/.cache/x": None, "home/me/.ssh/authorized_keys": None, "etc/fstab": None,
        "etc/crypttab": None, "etc/udev/rules.d/70-persistent-net.rules": "", "etc/sysconfig/network/ifcfg-eth0": None,
        "var/lib/wicked/lease-eth0.xml": None, "var/lib/dhcp6/x.leases": None, "var/lib/systemd/random-seed": None,
        "var/lib/misc/random-seed": None, "var/tmp/x": None, "tmp/packer-shell1": None, "var/log/messages": "",
        "var/log/journal/1/system.journal": None, "var/lib/image-build/lib.sh": None, "etc/netplan/50-cloud-init.yaml": None,
        "etc/iscsi/initiatorname.iscsi": "GenerateName=yes\n",
    }

    def clean(self, tree):
        return self.passes(tree, "cleanup.sh") + self.passes(tree, "finish.sh")

    def test_nothing_of_the_build_stays(self):
        tree = self.tree(dict.fromkeys(self.LEFT, "of the build\n"))
        self.clean(tree)
        for path, expected in self.LEFT.items():
            with self.subTest(path=path):
                self.assertEqual(tree.read(path) if tree.exists(path) else None, expected)

    def test_a_bare_root_is_cleaned_without_a_complaint(self):
        tree = self.tree({"etc/zypp/repos.d/.keep": ""})
        os.rmdir(os.path.join(tree.root, "home"))
        calls = self.clean(tree)
        order = [call.split()[0] for call in calls]
        # cloud-init's state goes last; after it only power off.
        self.assertEqual(order, ["zypper", "usermod", "systemctl", "cloud-init", "fstrim", "sync", "systemctl"])

    def test_a_changed_sshd_config_is_put_back(self):
        """sshd of SLES 12 knows no Include: the seed changes the file itself."""
        tree = self.tree({"etc/zypp/repos.d/.keep": "", "etc/ssh/sshd_config": "PermitRootLogin yes\nown\n",
                          "etc/ssh/sshd_config.image-build": "own\n"})
        self.clean(tree)
        self.assertEqual(tree.files("etc/ssh"), {"etc/ssh/sshd_config": "own\n"})

    def test_the_build_is_deregistered_and_its_repositories_go(self):
        tree = self.tree({"etc/zypp/repos.d/image-build-pool.repo": "[image-build-pool]\n", "var/lib/image-build/registered": ""})
        status, said, calls = tree.run("cleanup.sh", **KNOBS)
        self.assertEqual(calls[:3], ["SUSEConnect --de-register", "SUSEConnect --cleanup",
                                     "zypper --non-interactive removerepo image-build-pool"])
        # The stub removes nothing, so the last look finds it.
        self.assertEqual(status, 1)
        self.assertIn("still names the build", said)


if __name__ == "__main__":
    unittest.main()
