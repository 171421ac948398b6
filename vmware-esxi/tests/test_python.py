"""The payload runs on the Python of every release: 3.5 of ESXi 6.7 is the oldest.

python3 -m unittest discover -s vmware-esxi/tests, with any Python from 3.5 on.
"""

import ast
import glob
import os
import shutil
import subprocess
import sys
import unittest

import harness

PAYLOAD = sorted(glob.glob(os.path.join(harness.CURTIN, "maas", "*.py")))
# What ESXi's Python has; there is no pip on a host.
STANDARD = {"base64", "collections", "email", "errno", "functools", "io", "ipaddress", "itertools", "json", "os",
            "random", "re", "shutil", "socket", "ssl", "stat", "subprocess", "sys", "tempfile", "time", "urllib",
            "uuid", "logging", "string", "hashlib", "http", "math", "struct", "platform", "traceback", "calendar",
            "datetime", "binascii", "textwrap", "copy", "enum", "contextlib", "syslog"}


def read(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read()


class Oldest(unittest.TestCase):
    @unittest.skipIf(sys.version_info < (3, 8), "ast cannot be asked for an older grammar before 3.8")
    def test_grammar_of_3_5(self):
        for path in PAYLOAD:
            ast.parse(read(path), path, feature_version=(3, 5))
        with self.assertRaises(SyntaxError):
            ast.parse("x: int = 1\n", feature_version=(3, 5))

    def test_no_f_strings(self):
        # feature_version does not look at these.
        for path in PAYLOAD:
            found = [node for node in ast.walk(ast.parse(read(path))) if type(node).__name__ == "JoinedStr"]
            self.assertFalse(found, path)

    def test_only_the_standard_library_and_our_own(self):
        own = {os.path.basename(path)[:-3] for path in PAYLOAD}
        for path in PAYLOAD:
            for node in ast.walk(ast.parse(read(path))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    names.append(node.module)
                for name in names:
                    self.assertIn(name.split(".")[0], STANDARD | own, path)

    @unittest.skipUnless(shutil.which("vermin"), "vermin is not installed (pip install vermin)")
    def test_vermin(self):
        done = subprocess.run(["vermin", "-t=3.5-", "--violations", "--no-tips"] + PAYLOAD, check=False,
                              stdout=subprocess.PIPE, universal_newlines=True)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
