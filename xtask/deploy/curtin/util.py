"""Processes, files and the chroot."""

import errno
import os
import shutil
import subprocess
import tempfile

from curtin import missing
from curtin.log import LOG
from curtin.paths import target_path


# For `logstring`: mounts of the chroot would drown everything else.
QUIET = "quiet"


class ProcessExecutionError(IOError):
    """A command that ended with an exit code that is not success."""

    def __init__(self, stdout=None, stderr=None, exit_code=None, cmd=None, description=None, reason=None):
        self.stdout, self.stderr = stdout or "", stderr or ""
        self.exit_code, self.cmd = exit_code, cmd
        self.description, self.reason = description, reason
        tail = (self.stderr or self.stdout or "").strip()[-1500:]
        super().__init__(f"{reason or 'command failed'}: {cmd} exited with {exit_code}\n{tail}".rstrip())


def subp(args, data=None, rcs=None, env=None, capture=False, combine_capture=False,
         shell=False, logstring=False, decode="replace", target=None, update_env=None,
         stdin=None, cwd=None, retries=None, unshare_pid=None, log_captured=False, **_other):
    """Run a command, in the chroot `target` if given. Returns (stdout, stderr)."""
    if isinstance(args, str):
        args, shell = (["sh", "-c", args], False) if target else (args, shell)
    else:
        args = [os.fspath(a) if not isinstance(a, bytes) else a for a in args]
    root = target_path(target)
    if root != "/":
        args = ["chroot", root, *args]
    env = dict(os.environ if env is None else env)
    env.update(update_env or {})
    if root != "/":
        # The chroot's programs must not import the stand-in.
        env.pop("PYTHONPATH", None)
    if logstring != QUIET:
        LOG.debug("run %s", logstring or args)
    pipe = subprocess.PIPE if capture or combine_capture else None
    err = subprocess.STDOUT if combine_capture else pipe
    if isinstance(data, str):
        data = data.encode()
    where = {"stdin": stdin} if data is None else {}
    try:
        done = subprocess.run(args, input=data, stdout=pipe, stderr=err, env=env, shell=shell,
                              cwd=cwd, check=False, **where)
    except OSError as error:
        raise ProcessExecutionError(cmd=args, reason=str(error), exit_code="-") from error
    text = [part.decode(errors=decode or "replace") if part is not None and decode else part
            for part in (done.stdout, done.stderr)]
    if done.returncode not in (rcs or [0]):
        raise ProcessExecutionError(text[0], text[1], done.returncode, args)
    return text[0], text[1]


def load_command_environment(env=None, strict=False):
    """The state that the installer hands to commands and hooks in the environment."""
    env = os.environ if env is None else env
    names = {
        "scratch": "WORKING_DIR",
        "fstab": "OUTPUT_FSTAB",
        "interfaces": "OUTPUT_INTERFACES",
        "config": "CONFIG",
        "target": "TARGET_MOUNT_POINT",
        "network_state": "OUTPUT_NETWORK_STATE",
        "network_config": "OUTPUT_NETWORK_CONFIG",
        "report_stack_prefix": "CURTIN_REPORTSTACK",
    }
    absent = [name for name in names.values() if name not in env]
    if strict and absent:
        raise KeyError(f"missing environment variables: {absent}")
    return {key: env.get(name) for key, name in names.items()}


def is_uefi_bootable():
    """Whether the running (ephemeral) system was started by UEFI firmware."""
    return os.path.exists("/sys/firmware/efi")


def ensure_dir(path, mode=None):
    """Create a directory and its parents."""
    os.makedirs(path, exist_ok=True)
    if mode is not None:
        os.chmod(path, mode)


def write_file(filename, content, mode=0o644, omode="w"):
    """Write a file with its parents and mode."""
    ensure_dir(os.path.dirname(filename) or ".")
    with open(filename, omode) as stream:
        stream.write(content)
    os.chmod(filename, mode)


def load_file(path, read_len=None, offset=0, decode=True):
    """Content of a file."""
    with open(path, "rb") as stream:
        stream.seek(offset)
        content = stream.read(-1 if read_len is None else read_len)
    return content.decode(errors="replace") if decode else content


def del_file(path):
    """Delete a file that may not be there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def is_exe(fpath):
    """A regular file with a run bit for us."""
    return os.path.isfile(fpath) and os.access(fpath, os.X_OK)


def which(program, search=None, target=None):
    """Path of a program inside the target, or None."""
    if "/" in program:
        return program if is_exe(target_path(target, program)) else None
    for folder in search or ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]:
        path = os.path.join(folder, program)
        if is_exe(target_path(target, path)):
            return path
    return None


def is_mounted(target, src=None, opts=None):
    """Whether something is mounted exactly there."""
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as stream:
        return any(line.split()[1] == os.path.abspath(target) for line in stream)


def do_mount(src, target, opts=None):
    """Mount unless it is; True if we did."""
    if is_mounted(target):
        return False
    ensure_dir(target)
    subp(["mount", *([opts] if opts else []), src, target], logstring=QUIET)
    return True


def do_umount(mountpoint, recursive=False, private=False):
    """Unmount."""
    subp(["umount", *(["-R"] if recursive else []), mountpoint], logstring=QUIET)


class ChrootableTarget:
    """The target with /dev, /proc, /run, /sys (and efivars) and a resolver.

    Package scripts are kept from starting daemons by policy-rc.d.
    """

    def __init__(self, target, allow_daemons=False, sys_resolvconf=True, mounts=None):
        self.target = target_path(target)
        self.allow_daemons = allow_daemons
        self.sys_resolvconf = sys_resolvconf
        self.mounts = list(mounts) if mounts is not None else ["/dev", "/proc", "/run", "/sys"]
        if mounts is None and is_uefi_bootable():
            self.mounts.append("/sys/firmware/efi/efivars")
        self._undo = []

    def __enter__(self):
        try:
            for source in self.mounts:
                place = self.path(source)
                if do_mount(source, place, opts="--bind"):
                    self._undo.append(lambda place=place: do_umount(place))
            if self.target != "/":
                if not self.allow_daemons:
                    self._deny_daemons()
                self._lend_resolver()
        except BaseException:
            self._restore()
            raise
        return self

    def _deny_daemons(self):
        policy = self.path("/usr/sbin/policy-rc.d")
        if os.path.exists(policy):
            return
        write_file(policy, "#!/bin/sh\nexit 101\n", mode=0o755)
        self._undo.append(lambda: del_file(policy))

    def _lend_resolver(self):
        own = self.path("/etc/resolv.conf")
        if not os.path.isdir(os.path.dirname(own)):
            return
        keep = tempfile.mkdtemp(dir=os.path.dirname(own))
        saved = os.path.join(keep, "resolv.conf")
        if os.path.lexists(own):
            os.rename(own, saved)

        def give_back():
            if self.sys_resolvconf:
                del_file(own)
                if os.path.lexists(saved):
                    os.rename(saved, own)
            shutil.rmtree(keep)

        self._undo.append(give_back)
        shutil.copy("/etc/resolv.conf", own)

    def _restore(self):
        while self._undo:
            self._undo.pop()()

    def __exit__(self, etype, value, trace):
        subp(["udevadm", "settle"], rcs=[0, 1], logstring=QUIET)
        self._restore()

    def subp(self, *args, **kwargs):
        """Run a command in the chroot."""
        kwargs["target"] = self.target
        return subp(*args, **kwargs)

    def path(self, path):
        """A path of the target as seen from outside."""
        return target_path(self.target, path)


class RunInChroot(ChrootableTarget):
    """A ChrootableTarget that is called like a function."""

    def __call__(self, args, **kwargs):
        if isinstance(args, str):
            args = ["sh", "-c", args]
        return self.subp(args, **kwargs)


def run_hook_if_exists(target, hook):
    """Run /curtin/HOOK of the target here, outside the chroot, if it is there."""
    path = target_path(target, "/curtin/" + hook)
    if not os.path.isfile(path):
        return False
    LOG.debug("running %s", path)
    try:
        subp([path])
    except ProcessExecutionError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno == errno.EACCES:
            raise ProcessExecutionError(
                cmd=[path], reason="the hook has no run bit (chmod 0755)", exit_code=126) from error
        raise
    return True


def load_os_release(content):
    """Keys and unquoted values of an os-release file."""
    pairs = (line.split("=", 1) for line in content.splitlines()
             if "=" in line and not line.lstrip().startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def sanitize_source(source):
    """A source as a mapping of type and uri; the type is the prefix, else tgz."""
    if isinstance(source, dict):
        return source
    known = ("tgz", "dd-tgz", "tbz", "dd-tbz", "txz", "dd-txz", "dd-tar", "dd-bz2", "dd-gz",
             "dd-xz", "dd-raw", "fsimage", "fsimage-layered")
    for kind in known:
        if source.startswith(kind + ":"):
            return {"type": kind, "uri": source[len(kind) + 1:]}
    return {"type": "tgz", "uri": source}


def get_dd_images(sources):
    """URIs of the sources that are whole disks."""
    clean = [sanitize_source(source) for source in (sources or {}).values()]
    return [source["uri"] for source in clean if source["type"].startswith("dd-")]


def get_platform_arch():
    """Architecture of the running system as Debian names it."""
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def __getattr__(name):
    raise missing("util", name)
