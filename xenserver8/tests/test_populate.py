"""The script of the stage filesystem-populated, run in a directory with stand-ins
for the programs that need root, against a real HTTP server."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import plans  # noqa: E402

TARGET = "xenserver8-xenserver-8-amd64"
KERNEL = "4.19.0+1"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@unittest.skipUnless(shutil.which("curl"), "curl is not installed")
class Populate(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = directory.name
        self.root = os.path.join(self.dir, "root")
        for name in ("root/etc/dracut.conf.d", "root/boot", "root/tmp", "root/lib/modules/" + KERNEL, "bin", "www"):
            os.makedirs(os.path.join(self.dir, name))
        self.write("root/boot/initrd-%s.img" % KERNEL, "old")
        self.write("tty", "")
        for name in ("mount", "umount", "blkid", "chroot"):
            self.write("bin/" + name, '#!/bin/sh\necho "%s $*" >>"%s/calls"\n' % (name, self.dir), 0o755)
        self.write("bin/mountpoint", "#!/bin/sh\nexit 1\n", 0o755)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(path, mode)

    def read(self, name):
        with open(os.path.join(self.dir, name), encoding="utf-8") as stream:
            return stream.read()

    def run_script(self, missing=None, **variables):
        served = plans.source(TARGET, **variables)["http_content"]
        for name, text in served.items():
            if name != missing:
                self.write("www" + name, text)
        handler = functools.partial(Quiet, directory=os.path.join(self.dir, "www"))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            self.write("cmdline", "x answerfile_generator=http://127.0.0.1:%d/generate y\n" % server.server_port)
            script = served["/filesystem-populated"].replace("/proc/cmdline", self.dir + "/cmdline")
            script = script.replace("/dev/ttyS0 /dev/hvc0", self.dir + "/tty")
            env = dict(os.environ, PATH=self.dir + "/bin:" + os.environ["PATH"])
            return subprocess.run(["bash", "-c", script, "x", self.root], env=env, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def test_everything(self):
        done = self.run_script()
        self.assertEqual(done.returncode, 0, done.stdout)
        for name in ("curtin-hooks", "metadata.py", "first-boot", "maas-first-boot.service"):
            self.assertEqual(self.read("root/curtin/" + name), self.read("www/curtin/" + name))
        self.assertTrue(os.access(os.path.join(self.root, "curtin/curtin-hooks"), os.X_OK))
        calls = self.read("calls").splitlines()
        self.assertIn("chroot %s /tmp/customize" % self.root, calls)
        self.assertIn("chroot %s dracut --force --no-hostonly /boot/initrd-%s.img %s" % (self.root, KERNEL, KERNEL), calls)
        self.assertEqual(len([c for c in calls if c.startswith("mount ")]), len([c for c in calls if c.startswith("umount ")]))
        self.assertFalse(os.path.exists(os.path.join(self.root, "tmp/customize")))
        self.assertEqual(self.read("root/etc/dracut.conf.d/maas.conf"), 'hostonly="no"\n')
        self.assertIn("the system is prepared", self.read("tty"))

    def test_packages_need_no_network(self):
        self.write("bin/blkid", "#!/bin/sh\necho /dev/sr1\n", 0o755)
        done = self.run_script(package_directory=HERE)
        # The directory holds no package, so there is nothing to install.
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertNotIn("rpm", self.read("calls"))

    def test_a_file_that_is_not_served(self):
        done = self.run_script(missing="/curtin/metadata.py")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("FAILED", self.read("tty"))

    def test_no_initrd(self):
        os.unlink(os.path.join(self.root, "boot/initrd-%s.img" % KERNEL))
        self.assertEqual(self.run_script().returncode, 1)
        self.assertIn("FAILED: there is no initrd", self.read("tty"))

    def test_a_failed_dracut_fails(self):
        self.write("bin/chroot", '#!/bin/sh\n[ "$2" != dracut ]\n', 0o755)
        self.assertNotEqual(self.run_script().returncode, 0)
        self.assertIn("FAILED", self.read("tty"))


if __name__ == "__main__":
    unittest.main()
