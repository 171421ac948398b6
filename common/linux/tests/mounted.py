"""Runs a deploy hook as curtin does, from a file system that the test made.

An image's tests link this file beside them. Mounting needs root; the programs
that make file systems need not be there either. Both are skips with their cure.
"""

import contextlib
import gzip
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

# What a hook takes from curtin: where the target is, and its configuration. The
# real package is in the ephemeral system only. TEST_PATCH replaces functions of
# the hook that need a whole disk.
CURTIN = {
    "curtin/__init__.py": "",
    "curtin/config.py": "import json\n\n\ndef load_command_config(_, state):\n"
                        "    with open(state['config'], encoding='utf-8') as stream:\n        return json.load(stream)\n",
    "curtin/util.py": "import os\nimport sys\n\n\ndef load_command_environment():\n"
                      "    exec(os.environ.get('TEST_PATCH', ''), sys.modules['__main__'].__dict__)\n"
                      "    return {'target': os.environ['TARGET_MOUNT_POINT'], 'config': os.environ['CONFIG']}\n",
    # Every JSON is YAML.
    "yaml.py": "import json\n\nYAMLError = ValueError\n\n\ndef safe_load(text):\n    return json.loads(text) if text else None\n",
}

# Stand-in for a kernel without vfat: what the image holds, copied out and back in by
# mtools. Like vfat it makes every file executable. On real mounts: `cargo xtask test
# deploy-foreign`.
FAT = """#!/usr/bin/env python3
import os, shutil, subprocess, sys
state = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/fat-"


def call(*argv):
    subprocess.run(argv, check=True)


def mount(image, place):
    if subprocess.run(["minfo", "-i", image, "::"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        os.execv("/bin/mount", sys.argv)
    if subprocess.run(["mdir", "-b", "-i", image, "::"], check=True, stdout=subprocess.PIPE).stdout:
        call("mcopy", "-s", "-n", "-i", image, "::*", place)
    call("chmod", "-R", "755", place)
    with open(state + os.path.basename(place), "w") as stream:
        stream.write(image)


def umount(place):
    if not os.path.exists(state + os.path.basename(place)):
        os.execv("/bin/umount", sys.argv)
    with open(state + os.path.basename(place)) as stream:
        image = stream.read()
    for old in subprocess.run(["mdir", "-b", "-i", image, "::"], check=True, stdout=subprocess.PIPE).stdout.decode().split():
        call("mdeltree" if old.endswith("/") else "mdel", "-i", image, old.rstrip("/"))
    new = [os.path.join(place, name) for name in sorted(os.listdir(place))]
    if new:
        call("mcopy", "-s", "-o", "-i", image, *(new + ["::"]))
    shutil.rmtree(place)
    os.mkdir(place)
    os.unlink(state + os.path.basename(place))


mount(*sys.argv[-2:]) if sys.argv[0].endswith("/mount") else umount(sys.argv[-1])
"""


# `cargo xtask deploy-test` without its VM: the same installer, told which device
# the machine's disk is.
DEPLOY = """import json
import sys

import installer
import storage

plan, device, top = sys.argv[1:]
installer.TOP, installer.TARGET = top, top + "/target"
storage.find_disk = lambda serial: device
with open(plan, encoding="utf-8") as stream:
    installer.Deployment(json.load(stream)).run()
"""
# It fetches, looks for partitions, and activates volumes.
HELPERS = {
    "wget": 'for word; do case $word in file://*) exec cat "${word#file://}" ;; esac; done\n',
    "partprobe": 'exec partx --add "$1"\n', "vgscan": "exit 0\n", "vgchange": "exit 0\n",
}
ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../.."))


def kernel_has(kind):
    modprobe = shutil.which("modprobe", path="/usr/sbin:/sbin")
    if modprobe:
        subprocess.run([modprobe, "-q", kind], check=False)
    with open("/proc/filesystems", encoding="ascii") as stream:
        return kind in stream.read().split()


def needs(*programs):
    """Skips a test class without root or these programs: {program: package}."""
    packages = {"mkntfs": "ntfs-3g", "ntfs-3g": "ntfs-3g", "mkfs.vfat": "dosfstools", "mcopy": "mtools", "mke2fs": "e2fsprogs",
                "sgdisk": "gdisk", "growpart": "cloud-guest-utils"}
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [program for program in programs if not shutil.which(program, path=path)]
    if missing:
        names = " ".join(sorted({packages[program] for program in missing}))
        return unittest.skip("%s: not installed (apt install %s)" % (", ".join(missing), names))
    if os.geteuid() != 0:
        return unittest.skip("mounting needs root (sudo -E cargo test -p xtask --test hooks)")
    return lambda case: case


def run(*argv, **options):
    env = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
    done = subprocess.run(argv, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode:
        raise AssertionError("%s: %s" % (" ".join(argv), done.stdout.decode("utf-8", "replace")))
    return done.stdout


def drop_partitions(device):
    """The kernel's, which outlive a loop device. Another mount namespace may keep one busy for a moment."""
    name = os.path.basename(device)
    for _ in range(40):
        if not [part for part in os.listdir("/sys/class/block") if part.startswith(name + "p")]:
            return
        subprocess.run(["partx", "--delete", device], check=False, stderr=subprocess.DEVNULL)
        time.sleep(0.25)


def replace(path, old, new):
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    assert text.count(old) == 1, old
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text.replace(old, new))


class Metadata(http.server.BaseHTTPRequestHandler):
    """MAAS's metadata service, as far as hooks ask (stand-in)."""

    def do_GET(self):
        signed = self.headers.get("Authorization", "").startswith("OAuth ")
        body = self.server.answers.get(self.path)
        self.send_response(401 if not signed else 404 if body is None else 200)
        self.end_headers()
        if signed and body is not None:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class MountedCase(unittest.TestCase):
    """A directory, images that are mounted, and the hook run from one of them."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = directory.name
        for name, text in CURTIN.items():
            self.write("python/" + name, text)
        # Not in every container.
        self.program("udevadm", "#!/bin/sh\nexit 0\n")
        self.vfat = kernel_has("vfat")
        if not self.vfat:
            self.program("mount", FAT)
            self.program("umount", FAT)

    def program(self, name, text):
        """A program that hooks find before the system's."""
        os.chmod(self.write("bin/" + name, text), 0o755)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        return path

    def image(self, name, mib, *make):
        """A file of this size with a file system: make is mkfs's command line."""
        path = os.path.join(self.dir, name)
        with open(path, "wb") as stream:
            stream.truncate(mib << 20)
        run(*make, path)
        return path

    @contextlib.contextmanager
    def mounted(self, image, kind):
        place = tempfile.mkdtemp(dir=self.dir)
        # FAT in our stand-in's way if need be, all others in the kernel's.
        own = os.path.join(self.dir, "bin/") if kind == "vfat" and not self.vfat else ""
        loop = [] if image.startswith("/dev/") else ["-o", "loop"]
        run(*[own + "mount", "-t", kind] + loop + [image, place])
        try:
            yield place
        finally:
            run(own + "umount", place)

    @contextlib.contextmanager
    def whole_disk(self, mib, parts):
        """A disk with a GPT on a loop device: (number, type, image) in the disk's order. Yields the device."""
        disk = os.path.join(self.dir, "disk.raw")
        at, script = 1, "label: gpt\n"
        with open(disk, "wb") as stream:
            for number, kind, image in parts:
                size = -(-os.path.getsize(image) >> 20) if isinstance(image, str) else image
                if isinstance(image, str):
                    stream.seek(at << 20)
                    with open(image, "rb") as content:
                        shutil.copyfileobj(content, stream)
                script += "%d: start=%dMiB, size=%dMiB, type=%s\n" % (number, at, size, kind)
                at += size
            stream.truncate((at + 1) << 20)
        run("sfdisk", "--quiet", "--wipe=never", disk, input=script.encode())
        # A machine's disk is larger than the image.
        os.truncate(disk, mib << 20)
        device = run("losetup", "--find", "--show", disk).decode().strip()
        try:
            drop_partitions(device)
            run("partx", "--add", device)
            yield device
        finally:
            drop_partitions(device)
            run("losetup", "--detach", device)

    @contextlib.contextmanager
    def deployed(self, mib, parts, config):
        """Deploys these partitions as a dd image to a larger disk; yields its loop device and what was said."""
        with self.whole_disk(mib, parts):
            pass  # the image is what is left
        disk, plan = os.path.join(self.dir, "disk.raw"), os.path.join(self.dir, "image.dd.gz")
        with open(disk, "rb") as stream, gzip.open(plan, "wb", 1) as packed:
            shutil.copyfileobj(stream, packed)
        with open(disk, "wb") as stream:
            stream.truncate(3 * mib << 20)
        for name, text in HELPERS.items():
            self.program(name, "#!/bin/sh\n" + text)
        config = dict(config, sources={"00": {"type": "dd-gz", "uri": "file://" + plan}},
                      storage={"version": 1, "config": [{"type": "disk", "id": "sda", "serial": "x", "grub_device": True}]})
        device = run("losetup", "--find", "--show", disk).decode().strip()
        top = os.path.join(self.dir, "deployed")
        os.mkdir(top)
        try:
            drop_partitions(device)
            path = ":".join([self.dir + "/bin", os.environ["PATH"], "/usr/sbin:/sbin", ROOT + "/xtask/deploy/bin"])
            env = dict(os.environ, PATH=path, PYTHONPATH=ROOT + "/xtask/deploy", PYTHONDONTWRITEBYTECODE="1")
            argv = [self.write("deploy.py", DEPLOY), self.write("plan.json", json.dumps({"config": config})), device, top]
            done = subprocess.run(["python3"] + argv, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said = done.stdout.decode("utf-8", "replace")
            self.assertEqual(done.returncode, 0, said)
            yield device, said
        finally:
            subprocess.run(["umount", "--recursive", top + "/target"], check=False, stderr=subprocess.DEVNULL)
            drop_partitions(device)
            run("losetup", "--detach", device)

    def serve(self, **answers):
        """Starts the metadata service; returns the `reporting` section."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
        server.answers = {"/MAAS/metadata/latest/" + name.replace("__", "/").replace("_", "-"): body
                          for name, body in answers.items()}
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        url = "http://127.0.0.1:%d/MAAS/metadata/status/abc123" % server.server_port
        return {"maas": {"type": "webhook", "endpoint": url, "consumer_key": "ck", "token_key": "tk", "token_secret": "ts"}}

    def run_hook(self, program, target, config, patch=""):
        """Executes the file itself, so its run bit and interpreter line count: (status, what it said)."""
        path = ":".join([self.dir + "/bin", os.environ["PATH"], "/usr/sbin:/sbin"])
        env = dict(os.environ, PATH=path, PYTHONPATH=self.dir + "/python",
                   PYTHONDONTWRITEBYTECODE="1", TARGET_MOUNT_POINT=target, CONFIG=self.write("config.json", json.dumps(config)),
                   TEST_PATCH=patch)
        done = subprocess.run([os.path.join(target, program)], env=env, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        return done.returncode, done.stdout.decode("utf-8", "replace")
