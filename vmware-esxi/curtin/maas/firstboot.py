"""First start of ESXi on a machine that MAAS deployed. Python 3.5 and later.

Network and storage as MAAS wants them, SSH keys, host name, time servers,
vCenter; then the user-data, whose retrieval makes the machine Deployed in MAAS.
The credentials are removed whatever happened.
"""

import json
import os
import shutil
import subprocess
import sys
import traceback
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import esxcli  # noqa: E402
import metadata  # noqa: E402
import network  # noqa: E402
import storage  # noqa: E402
import vcenter  # noqa: E402
import vendor  # noqa: E402

KEYS_FILE = "/etc/ssh/keys-root/authorized_keys"
ESX_CONF = "/etc/vmware/esx.conf"


def log(message):
    print("maas: %s" % message, flush=True)


def run(argv, text=None, required=True, secret=False):
    """Runs a program; returns what it prints."""
    if not secret:
        log("+ " + " ".join(argv))
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               universal_newlines=True)
    out, _ = process.communicate(text or "")
    if process.returncode and required:
        raise RuntimeError("%s ended with %d: %s" % (argv[0] if secret else " ".join(argv), process.returncode, out.strip()))
    return out


def output(argv):
    return run(argv, required=False)


def release():
    """Version as numbers, such as (8, 0, 2)."""
    return tuple(int(part) for part in os.uname().release.split(".") if part.isdigit())


def without_uuid(text):
    """esx.conf without the identity of the machine; ESXi then makes a new one."""
    return "".join(line for line in text.splitlines(True) if not line.startswith("/system/uuid"))


def new_identity():
    with open(ESX_CONF, encoding="utf-8") as stream:
        text = stream.read()
    with open(ESX_CONF, "w", encoding="utf-8") as stream:
        stream.write(without_uuid(text))
    run(["esxcli", "system", "uuid", "get"])


def access():
    """SSH and the shell, as the image's kickstart says."""
    for name, service in (("IMAGE_SSH", "ssh"), ("IMAGE_SHELL", "esx_shell")):
        if os.environ.get(name) == "yes":
            run(["vim-cmd", "hostsvc/enable_" + service])
            run(["vim-cmd", "hostsvc/start_" + service])


def set_network(config):
    nics = esxcli.nics(output(["esxcli", "network", "nic", "list"]))
    commands, warnings = network.plan(config, nics)
    if not commands:
        raise RuntimeError("the network configuration sets up nothing: " + "; ".join(warnings))
    for argv in network.current(output):
        run(argv, required=False)
    for argv in commands:
        run(argv)
    for warning in warnings:
        log("warning: " + warning)


def table_of(disk):
    _, total, partitions = esxcli.partition_table(output(["partedUtil", "getptbl", disk["path"]]))
    try:
        usable = esxcli.usable_sectors(output(["partedUtil", "getUsableSectors", disk["path"]]))
    except ValueError:
        usable = (2048, total - 34)  # no table yet: GPT keeps 33 sectors at the end
    return {"partitions": partitions, "usable": usable}


def set_storage(config, version):
    disks = esxcli.disks(output(["esxcli", "storage", "core", "device", "list"]),
                         output(["esxcli", "storage", "core", "device", "capacity", "list"]))
    boot = esxcli.boot_device(output(["vmkfstools", "-P", "/bootbank"]))
    for disk in disks:
        if disk["name"] == boot:
            # The copy of the table must be at the end before sectors are counted.
            run(["partedUtil", "fixGpt", disk["path"]], "Y\n", required=False)
    machine = {"disks": disks, "boot": boot, "version": version, "states": {d["name"]: table_of(d) for d in disks},
               "volumes": esxcli.volumes(output(["esxcli", "storage", "vmfs", "extent", "list"]))}
    commands, warnings = storage.plan(config, machine)
    for argv, text, required in commands:
        run(argv, text, required)
    for warning in warnings:
        log("warning: " + warning)


def set_keys(client):
    keys = client.get("latest/meta-data/public-keys").decode("utf-8").strip()
    if keys:
        with open(KEYS_FILE, "a", encoding="utf-8") as stream:
            stream.write(keys + "\n")


def set_name(client):
    name = client.get("latest/meta-data/local-hostname").decode("utf-8").strip()
    if name:
        run(["esxcli", "system", "hostname", "set", "--fqdn=" + name])
    return name


def write_new(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "x", encoding="utf-8") as stream:
        stream.write(content)


def set_vendor(data, version):
    commands, text = vendor.ntp(vendor.ntp_servers(data), version)
    if text:
        with open(vendor.NTP_CONF, "a", encoding="utf-8") as stream:
            stream.write(text)
    for argv in commands:
        run(argv)
    found, warnings = vendor.files(data)
    for path, content in found:
        write_new(path, content)
    for warning in warnings:
        log("warning: " + warning)


def addresses(name):
    """The host's name and addresses, in the order vCenter shall try them."""
    found = [name] if name else []
    for version, key in (("ipv4", "IPv4 Address"), ("ipv6", "Address")):
        text = output(["esxcli", "network", "ip", "interface", version, "address" if version == "ipv6" else "get"]
                      + (["list"] if version == "ipv6" else []))
        found += [row[key] for row in esxcli.table(text) if row.get(key)]
    return [a for a in found if a not in ("0.0.0.0", "::1") and not a.lower().startswith("fe80:")]


def join_vcenter(values, name):
    """vCenter needs an administrator of this host, once: a temporary one, because root's
    password is not known. It is gone when this returns."""
    found = vcenter.settings(values)
    if found is None:
        return None
    user, password = "maas-join", "Aa1!" + uuid.uuid4().hex
    run(["esxcli", "system", "account", "add", "--id=" + user, "--password=" + password,
         "--password-confirmation=" + password], secret=True)
    try:
        run(["esxcli", "system", "permission", "set", "--id=" + user, "--role=Admin"])
        return vcenter.register(found, addresses(name), user, password)
    finally:
        run(["esxcli", "system", "account", "remove", "--id=" + user], required=False)


def run_user_data(client):
    """The request makes the machine Deployed, so it is the last one."""
    text = client.get("latest/user-data").decode("utf-8", "replace")
    kind, interpreter = metadata.parse_user_data(text)
    if kind == "script":
        path = os.path.join(HERE, "user-data")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        # ESXi 8 runs nothing by its path that no package brought.
        run([sys.executable if "python" in interpreter else "/bin/sh", path])
    elif kind != "none":
        log("warning: user-data is %s, and ESXi can run scripts only" % kind)


class Steps:
    """Runs steps, remembers failures, tells MAAS about both."""

    def __init__(self, client):
        self.client = client
        self.failed = []

    def do(self, name, step, *args, **options):
        log("== " + name)
        try:
            value = step(*args)
        except Exception as error:  # a failed step must not keep the others from running
            traceback.print_exc(file=sys.stdout)
            self.failed.append(name)
            self.tell(name, "FAIL", str(error), options)
            return None
        self.tell(name, "SUCCESS", "", options)
        return value

    def tell(self, name, result, detail, options):
        if options.get("silent"):
            return  # there is no network yet
        problem = self.client.report("esxi/" + name, ("%s %s" % (name, detail)).strip(), result=result, origin="esxi")
        if problem:
            log(problem)


def load(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as stream:
        return json.load(stream)


def deploy():
    config = load("curtin.json")
    version = release()
    client = metadata.Client(metadata.Credentials(config.get("reporting") or {}))
    steps = Steps(client)
    steps.do("identity", new_identity, silent=True)
    steps.do("access", access, silent=True)
    steps.do("network", set_network, config, silent=True)
    # The installer's firewall lets only known clients out.
    run(["esxcli", "network", "firewall", "set", "--enabled=false"], required=False)
    try:
        steps.do("storage", set_storage, config, version)
        steps.do("ssh-keys", set_keys, client)
        name = steps.do("hostname", set_name, client)
        data = steps.do("vendor-data", load, "vendor.json", silent=True) or {}
        steps.do("vendor-data", set_vendor, data, version)
        steps.do("vcenter", join_vcenter, data.get("vcenter"), name)
        steps.do("user-data", run_user_data, client)
    finally:
        run(["esxcli", "network", "firewall", "set", "--enabled=true"], required=False)
    return steps.failed


def main():
    failed = ["start"]
    try:
        failed = deploy()
    except Exception:  # the log is all there is
        traceback.print_exc(file=sys.stdout)
    finally:
        shutil.rmtree(HERE, ignore_errors=True)
        # The settings are in memory until they are saved.
        if os.path.exists("/sbin/auto-backup.sh"):
            run(["/bin/sh", "/sbin/auto-backup.sh"], required=False)
    if failed:
        log("FAILED: " + ", ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
