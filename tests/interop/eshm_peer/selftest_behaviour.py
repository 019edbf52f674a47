"""What each version does when it enters, reads and writes, with both sides in this process and no threads."""

import os
import stat
import struct

import eshm_native as native
import eshm_segment as segment
from eshm_peer import (BufferTooSmall, InvalidParameter, NoData, NotInitialised, Refused, Timeout, WouldCrash,
                       WouldSpin, layout, object_path)
from selftest_support import PeerTest

WAKE_WORDS = (128 + 4120, 128 + 4124, 4352 + 4120, 4352 + 4124)


class Entering(PeerTest):
    def test_names(self):
        for name, expected in (("robot", "eshm_robot"), ("a/b/c", "eshm_a_b_c"), ("/a", "eshm__a"),
                               ("n" * 300, "eshm_" + "n" * 249)):
            self.assertEqual(object_path(name), "/dev/shm/" + expected)

    def test_the_umask_applies(self):
        for mask, mode in ((0o022, 0o644), (0, 0o666), (0o077, 0o600)):
            self.name = self.new_name()
            before = os.umask(mask)
            try:
                self.peer("master")
            finally:
                os.umask(before)
            self.assertEqual(stat.S_IMODE(os.stat(object_path(self.name)).st_mode), mode)

    def test_a_master_takes_over_or_begins_anew(self):
        first = self.peer("master")
        first.write(b"kept")
        again = self.peer("master")
        self.assertEqual((again.creator, again.taken_over), (True, False))
        self.assertEqual(self.dump()["m2s"]["write_count"], 0)
        slave = self.peer("slave")
        again.write(b"kept")
        native.add_64(again.mapping.address + segment.MASTER_HEARTBEAT, 5)
        heir = self.peer("master")
        self.assertEqual((heir.creator, heir.taken_over), (False, True))
        found = self.dump()
        self.assertEqual((found["master_generation"], found["master_heartbeat"]), (2, 0))
        self.assertEqual((found["m2s"]["write_count"], found["m2s"]["data"]), (1, b"kept".hex()))
        slave.close()
        self.assertEqual(self.dump()["slave_alive"], 0)

    def test_auto_is_the_slave_even_of_a_dead_master(self):
        first = self.peer("auto")
        self.assertEqual(first.role, "master")
        first.abandon()
        self.assertEqual(self.peer("auto").role, "slave")
        self.assertEqual(self.dump()["master_generation"], 1)

    def test_a_slave_needs_a_segment(self):
        self.assertRaises(Refused, self.peer, "slave")

    def test_versions(self):
        for creator, slave, welcome in (("2", "2", True), ("3", "3", True), ("3", "2", True), ("2", "3", False)):
            self.name = self.new_name()
            self.peer("master", creator)
            if welcome:
                self.peer("slave", slave)
            else:
                self.assertRaisesRegex(Refused, "version 2", self.peer, "slave", slave)

    def test_a_master_of_version_3_and_a_segment_of_version_2(self):
        self.peer("master")
        self.peer("master", "3")
        self.assertEqual((self.dump()["version"], self.dump()["layout_size"]), (3, 8576))
        self.name = self.new_name()
        self.peer("master")
        self.peer("slave")
        self.assertRaises(Refused, self.peer, "master", "3")
        self.assertEqual(self.dump()["master_generation"], 1)

    def test_other_sizes(self):
        self.peer("master", "3", max_size=4096)
        self.assertRaisesRegex(Refused, "layout_size", self.peer, "slave", "3", max_size=8192)
        self.assertRaises(WouldCrash, self.peer, "slave", "2", max_size=8192)
        small = self.peer("slave", "2", max_size=64)  # finds its counters elsewhere, and dies of nothing
        small.write(b"lost")
        self.assertEqual(self.dump()["s2m"]["write_count"], 0)

    def test_half_made_segments(self):
        self.place(b"")
        for role in ("slave", "master", "auto"):
            self.assertRaises(WouldCrash, self.peer, role)
        self.place(bytes(8576))
        self.assertRaisesRegex(Refused, "magic", self.peer, "slave")
        self.assertEqual(self.peer("master").creator, True)

    def test_destroy(self):
        master, slave = self.peer("master"), self.peer("slave")
        slave.close()
        self.assertEqual((self.dump()["master_alive"], self.dump()["slave_alive"]), (1, 0))
        master.close()
        self.assertFalse(self.exists())
        first = self.peer("master", auto_cleanup=False)
        self.peer("slave")
        self.peer("master").close()  # a takeover never unlinks
        self.assertEqual(self.dump()["master_alive"], 0)
        first.close()
        self.assertTrue(self.exists())


class Reading(PeerTest):
    def pair(self, master="2", slave="2", **options):
        return self.peer("master", master, **options), self.peer("slave", slave, **options)

    def read_all(self, peer):
        try:
            return peer.read(0)
        except NoData:
            return None

    def test_what_was_written_before_the_first_read_is_never_delivered(self):
        for version in ("2", "3"):
            self.name = self.new_name()
            master, slave = self.pair(version, version)
            master.write(b"early")
            self.assertIsNone(self.read_all(slave))
            master.write(b"later")
            self.assertEqual(slave.read(0), b"later")

    def test_only_version_2_takes_the_baseline_again_while_it_is_0(self):
        for version, expected in (("2", None), ("3", b"first")):
            self.name = self.new_name()
            master, slave = self.pair(version, version)
            self.assertIsNone(self.read_all(slave))
            master.write(b"first")
            self.assertEqual(self.read_all(slave), expected)
            master.write(b"second")
            self.assertEqual(self.read_all(slave), b"second")

    def test_the_latest_counts_and_the_rest_is_lost(self):
        master, slave = self.pair("3", "3")
        self.read_all(slave)
        for number in range(5):
            master.write(b"%d" % number)
        self.assertEqual((slave.read(0), slave.conflated), (b"4", 4))
        self.assertEqual((self.read_all(slave), slave.stats()["m2s_read_count"]), (None, 1))

    def test_a_message_is_known_by_write_count(self):
        master, slave = self.pair("3", "3")
        self.read_all(slave)
        master.write(b"one")
        master.write(b"two", "even")  # write_count trails
        self.assertEqual(slave.read(0), b"two")
        self.assertIsNone(self.read_all(slave))
        native.add_64(master.mapping.address + master.write_offset() + master.where.counters, 1)
        self.assertEqual((slave.read(0), slave.conflated), (b"two", 0))

    def test_sizes_and_codes(self):
        master, slave = self.pair("3", "3")
        self.read_all(slave)
        for data in (b"", b"x" * 4096):
            master.write(data)
            self.assertEqual(slave.read(0), data)
        for error, code, call in ((BufferTooSmall, -13, lambda: master.write(b"x" * 4097)),
                                  (InvalidParameter, -1, lambda: master.write(None)),
                                  (NoData, -9, lambda: slave.read(0)), (Timeout, -10, lambda: slave.read(5))):
            with self.assertRaises(error) as raised:
                call()
            self.assertEqual(raised.exception.code, code)
        master.write(b"long")
        self.assertRaises(BufferTooSmall, slave.read, 0, capacity=3)
        self.assertEqual(slave.read(0, capacity=4), b"long")
        slave.abandon()
        self.assertRaises(NotInitialised, slave.read, 0)
        self.assertEqual(slave.stats()["code"], -14)

    def test_a_writer_that_died_inside_inverts_the_parity(self):
        master, slave = self.pair("2", "2", spin_limit=0.05)
        self.read_all(slave)
        master.write(b"one")
        self.assertEqual(self.read_all(slave), None)
        for step in ("odd", "half_data", "data", "size"):
            master.write(b"two", step)
            self.assertEqual(self.dump()["m2s"]["sequence"] % 2, 1)
            self.assertIsNone(self.read_all(slave))  # nothing unread, so version 2 does not look
            master.write(b"three")
            self.assertEqual(self.dump()["m2s"]["sequence"] % 2, 1)
            self.assertRaises(WouldSpin, slave.read, 0)
            master.invert_parity()
            self.assertEqual(slave.read(0), b"three")

    def test_version_3_waits_100_ms_for_an_odd_sequence(self):
        master, slave = self.pair("3", "3")
        self.read_all(slave)
        master.write(b"one")
        master.write(b"two", "half_data")
        self.assertRaises(NoData, slave.read, 0)
        self.assertRaises(Timeout, slave.read, 150)
        master.write(b"three")
        self.assertRaises(Timeout, slave.read, 150)  # odd at rest

    def test_both_directions(self):
        master, slave = self.pair("3", "2")
        for reader in (master, slave):
            self.read_all(reader)
        master.write(b"down 0")
        slave.write(b"up 0")
        self.read_all(slave)
        self.assertEqual(master.read(0), b"up 0")
        self.assertEqual((self.dump()["m2s"]["data"], self.dump()["s2m"]["data"]), (b"down 0".hex(), b"up 0".hex()))


class Words(PeerTest):
    def test_version_2_never_touches_the_wake_words(self):
        master, slave = self.peer("master", "3"), self.peer("slave")
        for offset in WAKE_WORDS:
            native.store_32(master.mapping.address + offset, 0xA5A5A5A5)
        slave.write(b"up")
        slave.write(b"up")
        self.assertRaises(NoData, slave.read, 0)
        self.assertRaises(Timeout, slave.read, 20)
        content = self.content()
        for offset in WAKE_WORDS:
            self.assertEqual(struct.unpack_from("<I", content, offset), (0xA5A5A5A5,))

    def test_version_3_counts_wake_seq_and_takes_waiters_back(self):
        master, slave = self.peer("master", "3"), self.peer("slave", "3")
        for _ in range(3):
            master.write(b"down")
        self.assertRaises(Timeout, slave.read, 120)
        found = self.dump()["m2s"]
        self.assertEqual((found["wake_seq"], found["waiters"], found["write_count"]), (3, 0, 3))
        master.write(b"down", "write_count")
        self.assertEqual(self.dump()["m2s"]["wake_seq"], 3)

    def test_stats(self):
        master, slave = self.peer("master"), self.peer("slave")
        master.write(b"one")
        native.add_64(master.mapping.address + segment.MASTER_HEARTBEAT, 7)
        found = slave.stats()
        self.assertEqual((found["master_heartbeat"], found["master_heartbeat_delta"], found["m2s_write_count"],
                          found["master_pid"], found["stale_threshold"]), (7, 7, 1, os.getpid(), 100))
        self.assertEqual(slave.stats()["master_heartbeat_delta"], 0)
        self.assertTrue(slave.alive())  # without threads always

    def test_a_layout_is_not_stored(self):
        self.assertEqual(layout(4089).total, layout(4096).total)
