"""Network configurations as commands. Configurations are synthetic, shaped like those MAAS sends."""

import unittest

from harness import fixture

import esxcli
import network

NICS = esxcli.nics(fixture("nic-list.txt"))


def physical(number, *subnets, **more):
    mac = "52:54:00:00:00:%02x" % number
    return dict({"type": "physical", "id": "eth%d" % number, "name": "eth%d" % number, "mac_address": mac,
                 "mtu": 1500, "subnets": list(subnets) or [{"type": "manual"}]}, **more)


STATIC = {"type": "static", "address": "10.0.0.21/24", "gateway": "10.0.0.1"}


def plan(*items):
    commands, warnings = network.plan({"version": 1, "config": list(items)}, NICS)
    return [" ".join(argv[2:]) for argv in commands], warnings


class Commands(unittest.TestCase):
    def test_static(self):
        commands, warnings = plan(physical(1, STATIC), {"type": "nameserver", "address": ["10.0.0.2"], "search": ["maas"]})
        self.assertEqual(warnings, [])
        self.assertEqual(commands, [
            "vswitch standard add --vswitch-name=vSwitch0",
            "vswitch standard set --vswitch-name=vSwitch0 --mtu=1500",
            "vswitch standard uplink add --vswitch-name=vSwitch0 --uplink-name=vmnic0",
            "vswitch standard portgroup add --vswitch-name=vSwitch0 --portgroup-name=eth1",
            "ip interface add --interface-name=vmk0 --portgroup-name=eth1 --mtu=1500 --mac-address=52:54:00:00:00:01",
            "ip interface ipv4 set --interface-name=vmk0 --type=static --ipv4=10.0.0.21 --netmask=255.255.255.0",
            "ip route ipv4 add --network=default --gateway=10.0.0.1",
            "ip dns server add --server=10.0.0.2",
            "ip dns search add --domain=maas",
        ])

    def test_ipv6_has_its_prefix(self):
        commands, _ = plan(physical(1, {"type": "static", "address": "2001:db8::21/64", "gateway": "2001:db8::1"}))
        self.assertIn("ip interface ipv6 address add --interface-name=vmk0 --ipv6=2001:db8::21/64", commands)
        self.assertIn("ip route ipv6 add --network=default --gateway=2001:db8::1", commands)

    def test_kinds_of_dhcp(self):
        for kind, four, six in [("dhcp", True, True), ("dhcp4", True, False), ("dhcp6", False, True)]:
            text = "\n".join(plan(physical(1, {"type": kind}))[0])
            self.assertIs("--type=dhcp" in text, four, kind)
            self.assertIs("--enable-dhcpv6=true" in text, six, kind)

    def test_aliases_get_an_interface_each_and_one_mac(self):
        commands, _ = plan(physical(1, STATIC, {"type": "static", "address": "10.0.1.21/24"}))
        text = "\n".join(commands)
        self.assertIn("--interface-name=vmk1 --portgroup-name=eth1:1", text)
        self.assertEqual(text.count("--mac-address"), 1)

    def test_manual_and_unknown_cards(self):
        commands, warnings = plan(physical(1), physical(7, STATIC))
        self.assertEqual(commands, [])
        self.assertIn("52:54:00:00:00:07", warnings[0])

    def test_vmnic1_is_not_vmnic10(self):
        commands, _ = plan(physical(10, STATIC))
        self.assertIn("--uplink-name=vmnic10", commands[2])

    def test_no_mtu(self):
        text = "\n".join(plan(physical(1, STATIC, mtu=None))[0])
        self.assertNotIn("mtu", text)

    def test_routes(self):
        routes = [{"destination": "192.168.0.0/16", "gateway": "10.0.0.254", "metric": 0},
                  {"destination": "192.168.0.0/16", "gateway": "10.0.0.254"}, {"gateway": "10.0.0.9"}]
        commands, warnings = plan(physical(1, dict(STATIC, routes=routes)))
        self.assertEqual(commands.count("ip route ipv4 add --network=192.168.0.0/16 --gateway=10.0.0.254"), 1)
        self.assertEqual(len(warnings), 1)

    def test_version_2_is_refused(self):
        with self.assertRaisesRegex(ValueError, "version 2"):
            network.plan({"network": {"version": 2, "ethernets": {}}}, NICS)


class Bonds(unittest.TestCase):
    def bond(self, mode, **more):
        return dict({"type": "bond", "id": "bond0", "name": "bond0", "mac_address": "52:54:00:00:00:02", "mtu": 9000,
                     "bond_interfaces": ["eth1", "eth2"], "params": {"bond-mode": mode}, "subnets": [STATIC]}, **more)

    def test_policies(self):
        for mode, policy, warned in [
            ("balance-rr", "--load-balancing=portid --active-uplinks=vmnic1,vmnic0", False),
            ("active-backup", "--load-balancing=explicit --active-uplinks=vmnic1 --standby-uplinks=vmnic0", False),
            ("802.3ad", "--load-balancing=iphash --active-uplinks=vmnic1,vmnic0", True),
            ("no-such-mode", "--load-balancing=portid --active-uplinks=vmnic1,vmnic0", True),
        ]:
            with self.subTest(mode=mode):
                commands, warnings = plan(physical(1), physical(2), self.bond(mode))
                self.assertIn("vswitch standard policy failover set --vswitch-name=vSwitch0 " + policy, commands)
                self.assertIs(bool(warnings), warned)
                # Whatever the mode, the host gets its address.
                self.assertTrue([line for line in commands if "--ipv4=10.0.0.21" in line])

    def test_order_of_items_does_not_matter(self):
        items = [physical(1), physical(2), self.bond("active-backup")]
        self.assertEqual(plan(*items), plan(*reversed(items)))

    def test_a_missing_member(self):
        commands, warnings = plan(physical(1), physical(7), self.bond("active-backup", bond_interfaces=["eth1", "eth7"]))
        self.assertIn("eth7", warnings[0])
        self.assertTrue([line for line in commands if "--ipv4=" in line])


class Vlans(unittest.TestCase):
    VLAN = {"type": "vlan", "id": "eth1.7", "name": "eth1.7", "vlan_link": "eth1", "vlan_id": 7, "mtu": 1500,
            "subnets": [{"type": "static", "address": "10.7.0.2/24"}]}

    def test_on_a_card_with_an_address_it_shares_the_switch(self):
        text = "\n".join(plan(physical(1, STATIC), self.VLAN)[0])
        self.assertIn("portgroup set --portgroup-name=eth1.7 --vlan-id=7", text)
        self.assertEqual(text.count("vswitch standard add"), 1)

    def test_on_a_card_without_one(self):
        text = "\n".join(plan(self.VLAN, physical(1))[0])
        self.assertEqual(text.count("uplink add"), 1)
        self.assertIn("--vlan-id=7", text)

    def test_a_bridge_is_a_port_group_for_machines(self):
        bridge = {"type": "bridge", "id": "br0", "name": "br0", "bridge_interfaces": ["eth2"], "subnets": []}
        commands, _ = plan(physical(2), bridge)
        self.assertIn("vswitch standard portgroup add --vswitch-name=vSwitch0 --portgroup-name=br0 VM", commands)


class Wipe(unittest.TestCase):
    def test_what_is_there_goes(self):
        says = {"interface": fixture("interface-list.txt"), "vswitch": fixture("vswitch-list.txt"),
                "dns": "   DNSSearch Domains: old.example\n"}

        def run(argv):
            return next(text for word, text in says.items() if word in argv)

        self.assertEqual([argv[2:] for argv in network.current(run)], [
            ["ip", "interface", "remove", "--interface-name=vmk0"], ["ip", "interface", "remove", "--interface-name=vmk1"],
            ["vswitch", "standard", "remove", "--vswitch-name=vSwitch0"],
            ["ip", "dns", "search", "remove", "--domain=old.example"], ["ip", "dns", "server", "remove", "--all"]])


if __name__ == "__main__":
    unittest.main()
