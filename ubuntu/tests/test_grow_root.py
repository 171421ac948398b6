"""The script that grows the root of a whole disk on the deployed machine, in a
fake root: python3 -m unittest discover -s ubuntu/tests. LVM's answers are
synthetic.
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tree import Tree  # noqa: E402

DONE = "var/lib/image-root-grown"
ROOT = "/dev/mapper/ubuntu--vg-ubuntu--lv"
LVM = {"SAYS_findmnt": ROOT, "SAYS_lvs": "  ubuntu-vg", "SAYS_pvs": "  /dev/nvme0n1p3", "SAYS_lsblk": "nvme0n1", "SAYS_vgs": "  1024"}


class GrowRoot(unittest.TestCase):
    def grown(self, **says):
        tree = Tree("ubuntu")
        self.addCleanup(tree.remove)
        tree.write("sys/class/block/nvme0n1p3/partition", "3\n")
        os.makedirs(os.path.join(tree.root, "var/lib"), exist_ok=True)
        status, said, calls = tree.run("grow-root", **dict(LVM, **says))
        names = ("growpart", "pvresize", "lvextend")
        return status, tree.exists(DONE), [call.replace(tree.root, "") for call in calls if call.split()[0] in names]

    def test_partition_volume_and_root_grow(self):
        self.assertEqual(self.grown(), (0, True, [
            "growpart /dev/nvme0n1 3", "pvresize /dev/nvme0n1p3", "lvextend --resizefs --extents +100%FREE " + ROOT]))

    def test_a_disk_of_the_images_size(self):
        """growpart ends with 1 if there is nothing to grow."""
        status, done, calls = self.grown(CODE_growpart="1", SAYS_vgs="0")
        self.assertEqual((status, done, len(calls)), (0, True, 2))

    def test_a_volume_on_a_whole_disk_has_no_partition(self):
        status, done, calls = self.grown(SAYS_pvs="  /dev/sdb", SAYS_lsblk="")
        self.assertEqual((status, done, calls[0]), (0, True, "pvresize /dev/sdb"))

    def test_a_root_without_lvm_stays(self):
        self.assertEqual(self.grown(SAYS_findmnt="/dev/vda2", CODE_lvs="5", SAYS_lvs=""), (0, True, []))

    def test_a_failure_is_one_and_is_tried_again(self):
        for tool, code in (("growpart", "2"), ("pvresize", "5"), ("lvextend", "5")):
            with self.subTest(tool=tool):
                status, done, _ = self.grown(**{"CODE_" + tool: code})
                self.assertNotEqual(status, 0)
                self.assertFalse(done)


if __name__ == "__main__":
    unittest.main()
