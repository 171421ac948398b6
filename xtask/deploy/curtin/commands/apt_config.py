"""The `apt` and `debconf_selections` keys of the configuration."""

import glob
import os
import re

from curtin import config, distro, missing, util
from curtin.log import LOG
from curtin.paths import target_path

PRESERVE = "/etc/cloud/cloud.cfg.d/curtin-preserve-sources.cfg"
PROXY = "/etc/apt/apt.conf.d/90curtin-aptproxy"


def translate_old_apt_features(cfg):
    """Move keys of the old form below `apt`."""
    for old, new in (("apt_proxy", "proxy"), ("debconf_selections", "debconf_selections")):
        if cfg.get(old) is None:
            continue
        apt = cfg.setdefault("apt", {})
        if apt.get(new) is not None:
            raise ValueError(f"both `{old}` and `apt: {new}` are given")
        apt[new] = cfg.pop(old)


def apply_debconf_selections(cfg, target=None):
    """Preseed the target's debconf; reconfigure cloud-init if it was meant."""
    sets = cfg.get("debconf_selections")
    if not sets:
        return
    text = "\n".join(sets[key] for key in sorted(sets)) + "\n"
    # Credentials may be in it: standard input, captured output.
    util.subp(["debconf-set-selections"], data=text, target=target, capture=True,
              logstring="debconf-set-selections")
    meant = {re.split(r"[:\s]", line, maxsplit=1)[0]
             for line in text.splitlines() if line and not line.startswith("#")}
    if "cloud-init" in meant & distro.get_installed_packages(target):
        for stale in glob.glob(target_path(target, "/etc/cloud/cloud.cfg.d/*dpkg*")):
            util.del_file(stale)
        util.subp(["dpkg-reconfigure", "--frontend=noninteractive", "cloud-init"],
                  target=target, capture=True)


def handle_apt(cfg, target=None):
    """Debconf, sources unless preserved, proxy, additional sources."""
    release = distro.lsb_release(target)["codename"]
    apply_debconf_selections(cfg, target)
    if not config.value_as_boolean(cfg.get("preserve_sources_list", True)):
        _write_sources(cfg, release, target)
        preserve = config.dump_config({"apt": {"preserve_sources_list": True}})
        util.write_file(target_path(target, PRESERVE), preserve)
    if cfg.get("proxy"):
        util.write_file(target_path(target, PROXY), f'Acquire::http::Proxy "{cfg["proxy"]}";\n')
    for name, source in (cfg.get("sources") or {}).items():
        _add_source(name, source, release, target)


def _write_sources(cfg, release, target):
    template = cfg.get("sources_list")
    if template is None:
        LOG.warning("no sources_list in the configuration; the target's own stay")
        return
    primary = next((m["uri"] for m in cfg.get("primary", []) if "uri" in m), "")
    security = next((m["uri"] for m in cfg.get("security", []) if "uri" in m), primary)
    values = {"RELEASE": release, "MIRROR": primary, "PRIMARY": primary, "SECURITY": security}
    text = re.sub(r"\$(\w+)", lambda match: values.get(match[1], match[0]), template)
    path = target_path(target, "/etc/apt/sources.list")
    if os.path.exists(path):
        os.rename(path, path + ".curtin.orig")
    util.write_file(path, text)


def _add_source(name, source, release, target):
    name = source.get("filename", name)
    if source.get("key"):
        util.write_file(target_path(target, f"/etc/apt/trusted.gpg.d/{name}.asc"), source["key"])
    if source.get("source"):
        line = source["source"].replace("$RELEASE", release)
        util.write_file(target_path(target, f"/etc/apt/sources.list.d/{name}.list"), line + "\n")


def __getattr__(name):
    raise missing("commands.apt_config", name)
