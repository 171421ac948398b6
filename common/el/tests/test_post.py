"""The loaders that scripts/post.sh leaves: why no machine needs a preseed of its own.

Templates elsewhere ask for a curtin_userdata_* on the region for arm64, for two
reasons. curtin before December 2024 (d9b5f704) looks for x64 names everywhere
(`git show 22.1:curtin/commands/install_grub.py`, find_efi_loader); and MAAS
starts an installed machine by EFI/BOOT unless the vendor's directory is one of
those its GRUB configuration names. Both find what they look for in the image.
"""

import os
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "..", "scripts", "post.sh"), encoding="utf-8") as stream:
    POST = stream.read()
NAMES = {"amd64": "x64", "arm64": "aa64"}


def part(first, last):
    """The script's lines from one that begins so to one that begins otherwise."""
    start = POST.index("\n" + first)
    return POST[start:POST.index("\n" + last, start)]


class Loaders(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = directory.name

    def put(self, name):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(name)

    def run_part(self, architecture):
        """The loader's part of the script on the files in root. Returns its result."""
        text = part("case $ARCHITECTURE in", 'say "clean-up"')
        moved = text.replace("/boot/efi", self.root + "/boot/efi").replace("/usr/lib/grub", self.root + "/usr/lib/grub")
        # Nothing of this host is touched: no other path is left.
        self.assertNotIn(" /", moved.replace(self.root, "ROOT").replace(' "/boot', ' "ROOT'))
        script = 'set -eu\nfail() { echo "$*" >&2; exit 1; }\nARCHITECTURE=%s EFI_DIRECTORY=rocky\n%s' % (architecture, moved)
        return subprocess.run(["bash", "-c", script], universal_newlines=True, check=False, stderr=subprocess.PIPE)

    def packages(self, architecture):
        """What shim and grub2-efi install (their %files)."""
        name = NAMES[architecture]
        for file in ("rocky/shim%s.efi" % name, "rocky/grub%s.efi" % name, "BOOT/BOOT%s.EFI" % name.upper(),
                     "BOOT/fb%s.efi" % name):
            self.put("boot/efi/EFI/" + file)
        if architecture == "amd64":
            self.put("usr/lib/grub/i386-pc/normal.mod")

    def content(self, name):
        with open(os.path.join(self.root, "boot/efi/EFI", name), encoding="utf-8") as file:
            return os.path.basename(file.read())

    def test_old_curtin_finds_a_loader_of_the_machine(self):
        for architecture, name in NAMES.items():
            with self.subTest(architecture):
                self.packages(architecture)
                done = self.run_part(architecture)
                self.assertEqual(done.returncode, 0, done.stderr)
                # find_efi_loader of 22.1 to 24.0.0, first choice and last.
                self.assertEqual(self.content("rocky/shimx64.efi"), "shim%s.efi" % name)
                self.assertEqual(self.content("rocky/grubx64.efi"), "grub%s.efi" % name)

    def test_local_boot_of_maas_finds_shim_and_shim_finds_grub(self):
        for architecture, name in NAMES.items():
            with self.subTest(architecture):
                self.packages(architecture)
                self.run_part(architecture)
                self.assertEqual(self.content("BOOT/BOOT%s.EFI" % name.upper()), "shim%s.efi" % name)
                self.assertEqual(self.content("BOOT/grub%s.efi" % name), "grub%s.efi" % name)
                # It would be started instead of GRUB, write an entry and reboot.
                self.assertFalse(os.path.exists(os.path.join(self.root, "boot/efi/EFI/BOOT/fb%s.efi" % name)))

    def test_without_a_loader_the_build_fails(self):
        for missing, reason in (("boot/efi/EFI/rocky/shimx64.efi", "shimx64.efi"), ("boot/efi/EFI/rocky/grubx64.efi", "grubx64.efi"),
                                ("usr/lib/grub/i386-pc/normal.mod", "no GRUB for machines with BIOS")):
            with self.subTest(missing):
                self.packages("amd64")
                os.unlink(os.path.join(self.root, missing))
                if "grub/i386-pc" in missing:
                    os.rmdir(os.path.dirname(os.path.join(self.root, missing)))
                done = self.run_part("amd64")
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(reason, done.stderr)


if __name__ == "__main__":
    unittest.main()
