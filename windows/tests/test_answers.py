"""Rules for the rendered answer files: python3 -m unittest discover -s windows/tests

What is allowed in which pass is from Microsoft's reference of unattended setup:
https://learn.microsoft.com/windows-hardware/customize/desktop/unattend/
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import plans  # noqa: E402

NS = "{urn:schemas-microsoft-com:unattend}"
WCM = "{http://schemas.microsoft.com/WMIConfig/2002/State}"
SERVERS, CLIENTS = ("2016", "2019", "2022", "2025"), ("10", "11")
TARGETS = ["windows-%s-iso-amd64" % v for v in SERVERS + CLIENTS + ("hci",)] + \
          ["windows-%s-vhdx-amd64" % v for v in SERVERS]
ALLOWED = {
    "windowsPE": {"Microsoft-Windows-International-Core-WinPE", "Microsoft-Windows-Setup",
                  "Microsoft-Windows-PnpCustomizationsWinPE"},
    "specialize": {"Microsoft-Windows-Shell-Setup", "Microsoft-Windows-Deployment", "Networking-MPSSVC-Svc",
                   "Microsoft-Windows-TerminalServices-LocalSessionManager",
                   "Microsoft-Windows-TerminalServices-RDP-WinStationExtensions"},
    "oobeSystem": {"Microsoft-Windows-International-Core", "Microsoft-Windows-Shell-Setup"},
}
# Settings of Shell-Setup that Windows rejects in another pass.
ONLY_SPECIALIZE = {"ComputerName"}
ONLY_OOBE = {"AutoLogon", "FirstLogonCommands", "OOBE", "UserAccounts"}
ATTRIBUTES = {"processorArchitecture": "amd64", "publicKeyToken": "31bf3856ad364e35", "language": "neutral",
              "versionScope": "nonSxS"}


def tag(element):
    return element.tag.replace(NS, "")


def texts(root, path):
    return [element.text for element in root.iterfind(".//" + "/".join(NS + name for name in path.split("/")))]


VIRTIO = "/x/virtio-win.iso"


def setUpModule():
    plans.load(TARGETS)
    plans.load(TARGETS, virtio_win_iso=VIRTIO)


class Rules(unittest.TestCase):
    """Applied to every rendered file."""

    def check(self, text):
        root = ElementTree.fromstring(text.encode("utf-8"))
        self.assertEqual(root.tag, NS + "unattend")
        passes = [settings.get("pass") for settings in root]
        self.assertEqual(len(passes), len(set(passes)), "a pass twice")
        for settings in root:
            self.check_pass(settings)
        for key in root.iter():
            self.assertFalse(re.search(r"\$\{|%\{", key.text or ""), "template syntax is left")
        self.check_lengths(root)
        return root

    def check_pass(self, settings):
        name = settings.get("pass")
        components = [component.get("name") for component in settings]
        self.assertEqual(len(components), len(set(components)), "a component twice in " + name)
        self.assertLessEqual(set(components), ALLOWED[name])
        for component in settings:
            for attribute, value in ATTRIBUTES.items():
                self.assertEqual(component.get(attribute), value)
            inside = {tag(child) for child in component}
            if name != "specialize":
                self.assertFalse(inside & ONLY_SPECIALIZE)
            if name != "oobeSystem":
                self.assertFalse(inside & ONLY_OOBE)
            for parent in component.iter():
                self.check_orders(parent)

    def check_orders(self, parent):
        orders = [child.findtext(NS + "Order") for child in parent if child.get(WCM + "action") == "add"]
        orders = [order for order in orders if order is not None]
        self.assertEqual(orders, [str(n + 1) for n in range(len(orders))], tag(parent))
        keys = [child.get(WCM + "keyValue") for child in parent if child.get(WCM + "keyValue")]
        self.assertEqual(len(keys), len(set(keys)), tag(parent))

    def check_lengths(self, root):
        for line in texts(root, "CommandLine"):
            self.assertLessEqual(len(line), 1024)
        for path in texts(root, "RunSynchronousCommand/Path"):
            self.assertLessEqual(len(path), 259)


class Rendered(Rules):
    def answers(self, target, **variables):
        content = plans.source(target, **variables)["cd_content"]
        name = "Unattend.xml" if "-vhdx-" in target else "Autounattend.xml"
        return self.check(content[name]), self.check(content["sysprep.xml"]), content

    def test_every_target(self):
        for target in TARGETS:
            with self.subTest(target=target):
                root, sysprep, content = self.answers(target)
                passes = [settings.get("pass") for settings in root]
                ready = "-vhdx-" in target
                self.assertEqual(passes, ["windowsPE"] * (not ready) + ["specialize", "oobeSystem"])
                self.assertEqual([s.get("pass") for s in sysprep], ["specialize", "oobeSystem"])
                self.assertEqual({"settings.json", "customize.ps1"} - set(content), set())
                client = target.split("-")[1] in CLIENTS
                self.assertEqual(texts(root, "LocalAccount/Name"), ["imagebuild"] if client else [])

    def test_xmllint_agrees(self):
        if not shutil.which("xmllint"):
            self.skipTest("xmllint is not installed (libxml2-utils)")
        for target in TARGETS:
            for name, text in plans.source(target)["cd_content"].items():
                if name.endswith(".xml"):
                    done = subprocess.run(["xmllint", "--noout", "--nonet", "-"], input=text.encode("utf-8"),
                                          check=False, stderr=subprocess.PIPE)
                    self.assertEqual(done.returncode, 0, "%s %s: %s" % (target, name, done.stderr))

    def test_disk(self):
        root, _, _ = self.answers("windows-2022-iso-amd64")
        self.assertEqual(texts(root, "CreatePartition/Type"), ["EFI", "MSR", "Primary", "Primary"])
        # Only the last can grow, and it is the one Windows goes to.
        self.assertEqual(texts(root, "CreatePartition/Extend"), ["true"])
        self.assertEqual(texts(root, "InstallTo/PartitionID"), ["4"])
        self.assertEqual(texts(root, "TypeID"), ["DE94BBA4-06D1-4D40-A16A-BFD50179D6AC"])

    def test_image(self):
        for target, variables, key, value in [
            ("windows-2016-iso-amd64", {}, "/IMAGE/NAME", "Windows Server 2016 SERVERSTANDARD"),
            ("windows-2025-iso-amd64", {"edition": "SERVERDATACENTERCORE"}, "/IMAGE/NAME",
             "Windows Server 2025 SERVERDATACENTERCORE"),
            ("windows-10-iso-amd64", {}, "/IMAGE/NAME", "Windows 10 PRO"),
            ("windows-11-iso-amd64", {"image_name": "Windows 11 & more <x>"}, "/IMAGE/NAME", "Windows 11 & more <x>"),
            ("windows-11-iso-amd64", {"image_index": "6"}, "/IMAGE/INDEX", "6"),
            ("windows-hci-iso-amd64", {}, "/IMAGE/INDEX", "1"),
        ]:
            with self.subTest(target=target, **variables):
                root, _, _ = self.answers(target, **variables)
                self.assertEqual(texts(root, "MetaData/Key") + texts(root, "MetaData/Value"), [key, value])

    def test_product_key(self):
        root, _, _ = self.answers("windows-2022-iso-amd64")
        self.assertEqual(texts(root, "ProductKey/Key"), [])
        self.assertEqual(texts(root, "ProductKey/WillShowUI"), ["OnError"])
        root, _, content = self.answers("windows-2022-iso-amd64", product_key="AAAAA-BBBBB-CCCCC-DDDDD-EEEEE")
        # A plan shows no secrets.
        self.assertEqual(texts(root, "ProductKey/Key"), ["(sensitive)"])
        self.assertNotIn("AAAAA", json.dumps(content))
        self.assertIn("product key", plans.refusal("windows-2022-iso-amd64", product_key="AAAAA-BBBBB"))

    def test_hardware_checks_of_11(self):
        for variables, expected in [({}, ["BypassSecureBootCheck"]), ({"tpm": "false"}, ["BypassTPMCheck", "BypassSecureBootCheck"]),
                                    ({"secure_boot": "true"}, [])]:
            root, _, _ = self.answers("windows-11-iso-amd64", **variables)
            found = [path for path in texts(root, "RunSynchronousCommand/Path") if "LabConfig" in path]
            self.assertEqual([re.search(r"/v (\w+)", path).group(1) for path in found], expected, variables)
        root, _, _ = self.answers("windows-2022-iso-amd64")
        self.assertFalse([path for path in texts(root, "RunSynchronousCommand/Path") if "LabConfig" in path])

    def test_passwords_are_of_this_build(self):
        for target in TARGETS:
            root, sysprep, _ = self.answers(target)
            values = texts(root, "AdministratorPassword/Value") + texts(root, "Password/Value")
            self.assertEqual(set(values), {"(sensitive)"}, target)
            self.assertEqual(texts(sysprep, "Value"), [], target)

    def test_language_keyboard_and_time_zone(self):
        root, sysprep, _ = self.answers("windows-2022-iso-amd64", language="de-DE", input_locale="0407:00000407",
                                        timezone="W. Europe Standard Time")
        for found in (root, sysprep):
            self.assertEqual(set(texts(found, "UILanguage")), {"de-DE"})
            self.assertEqual(set(texts(found, "InputLocale")), {"0407:00000407"})
            self.assertEqual(texts(found, "TimeZone"), ["W. Europe Standard Time"])

    def test_remote_desktop(self):
        _, sysprep, _ = self.answers("windows-2022-iso-amd64")
        self.assertEqual(texts(sysprep, "UserAuthentication"), ["1"])
        _, sysprep, _ = self.answers("windows-2022-iso-amd64", remote_desktop="false")
        self.assertEqual(texts(sysprep, "fDenyTSConnections"), [])


class Registry(Rules):
    """Values that Windows must have before it is generalized, and on the machine."""

    def commands(self, root, name):
        found = root.find("%ssettings[@pass='%s']" % (NS, name))
        return "\n".join(texts(found, "RunSynchronousCommand/Path"))

    def test_no_device_encryption_before_sysprep(self):
        for target in TARGETS:
            content = plans.source(target)["cd_content"]
            text = next(text for name, text in content.items() if name.lower().endswith("unattend.xml"))
            self.assertIn("\\BitLocker /v PreventDeviceEncryption /t REG_DWORD /d 1", self.commands(self.check(text), "specialize"))

    def test_the_clock_is_utc_on_the_machine_too(self):
        # sysprep /generalize resets what the build set.
        for target in TARGETS:
            root = self.check(plans.source(target)["cd_content"]["sysprep.xml"])
            self.assertIn("\\TimeZoneInformation /v RealTimeIsUniversal /t REG_DWORD /d 1", self.commands(root, "specialize"))
            self.assertEqual(texts(root, "TimeZone"), ["UTC"])


class SetupWatch(Rules):
    """What stops Setup before the first logon is told, see scripts/setup-*.cmd."""

    def script(self, name):
        with open(os.path.join(HERE, "../scripts", name), "rb") as stream:
            return stream.read()

    def test_setup_starts_it_from_any_letter(self):
        for target in TARGETS:
            root = self.check([text for name, text in plans.source(target)["cd_content"].items()
                               if name.lower().endswith("unattend.xml")][0])
            first = [path for path in texts(root, "RunSynchronousCommand/Path") if "setup-watch.cmd" in path]
            self.assertEqual(len(first), 0 if "-vhdx-" in target else 1, target)

    def test_form(self):
        for name in ("setup-watch.cmd", "setup-error.cmd"):
            raw = self.script(name)
            # cmd.exe finds labels reliably only in files with its own line ends.
            self.assertEqual(raw.count(b"\n"), raw.count(b"\r\n"), name)
            self.assertTrue(raw.isascii(), name)
            lines = raw.decode().splitlines()
            labels = {line[1:] for line in lines if re.match(r":\w+$", line)}
            used = set(re.findall(r"(?:goto |call :)(\w+)", raw.decode()))
            self.assertEqual(labels, used, name)
            code = [line for line in lines if line.split(" ")[0].lower() != "rem"]
            self.assertEqual(sum(line.count("(") for line in code), sum(line.count(")") for line in code), name)
            # The logs, then the verdict that the first-logon script has too, then the power.
            end = [line for line in code if re.search("call :send|FAILED|shutdown", line)]
            self.assertEqual([bool(re.search("shutdown", line)) for line in end][-1], True)
            self.assertIn("image-build: FAILED", end[-2])

    def test_within_a_minute(self):
        text = self.script("setup-watch.cmd").decode()
        wait = int(re.search(r"ping -n (\d+)", text).group(1)) - 1
        rounds = int(re.search(r"geq (\d+)", text).group(1))
        self.assertLessEqual(wait * (rounds + 1), 55)

    def test_it_does_not_stay_in_the_image(self):
        self.assertIn(b"Setup\\Scripts\\ErrorHandler.cmd", self.script("setup-watch.cmd"))
        self.assertIn(b"    Remove-ErrorHandler\n", self.script("first-logon.ps1"))


class Drivers(Rules):
    def test_none(self):
        for target in TARGETS:
            source = plans.source(target)
            self.assertNotIn("PnpCustomizations", "".join(source["cd_content"].values()), target)
            self.assertEqual(source["disk_interface"], "ide")
            self.assertFalse([row for row in source["qemuargs"] if row[0] == "-cdrom"])
            self.assertEqual([os.path.basename(path) for path in source["cd_files"]], 
                             ["first-logon.ps1", "setup-watch.cmd", "setup-error.cmd", "curtin"])

    def test_virtio(self):
        for version, directory in [("2016", "2k16"), ("2019", "2k19"), ("2022", "2k22"), ("2025", "2k25"),
                                   ("10", "w10"), ("11", "w11"), ("hci", "2k22")]:
            source = plans.source("windows-%s-iso-amd64" % version, virtio_win_iso=VIRTIO)
            root = self.check(source["cd_content"]["Autounattend.xml"])
            paths = texts(root, "PathAndCredentials/Path")
            self.assertEqual(paths[0], "D:\\viostor\\%s\\amd64" % directory)
            self.assertEqual(len(paths), 12)
            self.assertEqual(source["disk_interface"], "virtio")
            self.assertIn(["-cdrom", VIRTIO], source["qemuargs"])
            self.assertEqual(json.loads(source["cd_content"]["settings.json"])["virtio"], directory)

    def test_a_vhdx_starts_without_virtio(self):
        source = plans.source("windows-2022-vhdx-amd64", virtio_win_iso=VIRTIO)
        self.assertEqual(source["disk_interface"], "ide")
        self.assertEqual(json.loads(source["cd_content"]["settings.json"])["virtio"], "2k22")

    def test_own_directory(self):
        with tempfile.TemporaryDirectory() as top:
            directory = os.path.join(top, "raid & co")
            os.makedirs(os.path.join(directory, "deep/er"))
            for name in ("", "deep/er/notes.txt"):
                if name:
                    open(os.path.join(directory, name), "w").close()
                # Nothing to install: the image is built as without it.
                source = plans.source("windows-2022-iso-amd64", driver_directory=directory + "/" * len(name))
                self.assertEqual(json.loads(source["cd_content"]["settings.json"])["drivers"], "")
                self.assertNotIn(directory, source["cd_files"])
            open(os.path.join(directory, "deep/er/raid.INF"), "w").close()
            source = plans.source("windows-2022-iso-amd64", driver_directory=directory + "//")
            root = self.check(source["cd_content"]["Autounattend.xml"])
            self.assertEqual(texts(root, "PathAndCredentials/Path"), ["%s:\\raid & co" % letter for letter in "DEFG"])
            self.assertTrue([path for path in source["cd_files"] if path.startswith(directory)])


class Machine(unittest.TestCase):
    def test_what_versions_need(self):
        for target in TARGETS:
            source = plans.source(target)
            version = target.split("-")[1]
            self.assertIs(source["vtpm"], version == "11", target)
            settings = json.loads(source["cd_content"]["settings.json"])
            self.assertIs(settings["generalize"], version != "hci")
            self.assertIs(source["disk_image"], "-vhdx-" in target)
            self.assertEqual(len([row for row in source["qemuargs"] if row[0] == "-serial"]), 2)

    def test_a_vhdx_keeps_its_size_and_may_have_a_tpm(self):
        for target in TARGETS:
            ready = "-vhdx-" in target
            # QEMU refuses to make a disk smaller, and evaluation disks are larger than ours.
            self.assertIs(plans.source(target)["skip_resize_disk"], ready, target)
        self.assertIs(plans.source("windows-2022-vhdx-amd64", tpm="true")["vtpm"], True)

    def test_room_for_updates_and_free_space_that_costs_nothing(self):
        source = plans.source("windows-2025-iso-amd64")
        self.assertGreaterEqual(int(source["disk_size"].rstrip("G")), 40)
        self.assertEqual(source["disk_discard"], "unmap")

    def test_a_build_without_the_guests_success_fails(self):
        """The command of the template's post-processor, run."""
        with open(os.path.join(HERE, "../windows.pkr.hcl"), encoding="utf-8") as stream:
            text = stream.read()
        marker = re.search(r'marker = "(.*)"', text).group(1)
        command = re.search(r'"(if ! grep .*)",', text).group(1)
        with tempfile.TemporaryDirectory() as directory:
            report = os.path.join(directory, "guest.log")
            command = command.replace("${local.marker}", marker).replace("${local.report}", report)
            for said, status in [("image-build: FAILED\n", 1), ("", 1), (marker + "\n", 0)]:
                with open(report, "w", encoding="utf-8") as stream:
                    stream.write(said)
                done = subprocess.run(["sh", "-c", command], check=False, stderr=subprocess.PIPE)
                self.assertEqual(done.returncode, status, said)
                self.assertIn(said if status else "", done.stderr.decode())

    def test_secure_boot(self):
        source = plans.source("windows-2022-iso-amd64", secure_boot="true")
        self.assertIn(["-global", "driver=cfi.pflash01,property=secure,value=on"], source["qemuargs"])
        self.assertTrue(source["efi_firmware_vars"].endswith(".ms.fd"))

    def test_cloudbase_from_this_host(self):
        source = plans.source("windows-2022-iso-amd64", cloudbase_init_msi="/srv/Cloudbase.msi")
        self.assertEqual(json.loads(source["cd_content"]["settings.json"])["msi"], "Cloudbase.msi")
        self.assertIn("/srv/Cloudbase.msi", source["cd_files"])


if __name__ == "__main__":
    unittest.main()
