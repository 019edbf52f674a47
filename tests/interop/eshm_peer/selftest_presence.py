"""Heartbeats, staleness, the slave's way back, and deaths in the middle of a write, between processes."""

import os
import signal

from eshm_log import COMPLETED, STARTED
from eshm_peer import EshmPeer, MasterStale, Timeout, read_log
from selftest_support import PeerTest

NEVER = 1 << 30  # ticks, for a master in this process
ENDLESS = ("--attempts", 0, "--reconnect-wait", 0)


class Presence(PeerTest):
    def threaded(self, role, version="2", **options):
        self.events = []
        peer = EshmPeer(self.name, role, version, on_event=lambda event, **fields: self.events.append((event, fields)),
                        **options)
        self.addCleanup(peer.abandon)
        return peer

    def test_heartbeats_count_and_a_peer_that_never_came_is_stale(self):
        for version in ("2", "3"):
            self.name = self.new_name()
            master = self.threaded("master", version, stale_threshold_ms=1000)
            self.assertTrue(master.alive())
            self.await_that(lambda: self.events)
            self.assertFalse(master.alive())
            self.assertEqual(self.events, [("stale", {"heartbeat": 0})])
            before = self.dump()["master_heartbeat"]
            self.await_that(lambda: self.dump()["master_heartbeat"] > before + 50)
            slave = self.threaded("slave", version)
            self.await_that(lambda: master.alive())
            self.assertTrue(slave.alive())

    def test_the_creators_threshold_counts(self):
        master = self.threaded("master", stale_threshold_ms=30000)
        slave = self.threaded("slave", stale_threshold_ms=1)
        beats = self.dump()["slave_heartbeat"]
        self.await_that(lambda: self.dump()["slave_heartbeat"] > beats + 300)
        master.abandon()
        beats = self.dump()["slave_heartbeat"]
        self.await_that(lambda: self.dump()["slave_heartbeat"] > beats + 300)
        self.assertTrue(slave.alive())  # one tick would be enough for its own

    def test_no_heartbeat_looks_dead(self):
        self.serve("master", "2", "--no-heartbeat", "--stop-file", self.file("stop"))
        slave = self.start("serve", "slave", self.name, "--attempts", 2, "--retry", 10, "--read")
        slave.line("stale")
        self.assertEqual(slave.line("gave_up")["attempts"], 2)
        self.assertEqual(slave.end()["state"], "given_up")

    def test_giving_up_by_attempts_and_by_time(self):
        for options, attempts in (({"attempts": 3, "retry_ms": 20, "reconnect_wait_ms": 0}, 3),
                                  ({"attempts": 0, "retry_ms": 50, "reconnect_wait_ms": 120}, 3),
                                  ({"attempts": 2, "retry_ms": 5, "disconnect": "never"}, 2)):
            for version in ("2", "3"):
                self.name = self.new_name()
                self.peer("master", version, stale_threshold_ms=20)
                slave = self.threaded("slave", version, **options)
                self.await_that(lambda: slave.presence.state == "given_up")
                self.await_that(lambda: self.events[-1][0] == "gave_up")
                self.assertEqual(self.events[-1][1]["attempts"], attempts)
                for call in (lambda: slave.read(1000), lambda: slave.read(0), lambda: slave.write(b"late")):
                    self.assertRaises(Timeout, call)
                self.assertEqual(slave.stats()["code"], -14)
                self.assertFalse(slave.alive())

    def test_immediately_stays_mapped_and_says_stale(self):
        self.peer("master", stale_threshold_ms=20)
        slave = self.threaded("slave", disconnect="immediately")
        self.await_that(lambda: slave.presence.state == "stopped")
        self.assertRaises(MasterStale, slave.read, 0)
        slave.write(b"still mapped")
        self.assertEqual(self.dump()["s2m"]["write_count"], 1)
        for thread in slave.presence.threads:
            thread.join()
        self.name = self.new_name()
        master = self.threaded("master", disconnect="immediately", stale_threshold_ms=20)
        self.await_that(lambda: not master.alive())
        self.assertRaises(MasterStale, master.read, 1000)

    def test_a_slave_returns_to_a_master_that_takes_over(self):
        for version in ("2", "3"):
            self.name = self.new_name()
            first = self.serve("master", version, "--write-count", 100000, "--rate", 1000, "--stale", 300)
            slave = self.serve("slave", version, *ENDLESS, "--read", "--stop-file", self.file("stop"), "--each")
            slave.line("read")
            os.kill(first.pid, signal.SIGKILL)
            slave.line("stale")
            second = self.serve("master", version, "--write-count", 100000, "--rate", 1000, "--writer", 2)
            self.assertEqual((second.ready["taken_over"], second.ready["generation"]), (True, 2))
            self.assertEqual(slave.line("reconnected")["generation"], 2)
            while slave.line("read")["writer"] != 2:
                pass
            self.file("stop").touch()
            self.assertGreaterEqual(slave.end()["reconnects"], 1)
            self.file("stop").unlink()
            second.stop()

    def test_a_slave_returns_to_a_new_segment(self):
        """Version 2 keeps its baseline, and is silent until the old count is passed; version 3 is not."""
        for version, silent in (("2", True), ("3", False)):
            self.name = self.new_name()
            first = self.peer("master", version)
            slave = self.threaded("slave", version, attempts=0, reconnect_wait_ms=0, retry_ms=10)
            self.assertRaises(Timeout, slave.read, 1)
            for _ in range(5):
                first.write(b"first")
            slave.baseline = 5
            self.await_that(lambda: slave.mapping is None)
            first.close()
            self.assertFalse(self.exists())
            second = self.threaded("master", version, stale_threshold_ms=NEVER)
            self.await_that(lambda: slave.reconnects == 1 and slave.alive())
            self.assertEqual(self.dump()["slave_alive"], 1)
            self.assertRaises(Timeout, slave.read, 1)
            second.write(b"second")
            if silent:
                for _ in range(4):
                    self.assertRaises(Timeout, slave.read, 20)
                    second.write(b"up to the fifth")
                self.assertRaises(Timeout, slave.read, 20)
                second.write(b"sixth")
                self.assertEqual(slave.read(1000), b"sixth")
            else:
                self.assertEqual(slave.read(1000), b"second")
            slave.abandon()

    def test_a_slave_refuses_whatever_else_it_finds_again(self):
        self.peer("master", stale_threshold_ms=20).abandon()
        slave = self.threaded("slave", attempts=0, reconnect_wait_ms=0, retry_ms=5)
        self.await_that(lambda: slave.mapping is None)
        os.unlink("/dev/shm/eshm_" + self.name)
        self.place(bytes(8576))
        self.await_that(lambda: slave.presence.attempts > 20)
        self.assertEqual(slave.reconnects, 0)
        os.truncate("/dev/shm/eshm_" + self.name, 0)
        self.await_that(lambda: slave.presence.crash is not None)
        self.assertRaisesRegex(Exception, "SIGBUS", slave.read, 0)


class Deaths(PeerTest):
    # step: what the channel's sequence, data_size, write_count and wake_seq (of version 3) are then
    LEFT = {"odd": (3, 64, 1, 1), "half_data": (3, 64, 1, 1), "data": (3, 64, 1, 1), "size": (3, 32, 1, 1),
            "even": (4, 32, 1, 1), "write_count": (4, 32, 2, 1), "wake_seq": (4, 32, 2, 2)}

    def test_every_step_of_a_write(self):
        for version in ("2", "3"):
            for step, (sequence, size, writes, wakes) in self.LEFT.items():
                if version == "2" and step == "wake_seq":
                    continue
                self.name = self.new_name()
                self.peer("master", version).write(b"x" * 64)
                self.peer("slave", version)
                log = self.file("log")
                self.serve("master", version, "--write-count", 5, "--sizes", 32, "--log", log, "--die-in-write",
                           f"0:{step}").end(code=-9)
                found = self.dump()["m2s"]
                self.assertEqual((found["sequence"], found["data_size"], found["write_count"], found["wake_seq"]),
                                 (sequence, size, writes, wakes if version == "3" else 0), step)
                self.assertEqual([record[:4] for record in read_log(log)], [(STARTED, 32, 1, 0)])

    def test_what_was_completed_is_in_the_log(self):
        log = self.file("log")
        self.serve("master", "2", "--write-count", 99, "--sizes", "0:50", "--seed", 3, "--log", log, "--die-in-write",
                   "7:even").end(code=-9)
        numbers = [(record.kind, record.number) for record in read_log(log)]
        expected = [(kind, number) for number in range(8) for kind in (STARTED, COMPLETED)]
        self.assertEqual(numbers, expected[:-1])

    def test_a_stopped_master_is_stale_until_it_goes_on(self):
        for version, step in (("2", "even"), ("3", "half_data")):
            self.name = self.new_name()
            stop = self.file("stop")
            slave_options = (*ENDLESS, "--read", "--stop-file", stop)
            self.peer("master", version, stale_threshold_ms=300).abandon()
            slave = self.serve("slave", version, *slave_options)
            slave.line("stale")
            master = self.serve("master", version, "--write-count", -1, "--rate", 500, "--stop-in-write",
                                f"150:{step}", "--stop-file", stop)
            slave.line("reconnected")
            self.await_that(lambda: self.state_of(master.pid) == "T")
            slave.line("stale")
            os.kill(master.pid, signal.SIGCONT)
            slave.line("reconnected")
            before = self.dump()["m2s"]["read_count"]
            self.await_that(lambda: self.dump()["m2s"]["read_count"] > before)
            stop.touch()
            self.assertGreater(master.end()["completed"], 150)
            self.assertEqual((slave.end()["torn"], slave.seen[-1]["disorder"]), (0, 0))
            stop.unlink()

    @staticmethod
    def state_of(pid):
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0]

    def test_version_2_would_spin_behind_the_next_master(self):
        master = self.peer("master", stale_threshold_ms=NEVER)
        master.write(b"x" * 32)  # a baseline that version 2 keeps
        slave = self.serve("slave", "2", "--read", "--spin-limit", 0.1)
        slave.line("reading")
        master.write(b"x" * 32, "half_data")
        self.peer("master").write(b"y" * 32)
        slave.line("would_spin")
        report = slave.end(code=5)
        self.assertEqual((report["event"], report.get("reads")), ("done", 0), slave.seen)

    def test_inverted_parity_is_for_ever(self):
        self.serve("master", "2", "--invert-parity", "--write-count", 10, "--no-cleanup").end()
        found = self.dump()["m2s"]
        self.assertEqual((found["sequence"], found["write_count"]), (21, 10))
        self.assertEqual(len(self.dump()["problems"]), 1)
