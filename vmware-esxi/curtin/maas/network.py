"""MAAS's network configuration, version 1, as esxcli commands. Pure, Python 3.5 and later.

Every interface with an address gets a VMkernel interface on a port group of its
own. Interfaces without one are left to virtual machines. A bridge becomes a
port group for virtual machines.
"""

import ipaddress

import esxcli

BOND_POLICIES = {"balance-rr": "portid", "active-backup": "explicit", "802.3ad": "iphash",
                 "balance-xor": "iphash", "balance-tlb": "portid", "balance-alb": "portid"}


def net(*words):
    return ["esxcli", "network"] + list(words)


def section(config):
    """The `network` section of a whole configuration, or the section itself."""
    found = config.get("network", config)
    if found.get("version") != 1:
        raise ValueError("network configuration has version %r, only 1 is known" % found.get("version"))
    return found.get("config") or []


def wipe(interfaces, switches, domains):
    """Commands that remove what the installer and earlier runs set up."""
    commands = [net("ip", "interface", "remove", "--interface-name=" + name) for name in interfaces]
    commands += [net("vswitch", "standard", "remove", "--vswitch-name=" + name) for name in switches]
    commands += [net("ip", "dns", "search", "remove", "--domain=" + name) for name in domains]
    return commands + [net("ip", "dns", "server", "remove", "--all")]


def addressed(subnets):
    return [subnet for subnet in subnets or [] if subnet.get("type") not in (None, "manual")]


def prefix_of(subnet):
    """The address with its prefix length, as an ipaddress interface."""
    address = subnet["address"]
    if "/" not in address and subnet.get("netmask"):
        address = "%s/%s" % (address, subnet["netmask"])
    return ipaddress.ip_interface(address)


class Plan:
    """Collects the commands for one machine."""

    def __init__(self, nics):
        self.nics = nics
        self.commands = []
        self.warnings = []
        self.macs = {}      # id of a physical interface: its MAC
        self.switches = {}  # id of an interface: its vSwitch
        self.vmks = 0
        self.routes = set()

    def add(self, *words):
        self.commands.append(net(*words))

    def warn(self, text):
        self.warnings.append(text)

    def nic(self, name):
        return self.nics.get((self.macs.get(name) or "").lower())

    def switch(self, name, uplinks, mtu):
        """A new vSwitch with these vmnics."""
        switch = "vSwitch%d" % len(set(self.switches.values()))
        self.switches[name] = switch
        self.add("vswitch", "standard", "add", "--vswitch-name=" + switch)
        if mtu:
            self.add("vswitch", "standard", "set", "--vswitch-name=" + switch, "--mtu=%d" % int(mtu))
        for uplink in uplinks:
            self.add("vswitch", "standard", "uplink", "add", "--vswitch-name=" + switch, "--uplink-name=" + uplink)
        return switch

    def port_group(self, name, switch, vlan):
        self.add("vswitch", "standard", "portgroup", "add", "--vswitch-name=" + switch, "--portgroup-name=" + name)
        if vlan:
            self.add("vswitch", "standard", "portgroup", "set", "--portgroup-name=" + name, "--vlan-id=%d" % int(vlan))

    def physical(self, item):
        self.macs[item["id"]] = item.get("mac_address")
        if not addressed(item.get("subnets")):
            return
        nic = self.nic(item["id"])
        if nic is None:
            self.warn("%s: no network card has the MAC %s" % (item["name"], item.get("mac_address")))
            return
        self.subnets(item, self.switch(item["id"], [nic], item.get("mtu")))

    def bond(self, item):
        params = item.get("params") or {}
        mode = params.get("bond-mode") or params.get("mode") or "active-backup"
        members = list(item.get("bond_interfaces") or [])
        # The member whose MAC the bond has comes first: it is the active one.
        mac = (item.get("mac_address") or "").lower()
        members.sort(key=lambda name: (self.macs.get(name) or "").lower() != mac)
        uplinks = [self.nic(name) for name in members]
        missing = [name for name, nic in zip(members, uplinks) if nic is None]
        if missing or not uplinks:
            self.warn("%s: no network card for %s" % (item["name"], ", ".join(missing) or "any member"))
        uplinks = [nic for nic in uplinks if nic]
        if not uplinks:
            return
        switch = self.switch(item["id"], uplinks, item.get("mtu"))
        self.policy(item["name"], switch, mode, uplinks)
        self.subnets(item, switch)

    def policy(self, name, switch, mode, uplinks):
        if mode not in BOND_POLICIES:
            self.warn("%s: ESXi has nothing like bond mode %s; packets go by port" % (name, mode))
        if mode == "802.3ad":
            self.warn("%s: standard switches cannot do LACP; the physical switch needs a static channel" % name)
        policy = BOND_POLICIES.get(mode, "portid")
        words = ["vswitch", "standard", "policy", "failover", "set", "--vswitch-name=" + switch,
                 "--load-balancing=" + policy]
        if policy == "explicit":
            words.append("--active-uplinks=" + uplinks[0])
            if uplinks[1:]:
                words.append("--standby-uplinks=" + ",".join(uplinks[1:]))
        else:
            words.append("--active-uplinks=" + ",".join(uplinks))
        self.add(*words)

    def parent_switch(self, item, parent):
        """The vSwitch of the interface below, which may have none so far."""
        if parent in self.switches:
            return self.switches[parent]
        nic = self.nic(parent)
        if nic is None:
            self.warn("%s: no network card for %s" % (item["name"], parent))
            return None
        return self.switch(parent, [nic], item.get("mtu"))

    def vlan(self, item):
        if not addressed(item.get("subnets")):
            return
        switch = self.parent_switch(item, item.get("vlan_link"))
        if switch:
            self.subnets(item, switch, item.get("vlan_id"))

    def bridge(self, item):
        for member in item.get("bridge_interfaces") or []:
            switch = self.parent_switch(item, member)
            if switch:
                self.switches[item["id"]] = switch
                self.port_group(item["name"] + " VM", switch, None)
                self.subnets(item, switch)
                return

    def subnets(self, item, switch, vlan=None):
        """One VMkernel interface per address; the first has the configured MAC."""
        for number, subnet in enumerate(addressed(item.get("subnets"))):
            group = item["name"] if number == 0 else "%s:%d" % (item["name"], number)
            self.port_group(group, switch, vlan)
            vmk = "vmk%d" % self.vmks
            self.vmks += 1
            words = ["ip", "interface", "add", "--interface-name=" + vmk, "--portgroup-name=" + group]
            if item.get("mtu"):
                words.append("--mtu=%d" % int(item["mtu"]))
            if number == 0 and item.get("mac_address"):
                words.append("--mac-address=" + item["mac_address"])
            self.add(*words)
            self.address(item["name"], vmk, subnet)
            self.more(subnet)

    def address(self, name, vmk, subnet):
        kind = subnet["type"]
        interface = "--interface-name=" + vmk
        if kind in ("static", "static4", "static6"):
            self.static(vmk, subnet)
        if kind in ("dhcp", "dhcp4"):
            self.add("ip", "interface", "ipv4", "set", interface, "--type=dhcp")
        if kind in ("dhcp", "dhcp6", "ipv6_dhcpv6-stateful", "ipv6_dhcpv6-stateless"):
            self.add("ip", "interface", "ipv6", "set", interface, "--enable-ipv6=true", "--enable-dhcpv6=true")
        if kind == "ipv6_slaac":
            self.add("ip", "interface", "ipv6", "set", interface, "--enable-ipv6=true", "--enable-router-adv=true")
        if not kind.startswith(("static", "dhcp", "ipv6_")):
            self.warn("%s: unknown type of address %s" % (name, kind))

    def static(self, vmk, subnet):
        address = prefix_of(subnet)
        interface = "--interface-name=" + vmk
        gateway = subnet.get("gateway")
        if address.version == 4:
            self.add("ip", "interface", "ipv4", "set", interface, "--type=static",
                     "--ipv4=%s" % address.ip, "--netmask=%s" % address.netmask)
        else:
            self.add("ip", "interface", "ipv6", "set", interface, "--enable-ipv6=true")
            self.add("ip", "interface", "ipv6", "address", "add", interface, "--ipv6=%s" % address.with_prefixlen)
        if gateway:
            self.route("default", gateway)

    def more(self, subnet):
        for route in subnet.get("routes") or []:
            target = route.get("destination") or route.get("network")
            if not target or not route.get("gateway"):
                self.warn("route %r has no destination or no gateway" % (route,))
                continue
            if "/" not in target and route.get("netmask"):
                target = "%s/%s" % (target, route["netmask"])
            self.route(str(ipaddress.ip_network(target, strict=False)), route["gateway"])

    def route(self, network, gateway):
        version = ipaddress.ip_address(gateway).version
        if (network, version) in self.routes:
            return
        self.routes.add((network, version))
        self.add("ip", "route", "ipv%d" % version, "add", "--network=" + network, "--gateway=" + gateway)

    def nameserver(self, item):
        for server in listed(item.get("address")):
            self.add("ip", "dns", "server", "add", "--server=" + server)
        for domain in listed(item.get("search")):
            self.add("ip", "dns", "search", "add", "--domain=" + domain)


def listed(value):
    return [value] if isinstance(value, str) else list(value or [])


def plan(config, nics):
    """(commands, warnings) for a configuration; nics: {MAC: vmnic}."""
    made = Plan(nics)
    items = section(config)
    # Bonds and VLANs may stand before what they are made of.
    order = {"physical": 0, "bond": 1, "vlan": 2, "bridge": 3, "nameserver": 4}
    # Ids and MACs of all cards first, also of those without an address.
    for item in items:
        if item.get("type") == "physical":
            made.macs[item["id"]] = item.get("mac_address")
    for item in sorted(items, key=lambda item: order.get(item.get("type"), 9)):
        handler = {"physical": made.physical, "bond": made.bond, "vlan": made.vlan, "bridge": made.bridge,
                   "nameserver": made.nameserver}.get(item.get("type"))
        if handler is None:
            made.warn("%s: interfaces of type %s are not set up" % (item.get("name", item.get("id")), item.get("type")))
        else:
            handler(item)
    return made.commands, made.warnings


def current(run):
    """Commands that remove what is there now; run(argv) gives a program's output."""
    interfaces = esxcli.names(run(net("ip", "interface", "list")), "Name")
    switches = [name for name, _ in esxcli.stanzas(run(net("vswitch", "standard", "list")))]
    return wipe(interfaces, switches, esxcli.search_domains(run(net("ip", "dns", "search", "list"))))
