"""The preseed for old file systems: python3 -m unittest discover -s preseeds/tests

Runs its command on copies of the files it changes, then this host's mkfs as the
ephemeral Ubuntu would. What EL 6 and EL 7 know: the ext4 entry of EL 6's
/etc/mke2fs.conf (e2fsprogs 1.41.12), and the options that mkfs.xfs has gained
since EL 7's xfsprogs 4.5.
"""

import glob
import os
import re
import subprocess
import tempfile
import unittest

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
FILE = os.path.join(TOP, "preseeds", "old-file-systems")
EL6 = {"has_journal", "ext_attr", "resize_inode", "dir_index", "filetype", "extent", "flex_bg", "sparse_super",
       "large_file", "huge_file", "uninit_bg", "dir_nlink", "extra_isize"}
YOUNGER = {"BIGTIME", "EXCHANGE", "INOBTCNT", "NREXT64", "PARENT", "REFLINK", "RMAPBT", "SPARSE_INODES"}


def rendered():
    """The file as MAAS renders it: two plain variables, no code."""
    with open(FILE, encoding="utf-8") as stream:
        text = stream.read()
    values = {"node_disable_pxe_url": "http://r:5248/MAAS/metadata/latest/by-id/4y3h7n/", "node_disable_pxe_data": "op=netboot_off"}
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match.group(1)], text)


def command():
    """The early command's shell text."""
    block = rendered().split("    - |\n")[1].split("late_commands:")[0]
    return "".join(line[6:] if line.startswith("      ") else line for line in block.splitlines(keepends=True))


class FileSystems(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.top = directory.name
        self.wrapper = os.path.join(self.top, "mkfs.xfs")
        self.config = os.path.join(self.top, "mke2fs.conf")
        self.disk = os.path.join(self.top, "disk")
        with open(self.disk, "wb") as stream:
            stream.truncate(400 << 20)

    def run_here(self, path=None):
        text = command().replace("/usr/local/sbin/mkfs.xfs", self.wrapper).replace("/etc/mke2fs.conf", self.config)
        text = text.replace("PATH=/usr/sbin:/sbin", "PATH=%s" % path) if path else text
        subprocess.run(["sh", "-ec", text], check=True)

    def output(self, *argv):
        env = dict(os.environ, MKE2FS_CONFIG=self.config, PATH="/usr/sbin:/sbin:" + os.environ["PATH"])
        return subprocess.run(argv, check=True, env=env, universal_newlines=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout

    def ext4_features(self):
        self.output("mkfs.ext4", "-F", "-U", "6e8bc430-9c3a-11d9-9669-0800200c9a66", self.disk)
        return set(re.search(r"^Filesystem features:(.*)$", self.output("dumpe2fs", "-h", self.disk), re.M).group(1).split())

    def xfs_features(self, mkfs):
        self.output(mkfs, "-f", "-m", "uuid=6e8bc430-9c3a-11d9-9669-0800200c9a66", self.disk)
        return set(re.split(r"[ ,=]+", self.output("xfs_db", "-r", "-c", "version", self.disk).strip().upper()))

    def test_ext4_has_what_el_6_knows(self):
        self.run_here()
        self.assertLessEqual(self.ext4_features(), EL6)

    def test_ext4_without_it_has_more(self):
        self.config = "/etc/mke2fs.conf"
        self.assertFalse(self.ext4_features() <= EL6)

    def test_xfs_has_what_el_7_knows(self):
        self.run_here()
        self.assertFalse(self.xfs_features(self.wrapper) & YOUNGER)
        self.assertIn("V5", self.xfs_features(self.wrapper))

    def test_xfs_without_it_has_more(self):
        self.assertTrue(self.xfs_features("mkfs.xfs") & YOUNGER)

    def test_an_option_this_mkfs_does_not_know_is_left_out(self):
        old = os.path.join(self.top, "old")
        os.mkdir(old)
        with open(os.path.join(old, "mkfs.xfs"), "w", encoding="utf-8") as stream:
            stream.write("#!/bin/sh\necho '[-m crc=0|1,finobt=0|1,reflink=0|1]' >&2\nexit 1\n")
        os.chmod(stream.name, 0o755)
        self.run_here(old)
        with open(self.wrapper, encoding="utf-8") as stream:
            self.assertEqual(stream.read(), '#!/bin/sh\nexec %s/mkfs.xfs -m reflink=0 "$@"\n' % old)

    def test_without_xfsprogs_nothing_is_wrapped(self):
        self.run_here("/nowhere")
        self.assertFalse(os.path.exists(self.wrapper))


class Names(unittest.TestCase):
    def test_each_is_named_after_an_image_in_maas(self):
        images = {}
        for path in glob.glob(os.path.join(TOP, "*", "image.toml")):
            with open(path, encoding="utf-8") as stream:
                text = stream.read()
            name = re.search(r'^\[maas\]\nname = "([^"]+)"', text, re.M)
            arches = re.search(r"^arches = (.*)$", text, re.M)
            if name and arches:
                images[name.group(1)] = re.findall(r"\w+64", arches.group(1))
        seen = 0
        for path in glob.glob(os.path.join(TOP, "preseeds", "curtin_userdata_*")):
            name = os.path.basename(path)[len("curtin_userdata_"):]
            with self.subTest(name=name):
                system, arch, series = re.match(r"([a-z]+)_([a-z0-9]+)_generic_(.+)$", name).groups()
                self.assertIn(arch, images["%s/%s" % (system, series)])
                self.assertEqual(os.readlink(path), "old-file-systems")
                seen += 1
        self.assertEqual(seen, 12)

    def test_the_late_command_tells_maas(self):
        late = rendered().split("late_commands:")[1]
        self.assertIn("- --post-data=op=netboot_off\n    - \"http://r:5248/MAAS/", late)
        self.assertNotIn("{{", rendered())


if __name__ == "__main__":
    unittest.main()
