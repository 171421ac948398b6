#!/usr/bin/env python3
"""Deploys an image inside the ephemeral system, in the order curtin does it.

This is NOT curtin. Reads plan.json beside it; writes everything to the
console, with marker lines that the host waits for:

    DEPLOY-STAGE name             a stage begins
    DEPLOY-FACTS {json}           what was seen in the image
    DEPLOY-LOOK text              a line of what the host asked to be looked at
    DEPLOY-OK                     done
    DEPLOY-FAIL stage: reason     failed

`start` called it and powers the machine off.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = "/run/deploy-test-state"
TARGET = TOP + "/target"
EXTRACT = ('wget "$1" --progress=dot:mega -O - | '
           'smtar -C "$2" --xattrs "--xattrs-include=*" -Sxpf - --numeric-owner')


def say(text):
    """One marker line, whole even when others write to the console."""
    sys.stdout.flush()
    os.write(1, ("\n" + text + "\n").encode())


class Deployment:
    """One run; `stage` names what is being done."""

    def __init__(self, plan):
        self.plan = plan
        self.config = plan["config"]
        self.stage = "start"
        self.env = dict(os.environ)

    def begin(self, stage):
        """Announce a stage."""
        self.stage = stage
        say(f"DEPLOY-STAGE {stage}")

    def run(self):
        """All stages."""
        self.prepare()
        if self.plan.get("curtin"):
            self.run_curtin()
            return
        sys.path.insert(0, HERE)
        from storage import Storage, WrittenDisk
        whole = self.disk_source()
        if whole:
            self.begin("write disk")
            storage = WrittenDisk(self.config["storage"], TARGET)
            storage.write(whole["uri"], whole["type"], self.command)
            # MAAS's ephemeral system can mount Windows' file system.
            if "ntfs" in storage.file_systems() and not shutil.which("mount.ntfs"):
                self.install(["ntfs-3g"])
            self.begin("find root")
            say("DEPLOY-FACTS " + json.dumps({"root_device": storage.find_root()}))
            self.write_state(storage)
            self.prepare_hook()
        else:
            self.begin("partition")
            storage = Storage(self.config["storage"], TARGET)
            storage.make()
            self.write_state(storage)
            self.begin("extract")
            self.extract()
            self.check_root()
        say("DEPLOY-FACTS " + json.dumps(image_facts()))
        self.begin("curthooks")
        self.command(["curtin", "curthooks"])
        self.begin("late-commands")
        self.finalize()
        self.late_commands()
        self.show_target()
        self.begin("unmount")
        storage.release()

    def disk_source(self):
        """The first source that is a whole disk; curtin takes no other then."""
        sources = [source for _key, source in sorted(self.config["sources"].items())]
        return next((source for source in sources if source["type"].startswith("dd-")), None)

    def prepare(self):
        """Install what the ephemeral system lacks and MAAS's own would have."""
        needs = self.plan.get("needs", {})
        absent = sorted({package for tool, package in needs.items() if not shutil.which(tool)})
        if absent:
            self.install(absent)

    def prepare_hook(self):
        """Install what the image's hook calls and MAAS's ephemeral system has."""
        hook = read("/curtin/curtin-hooks")
        tools = {"growpart": "cloud-guest-utils", "sgdisk": "gdisk"}
        absent = [package for tool, package in tools.items() if tool in hook and not shutil.which(tool)]
        if absent:
            self.install(absent)

    def install(self, packages):
        """Packages into the ephemeral system."""
        self.begin("packages")
        # It does not start a second time, and a new initrd takes minutes under emulation.
        conf = "/etc/initramfs-tools/update-initramfs.conf"
        if os.path.exists(conf):
            with open(conf, "w", encoding="utf-8") as stream:
                stream.write("update_initramfs=no\n")
        self.command(["apt-get", "--quiet", "update"])
        env = dict(self.env, DEBIAN_FRONTEND="noninteractive")
        self.command(["apt-get", "--quiet", "--yes", "--no-install-recommends", "install", *packages],
                     "installing packages in the ephemeral system", env)

    def run_curtin(self):
        """A real curtin does everything; we only look at the target."""
        env = dict(self.env, PYTHONUNBUFFERED="1")
        helpers = self.get_curtin(self.plan["curtin"], env)
        self.begin("curtin")
        env["PATH"] = f"{helpers}:{env['PATH']}"
        config = HERE + "/curtin-config.json"
        with open(config, "w", encoding="utf-8") as stream:
            json.dump(curtin_config(self.config), stream)
        self.command(["python3", "-m", "curtin", "-vv", "-c", config, "install"], "curtin install", env)
        self.show_target()
        self.begin("unmount")
        self.command(["umount", "--recursive", TARGET])
        self.command(["sync"])

    def show_target(self):
        """What the host judges the deployed disk by, with all of /boot in sight."""
        from storage import mount_boot
        mount_boot(TARGET)
        say("DEPLOY-FACTS " + json.dumps(target_facts()))
        self.look()

    def look(self):
        """Run the host's checks of the deployed disk; the host judges what they print."""
        script = self.plan.get("look")
        if not script or not listing("/etc"):
            return
        env = dict(self.env, TARGET_MOUNT_POINT=TARGET)
        done = subprocess.run(["sh", "-s"], env=env, input=script, text=True, errors="replace", check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in done.stdout.splitlines():
            say("DEPLOY-LOOK " + line[:1000])

    def get_curtin(self, where, env):
        """Bring curtin here; returns the directories of its programs for PATH."""
        if "checkout" in where:
            home = self.fetch(where["checkout"])
            env["PYTHONPATH"] = home
            return f"{home}/bin:{home}/helpers"
        if "packages" in where:
            home = self.fetch(where["packages"])
            self.install([f"{home}/{name}" for name in sorted(os.listdir(home))])
        else:
            self.apt_source(where.get("apt"))
            self.install(["python3-curtin"])
        version = subprocess.run(["dpkg-query", "--show", "--showformat", "${Version}", "python3-curtin"],
                                 check=False, stdout=subprocess.PIPE, text=True).stdout
        say("DEPLOY-FACTS " + json.dumps({"curtin": version}))
        # The program is in a third package, which wants Ubuntu's storage probe. It must not be
        # the stand-in's, which comes last in PATH.
        programs = HERE + "/real-bin"
        os.makedirs(programs)
        with open(programs + "/curtin", "w", encoding="utf-8") as stream:
            stream.write('#!/bin/sh\nexec python3 -m curtin "$@"\n')
        os.chmod(programs + "/curtin", 0o755)
        return f"{programs}:/usr/lib/curtin/helpers"

    def fetch(self, url):
        """An archive of the host, unpacked."""
        home = HERE + "/real"
        os.makedirs(home)
        self.command(["sh", "-c", 'wget "$1" -O - | tar -C "$2" -xf -', "--", url, home], "fetching curtin")
        return home

    def apt_source(self, source):
        """One more archive, of which nothing but curtin is taken."""
        if not source:
            return
        keyring = source.get("keyring")
        if keyring:
            os.makedirs(os.path.dirname(keyring["path"]), exist_ok=True)
            with open(keyring["path"], "wb") as stream:
                stream.write(base64.b64decode(keyring["base64"]))
        pin = f'Pin: origin "{source["host"]}"'
        texts = {
            "sources.list.d/deploy-test-curtin.list": source["line"] + "\n",
            "preferences.d/deploy-test-curtin": (f"Package: *\n{pin}\nPin-Priority: -1\n\n"
                                                 f"Package: python3-curtin curtin-common\n{pin}\nPin-Priority: 990\n"),
        }
        for name, text in texts.items():
            with open("/etc/apt/" + name, "w", encoding="utf-8") as stream:
                stream.write(text)

    def write_state(self, storage):
        """The files and the environment that hooks are given."""
        state, scratch = TOP + "/state", TOP + "/scratch"
        os.makedirs(state)
        os.makedirs(scratch)
        files = {
            "CONFIG": ("config", json.dumps(self.config)),
            "OUTPUT_FSTAB": ("fstab", "".join(storage.fstab)),
            "OUTPUT_NETWORK_CONFIG": ("network_config", json.dumps({"network": self.config["network"]}) + "\n"),
            "OUTPUT_NETWORK_STATE": ("network_state", ""),
            "OUTPUT_INTERFACES": ("interfaces", ""),
        }
        for name, (file, text) in files.items():
            self.env[name] = os.path.join(state, file)
            with open(self.env[name], "w", encoding="utf-8") as stream:
                stream.write(text)
        self.env.update({
            "WORKING_DIR": scratch,
            "TARGET_MOUNT_POINT": TARGET,
            "CURTIN_REPORTSTACK": "cmd-install/stage-curthooks",
            "PYTHONPATH": HERE,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        })

    def command(self, command, what=None, env=None):
        """Run with the hook environment; a failure ends the deployment."""
        print("+", command, flush=True)
        done = subprocess.run(command, env=env or self.env, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            name = what or " ".join(command)
            raise RuntimeError(f"{name} exited with {done.returncode}")

    def extract(self):
        """Fetch and unpack with exactly the flags that curtin uses."""
        for key, source in sorted(self.config["sources"].items()):
            if source["type"] not in ("tgz", "tbz", "txz"):
                raise RuntimeError(f"source {key} of type `{source['type']}` is not a tar archive")
            self.command(["sh", "-c", EXTRACT, "--", source["uri"], TARGET],
                         "unpacking the image (wget | smtar)")

    def check_root(self):
        """curtin would fail much later, with a worse message."""
        for path in ("etc", "usr", "etc/os-release"):
            if not os.path.lexists(os.path.join(TARGET, path)):
                raise RuntimeError(f"the archive holds no /{path}: its root must be the root of the file system")

    def finalize(self):
        """/curtin/finalize of the image, if it has one."""
        hook = TARGET + "/curtin/finalize"
        if os.path.isfile(hook):
            self.command([hook])

    def late_commands(self):
        """In order of their names."""
        for key, command in sorted(self.config.get("late_commands", {}).items()):
            if "in-target" in command and not listing("/etc"):
                print(f"late command {key} is for a Linux, and this is none: left out", flush=True)
                continue
            words = ["sh", "-c", command] if isinstance(command, str) else command
            self.command(words, f"late command {key}")


def curtin_config(config):
    """MAAS's configuration with the stages that MAAS names, and our target."""
    facts = ["python3", HERE + "/installer.py", "--image-facts"]
    return dict(
        config,
        partitioning_commands={"builtin": ["curtin", "block-meta", "custom"]},
        network_commands={"builtin": ["curtin", "net-meta", "custom"]},
        # Between unpacking and hooks, so that the image is seen as it came.
        extract_commands={"builtin": ["curtin", "extract"], "facts": facts},
        install={"target": TARGET, "unmount": "disabled", "log_file": "/var/log/curtin/install.log"},
    )


def read(path):
    """Text of a file of the target, empty if there is none."""
    try:
        with open(TARGET + path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def listing(path):
    """Names in a directory of the target."""
    try:
        return sorted(os.listdir(TARGET + path))
    except OSError:
        return []


def image_facts():
    """What the image brought, before anything changed it."""
    keys = {}
    for name in listing("/etc/ssh"):
        if re.fullmatch(r"ssh_host_\w+_key\.pub", name):
            keys[name] = " ".join(read("/etc/ssh/" + name).split()[:2])
    release = dict(line.split("=", 1) for line in read("/etc/os-release").splitlines() if "=" in line)
    return {
        "image_machine_id": read("/etc/machine-id").strip(),
        "image_host_keys": keys,
        "image_hook": os.path.isfile(TARGET + "/curtin/curtin-hooks"),
        # The control domain of Xen starts under Xen only, which no emulation here is.
        "image_is_linux": os.path.lexists(TARGET + "/etc/os-release") and not release.get("ID", "").strip("\"'").startswith("xen"),
        "os_id": release.get("ID", "").strip("\"'"),
        "os_version": release.get("VERSION_ID", "").strip("\"'"),
    }


def target_facts():
    """What the finished target holds."""
    return {
        "kernels": [n.split("-", 1)[1] for n in listing("/boot") if n.startswith("vmlinuz-")],
        "initrds": [n for n in listing("/boot") if n.startswith("initr")],
        "default_user": default_user(),
        "esp": sorted(os.path.relpath(os.path.join(folder, name), TARGET + "/boot/efi")
                      for folder, _dirs, names in os.walk(TARGET + "/boot/efi") for name in names)[:40],
    }


def default_user():
    """Name of cloud-init's default user; a later file wins."""
    import yaml
    name = ""
    files = ["/etc/cloud/cloud.cfg"] + ["/etc/cloud/cloud.cfg.d/" + f for f in listing("/etc/cloud/cloud.cfg.d")
                                        if f.endswith(".cfg")]
    for file in files:
        try:
            content = yaml.safe_load(read(file))
        except yaml.YAMLError:
            continue
        if isinstance(content, dict):
            user = (content.get("system_info") or {}).get("default_user") or {}
            name = user.get("name", name)
    return name


def main():
    """Deploy and report."""
    if sys.argv[1:] == ["--image-facts"]:
        # curtin keeps the output of commands, so not to standard output.
        with open("/dev/console", "w", encoding="utf-8") as console:
            console.write("\nDEPLOY-FACTS " + json.dumps(image_facts()) + "\n")
        return
    with open(os.path.join(HERE, "plan.json"), encoding="utf-8") as stream:
        plan = json.load(stream)
    own = HERE + "/bin"
    path = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    # Real tools win; `curtin` exists only here.
    os.environ["PATH"] = f"/usr/local/sbin:/usr/local/bin:{path}:{own}"
    deployment = Deployment(plan)
    try:
        deployment.run()
        say("DEPLOY-OK")
    except Exception as error:  # every failure must reach the host as a marker
        reason = re.sub(r"\s+", " ", f"{error}" or repr(error))[:600]
        say(f"DEPLOY-FAIL {deployment.stage}: {reason}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
