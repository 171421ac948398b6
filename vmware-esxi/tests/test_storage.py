"""Storage configurations as commands. Configurations are synthetic, shaped like those MAAS sends."""

import unittest

from harness import fixture

import esxcli
import storage

DISKS = esxcli.disks(fixture("device-list.txt"), fixture("capacity-list.txt"))
BOOT, SAS, NVME = [disk["name"] for disk in DISKS]
BOOT_PATH = "/vmfs/devices/disks/" + BOOT
USABLE = (34, 134217694)
EMPTY = {"partitions": {}, "usable": (34, 1953525134)}


def machine(table="getptbl-7.txt", version=(8, 0, 2), volumes=()):
    partitions = esxcli.partition_table(fixture(table))[2]
    return {"disks": DISKS, "boot": BOOT, "version": version, "volumes": list(volumes),
            "states": {BOOT: {"partitions": partitions, "usable": USABLE}, SAS: EMPTY, NVME: EMPTY}}


def disk(identifier, **more):
    return dict({"type": "disk", "id": identifier, "ptable": "gpt", "wipe": "superblock"}, **more)


def partition(identifier, device, number, size):
    return {"type": "partition", "id": identifier, "device": device, "number": number, "size": "%dB" % size}


def store(name, *devices):
    return {"type": "vmfs6", "id": "id-" + name, "name": name, "devices": list(devices)}


def lines(config, state):
    commands, warnings = storage.plan({"storage": {"version": 1, "config": config}}, state)
    return [" ".join(argv) for argv, _, _ in commands], warnings


BOOT_DISK = disk("sda", serial="QM00001", grub_device=True)


class Default(unittest.TestCase):
    def test_esxi_7_gets_a_datastore_of_the_rest(self):
        found, _ = lines([BOOT_DISK], machine())
        self.assertEqual(found, [
            "partedUtil fixGpt " + BOOT_PATH,
            "partedUtil add %s gpt 8 67108864 134217694 %s 0" % (BOOT_PATH, esxcli.VMFS_GUID),
            "vmkfstools --createfs vmfs6 --setfsname datastore1 %s:8" % BOOT_PATH])

    def test_esxi_6_grows_what_it_has(self):
        found, _ = lines([BOOT_DISK], machine("getptbl-6.txt", (6, 7, 0), esxcli.volumes(fixture("extent-list.txt"))))
        self.assertEqual(found[1:], [
            "partedUtil resize %s 3 15472640 134217694" % BOOT_PATH,
            "vmkfstools --growfs %s:3 %s:3" % (BOOT_PATH, BOOT_PATH)])


class Place(unittest.TestCase):
    def test_behind_the_last_partition_whatever_the_order_of_the_list(self):
        state = {"partitions": {3: (5000, 9999, "x"), 8: (2048, 4095, "x")}, "usable": (34, 1000000)}
        self.assertEqual(storage.place(DISKS[0], state, 1 << 20), (10240, 12287))

    def test_never_behind_the_end_of_the_disk(self):
        state = {"partitions": {}, "usable": (34, 1000000)}
        self.assertEqual(storage.place(DISKS[0], state, 10 << 30), (2048, 1000000))


class Layout(unittest.TestCase):
    def test_vmfs7_keeps_the_number_and_size_of_maas(self):
        config = [BOOT_DISK, partition("sda-part1", "sda", 1, 105 << 20), partition("sda-part7", "sda", 7, 25 << 30),
                  partition("sda-part8", "sda", 8, 10 << 30), store("datastore1", "sda-part8")]
        found, warnings = lines(config, machine())
        self.assertEqual(warnings, [])
        self.assertIn("partedUtil add %s gpt 8 67108864 %d %s 0" % (BOOT_PATH, 67108864 + (10 << 21) - 1, esxcli.VMFS_GUID), found)
        self.assertIn("vmkfstools --createfs vmfs6 --setfsname datastore1 %s:8" % BOOT_PATH, found)
        # ESXi's own partitions stay.
        self.assertFalse([line for line in found if "mklabel" in line or " gpt 1 " in line or " gpt 7 " in line])

    def test_vmfs6_replaces_esxis_own_datastore(self):
        config = [BOOT_DISK, partition("sda-part3", "sda", 3, 50 << 30), store("datastore1", "sda-part3")]
        found, _ = lines(config, machine("getptbl-6.txt", (6, 7, 0), esxcli.volumes(fixture("extent-list.txt"))))
        self.assertEqual(found[1:3], ["esxcli storage filesystem unmount --volume-label=datastore1",
                                      "partedUtil delete %s 3" % BOOT_PATH])
        self.assertEqual(len([line for line in found if " gpt 3 " in line]), 1)

    def test_two_disks_one_store(self):
        config = [BOOT_DISK, disk("sdb", serial="S0000001"), disk("nvme0n1", serial="PHLJ000000001P0FGN"),
                  partition("sdb-part1", "sdb", 1, 100 << 30), partition("n-part1", "nvme0n1", 1, 100 << 30),
                  store("data", "sdb-part1", "n-part1")]
        commands, _ = storage.plan({"version": 1, "config": config}, machine())
        found = [" ".join(argv) for argv, _, _ in commands]
        self.assertEqual(len([line for line in found if line.startswith("partedUtil mklabel")]), 2)
        span = next(entry for entry in commands if "--spanfs" in entry[0])
        self.assertEqual(span[0][2:], ["/vmfs/devices/disks/%s:1" % NVME, "/vmfs/devices/disks/%s:1" % SAS])
        self.assertEqual(span[1], "0\n")

    def test_two_partitions_of_one_disk(self):
        config = [BOOT_DISK, disk("sdb", serial="S0000001"), partition("p1", "sdb", 1, 10 << 30),
                  partition("p2", "sdb", 2, 10 << 30), store("a", "p1"), store("b", "p2")]
        found, _ = lines(config, machine())
        adds = [line.split() for line in found if line.startswith("partedUtil add /vmfs/devices/disks/naa")]
        self.assertEqual([(row[4], row[5]) for row in adds], [("1", "2048"), ("2", str(2048 + (10 << 21)))])
        self.assertEqual(len([line for line in found if "mklabel" in line]), 1)

    def test_an_empty_disk_gets_a_gpt(self):
        """Whatever MAAS calls its table: the type of VMFS is a GUID."""
        config = [BOOT_DISK, disk("sdb", serial="S0000001", ptable="msdos"), partition("p1", "sdb", 1, 10 << 30), store("a", "p1")]
        found, _ = lines(config, machine())
        self.assertIn("partedUtil mklabel /vmfs/devices/disks/%s gpt" % SAS, found)

    def test_wipe_zero_writes_before_the_label(self):
        config = [BOOT_DISK, disk("sdb", serial="S0000001", wipe="zero"), partition("p1", "sdb", 1, 10 << 30), store("a", "p1")]
        found, _ = lines(config, machine())
        order = [index for index, line in enumerate(found) if "/dev/zero" in line or "mklabel" in line]
        self.assertEqual(order, sorted(order))
        self.assertEqual(len(order), 2)

    def test_a_store_on_a_disk_that_is_not_there(self):
        config = [BOOT_DISK, disk("sdz", serial="NOPE"), partition("p1", "sdz", 1, 1 << 30), store("a", "p1")]
        with self.assertRaisesRegex(storage.StorageError, "no disk for p1"):
            storage.plan({"version": 1, "config": config}, machine())

    def test_a_full_disk(self):
        config = [BOOT_DISK, partition("p8", "sda", 8, 1 << 30), store("a", "p8")]
        full = machine()
        full["states"][BOOT]["partitions"][7] = (16986112, USABLE[1], "x")
        with self.assertRaisesRegex(storage.StorageError, "no room"):
            storage.plan({"version": 1, "config": config}, full)


class Matching(unittest.TestCase):
    def test_by_what(self):
        for item, expected in [
            ({"serial": "S0000001"}, [SAS]),
            ({"serial": "s0000001 "}, [SAS]),
            ({"serial": "x", "wwn": "0x5000c500a1b2c3d4"}, [SAS]),
            ({"serial": "PHLJ000000001P0FGN"}, [NVME]),
            ({"serial": ""}, []),
            ({"serial": None, "path": "/dev/sdb"}, []),
            ({"serial": False}, []),
            ({"serial": "QM0000"}, []),  # a part of one is none
        ]:
            found = [known["name"] for known in DISKS if storage.matches(item, known)]
            self.assertEqual(found, expected, item)

    def test_the_boot_disk_is_the_one_we_run_from_whatever_its_serial(self):
        found, warnings = storage.find_disks([disk("sda", serial="other", grub_device=True), disk("sdb", serial="QM00001")],
                                             DISKS, BOOT)
        self.assertEqual({name: entry["name"] for name, entry in found.items()}, {"sda": BOOT})
        self.assertEqual(len(warnings), 1)

    def test_false_grub_device(self):
        found, _ = storage.find_disks([disk("sdb", serial="S0000001", grub_device=False)], DISKS, BOOT)
        self.assertEqual(found["sdb"]["name"], SAS)


if __name__ == "__main__":
    unittest.main()
