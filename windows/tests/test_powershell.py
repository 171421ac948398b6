"""What scripts/*.ps1 do and in which order: python3 -m unittest discover -s windows/tests

xtask/tests/powershell.rs parses and lints them.
"""

import glob
import os
import re
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(HERE, "../scripts")
MAIN = os.path.join(SCRIPTS, "first-logon.ps1")


def read(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def code(text):
    """Without comments: a word in a comment is no call."""
    return "\n".join(line for line in text.splitlines() if not line.strip().startswith("#"))


class Structure(unittest.TestCase):
    def setUp(self):
        self.text = read(MAIN)
        self.code = code(self.text)

    def body(self, name):
        return re.search(r"^function %s.*?^}" % name, self.code, re.M | re.S).group(0)

    def test_every_function_is_used(self):
        for name in re.findall(r"^function ([\w-]+)", self.code, re.M):
            self.assertGreater(len(re.findall(r"\b%s\b" % name, self.code)), 1, name)

    def test_ascii_only(self):
        # Windows PowerShell reads a file without a byte order mark in the code page of the system.
        for path in glob.glob(SCRIPTS + "/*.ps1"):
            self.assertTrue(read(path).isascii(), path)

    def test_power_off_is_the_last_thing_in_any_case(self):
        self.assertEqual(self.code.strip().splitlines()[-1], "Stop-Computer -Force")
        self.assertRegex(self.code, r"catch \{\s+Write-Failure \$_\s+\}\s+Stop-Computer")

    def test_success_is_told_after_everything(self):
        self.assertRegex(self.code, r"try \{\s+Build-Image\s+Write-Report 'image-build: installed'\s+\} catch")
        self.assertEqual(self.text.count("Write-Report 'image-build: installed'"), 1)
        template = read(os.path.join(HERE, "../windows.pkr.hcl"))
        self.assertIn('"image-build: installed"', template)

    def test_order(self):
        steps = re.findall(r"^    (?:if .*\{ )?([A-Z]\w+-\w+)", self.body("Build-Image"), re.M)
        for before, after in [("Install-VirtioDrivers", "Install-Cloudbase"), ("Install-Cloudbase", "Copy-Curtin"),
                              ("Wait-Decryption", "Start-Sysprep"), ("Remove-Credentials", "Start-Sysprep"),
                              ("Remove-BlockingPackages", "Start-Sysprep"), ("Copy-Curtin", "Start-Sysprep"),
                              ("Clear-Space", "Start-Sysprep")]:
            self.assertLess(steps.index(before), steps.index(after))
        self.assertEqual(steps[-1], "Start-Sysprep")

    def test_programs_are_checked_and_nothing_is_only_unpacked(self):
        """One function starts programs, and a code that is not good ends the build."""
        self.assertEqual(self.code.count("Start-Process"), 1)
        body = self.body("Invoke-Program")
        self.assertIn("Start-Process", body)
        self.assertRegex(body, r"if \(\$Good -notcontains \$process.ExitCode\) \{\s+throw ")
        self.assertNotRegex(self.code, r"(?i)certutil|Import-Certificate|'/a'|dpinst")
        self.assertIn("'/add-driver'", self.body("Install-Drivers"))

    def test_sysprep_is_believed_by_its_state_and_its_log_comes_out(self):
        self.assertRegex(self.body("Start-Sysprep"), r"if \(\$state -ne \$wanted\) \{ throw ")
        self.assertIn("$Sysprep\\Panther\\setupact.log", self.body("Write-Failure"))

    def test_no_password_of_the_build_is_left(self):
        body = self.body("Remove-Credentials")
        for word in ("RandomNumberGenerator", "Set-LocalUser -Name Administrator", "Remove-LocalUser -Name $Settings.account",
                     "'AutoAdminLogon', 'AutoLogonCount', 'DefaultUserName', 'DefaultPassword'", "Panther\\$name"):
            self.assertIn(word, body)

    def test_one_download_and_it_is_checked(self):
        self.assertEqual(len(re.findall("Invoke-WebRequest|WebClient|Start-BitsTransfer", self.code)), 1)
        self.assertIn("$sum -ne $Settings.sha256", self.body("Get-CloudbaseInstaller"))

    def test_settings_exist(self):
        template = read(os.path.join(HERE, "../windows.pkr.hcl"))
        known = set(re.findall(r"^    (\w+) +=", re.search(r"settings = jsonencode\(\{(.*?)\}\)", template, re.S).group(1), re.M))
        used = set(re.findall(r"\$\(?Settings\.(\w+)", self.code))
        self.assertEqual(used, known)


if __name__ == "__main__":
    unittest.main()
