"""A root to run build scripts in: every absolute path of a script points into
it, and every command is a known tool or a stub that writes down its call.
"""

import os
import re
import shutil
import subprocess
import tempfile

# This file is common/linux/tests/tree.py; tests link it beside them.
IMAGES = os.path.abspath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../.."))
# Directories of the root; nothing outside may be named.
TOP = "boot|curtin|dev|etc|home|root|run|sys|tmp|usr|var"
PATH = re.compile(r"(?<![\w/.*})\]\\^])/(?!dev/null)(%s)(?![\w.])" % TOP)
ANY_PATH = re.compile(r"(?<![\w/.*})\]:\\^$<%])/[a-z]\w+(?:/\w*)?")
OUTSIDE = {"/bin/bash", "/bin/sh", "/dev/null"}
TOOLS = ("awk base64 basename bash cat chmod cp cut dirname find grep head install ln ls mkdir mv readlink rm sed sh sort "
         "tail tar tee touch tr true truncate").split()
# What changes a system, or does not exist on every host.
STUBS = ("SUSEConnect apt-get apt-mark chpasswd cloud-init debconf-set-selections dpkg-divert dpkg-query dracut findmnt fstrim "
         "growpart lsblk lvextend lvs pvresize pvs vgs "
         "grub-install grub2-mkconfig locale-gen rpm sshd sync systemctl update-grub usermod zypper").split()
ANSWERS = """
case ${0##*/} in
cloud-init) [ "$1" != status ] || echo "status: ${CLOUD_INIT:-done}" ;;
dpkg-query | rpm)
  case " $*  $INSTALLED " in
  " -S "*) echo "linux-image-${2##*/vmlinuz-}: $2" ;;
  *Depends*" $META "*) echo "$DEPENDS" ;;
  *" ${!#} "*" ${!#} "*) echo "ii " ;;
  *) exit 1 ;;
  esac ;;
# systemd-random-seed.service, which is part of what stops with the machine.
systemctl)
  case $* in
  "stop systemd-random-seed.service") stopped=1 ;;
  *poweroff*) [ ! -e "$ROOT/tmp/stopped" ] || exit 0 ;;
  *) exit 0 ;;
  esac
  mkdir -p "$ROOT/var/lib/systemd"
  echo seed | tee "$ROOT/var/lib/systemd/random-seed"
  [ -z "$stopped" ] || : >"$ROOT/tmp/stopped" ;;
# Whoever writes to a pipe that nobody reads is ended by a signal.
debconf-set-selections) cat >/dev/null ;;
grub-install)
  case $* in *"$LOADER"*) mkdir -p "$ROOT/boot/efi/EFI/BOOT"; echo x | tee "$ROOT/boot/efi/EFI/BOOT/BOOT"{X64,AA64}.EFI ;; esac ;;
apt-get)
  [ "$1" != download ] || : >"$2_1_amd64.deb"
  case $* in *" purge linux-image-"*) last=${!#}; rm -f "$ROOT/boot/vmlinuz-${last#linux-image-}" ;; esac ;;
# For all others: what a variable of the same name says, and ends with.
*)
  said=SAYS_${0##*/} code=CODE_${0##*/}
  case $said in *-*) exit ;; esac
  [ -z "${!said:-}" ] || echo "${!said}"
  exit "${!code:-0}" ;;
esac
"""


class Tree:
    """A fake root with the scripts of an image."""

    def __init__(self, image):
        self.image = os.path.join(IMAGES, image)
        self.work = tempfile.mkdtemp(prefix="scripts-")
        self.root = os.path.join(self.work, "root")
        self.log = os.path.join(self.work, "calls")
        self.write("var/lib/image-build/packages/README", "")
        self.write("var/lib/image-build/keyrings/README", "")
        self.write("var/lib/image-build/curtin-hooks", "#!/bin/sh\n")
        self.write("var/lib/image-build/hooklib.py", "")
        for directory in ("boot dev etc/apt/sources.list.d etc/apt/apt.conf.d etc/cloud/cloud.cfg.d etc/ssh home "
                          "root run tmp usr/sbin var/log var/tmp").split():
            os.makedirs(os.path.join(self.root, directory), exist_ok=True)
        self.programs()

    def remove(self):
        shutil.rmtree(self.work)

    def programs(self):
        directory = os.path.join(self.work, "bin")
        os.mkdir(directory)
        for name in TOOLS:
            os.symlink(shutil.which(name), os.path.join(directory, name))
        bash = shutil.which("bash")
        for name in STUBS:
            path = os.path.join(directory, name)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write('#!%s\nprintf "%%s\\n" "${0##*/} $*" >>"%s"\n%s' % (bash, self.log, ANSWERS))
            os.chmod(path, 0o755)

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as stream:
            return stream.read()

    def exists(self, path):
        return os.path.lexists(os.path.join(self.root, path))

    def files(self, below=""):
        """Path and text of every file."""
        found = {}
        for directory, _, names in os.walk(os.path.join(self.root, below)):
            for name in names:
                path = os.path.relpath(os.path.join(directory, name), self.root)
                found[path] = self.read(path)
        return found

    def moved(self, name):
        """A script of the image with its paths moved below the root."""
        with open(os.path.join(self.image, "scripts", name), encoding="utf-8") as stream:
            lines = [line for line in stream.read().splitlines() if not line.lstrip().startswith("#") or line.startswith("#!")]
        text = PATH.sub(lambda match: self.root + match.group(), "\n".join(lines) + "\n")
        left = [path for path in ANY_PATH.findall(text.replace(self.root, "%")) if path not in OUTSIDE]
        if left:
            # It would be the path of whoever runs the tests.
            raise AssertionError("%s names %s, which is outside the root" % (name, left))
        return text

    def run(self, name, **environment):
        """Status, output and the calls that were made. name: below scripts/."""
        self.write("var/lib/image-build/lib.sh", self.moved("lib.sh"))
        script = os.path.join(self.work, os.path.basename(name))
        with open(script, "w", encoding="utf-8") as stream:
            stream.write(self.moved(name))
        open(self.log, "w", encoding="utf-8").close()
        env = dict(environment, PATH=os.path.join(self.work, "bin"), ROOT=self.root, LC_ALL="C")
        done = subprocess.run([shutil.which("bash"), script], cwd=self.work, env=env, check=False, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        with open(self.log, encoding="utf-8") as stream:
            calls = stream.read().splitlines()
        return done.returncode, done.stdout, calls
