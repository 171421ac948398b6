"""lib.sh, as scripts inside an installer have it: python3 -m unittest discover -s common/scripts/tests

The console is a file, and nothing turns this machine off.
"""

import os
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


class Library(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.top = directory.name

    def run_script(self, body):
        """Status, what the caller sees, and what the console shows."""
        with open(os.path.join(HERE, "..", "lib.sh"), encoding="utf-8") as stream:
            text = stream.read().replace("/proc/sysrq-trigger", self.top + "/power")
        text = text.replace("sleep 5\n", "").replace("sleep 60\n", "")
        self.assertNotIn("/proc/", text)
        for name in ("console", "power"):
            with open(os.path.join(self.top, name), "w", encoding="utf-8"):
                pass
        # Devices take line after line; a file has to be appended to.
        text = text.replace('>"/dev/$CONSOLE"', '>>"/dev/$CONSOLE"').replace('tee "/dev/$CONSOLE"', 'tee -a "/dev/$CONSOLE"')
        env = dict(os.environ, CONSOLE=".." + self.top + "/console", TMPDIR=self.top)
        done = subprocess.run(["bash", "-c", text + body], env=env, check=False, universal_newlines=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        with open(os.path.join(self.top, "console"), encoding="utf-8") as stream:
            return done.returncode, done.stdout, stream.read()

    def power(self):
        with open(os.path.join(self.top, "power"), encoding="utf-8") as stream:
            return stream.read()

    def test_a_failing_command_is_on_the_console_with_what_it_said(self):
        status, seen, console = self.run_script('say begin\necho "no package cloud-init" >&2\nfalse\nsay never\n')
        self.assertEqual(status, 1)
        lines = console.splitlines()
        self.assertEqual(lines[0], "image-build: begin")
        self.assertIn("no package cloud-init", lines)
        self.assertRegex(lines[-1], r'^image-build: FAILED: line \d+: "false" ended with status 1$')
        self.assertIn("no package cloud-init", seen)
        self.assertNotIn("never", seen)
        self.assertEqual(self.power(), "o\n")

    def test_a_reason_of_our_own(self):
        status, _, console = self.run_script('fail "there is no kernel"\n')
        self.assertEqual((status, console.splitlines()[-1]), (1, "image-build: FAILED: there is no kernel"))

    def test_success_says_no_more_than_its_marker_and_leaves_nothing(self):
        status, seen, console = self.run_script("echo noise\nsay installed\n")
        self.assertEqual((status, console), (0, "image-build: installed\n"))
        self.assertEqual(seen, "noise\nimage-build: installed\n")
        self.assertEqual(sorted(os.listdir(self.top)), ["console", "power"])
        self.assertEqual(self.power(), "")

    def run_steps(self, body, label=True):
        """As run_script, with everything below /dev/disk, /curtin and /var/lib in the directory."""
        if label:
            os.makedirs(os.path.join(self.top, "disk/PACKAGES"))
        head = ('CUSTOMIZE=$(printf "#!/bin/sh\\necho customized" | base64); HOOK=$(echo hook | base64); '
                'HOOKLIB=$(echo library | base64)\nbuild=%s/build\nmount() { touch "$4/a b.rpm"; }\n'
                'umount() { echo "unmounted"; }\n' % self.top)
        moved = ("eval \"$(declare -f install_local_packages install_deploy_hook | "
                 "sed 's,/dev/disk/by-label,%s/disk,; s,/curtin,%s/curtin,')\"\n" % (self.top, self.top))
        return self.run_script(head + moved + body)

    def test_the_operators_packages_are_given_to_the_package_manager(self):
        status, seen, _ = self.run_steps("install_local_packages printf '<%s>' install\n")
        self.assertEqual(status, 0, seen)
        self.assertIn("<install><%s/build/packages/a b.rpm>unmounted" % self.top, seen)

    def test_without_a_disk_of_packages_nothing_is_installed(self):
        status, seen, console = self.run_steps("install_local_packages echo INSTALLED\n", label=False)
        self.assertEqual((status, console), (0, "image-build: local packages\n"))
        self.assertNotIn("INSTALLED", seen)

    def test_a_package_manager_that_fails_is_told(self):
        status, _, console = self.run_steps("install_local_packages false\n")
        self.assertEqual(status, 1)
        self.assertIn("image-build: FAILED: line", console)

    def test_the_customize_script_runs_and_the_hook_can(self):
        status, seen, _ = self.run_steps("run_customize_script\ninstall_deploy_hook\n")
        self.assertEqual(status, 0, seen)
        self.assertIn("customized", seen)
        with open(os.path.join(self.top, "curtin/hooklib.py"), encoding="utf-8") as stream:
            self.assertEqual(stream.read(), "library\n")
        self.assertEqual(os.stat(os.path.join(self.top, "curtin/curtin-hooks")).st_mode & 0o777, 0o755)

    def test_the_marker_is_the_last_and_the_builds_directory_goes(self):
        body = "MARKER='image-build: installed'\nmkdir -p \"$build\"\nfinish_image\n"
        self.assertEqual(self.run_steps(body)[2], "image-build: installed\n")
        self.assertFalse(os.path.exists(os.path.join(self.top, "build")))

    def test_a_pipe_and_a_function_fail_too(self):
        for body in ("false | cat\n", "f() { ls /nonexistent; echo on; }\nf\n"):
            status, seen, console = self.run_script(body)
            self.assertEqual(status, 1, body)
            self.assertIn("image-build: FAILED: line", console)
            self.assertNotIn("\non\n", "\n" + seen)


if __name__ == "__main__":
    unittest.main()
