"""The target's distribution and its packages. Installing is for the debian family only."""

import os
from collections import namedtuple

from curtin import missing, util
from curtin.log import LOG
from curtin.paths import target_path

_FAMILIES = {
    "debian": ("debian", "ubuntu"),
    "redhat": ("centos", "fedora", "ol", "redhat", "rhel", "rocky", "almalinux", "mariner"),
    "suse": ("opensuse", "sles", "suse"),
}
_NAMES = sorted({name for names in _FAMILIES.values() for name in names} | set(_FAMILIES))
DISTROS = namedtuple("Distros", _NAMES)(*_NAMES)
DistroInfo = namedtuple("DistroInfo", ("variant", "family"))


def os_release(target=None):
    """/etc/os-release of the target as a mapping."""
    path = target_path(target, "/etc/os-release")
    return util.load_os_release(util.load_file(path)) if os.path.exists(path) else {}


def get_distroinfo(target=None):
    """Variant and family by ID, then by ID_LIKE."""
    release = os_release(target)
    for name in [release.get("ID", ""), *release.get("ID_LIKE", "").split()]:
        for family, members in _FAMILIES.items():
            if name == family or name in members:
                return DistroInfo(name, family)
    raise ValueError(f"unknown distribution: ID={release.get('ID')} ID_LIKE={release.get('ID_LIKE')}")


def get_distro(target=None):
    """Variant of the target."""
    return get_distroinfo(target).variant


def get_osfamily(target=None):
    """Family of the target."""
    return get_distroinfo(target).family


def lsb_release(target=None):
    """What `lsb_release --all` says; every value UNAVAILABLE without the tool."""
    keys = {"Codename": "codename", "Description": "description",
            "Distributor ID": "id", "Release": "release"}
    try:
        text, _ = util.subp(["lsb_release", "--all"], capture=True, target=target)
    except util.ProcessExecutionError as error:
        LOG.warning("cannot run lsb_release: %s", error)
        return {value: "UNAVAILABLE" for value in keys.values()}
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {keys[key]: value.strip() for key, value in pairs if key in keys}


def get_architecture(target=None, osfamily=None):
    """Debian's name of the target's architecture."""
    text, _ = util.subp(["dpkg", "--print-architecture"], capture=True, target=target)
    return text.strip()


def get_installed_packages(target=None):
    """Names of the installed packages."""
    if not util.which("dpkg-query", target=target):
        with util.ChrootableTarget(target) as chroot:
            text, _ = chroot.subp(["rpm", "-qa", "--queryformat", "ii %{NAME} %{VERSION}-%{RELEASE}\\n"], capture=True)
        return {line.split()[1] for line in text.splitlines() if line.startswith("ii ")}
    form = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package}\n"]
    text, _ = util.subp(form, capture=True, target=target)
    rows = (line.split() for line in text.splitlines())
    # hi: installed and held, as a pinned kernel is.
    return {row[-1].split(":")[0] for row in rows if row and row[0].startswith(("ii", "hi"))}


def has_pkg_installed(pkg, target=None):
    """Whether dpkg has it installed."""
    return pkg in get_installed_packages(target)


def installed_version(pkg, target=None):
    """Version of an installed package. Of the stand-in only."""
    form = ["dpkg-query", "--show", "--showformat=${Version}\n", pkg]
    text, _ = util.subp(form, capture=True, target=target)
    return text.split("\n", 1)[0]


def has_pkg_available(pkg, target=None, osfamily=None):
    """Whether apt knows it."""
    text, _ = util.subp(["apt-cache", "pkgnames", pkg], capture=True, target=target)
    return pkg in text.split()


_UPDATED = set()


def apt_update(target=None, env=None, force=False, **_other):
    """Refresh the package lists in the chroot, once per process."""
    if target in _UPDATED and not force:
        return
    with util.ChrootableTarget(target) as chroot:
        chroot.subp(["apt-get", "--quiet", "update"], env=_apt_env(env))
    _UPDATED.add(target)


def _apt_env(env):
    env = dict(os.environ if env is None else env)
    env["DEBIAN_FRONTEND"] = "noninteractive"
    return env


def run_apt_command(mode, args=None, opts=None, env=None, target=None, execute=True,
                    allow_daemons=False, **_other):
    """apt-get update, then apt-get MODE with the options an installer uses."""
    command = ["apt-get", "--quiet", "--assume-yes", "--option=Dpkg::options::=--force-unsafe-io",
               "--option=Dpkg::Options::=--force-confold", *(opts or []), mode, *(args or [])]
    if not execute:
        return _apt_env(env), command
    apt_update(target, env=env)
    with util.ChrootableTarget(target, allow_daemons=allow_daemons) as chroot:
        return chroot.subp(command, env=_apt_env(env))


def install_packages(pkglist, osfamily=None, opts=None, target=None, env=None,
                     allow_daemons=False, **_other):
    """Install packages in the target from its own repositories."""
    packages = [pkglist] if isinstance(pkglist, str) else list(pkglist)
    if get_osfamily(target) != "debian":
        raise missing("distro", "install_packages for this family")
    return run_apt_command("install", packages, opts, env, target, allow_daemons=allow_daemons)


def fstab_header():
    """First line of a written fstab."""
    return "# /etc/fstab: written at deployment by a stand-in for curtin (deploy-test)"


def __getattr__(name):
    raise missing("distro", name)
