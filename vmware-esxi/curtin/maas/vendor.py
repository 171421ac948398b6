"""MAAS's vendor-data as commands and files. Pure, Python 3.5 and later.

The deploy hook has turned the YAML into a dictionary: ESXi has no YAML.
"""

NTP_CONF = "/etc/ntp.conf"
VCENTER_FILE = "/altbootbank/maas/vcenter.yaml"


def ntp_servers(data):
    ntp = data.get("ntp") or {}
    return list(ntp.get("servers") or []) + list(ntp.get("pools") or [])


def ntp(servers, version):
    """(commands, text for ntp.conf or None). ESXi before 7 has no `esxcli system ntp`."""
    if not servers:
        return [], None
    if version >= (7,):
        words = ["esxcli", "system", "ntp", "set", "--enabled=true"]
        return [words + ["--server=" + server for server in servers]], None
    text = "".join("server %s\n" % server for server in servers)
    return [["esxcli", "network", "firewall", "ruleset", "set", "--ruleset-id=ntpClient", "--enabled=true"],
            ["/etc/init.d/ntpd", "restart"]], text


def files(data):
    """[(path, content)] of write_files, without the one that is for us, and warnings."""
    found, warnings = [], []
    for entry in data.get("write_files") or []:
        path = entry.get("path") or ""
        if path == VCENTER_FILE:
            continue
        if not path.startswith("/") or ".." in path.split("/"):
            warnings.append("write_files: %r is no absolute path" % path)
        elif entry.get("encoding"):
            warnings.append("write_files: %s has an encoding, which is not supported" % path)
        else:
            found.append((path, entry.get("content") or ""))
    return found, warnings
