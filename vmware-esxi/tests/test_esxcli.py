"""Parsers of ESXi's output: python3 -m unittest discover -s vmware-esxi/tests"""

import unittest

import harness
from harness import fixture

import esxcli

BOOT = "t10.ATA_____QEMU_HARDDISK___________________________QM00001_____________"


class Parsers(unittest.TestCase):
    def test_nics(self):
        self.assertEqual(esxcli.nics(fixture("nic-list.txt")), {
            "52:54:00:00:00:01": "vmnic0", "52:54:00:00:00:02": "vmnic1", "52:54:00:00:00:0a": "vmnic10"})

    def test_names(self):
        self.assertEqual(esxcli.names(fixture("interface-list.txt"), "Name"), ["vmk0", "vmk1"])
        self.assertEqual([name for name, _ in esxcli.stanzas(fixture("vswitch-list.txt"))], ["vSwitch0"])

    def test_search_domains(self):
        self.assertEqual(esxcli.search_domains("   DNSSearch Domains: maas, example.com\n"), ["maas", "example.com"])
        self.assertEqual(esxcli.search_domains("   DNSSearch Domains: \n"), [])

    def test_disks(self):
        found = esxcli.disks(fixture("device-list.txt"), fixture("capacity-list.txt"))
        self.assertEqual([disk["name"] for disk in found], [
            BOOT, "naa.5000c500a1b2c3d4", "t10.NVMe____INTEL_SSDPE2KX010T8_____________________PHLJ000000001P0FGN__"])
        self.assertEqual(found[0]["serials"], {"QM00001"})
        self.assertEqual(found[1]["serials"], {"S0000001"})  # only its vml name has it
        self.assertEqual(found[2]["serials"], {"PHLJ000000001P0FGN"})
        self.assertEqual((found[0]["size"], found[0]["block"]), (64 << 30, 512))

    def test_partition_tables(self):
        label, total, partitions = esxcli.partition_table(fixture("getptbl-6.txt"))
        self.assertEqual((label, total), ("gpt", 134217728))
        self.assertEqual(sorted(partitions), [1, 2, 3, 5, 6, 7, 8, 9])
        self.assertEqual(partitions[3], (15472640, 67108830, esxcli.VMFS_GUID))
        self.assertEqual(esxcli.partition_table("Error: Can't have a partition outside the disk!\n"), (None, 0, {}))

    def test_boot_device(self):
        self.assertEqual(esxcli.boot_device(fixture("bootbank.txt")), BOOT)
        self.assertIsNone(esxcli.boot_device("no such file"))

    def test_volumes(self):
        self.assertEqual(esxcli.volumes(fixture("extent-list.txt")), [("datastore1", BOOT, 3)])

    def test_nothing_is_no_error(self):
        for parser in (esxcli.nics, esxcli.stanzas, esxcli.table, esxcli.volumes, esxcli.block_sizes):
            self.assertFalse(parser(""), parser.__name__)
        self.assertEqual(esxcli.disks("", ""), [])


class Fixtures(unittest.TestCase):
    def test_each_says_where_it_comes_from(self):
        import os
        names = os.listdir(os.path.join(harness.HERE, "fixtures"))
        self.assertGreater(len(names), 8)
        for name in names:
            fixture(name)


if __name__ == "__main__":
    unittest.main()
