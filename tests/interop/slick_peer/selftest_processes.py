"""Peers of every version as processes beside each other: nothing missing, nothing twice, nothing torn, books that add
up, and what is left when one of them dies."""

import itertools
import pathlib

import peer_payload as payload
from peer_bulk import BulkProducer
from peer_programs import read_log
from selftest_support import PeerTest
from slick_peer import Peer, SafeReader, SharedCursor

SEED = 20
PREFIX_PRODUCER = 99


class Stress(PeerTest):
    ELEMENT = 64

    def prepare(self, version, capacity, filled):
        """A queue whose first lap is so nearly over that the messages to come wrap."""
        self.segment = self.name()
        self.peer = self.own(Peer.create(self.segment, capacity, self.ELEMENT, version))
        if filled:
            BulkProducer(self.peer, PREFIX_PRODUCER, SEED, (1, 1)).produce(filled)
        self.joined = filled
        self.cursor = self.name()
        shared = SharedCursor(self.cursor)
        shared.store(filled)
        shared.close()

    def options(self, version, n, bulk):
        return ["--name", self.segment, "--element", self.ELEMENT, "--version", version, "--seed", SEED, "--n", n,
                *(["--bulk"] if bulk else [])]

    def start_producers(self, versions, n, bulk, count):
        self.start_file = self.file("start")
        self.producer_logs = [self.file(f"producer-{number}") for number in range(len(versions))]
        self.producers = [
            self.start("produce", *self.options(version, n, bulk), "--count", count, "--producer", number, "--log", log,
                       "--start-file", self.start_file)
            for number, (version, log) in enumerate(zip(versions, self.producer_logs), 1)]
        for producer in self.producers:
            producer.line("ready")

    def start_readers(self, kind, versions, n, *options, bulk=False):
        logs = [self.file(f"{kind}-{bulk}-{number}") for number in (1, 2)]
        readers = [self.start(kind, *self.options(version, n, bulk), "--log", log, "--stop-file", self.file("stop"),
                              *options) for version, log in zip(versions, logs)]
        for reader in readers:
            reader.line("ready")
            reader.line("reading")
        return readers, logs

    def run_to_the_end(self):
        self.start_file.touch()
        for producer in self.producers:
            producer.end()
        self.file("stop").touch()

    def sent(self):
        return sorted(itertools.chain.from_iterable(read_log(log) for log in self.producer_logs))

    def lossless(self, n, bulk, producers, consumers, stealers, count, capacity=1 << 15):
        self.prepare("1.3.0", capacity, capacity - 500)
        self.start_producers(producers, n, bulk, count)
        reading, read_logs = self.start_readers("consume", consumers, n, "--start", self.joined, bulk=bulk)
        stealing, stolen_logs = self.start_readers("steal", stealers, n, "--cursor", self.cursor, bulk=bulk)
        self.run_to_the_end()
        sent = self.sent()
        self.assertEqual(len(sent), 2 * count)
        for reader, log in zip(reading, read_logs):
            report = reader.end()
            self.assertEqual(read_log(log), sent)  # in the queue's order, too
            self.assertEqual((report["lost"], report["cursor"]), (0, report["reserved"]))
            self.assertEqual(report["cursor"] - self.joined, report["elements"] + report["marker_skips"])
        reports = [stealer.end() for stealer in stealing]
        self.assertEqual(sorted(itertools.chain.from_iterable(read_log(log) for log in stolen_logs)), sent)
        self.assertEqual(sum(report["lost"] for report in reports), 0)
        self.marker_skips = sum(report["marker_skips"] for report in reports)
        self.assertEqual({report["cursor"] for report in reports}, {report["reserved"] for report in reports})

    def test_single_elements(self):
        self.lossless("1", False, ("1.2.0", "1.4.0"), ("1.3.0", "python"), ("1.2.3", "1.2.3"), 3000)

    def test_messages_of_one_to_three(self):
        self.lossless("1:3", False, ("python", "1.2.3"), ("1.4.0", "1.2.0"), ("1.4.0", "1.4.0"), 3000)

    def test_messages_that_leave_a_tail_of_two_at_the_wrap(self):
        for bulk in (False, True):
            self.file("stop").unlink(missing_ok=True)
            self.file("start").unlink(missing_ok=True)
            self.lossless("3", bulk, ("1.2.0", "python"), ("1.4.0", "1.2.3"), ("1.3.0", "1.4.0"), 1000)
            self.assertEqual(self.marker_skips, 2)

    def test_bulk(self):
        self.lossless("1:3", True, ("1.3.0", "python"), ("1.4.0", "1.2.0"), ("1.2.0", "1.4.0"), 50000, 1 << 18)

    def test_stealers_that_meet_a_backlog(self):
        for version in ("1.3.0", "1.4.0"):
            self.file("start").unlink(missing_ok=True)
            self.prepare(version, 1 << 18, 0)
            BulkProducer(self.peer, 1, SEED, (1, 3)).produce(100000)
            self.file("stop").touch()
            stealers, logs = self.start_readers("steal", (version,) * 2, "1:3", "--cursor", self.cursor,
                                                "--start-file", self.file("start"), bulk=True)
            self.file("start").touch()
            messages = [stealer.end()["messages"] for stealer in stealers]
            self.assertEqual(sum(messages), 100000)
            stolen = sorted(row[3] for log in logs for row in read_log(log))
            self.assertEqual(stolen, list(range(100000)))

    def test_lapped_readers_that_check_get_nothing_torn_and_count_what_they_lost(self):
        self.ELEMENT = 1024  # a copy that takes its time
        self.prepare("1.4.0", 16, 0)
        # One producer: of two, the slower may write into what the other published a lap later (H3), and then even an
        # intact copy is torn.
        self.start_producers(("1.4.0",), "1:3", True, 60000)
        readers, logs = self.start_readers("consume", ("1.4.0",) * 2, "1:3", "--safe")
        fast, fast_logs = self.start_readers("consume", ("1.2.0",) * 2, "1:3", "--safe", "--spin", bulk=True)
        self.run_to_the_end()
        sent = {row[0]: row for row in self.sent()}
        for reader, log in zip(readers + fast, logs + fast_logs):
            report = reader.end()
            self.assertEqual((report["torn"], report["disorder"], report["cursor"]), (0, 0, report["reserved"]))
            self.assertEqual(report["cursor"], report["elements"] + report["lost"] + report["marker_skips"])
            self.assertGreater(report["messages"], 0)
            for row in read_log(log):
                self.assertEqual(row, sent.get(row[0]))


class Deaths(PeerTest):
    ELEMENT = 32

    def setUp(self):
        super().setUp()
        self.segment = self.name()
        self.peer = self.own(Peer.create(self.segment, 8, self.ELEMENT, "1.2.0"))

    def send(self, sequence, size=1):
        return self.peer.send(payload.message(self.ELEMENT, SEED, 2, sequence, size))

    def produce(self, *options):
        return self.start("produce", "--name", self.segment, "--element", self.ELEMENT, *options)

    def consume(self, *options):
        reader = self.start("consume", "--name", self.segment, "--element", self.ELEMENT, "--stop-file",
                            self.file("stop"), *options)
        return reader

    def test_a_producer_that_dies_leaves_a_hole(self):
        log = self.file("log")
        self.produce("--count", 5, "--die-after-reserve", 2, "--log", log).end(code=-9)
        self.assertEqual([row[0] for row in read_log(log)], [0, 1])
        self.assertEqual(self.peer.reserved_index(), 3)
        self.send(0)
        self.file("stop").touch()
        self.assertEqual(self.consume().end()["cursor"], 2)
        report = self.consume("--safe", "--hole-timeout", 0).end()
        self.assertEqual((report["cursor"], report["skipped"], report["messages"]), (4, 1, 3))

    def test_a_producer_that_dies_before_its_marker(self):
        self.produce("--count", 9, "--n", 3, "--die-before-marker", 0).end(code=-9)
        self.assertEqual(self.peer.reserved(), (11, 3))
        self.assertEqual(self.peer.slots()[6], ((1 << 64) - 1, 1))
        self.assertEqual(self.send(0), 11)
        reader = SafeReader(self.peer, 6, hole_timeout=0)
        self.assertEqual((reader.take().index, reader.skipped), (11, 5))

    def test_a_slow_producer_is_waited_for(self):
        for option in ("--delay-in-publish", "--delay-before-write"):
            start = self.peer.reserved_index()
            slow = self.produce("--count", 1, option, 3600)
            slow.line("ready")
            while self.peer.reserved_index() == start:
                pass
            self.send(0)
            self.assertEqual(self.peer.read(start), (None, start))
            written = payload.origin(self.peer.elements(start, 1), 1, self.ELEMENT) is not None
            slow.stop()
            if option == "--delay-before-write":
                self.assertFalse(written)

    def test_timeouts_and_incomplete_runs_have_exit_codes(self):
        self.send(0)
        self.file("stop").touch()
        self.assertEqual(self.consume("--count", 2).end(code=4)["messages"], 1)
        self.peer.publish(self.peer.reserve())
        self.assertEqual(self.consume().end(code=4)["torn"], 1)
        self.assertEqual(self.consume("--allow-torn").end()["torn"], 1)
        self.assertEqual(self.start("consume", "--name", self.name()).end(code=1)["kind"], "refused")

    def test_info_create_reset_unlink(self):
        name = self.name()
        self.start("create", "--name", name, "--version", "1.4.0", "--element", 24, "--capacity", 16).end()
        self.start("produce", "--name", name, "--element", 24, "--count", 3, "--n", 2, "--bulk").end()
        info = self.start("info", "--name", name, "--slots").end()
        self.assertEqual((info["state"], info["capacity"], info["element_size"], info["reserved"]), (3, 16, 24, 6))
        self.assertEqual(info["slots"][4], [4, 2])
        self.start("reset", "--name", name, "--version", "1.4.0", "--element", 24).end()
        self.assertEqual(self.start("info", "--name", name).end()["reserved"], 0)
        self.start("unlink", "--name", name).end()
        self.assertFalse(pathlib.Path("/dev/shm", name).exists())
