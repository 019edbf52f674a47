"""Our channels beside the independent peer, which behaves as version 2 or 3 of the original: both roles, both ways,
takeovers, new segments, deaths and stops in every step of a write. Messages are checksummed and numbered, and our books
are compared with the peer's log."""

import os
import pathlib
import signal
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "eshm_peer"))

from eshm_log import COMPLETED, STARTED, read_log  # noqa: E402
from eshm_peer import dump, object_path  # noqa: E402
from selftest_support import PATIENCE, PeerTest, Process  # noqa: E402

CHANNEL_PEER = os.environ["SLUICE_ESHM_CHANNEL_PEER"]
VERSIONS = ("2", "3")
OTHER = {"master": "slave", "slave": "master"}
STEPS = ("odd", "half_data", "data", "size", "even", "write_count")
MESSAGES = int(os.environ.get("SLUICE_ESHM_MATRIX_MESSAGES", "300"))
PATIENT = ("--reconnect-wait", 0, "--attempts", 0, "--retry", 10)


class Ours(Process):
    """An eshm_channel_peer; it speaks as eshm_peer.py does."""

    def __init__(self, *arguments):  # pylint: disable=super-init-not-called
        command = [CHANNEL_PEER, *map(str, arguments), "--timeout", str(PATIENCE)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        self.seen = []


class MatrixTest(PeerTest):
    def setUp(self):
        super().setUp()
        self.stop_file = self.file("stop")

    def ours(self, role, *options):
        process = Ours(role, self.name, *options)
        self.addCleanup(process.stop)
        return process

    def ready_ours(self, role, *options):
        process = self.ours(role, *options)
        process.ready = process.line("ready")
        return process

    def theirs(self, role, version, *options):
        patient = PATIENT if role == "slave" else ()
        return self.serve(role, version, *patient, *options)

    def direction(self, writer):
        return dump(object_path(self.name))["m2s" if writer == "master" else "s2m"]

    def kill(self, process):
        os.kill(process.pid, signal.SIGKILL)
        process.process.wait(PATIENCE)

    def assert_whole(self, done):
        self.assertEqual((done["torn"], done["disorder"]), (0, 0))

    @staticmethod
    def completed(log):
        return sum(record.kind == COMPLETED for record in read_log(log))


class BothWays(MatrixTest):
    """Who comes first, which version the segment has, how we wait: messages pass, and the books are the peer's log."""

    def exchange(self, our_role, version, first, *options):
        log = self.file("sent")
        their_role = OTHER[our_role]
        arguments = ("--write-count", MESSAGES, "--rate", 1500, "--sizes", "0:4096", "--read", "--until-idle", 1,
                     "--writer", 7, "--log", log)
        ours_arguments = ("--write-count", MESSAGES, "--rate", 1500, "--least", 0, "--most", 4096, "--writer", 3,
                          "--read", "--stop-file", self.stop_file, *options)
        if first == "ours":
            ours = self.ready_ours(our_role, *ours_arguments)
            theirs = self.theirs(their_role, version, *arguments)
        else:
            start = ("--start-file", self.file("start"))
            theirs = self.theirs(their_role, version, *arguments, *start)
            ours = self.ready_ours(our_role, *ours_arguments)
            self.file("start").touch()
        their_books = theirs.end()
        self.stop_file.touch()
        our_books = ours.end()
        self.assert_whole(our_books)
        self.assertEqual(our_books["received"] + our_books["conflated"], self.completed(log))
        self.assertEqual(our_books["completed"] + our_books["refused"] >= MESSAGES, True)
        self.assertGreater(our_books["reads"], 0)
        self.assertGreater(their_books["reads"], 0)
        self.assertEqual(their_books["torn"], 0)
        self.assertFalse(our_books["approximate"])

    def test_we_make_the_segment(self):
        for version in VERSIONS:
            for segment in (3, 2) if version == "2" else (3,):  # version 3 refuses segments of version 2
                with self.subTest(version=version, segment=segment):
                    self.exchange("master", version, "ours", "--version", segment)
                    self.fresh()

    def test_they_make_the_segment(self):
        for version in VERSIONS:
            for waiting in ((), ("--poll",)):
                with self.subTest(version=version, waiting=waiting):
                    self.exchange("slave", version, "theirs", *waiting)
                    self.fresh()

    def test_our_slave_waits_for_their_master(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                ours = self.ours("slave", "--read", "--stop-file", self.stop_file)
                log = self.file("sent")
                theirs = self.theirs("master", version, "--write-count", 50, "--rate", 500, "--writer", 7, "--log", log,
                                     "--stop-file", self.file("leave"))
                ours.line("ready")
                self.await_that(lambda log=log: log.exists() and self.completed(log) == 50)
                self.stop_file.touch()
                books = ours.end()
                self.assert_whole(books)
                self.assertEqual(books["received"] + books["conflated"], 50, "from the first one on")
                self.file("leave").touch()
                theirs.end()
                self.fresh()

    def fresh(self):
        self.name = self.new_name()
        for file in self.directory.iterdir():
            file.unlink()


class Deaths(MatrixTest):
    """One side dies or is stopped in the middle of a write; the other side is never given what is torn."""

    def test_their_writer_dies_and_ours_takes_its_place(self):
        for version in VERSIONS:
            for role in OTHER:
                for step in STEPS:
                    with self.subTest(version=version, role=role, step=step):
                        self.their_writer_dies(version, role, step)
                        self.name = self.new_name()

    def their_writer_dies(self, version, role, step):
        log, stop = self.file(f"sent-{self.name}"), self.file(f"stop-{self.name}")
        arguments = ("--write-count", -1, "--rate", 500, "--sizes", "64:2000", "--writer", 7, "--log", log,
                     "--die-in-write", f"20:{step}")
        if role == "master":
            start = self.file(f"start-{self.name}")
            theirs = self.theirs(role, version, *arguments, "--start-file", start)
            reader = self.ready_ours("slave", "--read", "--stop-file", stop)
            start.touch()
        else:
            reader = self.ready_ours("master", "--read", "--stop-file", stop)
            theirs = self.theirs(role, version, *arguments)
        theirs.process.wait(PATIENCE)
        self.assertEqual(theirs.process.returncode, -signal.SIGKILL)
        heir = self.ready_ours(role, "--writer", 9, "--write-count", 30, "--rate", 300, "--least", 24, "--most", 2000)
        self.assertEqual(heir.ready["taken_over"], role == "master")
        self.assertEqual(heir.end()["completed"], 30)
        stop.touch()
        books = reader.end()
        self.assert_whole(books)
        records = read_log(log)
        begun = sum(record.kind == STARTED for record in records)
        self.assertEqual(begun, 21)
        counted = 20 + (step in ("even", "write_count"))
        self.assertEqual(books["received"] + books["conflated"], counted + 30)
        self.assertEqual(books["last"]["9"], 29)
        self.assertEqual(self.direction_parity(role), 0, "healed")

    def direction_parity(self, role):
        return self.direction(role)["sequence"] % 2 if os.path.exists(object_path(self.name)) else 0

    def test_our_writer_dies_and_theirs_takes_its_place(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                ours = self.ready_ours("master", "--write-count", -1, "--rate", 1000, "--writer", 3)
                theirs = self.theirs("slave", version, "--read", "--stop-file", self.stop_file)
                theirs.line("read")
                self.kill(ours)
                theirs.line("stale")
                heir = self.theirs("master", version, "--write-count", -1, "--rate", 500, "--writer", 8, "--stop-file",
                                   self.file("leave"))
                self.assertTrue(heir.ready["taken_over"])
                self.assertEqual(heir.ready["generation"], 2)
                theirs.line("reconnected")
                before = self.direction("master")["read_count"]
                self.await_that(lambda before=before: self.direction("master")["read_count"] > before + 5)
                self.stop_file.touch()
                self.assertEqual(theirs.end()["torn"], 0)
                self.file("leave").touch()
                heir.end()
                self.stop_file.unlink()
                self.file("leave").unlink()
                self.name = self.new_name()

    def test_their_stopped_writer_goes_on(self):
        for version in VERSIONS:
            for step in STEPS:
                with self.subTest(version=version, step=step):
                    self.their_writer_stops(version, step)
                    self.name = self.new_name()

    def their_writer_stops(self, version, step):
        log, stop, leave = (self.file(f"{what}-{self.name}") for what in ("sent", "stop", "leave"))
        reader = self.ready_ours("master", "--read", "--stop-file", stop)
        theirs = self.theirs("slave", version, "--write-count", 60, "--rate", 500, "--sizes", "64:2000", "--writer", 7,
                             "--log", log, "--stop-in-write", f"20:{step}", "--stop-file", leave)
        os.waitid(os.P_PID, theirs.pid, os.WSTOPPED | os.WNOWAIT)
        reader.line("stale")
        os.kill(theirs.pid, signal.SIGCONT)
        reader.line("reconnected")
        self.await_that(lambda: self.completed(log) == 60)
        leave.touch()
        theirs.end()
        stop.touch()
        books = reader.end()
        self.assert_whole(books)
        self.assertEqual(books["received"] + books["conflated"], 60)
        self.assertLessEqual(books["interrupted"], int(step in ("odd", "half_data", "data", "size")))


class Places(MatrixTest):
    """Masters and slaves that come, leave and come back."""

    def test_their_slave_follows_our_master_into_a_new_segment(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                ours = self.ready_ours("master", "--write-count", -1, "--rate", 500, "--writer", 3, "--stop-file",
                                       self.file("leave"))
                theirs = self.theirs("slave", version, "--read", "--stop-file", self.stop_file)
                theirs.line("read")
                self.file("leave").touch()
                ours.end()
                self.assertFalse(self.exists(), "who made it removes it")
                theirs.line("stale")
                self.file("leave").unlink()
                ours = self.ready_ours("master", "--write-count", -1, "--rate", 500, "--writer", 4, "--stop-file",
                                       self.file("leave"))
                self.assertTrue(ours.ready["creator"])
                theirs.line("reconnected")
                self.await_that(lambda: self.direction("master")["read_count"] > 5 or version == "2")
                self.stop_file.touch()
                self.assertEqual(theirs.end()["torn"], 0)
                self.file("leave").touch()
                ours.end()
                for file in (self.stop_file, self.file("leave")):
                    file.unlink()
                self.name = self.new_name()

    def test_our_slave_follows_their_master(self):
        for version in VERSIONS:
            for cleanly in (True, False):
                with self.subTest(version=version, cleanly=cleanly):
                    self.follow_their_master(version, cleanly)
                    self.name = self.new_name()

    def follow_their_master(self, version, cleanly):
        logs = [self.file(f"sent-{self.name}-{life}") for life in range(3)]
        stop = self.file(f"stop-{self.name}")
        ours = self.ours("slave", "--read", "--stop-file", stop)
        for life, log in enumerate(logs):
            leave = self.file(f"leave-{self.name}-{life}")
            theirs = self.theirs("master", version, "--write-count", 40, "--rate", 400, "--writer", life + 1,
                                 "--log", log, "--stop-file", leave)
            self.assertEqual(theirs.ready["taken_over"], life > 0 and not cleanly)
            ours.line("read" if life == 0 else "reconnected")
            if life > 0:
                self.await_that(lambda: self.direction("master")["read_count"] > 0)
            self.await_that(lambda log=log: self.completed(log) == 40)
            if cleanly:
                leave.touch()
                theirs.end()
            else:
                self.kill(theirs)
            ours.line("stale")
        stop.touch()
        books = ours.end()
        self.assert_whole(books)
        self.assertEqual(books["received"] + books["conflated"], 120)
        self.assertEqual(set(books["last"]), {"1", "2", "3"})

    def test_two_masters_and_two_slaves(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                theirs = self.theirs("master", version, "--stop-file", self.stop_file)
                second = self.ours("master")
                text = second.end(code=1)["text"]
                self.assertIn("has a living master already", text)
                self.assertIn("a program without Sluice", text)
                slave = self.theirs("slave", version, "--stop-file", self.stop_file)
                self.assertIn("has a living slave already", self.ours("slave").end(code=1)["text"])
                self.stop_file.touch()
                slave.end()
                theirs.end()
                self.stop_file.unlink()
                self.name = self.new_name()

    def test_parked_readers_are_woken(self):
        """Theirs by our write, and ours by theirs."""
        ours = self.ready_ours("master", "--write-count", 20, "--rate", 20, "--writer", 3, "--read", "--stop-file",
                               self.stop_file)
        theirs = self.theirs("slave", "3", "--write-count", 20, "--rate", 20, "--read", "--until-idle", 2)
        books = theirs.end()
        self.assertGreater(books["woken"], 0)
        self.stop_file.touch()
        books = ours.end()
        self.assertEqual(books["received"] + books["conflated"], 20)

    def test_inverted_parity_is_noticed_and_read(self):
        """H1: after a death inside a write the original leaves odd values at rest, for ever."""
        ours = self.ready_ours("master", "--read", "--read-count", 5)
        theirs = self.theirs("slave", "2", "--write-count", -1, "--rate", 100, "--invert-parity", "--stop-file",
                             self.stop_file)
        books = ours.end()
        self.assertTrue(books["approximate"])
        self.assertEqual(books["torn"], 0)
        self.stop_file.touch()
        theirs.end()


if __name__ == "__main__":
    unittest.main()
