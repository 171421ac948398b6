"""Tests of the stand-in and the installer, without root and without a target.

Run by `cargo test -p xtask`, or: python3 -B -m unittest discover -s xtask/deploy/tests
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import types
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, HERE)

try:
    import yaml  # noqa: F401
except ImportError:
    # The ephemeral system has it (cloud-init needs it), this host need not.
    # What the tests give it is JSON, which is YAML.
    sys.modules["yaml"] = types.SimpleNamespace(safe_load=json.loads, YAMLError=ValueError)

import installer  # noqa: E402
import storage  # noqa: E402
from curtin import block, config, distro, paths, swap, util  # noqa: E402
from curtin.commands import apt_config, block_meta, curthooks  # noqa: E402

GIB = 1 << 30


class InTree(unittest.TestCase):
    """A target that is a temporary directory."""

    def setUp(self):
        self.target = tempfile.mkdtemp()
        self.addCleanup(subprocess.run, ["rm", "-rf", self.target], check=False)

    def put(self, path, text, mode=0o644):
        util.write_file(paths.target_path(self.target, path), text, mode)

    def read(self, path):
        return util.load_file(paths.target_path(self.target, path))


class Devices(unittest.TestCase):
    """What deploy hooks of RPM-based images ask for."""

    def test_the_marked_disk_is_found_by_its_serial(self):
        items = [{"id": "disk0", "type": "disk", "serial": "abc"}, {"id": "part1", "type": "partition", "device": "disk0"}]
        volumes = block_meta.extract_storage_ordered_dict({"storage": {"config": items}})
        with mock.patch.object(util, "subp", return_value=("/dev/sr0\n/dev/vda xyz\n/dev/vdb abc\n", "")):
            self.assertEqual(block_meta.get_path_to_storage_volume("disk0", volumes), "/dev/vdb")
            with self.assertRaisesRegex(AttributeError, "stand-in for curtin has no"):
                block_meta.get_path_to_storage_volume("part1", volumes)
        with mock.patch.object(util, "subp", return_value=("/dev/vda xyz\n", "")):
            with self.assertRaisesRegex(ValueError, "no disk with serial abc"):
                block_meta.get_path_to_storage_volume("disk0", volumes)

    def test_what_is_no_partition_has_no_number(self):
        self.assertEqual(block.get_blockdev_for_partition("/dev/null"), ("/dev/null", None))


class Interface(unittest.TestCase):
    """What hooks may rely on in every curtin from 21 to 26."""

    def test_names(self):
        names = ("builtin_curthooks copy_fstab add_swap apply_networking configure_iscsi configure_mdadm "
                 "install_missing_packages handle_cloudconfig disable_update_initramfs setup_grub "
                 "enable_update_initramfs update_initramfs copy_crypttab copy_dname_rules").split()
        for name in names:
            self.assertTrue(callable(getattr(curthooks, name)), name)
        self.assertTrue(callable(apt_config.apply_debconf_selections))

    def test_what_is_missing_says_so(self):
        for module in (curthooks, util, distro):
            with self.assertRaisesRegex(AttributeError, "stand-in for curtin has no .*no_such_name"):
                module.no_such_name  # noqa: B018
            self.assertFalse(hasattr(module, "no_such_name"))

    def test_environment(self):
        env = {"TARGET_MOUNT_POINT": "/t", "CONFIG": "/c"}
        state = util.load_command_environment(env)
        self.assertEqual((state["target"], state["config"], state["fstab"]), ("/t", "/c", None))
        with self.assertRaises(KeyError):
            util.load_command_environment(env, strict=True)

    def test_command_config_without_arguments(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write('{"apt": {"preserve_sources_list": false}}\n')
            file.flush()
            cfg = config.load_command_config(None, {"config": file.name})
        self.assertIs(cfg["apt"]["preserve_sources_list"], False)


class Values(unittest.TestCase):
    def test_sources(self):
        for source, kind in (("http://x/a.tgz", "tgz"), ("dd-gz:http://x", "dd-gz"), ("dd-raw:x", "dd-raw")):
            self.assertEqual(util.sanitize_source(source)["type"], kind)
        self.assertEqual(util.get_dd_images({"a": "dd-gz:u", "b": "v"}), ["u"])

    def test_swap(self):
        for memory, free, size in ((GIB, 100 * GIB, 2 * GIB), (2 * GIB, 6 * GIB, GIB * 3 // 2),
                                   (8 * GIB, 100 * GIB, 4 * GIB), (2 * GIB, GIB, 0)):
            self.assertEqual(swap.suggested_swapsize(memory, free), size)
        for text, number in (("512", 512), ("2G", 2 * GIB), ("1.5M", 3 << 19), ("4gb", 4 * GIB)):
            self.assertEqual(swap.human2bytes(text), number)
        self.assertRaises(ValueError, swap.human2bytes, "much")

    def test_os_release(self):
        release = util.load_os_release('# x\nID=debian\nVERSION_ID="13"\n\nNAME=\'a b\'\n')
        self.assertEqual((release["ID"], release["VERSION_ID"], release["NAME"]), ("debian", "13", "a b"))

    def test_booleans(self):
        for value, truth in ((False, False), ("false", False), ("no", False), (True, True), ("yes", True)):
            self.assertIs(config.value_as_boolean(value), truth)

    def test_failed_command(self):
        with self.assertRaises(util.ProcessExecutionError) as caught:
            util.subp(["sh", "-c", "echo why >&2; exit 3"], capture=True)
        self.assertEqual(caught.exception.exit_code, 3)
        self.assertIn("why", str(caught.exception))
        self.assertEqual(util.subp(["cat"], data="x", capture=True), ("x", ""))


class Target(InTree):
    def test_family(self):
        for text, variant, family in (("ID=debian\n", "debian", "debian"), ("ID=rocky\n", "rocky", "redhat"),
                                      ("ID=mine\nID_LIKE='ubuntu debian'\n", "ubuntu", "debian")):
            self.put("/etc/os-release", text)
            self.assertEqual(tuple(distro.get_distroinfo(self.target)), (variant, family))
        self.put("/etc/os-release", "ID=plan9\n")
        self.assertRaises(ValueError, distro.get_distroinfo, self.target)

    def test_cloudconfig(self):
        entries = {"maas-datasource": {"content": "x", "path": "/elsewhere"}}
        curthooks.handle_cloudconfig(entries, paths.target_path(self.target, "/etc/cloud/cloud.cfg.d"))
        self.assertEqual(self.read("/etc/cloud/cloud.cfg.d/95-cloudconfig-maas-datasource.cfg"), "x")

    def test_fstab_is_replaced(self):
        self.put("/etc/fstab", "UUID=build / ext4\n")
        self.put("/new", "/dev/disk/by-uuid/1 / ext4 defaults 0 1\n")
        curthooks.copy_fstab(paths.target_path(self.target, "/new"), self.target)
        self.assertNotIn("build", self.read("/etc/fstab"))
        self.assertIn("by-uuid/1", self.read("/etc/fstab"))

    def test_sources_are_kept_or_replaced(self):
        self.put("/etc/apt/sources.list", "deb http://deb.debian.org/debian trixie main\n")
        cfg = {"sources_list": "deb http://archive.ubuntu.com/ubuntu $RELEASE main\n"}
        with mock.patch.object(distro, "lsb_release", return_value={"codename": "trixie"}):
            apt_config.handle_apt(dict(cfg, preserve_sources_list=True), self.target)
            self.assertIn("debian.org", self.read("/etc/apt/sources.list"))
            apt_config.handle_apt(dict(cfg, preserve_sources_list=False), self.target)
        self.assertEqual(self.read("/etc/apt/sources.list"), "deb http://archive.ubuntu.com/ubuntu trixie main\n")
        self.assertIn("debian.org", self.read("/etc/apt/sources.list.curtin.orig"))

    def kernel(self, cfg, installed=(), version=""):
        asked = []
        with mock.patch.object(distro, "install_packages", side_effect=lambda p, target: asked.extend(p)), \
                mock.patch.object(distro, "has_pkg_installed", side_effect=lambda p, t: p in installed), \
                mock.patch.object(distro, "installed_version", return_value=version):
            curthooks.install_kernel(cfg, self.target)
        return asked

    def test_kernel(self):
        self.assertEqual(self.kernel({}), ["linux-generic"])
        self.assertEqual(self.kernel({"kernel": {"package": "linux-image-amd64"}}), ["linux-image-amd64"])
        self.assertEqual(self.kernel({"kernel": None}), [])
        keep = {"kernel": {"package": "k", "install": False}}
        self.assertEqual(self.kernel(keep, installed=("k",)), [])
        self.assertRaisesRegex(RuntimeError, "not in the image", self.kernel, keep)

    def test_held_packages_are_installed(self):
        said = "ii  a\nhi  k:amd64\nrc  gone\niF  half\n"
        with mock.patch.object(util, "which", return_value="/usr/bin/dpkg-query"), \
                mock.patch.object(util, "subp", return_value=(said, "")):
            self.assertEqual(distro.get_installed_packages(self.target), {"a", "k"})

    def test_a_pinned_kernel_has_its_version(self):
        keep = {"kernel": {"package": "k=6.1-3", "install": False}}
        self.assertEqual(self.kernel(keep, installed=("k",), version="6.1-3"), [])
        self.assertRaisesRegex(RuntimeError, "in the image is k 6.1-4", self.kernel, keep, ("k",), "6.1-4")
        self.assertRaisesRegex(RuntimeError, "not in the image", self.kernel, keep)

    def test_what_a_hook_said_is_the_last_before_its_status(self):
        self.put("/curtin/curtin-hooks", "#!/bin/sh\necho no kernel >&2\nexit 7\n", 0o755)
        # The host need not have this module.
        self.put("/modules/yaml.py", "YAMLError = ValueError\n")
        env = {"PYTHONPATH": HERE + ":" + self.target + "/modules", "TARGET_MOUNT_POINT": self.target}
        done = subprocess.run([sys.executable, "-B", "-m", "curtin", "curthooks"], env=env, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "no kernel\ncurtin curthooks: command failed: .*curtin-hooks.* exited with 7\n$")
        self.assertNotIn("Traceback", done.stderr)

    def test_hook(self):
        self.assertFalse(util.run_hook_if_exists(self.target, "curtin-hooks"))
        self.put("/curtin/curtin-hooks", f"#!/bin/sh\ntouch {self.target}/ran\n", 0o755)
        self.assertTrue(util.run_hook_if_exists(self.target, "curtin-hooks"))
        self.assertTrue(os.path.exists(self.target + "/ran"))
        self.put("/curtin/curtin-hooks", "#!/bin/sh\nexit 7\n", 0o755)
        with self.assertRaises(util.ProcessExecutionError):
            util.run_hook_if_exists(self.target, "curtin-hooks")

    def test_hook_without_run_bit(self):
        self.put("/curtin/curtin-hooks", "#!/bin/sh\n", 0o644)
        with self.assertRaisesRegex(util.ProcessExecutionError, "no run bit"):
            util.run_hook_if_exists(self.target, "curtin-hooks")

    def test_default_user(self):
        self.put("/etc/cloud/cloud.cfg", '{"system_info": {"default_user": {"name": "debian"}}}')
        with mock.patch.object(installer, "TARGET", self.target):
            self.assertEqual(installer.default_user(), "debian")
            self.put("/etc/cloud/cloud.cfg.d/90-x.cfg", '{"system_info": {"default_user": {"name": "admin"}}}')
            self.put("/etc/cloud/cloud.cfg.d/91-broken.cfg", "{")
            self.assertEqual(installer.default_user(), "admin")

    def test_facts_of_an_empty_target(self):
        with mock.patch.object(installer, "TARGET", self.target):
            facts = installer.image_facts()
            self.assertEqual((facts["image_machine_id"], facts["image_host_keys"]), ("", {}))
            self.assertEqual(installer.target_facts()["kernels"], [])


class Storage(unittest.TestCase):
    def test_partition_lines(self):
        items = [{"id": "p1", "type": "partition", "number": 1, "size": 512 << 20, "flag": "boot"},
                 {"id": "p2", "type": "partition", "number": 2, "size": -1},
                 {"id": "vg", "type": "lvm_volgroup", "devices": ["p2"]}]
        made = storage.Storage({"config": items}, "/t")
        self.assertEqual(made.sfdisk_line(items[0]), "1 : size=1048576, type=" + storage.TYPES["boot"])
        self.assertEqual(made.sfdisk_line(items[1]), "2 : type=" + storage.TYPES["lvm"])

    def test_unknown_types_are_errors(self):
        made = storage.Storage({"config": [{"id": "r", "type": "raid"}]}, "/t")
        self.assertRaisesRegex(RuntimeError, "raid", made.make)

    def test_missing_disk(self):
        answer = 'NAME="/dev/vda" SERIAL="other"\n'
        with mock.patch.object(storage, "run", return_value=answer), mock.patch("time.sleep"):
            self.assertRaisesRegex(RuntimeError, "no disk with serial `deploy0`", storage.find_disk, "deploy0")
            self.assertEqual(storage.find_disk("other"), "/dev/vda")


class WholeDisk(InTree):
    """A written disk whose partitions are directories here."""

    def disk(self, trees):
        """trees: device to names at its top, or None if it cannot be mounted."""
        mounted = []

        def run(*command, data=None):
            del data
            if command[0] == "umount":
                for name in os.listdir(self.target):
                    os.rmdir(os.path.join(self.target, name))
            elif command[0] == "mount":
                mounted.append(command[1])
            kinds = {name: "lvm" if "mapper" in name else "part" for name in trees}
            return "".join(f"{n} {k}\n" for n, k in kinds.items()) + "/dev/sda disk\n"

        def mount(command, **_options):
            names = trees[command[1]]
            for name in names or []:
                os.mkdir(os.path.join(self.target, name))
            return types.SimpleNamespace(returncode=32 if names is None else 0)

        with mock.patch.object(storage, "find_disk", return_value="/dev/sda"):
            disk = storage.WrittenDisk({"config": [{"type": "disk", "serial": "x"}]}, self.target)
        with mock.patch.object(storage, "run", run), mock.patch.object(storage.subprocess, "run", mount):
            return disk.find_root(), mounted

    def test_the_last_with_curtin_is_the_root(self):
        trees = {"/dev/sda1": ["EFI"], "/dev/sda2": ["curtin"], "/dev/sda3": None,
                 "/dev/mapper/a-root": ["curtin", "etc"]}
        self.assertEqual(self.disk(trees), ("/dev/mapper/a-root", ["/dev/mapper/a-root"]))

    def test_none_says_what_was_there(self):
        with self.assertRaisesRegex(RuntimeError, r"/curtin: /dev/sda1 \(EFI\); /dev/sda2 \(cannot be mounted\)"):
            self.disk({"/dev/sda1": ["EFI"], "/dev/sda2": None})

    def test_the_rest_of_boot_is_mounted_to_be_looked_at(self):
        os.makedirs(os.path.join(self.target, "boot/efi"))
        self.put("/etc/fstab", "# UUID=0 /boot ext4\n/dev/mapper/a-root / ext4 defaults 0 1\n"
                 "UUID=2 /boot/efi vfat defaults 0 1\nUUID=1 /boot ext4 defaults 0 1\n")
        with mock.patch.object(storage.subprocess, "run") as run:
            storage.mount_boot(self.target)
        asked = [call.args[0] for call in run.call_args_list]
        boot = os.path.join(self.target, "boot")
        self.assertEqual(asked, [["mount", "-o", "ro", "UUID=1", boot], ["mount", "-o", "ro", "UUID=2", boot + "/efi"]])
        os.unlink(os.path.join(self.target, "etc/fstab"))
        storage.mount_boot(self.target)

    def test_boot_is_mounted_before_it_is_looked_at(self):
        made, order = installer.Deployment({"config": {}}), mock.Mock()
        with mock.patch.object(storage, "mount_boot", order.mount), mock.patch.object(made, "look", order.look), \
                mock.patch.object(installer, "target_facts", order.facts), mock.patch.object(installer, "say"), \
                mock.patch.object(installer.json, "dumps", return_value=""):
            made.show_target()
        self.assertEqual([call[0] for call in order.mock_calls], ["mount", "facts", "look"])

    def test_a_disk_without_partitions(self):
        with self.assertRaisesRegex(RuntimeError, "no partition"):
            self.disk({})

    def test_dd_sources_come_first(self):
        tgz, disk = {"type": "tgz", "uri": "a"}, {"type": "dd-gz", "uri": "b"}
        made = installer.Deployment({"config": {"sources": {"00": tgz, "01": disk}}})
        self.assertEqual(made.disk_source(), disk)
        self.assertIsNone(installer.Deployment({"config": {"sources": {"00": tgz}}}).disk_source())


class Smtar(InTree):
    def unpack(self, data):
        command = [sys.executable, HERE + "/bin/smtar", "-C", self.target, "-xpf", "-"]
        return subprocess.run(command, input=data, check=False, stderr=subprocess.DEVNULL).returncode

    def test_compressions(self):
        for mode in ("w:gz", "w:bz2", "w:xz", "w:"):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode=mode) as tar:
                info = tarfile.TarInfo("file")
                info.size = 1 << 16
                tar.addfile(info, io.BytesIO(os.urandom(1 << 16)))
            self.assertEqual(self.unpack(buffer.getvalue()), 0, mode)
            self.assertEqual(os.path.getsize(self.target + "/file"), 1 << 16)
            os.unlink(self.target + "/file")
            self.assertNotEqual(self.unpack(buffer.getvalue()[:30000]), 0, mode + " cut off")

    def test_zstd_is_refused(self):
        self.assertNotEqual(self.unpack(b"\x28\xb5\x2f\xfd" + b"\0" * 2000), 0)


class Curtin(InTree):
    """Where a real curtin comes from."""

    def get(self, where):
        """The directories for PATH, what ran, and files below /etc."""
        ran, facts = [], []
        deployment = installer.Deployment({"config": {}})
        etc, real_open, real_makedirs = self.target, open, os.makedirs

        def moved(path, *args, **kwargs):
            place = etc + path if str(path).startswith("/etc/") else path
            real_makedirs(os.path.dirname(place), exist_ok=True)
            return real_open(place, *args, **kwargs)

        def fetch(command, *_):
            ran.append(command)
            real_open(self.target + "/real/python3-curtin_1_all.deb", "w", encoding="utf-8").close()

        done = types.SimpleNamespace(stdout="21.3")
        env = {}
        with mock.patch.object(installer, "HERE", self.target), mock.patch("builtins.open", moved), \
                mock.patch.object(deployment, "command", fetch), mock.patch.object(installer, "say", facts.append), \
                mock.patch.object(deployment, "install", ran.append), \
                mock.patch.object(installer.os, "makedirs", lambda path, **_: real_makedirs(path, exist_ok=True)
                                  if path.startswith(self.target) else None), \
                mock.patch.object(subprocess, "run", lambda *_, **__: done):
            return deployment.get_curtin(where, env), ran, facts, env

    def test_a_checkout_runs_from_its_directory(self):
        path, _ran, facts, env = self.get({"checkout": "http://x/curtin.tar"})
        self.assertEqual(path, f"{self.target}/real/bin:{self.target}/real/helpers")
        self.assertEqual((env, facts), ({"PYTHONPATH": self.target + "/real"}, []))

    def test_packages_are_installed_and_never_the_stand_in_runs(self):
        path, ran, facts, env = self.get({"packages": "http://x/curtin.tar"})
        self.assertEqual(ran[1:], [[self.target + "/real/python3-curtin_1_all.deb"]])
        program = path.split(":")[0] + "/curtin"
        self.assertTrue(os.access(program, os.X_OK))
        self.assertEqual((env, facts), ({}, ['DEPLOY-FACTS {"curtin": "21.3"}']))

    def test_apt_takes_nothing_but_curtin_from_the_archive(self):
        source = {"line": "deb [signed-by=/etc/apt/keyrings/c.gpg] http://a.example/u jammy main",
                  "host": "a.example", "keyring": {"path": "/etc/apt/keyrings/c.gpg", "base64": "a2V5"}}
        _path, ran, _facts, _env = self.get({"apt": source})
        self.assertEqual(ran, [["python3-curtin"]])
        self.assertEqual(self.read("/etc/apt/keyrings/c.gpg"), "key")
        self.assertEqual(self.read("/etc/apt/sources.list.d/deploy-test-curtin.list"), source["line"] + "\n")
        pins = self.read("/etc/apt/preferences.d/deploy-test-curtin").split("\n\n")
        self.assertEqual(pins[0], 'Package: *\nPin: origin "a.example"\nPin-Priority: -1')
        self.assertIn("Package: python3-curtin curtin-common\n", pins[1])


class Order(unittest.TestCase):
    def test_late_commands_by_name_and_the_first_failure_ends(self):
        ran = []
        config_ = {"late_commands": {"b": ["false"], "a": "exit 0", "c": ["true"]}}
        deployment = installer.Deployment({"config": config_})

        def run(command, **_):
            ran.append(command)
            return types.SimpleNamespace(returncode=int(command == ["false"]))

        with mock.patch.object(subprocess, "run", run), mock.patch("builtins.print"):
            self.assertRaisesRegex(RuntimeError, "late command b exited with 1", deployment.late_commands)
        self.assertEqual(ran, [["sh", "-c", "exit 0"], ["false"]])


if __name__ == "__main__":
    unittest.main()
