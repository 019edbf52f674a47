"""Topics on ESHM channels beside the independent peer, which is one of the originals: both directions, whoever comes
first, and everything that can happen to the other side. Books are compared with the peer's own log.

SLUICE_ESHM_TOPIC_MESSAGES sets how many messages each side sends."""

import os
import signal
import unittest

from eshm_topic_support import COMPLETED, SIZES, STARTED, TopicTest, completed, count, numbers

MESSAGES = int(os.environ.get("SLUICE_ESHM_TOPIC_MESSAGES", "300"))
LAST = MESSAGES - 1
OURS, THEIRS = 7, 1  # writers
STEPS = {"2": ("odd", "half_data", "data", "size", "even", "write_count"),
         "3": ("odd", "half_data", "data", "size", "even", "write_count", "wake_seq")}
BEFORE_EVEN = STEPS["2"][:4]
TO = {"master": "/state", "slave": "/commands"}    # the topic that this side reads
FROM = {"master": "/commands", "slave": "/state"}  # and the one that it writes


class BothWays(TopicTest):
    """The peer writes and reads at once, and so do two nodes of ours."""

    def run_pair(self, role, version, peer_first, protocol):
        self.configure(protocol=protocol)
        peer_stop = self.file("peer-stop")
        options = ("--write-count", MESSAGES, "--rate", 1500, "--writer", THEIRS, "--read", "--stop-file", peer_stop,
                   "--start-file", self.file("start"))
        peer = self.peer_process(role, version, *options) if peer_first else None
        taker = self.taker(FROM[role])
        publisher = self.publisher(TO[role], OURS, "--count", MESSAGES, "--pause-ms", 0.5, "--start-file",
                                   self.file("start"), "--stop-file", self.file("enough"))
        peer = peer or self.peer_process(role, version, *options)
        peer.line("reading")
        self.file("start").touch()
        self.await_last(taker, THEIRS, LAST)
        self.await_that(lambda: completed(publisher.log) == MESSAGES)
        self.await_that(lambda: numbers(peer.log, writer=OURS)[-1:] == [LAST])
        report = self.end_taker(taker)
        self.assertEqual(report["joined"], 0)
        self.assertEqual(report["received"] + report["lost"], MESSAGES)
        self.assertEqual((report["disorder"], report["miscounted"]), (0, 0))
        self.file("enough").touch()
        self.assertEqual(publisher.end()["published"], MESSAGES)
        peer_stop.touch()
        theirs = peer.end()
        self.assertEqual((theirs["torn"], theirs["disorder"], theirs["completed"]), (0, 0, MESSAGES))
        # Version 2 does not know a baseline of 0 and takes it again, so the first ones may pass it by.
        self.assertEqual(theirs["reads"] + theirs["conflated"], theirs["baseline"] - theirs["joined"])
        self.assertEqual(theirs["baseline"], MESSAGES)
        self.assertNotIn("second_writer", taker.heard() + publisher.heard())
        # Ours went while their master lived, and a master that did not create the segment never removes it.
        self.assertEqual(self.exists(), role == "master" and not peer_first)


def add_pair(role, version, peer_first, protocol):
    def pair(self):
        self.run_pair(role, version, peer_first, protocol)
    order = "first" if peer_first else "second"
    setattr(BothWays, f"test_{role}_of_version_{version}_comes_{order}_protocol_{protocol}", pair)


for its_version in ("2", "3"):
    add_pair("master", its_version, True, its_version)  # its segment, so its protocol
    add_pair("master", its_version, False, "3")
    add_pair("slave", its_version, False, "3")
add_pair("slave", "2", False, "2")
add_pair("master", "2", False, "2")


class Misfortune(TopicTest):
    """What may happen to a peer that writes while a node of ours takes."""

    def writing(self, role, version, writer=THEIRS, *options):
        return self.peer_process(role, version, "--write-count", -1, "--rate", 1000, "--writer", writer, *options)

    def kill(self, peer):
        peer.process.kill()
        peer.process.wait()

    def check_killed_and_restarted(self, role, version):
        taker = self.taker(FROM[role])
        first = self.writing(role, version)
        self.assertIn(f"the {role} is alive (pid {first.pid}, generation ", taker.hear("liveliness_gained"))
        self.await_that(lambda: len(numbers(taker.log)) >= 50)
        self.kill(first)
        self.assertIn(f"the {role} is stale: its heartbeat has stood still for ", taker.hear("liveliness_lost"))
        self.await_that(lambda: self.dump()["m2s" if role == "master" else "s2m"]["sequence"] % 2 == 0)
        second = self.peer_process(role, version, "--write-count", MESSAGES, "--rate", 1500, "--writer", 2,
                                   "--stop-file", self.file("peer-stop"))
        self.assertIn(f"the {role} is alive (pid {second.pid}, generation ", taker.hear("liveliness_gained"))
        self.await_last(taker, 2, LAST)
        report = self.end_taker(taker)
        written = report["received"] + report["lost"]
        logs = (first.log, second.log)
        self.assertLessEqual(sum(map(completed, logs)), written)
        self.assertLessEqual(written, sum(count(log, STARTED) for log in logs))
        self.assertNotIn("segment_replaced", taker.heard())

    def test_a_master_is_killed_and_restarted(self):
        self.check_killed_and_restarted("master", "2")

    def test_a_master_of_version_3_is_killed_and_restarted(self):
        self.check_killed_and_restarted("master", "3")

    def test_a_slave_is_killed_and_restarted(self):
        self.check_killed_and_restarted("slave", "2")

    def test_a_slave_of_version_3_is_killed_and_restarted(self):
        self.check_killed_and_restarted("slave", "3")

    def test_a_stopped_peer_is_stale_and_comes_back(self):
        taker = self.taker("/commands")
        peer = self.writing("master", "3")
        taker.hear("liveliness_gained")
        os.kill(peer.pid, signal.SIGSTOP)
        self.assertIn(": the master is stale: its heartbeat has stood still for ", taker.hear("liveliness_lost"))
        before = len(numbers(taker.log))
        os.kill(peer.pid, signal.SIGCONT)
        self.assertIn(f": the master is alive (pid {peer.pid}, ", taker.hear("liveliness_gained"))
        self.await_that(lambda: len(numbers(taker.log)) > before + 10)
        report = self.end_taker(taker)
        self.assertEqual((report["disorder"], report["miscounted"]), (0, 0))

    # The segment is replaced

    def test_a_master_makes_our_segment_anew(self):
        for version in ("2", "3"):
            with self.subTest(version=version):
                self.check_made_anew(version)

    def check_made_anew(self, version):
        taker = self.taker("/state")  # on the master's side, so no slave is alive
        inode = os.stat(f"/dev/shm/eshm_{self.name}").st_ino
        master = self.peer_process("master", version, "--read", "--stop-file", self.file("peer-stop"))
        self.assertTrue(master.ready["creator"])
        self.assertNotEqual(os.stat(f"/dev/shm/eshm_{self.name}").st_ino, inode)
        self.assertIn("another program replaced its segment; moved to the new one", taker.hear("segment_replaced"))
        slave = self.peer_process("slave", version, "--write-count", MESSAGES, "--rate", 1500, "--stop-file",
                                  self.file("peer-stop"))
        self.await_last(taker, THEIRS, LAST)
        report = self.end_taker(taker)
        self.assertEqual(report["received"] + report["lost"], MESSAGES)
        self.assertEqual(self.dump()["master_pid"], master.pid)  # ours stayed passive
        self.file("peer-stop").touch()
        slave.end()
        master.end()
        self.file("peer-stop").unlink()
        self.assertFalse(self.exists())

    def check_exit_and_return(self, version):
        taker = self.taker("/commands")
        written = []
        for life in (1, 2, 3):
            master = self.peer_process("master", version, "--write-count", MESSAGES, "--rate", 3000, "--writer", life)
            master.end()
            written.append(completed(master.log))
            self.await_last(taker, life, LAST)
            self.assertTrue(self.exists())
        report = self.end_taker(taker)
        self.assertEqual(report["received"] + report["lost"], sum(written))
        self.assertFalse(self.exists())

    def test_a_master_exits_and_comes_back(self):
        self.check_exit_and_return("2")

    def test_a_master_of_version_3_exits_and_comes_back(self):
        self.check_exit_and_return("3")

    def test_a_creator_takes_its_segment_with_it_and_comes_back(self):
        """Its slave goes on for as long as it has not noticed, and what it writes meanwhile counts."""
        stop = self.file("master-stop")
        master = self.peer_process("master", "3", "--write-count", -1, "--rate", 500, "--read", "--stop-file", stop)
        commands, state = self.taker("/commands"), self.taker("/state")
        slave = self.peer_process("slave", "3", "--write-count", -1, "--rate", 2000, "--writer", 2, "--stop-file",
                                  self.file("slave-stop"))
        self.await_that(lambda: len(numbers(state.log)) >= 50 and len(numbers(commands.log)) >= 10)
        stop.touch()
        master.end()
        stop.unlink()
        commands.hear("segment_replaced")
        state.hear("segment_replaced")
        second = self.peer_process("master", "3", "--write-count", -1, "--rate", 500, "--writer", 3, "--read",
                                   "--stop-file", stop)
        slave.line("reconnected")
        before = completed(slave.log)
        self.await_that(lambda: len(numbers(commands.log, writer=3)) >= 10)
        self.await_that(lambda: completed(slave.log) > before + 50)
        self.file("slave-stop").touch()
        slave.end()
        self.await_that(lambda: numbers(state.log)[-1:] == numbers(slave.log, COMPLETED)[-1:])
        self.stop_file.touch()
        reports = [each.end() for each in (commands, state)]
        stop.touch()
        second.end()
        self.assertEqual(reports[1]["received"] + reports[1]["lost"] + reports[1]["joined"], completed(slave.log))
        self.assertEqual(reports[1]["miscounted"], 0)

    # Death inside a write

    def test_a_peer_dies_inside_a_write(self):
        for version, steps in STEPS.items():
            for step in steps:
                with self.subTest(version=version, step=step):
                    self.still_waiting()
                    self.check_death_inside(version, step)

    def still_waiting(self):
        signal.alarm(120)

    def check_death_inside(self, version, step):
        taker = self.taker("/commands")
        peer = self.peer_process("master", version, "--write-count", -1, "--rate", 1000, "--die-in-write", f"40:{step}")
        peer.process.wait()
        whole = 40 if step in BEFORE_EVEN else 41
        self.assertEqual(completed(peer.log), 40)
        if step in BEFORE_EVEN:  # whether the message before it was taken in time is a matter of luck
            self.assertIn("a write has been in progress for longer than 100 ms", taker.hear("writer_interrupted"))
        else:
            self.await_last(taker, THEIRS, whole - 1)
        publisher = self.publisher("/commands", OURS, "--count", MESSAGES, "--pause-ms", 0.2)
        publisher.end()
        self.await_last(taker, OURS, LAST)
        report = self.end_taker(taker)
        self.assertEqual(report["received"] + report["lost"] + report["joined"], whole + MESSAGES)
        self.assertEqual(taker.heard().count("writer_interrupted"), step in BEFORE_EVEN)
        self.assertFalse(self.exists())

    def test_the_original_goes_on_after_its_own_death_inside_a_write(self):
        """It inverts the parity for ever; then counts are approximate, but messages are whole and in order."""
        for version in ("2", "3"):
            with self.subTest(version=version):
                taker = self.taker("/commands")
                peer = self.peer_process("master", version, "--write-count", -1, "--rate", 1000, "--die-in-write",
                                         "40:half_data")
                peer.process.wait()
                second = self.peer_process("master", version, "--write-count", -1, "--rate", 200, "--writer", 2)
                self.await_that(lambda log=taker.log: len(numbers(log, writer=2)) > 20)
                self.stop_file.touch()
                report = taker.end()
                self.stop_file.unlink()
                self.assertEqual((report["torn"], report["disorder"]), (0, 0))
                self.kill(second)


class Beside(TopicTest):
    def test_a_subscription_leaves_a_living_slave_its_presence(self):
        for version in ("2", "3"):
            with self.subTest(version=version):
                publisher = self.publisher("/commands", OURS, "--count", MESSAGES, "--pause-ms", 0.5, "--start-file",
                                           self.file("start"), "--stop-file", self.file("enough"))
                peer = self.peer_process("slave", version, "--read", "--stop-file", self.file("peer-stop"))
                peer.line("reading")
                taker = self.taker("/commands")
                self.file("start").touch()
                self.await_last(taker, OURS, LAST)
                self.await_that(lambda log=peer.log: numbers(log)[-1:] == [LAST])
                self.assertEqual((self.dump()["slave_pid"], self.dump()["slave_alive"]), (peer.pid, 1))
                self.file("peer-stop").touch()
                theirs = peer.end()
                self.assertEqual((theirs["torn"], theirs["reads"] + theirs["conflated"]), (0, MESSAGES))
                self.await_that(lambda pid=taker.pid: self.dump()["slave_pid"] == pid)
                self.assertEqual(self.dump()["slave_alive"], 1)
                report = self.end_taker(taker)
                self.assertEqual(report["received"] + report["lost"], MESSAGES)
                self.file("enough").touch()
                self.assertEqual(publisher.end()["published"], MESSAGES)
                self.assertFalse(self.exists())
                for name in ("start", "enough", "peer-stop"):
                    self.file(name).unlink()

    def test_a_publisher_is_refused_beside_a_living_master(self):
        peer = self.peer_process("master", "3", "--write-count", -1, "--rate", 500)
        refused = self.publisher("/commands", OURS, ready=False)
        text = refused.end(1)["text"]
        self.assertIn(f"has a living master that is no program of Sluice (pid {peer.pid}) and writes this direction; "
                      "there can be one writer: end it, or subscribe instead", text)
        self.assertTrue(self.exists())
        taker = self.taker("/commands")  # on the same segment
        self.await_that(lambda: len(numbers(taker.log)) > 10)
        self.assertEqual(self.end_taker(taker)["miscounted"], 0)

    def test_every_size_arrives_whole(self):
        self.assertEqual(SIZES, (0, 4096))
        taker = self.taker("/commands")
        peer = self.peer_process("master", "3", "--write-count", 4 * MESSAGES, "--rate", 3000)
        peer.end()
        self.await_last(taker, THEIRS, 4 * MESSAGES - 1)
        self.assertEqual(self.end_taker(taker)["torn"], 0)


if __name__ == "__main__":
    unittest.main()
