"""Build scripts of Debian and Ubuntu in a fake root: what a build changes must be
gone from the image, and each knob must do what its README says.

Run: python3 -m unittest discover -s common/deb/tests. Roots are synthetic.
"""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tree import Tree  # noqa: E402

DEBIAN = {
    "RELEASE": "12", "CODENAME": "bookworm", "ARCHITECTURE": "amd64", "NONFREE": "non-free-firmware", "APT_KEEP_MIRROR": "false",
    "FIRMWARE_PACKAGES": "", "EXTRA_PACKAGES": "", "KERNEL": "", "KERNEL_POLICY": "image", "UPGRADE": "false", "LOCALE": "C.UTF-8", "TIMEZONE": "Etc/UTC",
}
UBUNTU = dict(DEBIAN, RELEASE="noble", FLAVOR="cloudimg", ARTIFACT="tgz")
SYSTEMS = {"debian": DEBIAN, "ubuntu": UBUNTU}
SOURCES = "deb http://deb.example/os stable main\n"
PROXY = "etc/apt/apt.conf.d/99image-build-proxy"


class ScriptCase(unittest.TestCase):
    def tree(self, image, files=None):
        tree = Tree(image)
        self.addCleanup(tree.remove)
        for path, text in (files or {}).items():
            tree.write(path, text)
        return tree

    def passes(self, tree, name, environment, **more):
        """Its calls; the script must succeed."""
        status, said, calls = tree.run(name, **dict(environment, **more))
        self.assertEqual(status, 0, said)
        return calls

    def installs(self, calls):
        """The words of every call that installs or removes."""
        return [call for call in calls if call.startswith("apt-get") and ("install" in call or "purge" in call)]


class PackageSources(ScriptCase):
    def test_each_proxy_has_its_own_variable(self):
        for image, environment in SYSTEMS.items():
            with self.subTest(image=image):
                tree = self.tree(image, {"etc/apt/sources.list": SOURCES})
                self.passes(tree, "prepare.sh", environment, http_proxy="http://h:1", https_proxy="http://s:2",
                            no_proxy="a.example, b.example")
                text = tree.read(PROXY)
                self.assertIn('Acquire::http::Proxy "http://h:1";', text)
                self.assertIn('Acquire::https::Proxy "http://s:2";', text)
                for host in ("a.example", "b.example"):
                    self.assertIn('Acquire::https::Proxy::%s "DIRECT";' % host, text)
                self.assertEqual(text.count("DIRECT"), 4)
                self.assertEqual(os.stat(os.path.join(tree.root, PROXY)).st_mode & 0o077, 0, "it may hold a password")

    def test_sources_and_proxies_are_put_back_even_after_a_reboot(self):
        more = {"APT_MIRROR": "http://10.0.2.2/mirror", "http_proxy": "http://secret@h:1", "FIRMWARE_PACKAGES": ""}
        own = {"etc/apt/sources.list": SOURCES, "etc/apt/sources.list.d/own.sources": "Types: deb\n",
               "etc/apt/apt.conf.d/20own": "own\n", "etc/apt/sources.list.d/%s.sources": "Types: deb\nURIs: x\n"}
        for image, environment in SYSTEMS.items():
            with self.subTest(image=image):
                files = {path.replace("%s", image): text for path, text in own.items()}
                tree = self.tree(image, files)
                # bootcmd and a customize script that reboots: everything runs twice.
                for _ in range(2):
                    self.passes(tree, "prepare.sh", environment, **more)
                self.assertIn("10.0.2.2", tree.read("etc/apt/sources.list"))
                self.assertEqual([path for path in tree.files("run")], [], "lost with a reboot")
                self.passes(tree, "cleanup.sh", environment)
                left = {path: text for path, text in tree.files("etc/apt").items() if text}
                self.assertEqual(left, files)
                self.assertFalse([path for path in tree.files() if "packer" in path or "secret@" in tree.read(path)])

    def test_a_mirror_stays_only_where_it_is_wanted(self):
        tree = self.tree("ubuntu", {"etc/apt/sources.list": SOURCES})
        self.passes(tree, "prepare.sh", UBUNTU, APT_MIRROR="http://m.example/ubuntu")
        self.passes(tree, "cleanup.sh", dict(UBUNTU, APT_KEEP_MIRROR="true"))
        self.assertIn("m.example", tree.read("etc/apt/sources.list"))

    def test_a_failed_cloud_init_stops_the_build(self):
        status, said, calls = self.tree("debian").run("prepare.sh", CLOUD_INIT="error", **DEBIAN)
        self.assertEqual(status, 1)
        self.assertIn("cloud-init failed in the build VM", said)
        self.assertNotIn("apt-get update", calls)


class Packages(ScriptCase):
    def test_nothing_local_purges_and_repairs_nothing(self):
        for image, environment in SYSTEMS.items():
            with self.subTest(image=image):
                calls = self.installs(self.passes(self.tree(image), "packages.sh", environment))
                self.assertFalse([call for call in calls if "purge" in call and "autoremove" not in call])
                self.assertFalse([call for call in calls if ".deb" in call or "fix-broken" in call or " -f " in call])
                for call in calls:
                    self.assertIn("--yes", call)

    def test_local_packages_are_installed_with_what_they_need(self):
        deb = "var/lib/image-build/packages/own_1_amd64.deb"
        for image, environment in SYSTEMS.items():
            with self.subTest(image=image):
                tree = self.tree(image, {deb: ""})
                calls = self.installs(self.passes(tree, "packages.sh", environment))
                # apt, not dpkg: it brings the dependencies, or fails.
                self.assertEqual(len([call for call in calls if call.endswith(" install " + os.path.join(tree.root, deb))]), 1)

    def test_the_kernel_that_was_asked_for_is_the_only_one(self):
        for image, environment, default in (("debian", DEBIAN, "linux-image-amd64"), ("ubuntu", UBUNTU, "linux-generic")):
            for kernel in ("", "linux-image-own=1.2"):
                with self.subTest(image=image, kernel=kernel):
                    tree = self.tree(image)
                    calls = self.installs(self.passes(tree, "packages.sh", environment, KERNEL=kernel))
                    words = " ".join(calls).split()
                    self.assertIn(kernel or default, words)
                    self.assertEqual(default in words, not kernel)
                    self.assertEqual(tree.read("var/lib/image-build/kernel-package"), (kernel.split("=")[0] or default) + "\n")

    def test_a_kernel_of_ones_own_comes_from_the_local_packages(self):
        """So they are installed first: no repository has it."""
        deb = "var/lib/image-build/packages/linux-image-own_1.2_amd64.deb"
        for image, environment in SYSTEMS.items():
            with self.subTest(image=image):
                tree = self.tree(image, {deb: ""})
                calls = self.installs(self.passes(tree, "packages.sh", environment, KERNEL="linux-image-own=1.2"))
                local = [at for at, call in enumerate(calls) if call.endswith(os.path.join(tree.root, deb))]
                named = [at for at, call in enumerate(calls) if call.endswith(" linux-image-own=1.2")]
                self.assertEqual((len(local), len(named)), (1, 1))
                self.assertLess(local[0], named[0])

    def test_the_kernel_policies(self):
        kernel = "linux-image-own=1.2"
        rows = [(image, policy, named, held) for image in SYSTEMS
                for policy, named, held in (("image", "linux-image-own\n", False), ("pinned", kernel + "\n", True))]
        # Only Ubuntu has a kernel that MAAS can choose.
        for image, policy, named, held in rows + [("ubuntu", "maas", None, False)]:
            with self.subTest(image=image, policy=policy):
                tree = self.tree(image)
                environment = dict(SYSTEMS[image], KERNEL_POLICY=policy, KERNEL=kernel)
                calls = self.passes(tree, "packages.sh", environment)
                self.assertEqual("apt-mark hold linux-image-own" in calls, held)
                self.passes(tree, "curtin.sh", environment)
                self.assertEqual(tree.read("curtin/kernel-package") if tree.exists("curtin/kernel-package") else None, named)
                self.assertTrue(os.access(os.path.join(tree.root, "curtin/curtin-hooks"), os.X_OK))

    def test_a_pinned_kernel_without_a_version_is_refused_at_once(self):
        for image, environment in SYSTEMS.items():
            with self.subTest(image=image):
                status, said, calls = self.tree(image).run("prepare.sh", **dict(environment, KERNEL_POLICY="pinned", KERNEL="linux-own"))
                self.assertEqual((status, calls), (1, []))
                self.assertIn("kernel=NAME=VERSION", said)

    def test_what_stood_in_for_update_initramfs_does_not_ship(self):
        tree = self.tree("debian", {"usr/sbin/update-initramfs": "the real one\n"})
        self.passes(tree, "prepare.sh", DEBIAN)
        self.assertIn("Held back", tree.read("usr/sbin/update-initramfs"))
        tree.write("var/lib/image-build/kernel-package", "linux-image-amd64\n")
        calls = self.passes(tree, "curtin.sh", DEBIAN)
        self.assertFalse(tree.exists("usr/sbin/update-initramfs"), "the stub; dpkg-divert brings the real one")
        self.assertEqual(len([call for call in calls if call.startswith("dpkg-divert") and "--remove" in call]), 1)


class Boot(ScriptCase):
    """boot.sh: of two kernels the one that was asked for stays, and the hook names it."""

    WANTED, META = "linux-image-6.1.0-9-own", "linux-image-own"

    def booted(self, image, **more):
        files = {"boot/%s-6.1.0-%s" % (name, version): "x" for name in ("vmlinuz", "initrd.img") for version in ("8-old", "9-own")}
        files.update({"usr/share/zoneinfo/Etc/UTC": "x", "etc/os-release": "NAME=x\nID=%s\n" % image, "etc/ssh/sshd_config": "",
                      "etc/initramfs-tools/conf.d/image.conf": "", "var/lib/image-build/kernel-package": more.pop("package") + "\n",
                      "var/lib/image-build/grow-root": "#!/bin/bash\n", "etc/ssh/sshd_config.d/00-image-build.conf": "",
                      "etc/systemd/system/x": "", "usr/local/sbin/x": "", "etc/default/grub.d/40-force-partuuid.cfg": "x"})
        tree = self.tree(image, files)
        environment = dict(SYSTEMS[image], INSTALLED=self.WANTED, META=self.META, DEPENDS=self.WANTED + " (= 6.1)",
                           LOADER="--force-extra-removable")
        return tree, tree.run("boot.sh", **dict(environment, **more))

    def test_the_hook_names_the_kernel_itself(self):
        """curtin up to 24.0 would install a newer one for a metapackage."""
        for image, policy, named in (("debian", "image", self.WANTED), ("ubuntu", "image", self.WANTED), ("ubuntu", "maas", self.META)):
            with self.subTest(image=image, policy=policy):
                tree, (status, said, calls) = self.booted(image, package=self.META, KERNEL_POLICY=policy)
                self.assertEqual(status, 0, said)
                self.assertEqual(tree.read("var/lib/image-build/kernel-package"), named + "\n")

    def test_a_pinned_kernel_keeps_its_version(self):
        for image in SYSTEMS:
            with self.subTest(image=image):
                tree, (status, said, calls) = self.booted(image, package=self.WANTED + "=6.1.9-1", KERNEL_POLICY="pinned")
                self.assertEqual(status, 0, said)
                self.assertEqual(tree.read("var/lib/image-build/kernel-package"), self.WANTED + "=6.1.9-1\n")

    def test_other_kernels_go(self):
        for image in SYSTEMS:
            with self.subTest(image=image):
                tree, (status, said, calls) = self.booted(image, package=self.WANTED)
                self.assertEqual(status, 0, said)
                self.assertEqual([call.split()[-1] for call in calls if " purge " in call], ["linux-image-6.1.0-8-old"])
                self.assertFalse(tree.exists("boot/initrd.img-6.1.0-8-old"))
                self.assertTrue(tree.exists("boot/initrd.img-6.1.0-9-own"))

    def test_a_kernel_that_is_not_there_is_told(self):
        _, (status, said, _) = self.booted("ubuntu", package="linux-image-7")
        self.assertEqual(status, 1)
        self.assertIn("linux-image-7 brought no", said)

    def test_a_whole_disk_has_a_loader_for_firmware_without_entries(self):
        for arch, platform in (("amd64", "x86_64-efi"), ("arm64", "arm64-efi")):
            with self.subTest(arch=arch):
                tree, (status, said, calls) = self.booted("ubuntu", package=self.WANTED, ARTIFACT="ddgz", ARCHITECTURE=arch)
                self.assertEqual(status, 0, said)
                (install,) = [call.split() for call in calls if call.startswith("grub-install")]
                for word in ("--target=" + platform, "--bootloader-id=ubuntu", "--no-nvram"):
                    self.assertIn(word, install)
                self.assertIn("systemctl enable image-grow-root.service", calls)
                self.assertIn("ExecStart=", tree.read("etc/systemd/system/image-grow-root.service"))
        _, (status, said, _) = self.booted("ubuntu", package=self.WANTED, ARTIFACT="ddgz", LOADER="none")
        self.assertEqual(status, 1)
        self.assertIn("left no EFI/BOOT/BOOTX64.EFI", said)
        _, (_, _, calls) = self.booted("ubuntu", package=self.WANTED)
        self.assertFalse([call for call in calls if call.startswith("grub-install")], "a tgz gets its loader from curtin")


class Examples(ScriptCase):
    def test_ssh_is_hardened_and_its_settings_are_tried(self):
        for image in SYSTEMS:
            with self.subTest(image=image):
                tree = self.tree(image, {"etc/ssh/sshd_config.d/00-image-build.conf": "PermitRootLogin yes\n"})
                self.assertEqual(self.passes(tree, "../examples/hardened-ssh.sh", {}), ["sshd -t"])
                files = sorted(tree.files("etc/ssh/sshd_config.d"))
                # The first value wins: the build still gets in.
                self.assertEqual([os.path.basename(path) for path in files], ["00-image-build.conf", "10-hardened.conf"])
                for line in ("PermitRootLogin no", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "MaxAuthTries 3"):
                    self.assertIn(line + "\n", tree.read(files[1]))

    def test_docker_leaves_no_state_of_the_build(self):
        tree = self.tree("debian", {"var/lib/docker/network/x": "", "etc/docker/key.json": "secret"})
        calls = self.passes(tree, "../examples/docker-host.sh", {})
        self.assertEqual(calls[0], "apt-get --yes install docker.io")
        self.assertEqual(calls[-1], "systemctl enable docker.service")
        settings = json.loads(tree.read("etc/docker/daemon.json"))
        self.assertEqual(settings["log-opts"]["max-size"], "10m")
        self.assertNotIn("hosts", settings, "nothing listens on the network")
        self.assertEqual((tree.files("var/lib/docker"), sorted(tree.files("etc/docker"))), ({}, ["etc/docker/daemon.json"]))

    def test_bluefield_is_for_its_architecture(self):
        tree = self.tree("ubuntu", {"etc/default/grub.d/x": "", "etc/netplan/60-mlnx.yaml": "", "etc/cloud/cloud.cfg.d/91-mlnx.cfg": ""})
        self.assertEqual(self.passes(tree, "../examples/bluefield.sh", {"ARCHITECTURE": "arm64"}), ["update-grub "])
        self.assertIn("console=ttyAMA0", tree.read("etc/default/grub.d/60-bluefield.cfg"))
        self.assertFalse(tree.exists("etc/netplan/60-mlnx.yaml") or tree.exists("etc/cloud/cloud.cfg.d/91-mlnx.cfg"))
        status, said, calls = self.tree("ubuntu").run("../examples/bluefield.sh", ARCHITECTURE="amd64")
        self.assertEqual((status, calls), (1, []))
        self.assertIn("is for arm64, not amd64", said)

    def test_a_command_that_fails_fails_the_build(self):
        for name in ("hardened-ssh.sh", "docker-host.sh", "bluefield.sh"):
            with open(os.path.join(self.tree("debian").image, "examples", name), encoding="utf-8") as stream:
                self.assertIn("set -euo pipefail\n", stream.read(), name)


class Cleanup(ScriptCase):
    # Path of what a build leaves: what of it may be in the image.
    LEFT = {
        "etc/machine-id": "", "var/lib/dbus/machine-id": None, "etc/ssh/ssh_host_rsa_key": None, "root/.ssh/authorized_keys": None,
        "root/.bash_history": None, "home/me/.bash_history": None, "home/me/.ssh/authorized_keys": None, "root/.cache/x": None,
        "etc/netplan/50-cloud-init.yaml": None, "etc/netplan/00-installer-config.yaml": None, "etc/cloud/cloud.cfg.d/99-installer.cfg": None,
        "etc/udev/rules.d/70-persistent-net.rules": None, "var/lib/dhcp/dhclient.leases": None, "var/lib/systemd/random-seed": None,
        "var/lib/apt/lists/deb.example_Packages": None, "var/log/syslog": "", "var/log/syslog.1": None, "var/log/installer/answers": None,
        "var/tmp/x": None, "tmp/packer-shell1": None, "etc/ssh/sshd_config.d/00-image-build.conf": None,
        "var/lib/image-build/apt-backup.tar": None, "etc/fstab": None, "etc/crypttab": None,
    }

    def clean(self, image, environment, tree):
        self.passes(tree, "cleanup.sh", environment, APT_KEEP_MIRROR="true")
        return self.passes(tree, "finish.sh", environment)

    def test_nothing_of_the_build_stays(self):
        for image, environment in SYSTEMS.items():
            tree = self.tree(image, dict.fromkeys(self.LEFT, "of the build\n"))
            self.clean(image, environment, tree)
            for path, expected in self.LEFT.items():
                with self.subTest(image=image, path=path):
                    self.assertEqual(tree.read(path) if tree.exists(path) else None, expected)

    def test_a_bare_root_is_cleaned_without_a_complaint(self):
        for image, environment in SYSTEMS.items():
            with self.subTest(image=image):
                tree = self.tree(image)
                os.rmdir(os.path.join(tree.root, "home"))
                calls = self.clean(image, environment, tree)
                self.assertFalse(tree.exists("var/lib/image-build"))
                # cloud-init's state goes last; after it only power off.
                order = [call.split()[0] for call in calls]
                self.assertEqual(order, ["usermod", "systemctl", "cloud-init", "fstrim", "sync", "systemctl"])
                self.assertEqual(calls[0], "usermod --password * root")
                self.assertEqual(calls[2], "cloud-init clean --logs --seed")

    def test_a_whole_disk_keeps_its_fstab(self):
        for image, environment in SYSTEMS.items():
            tree = self.tree(image, {"etc/fstab": "UUID=1 / ext4\n"})
            self.clean(image, dict(environment, ARTIFACT="ddgz"), tree)
            self.assertEqual(tree.read("etc/fstab"), "UUID=1 / ext4\n")

    def test_the_package_cache_is_emptied(self):
        for image, environment in SYSTEMS.items():
            self.assertIn("apt-get clean", self.passes(self.tree(image), "cleanup.sh", environment, APT_KEEP_MIRROR="true"))

    def test_a_changed_sshd_config_is_put_back(self):
        """Where sshd knows no Include the build's lines are in the file itself."""
        tree = self.tree("debian", {"etc/ssh/sshd_config": "PermitRootLogin yes\nown\n", "etc/ssh/sshd_config.image-build": "own\n"})
        self.clean("debian", DEBIAN, tree)
        self.assertEqual(tree.files("etc/ssh"), {"etc/ssh/sshd_config": "own\n"})

    def test_a_line_of_the_build_in_the_sources_fails(self):
        tree = self.tree("debian", {"etc/apt/sources.list.d/x.list": "deb file:/var/lib/image-build/repo ./\n"})
        status, said, _ = tree.run("cleanup.sh", **dict(DEBIAN, APT_KEEP_MIRROR="true"))
        self.assertEqual(status, 1)
        self.assertIn("still names the build", said)


if __name__ == "__main__":
    unittest.main()
