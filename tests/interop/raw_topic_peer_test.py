"""Raw topics beside the independent peer: publishers and subscriptions of Sluice nodes on segments that other programs
made, read and write. Every message is compared with the producers' logs.

SLUICE_RAW_TOPIC_MESSAGES sets how many messages each producer sends, SLUICE_RAW_TOPIC_KILLS how many die."""

import itertools
import json
import os
import pathlib
import random
import subprocess
import time
import unittest
import zlib

from queue_check import exactly_once, place, rows
from queue_support import OURS, Peer, Program, QueueTest, SEED, STATES, SharedCursor, payload
from peer_programs import Log  # queue_support has found its folder
from selftest_support import PATIENCE

TOPIC_PEER = os.environ["SLUICE_TOPIC_PEER"]
SLUICE = os.environ["SLUICE_BIN"]
MESSAGES = int(os.environ.get("SLUICE_RAW_TOPIC_MESSAGES", "150"))
KILLS = int(os.environ.get("SLUICE_RAW_TOPIC_KILLS", "20"))
ORIGINALS = ("1.2.0", "1.3.0", "1.4.0", "python")
ELEMENT = 40
TOPIC = "/interop"
LAST_WORD = 999  # the producer whom nobody kills
_numbers = itertools.count()


class Node(Program):
    """A topic_peer: its lines until the last one are what the node heard."""

    def __init__(self, *arguments):
        super().__init__((TOPIC_PEER,), *arguments)
        self.line("ready")

    def end(self, code=0):
        output = self.process.stdout.read()
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        if self.process.returncode != code:
            raise AssertionError(f"exit code {self.process.returncode} instead of {code}: {output}")
        *self.heard, report = map(json.loads, output.splitlines())
        return report


def wait_until(condition):
    while not condition():  # the watchdog ends this
        time.sleep(0.002)


def lines(*logs):
    return sum(log.read_bytes().count(b"\n") for log in logs if log.exists())


def contents(log, producer=None):
    """What was sent or taken, in order, without the index, which our publishers do not know."""
    return [row.line.split()[1:] for row in rows(log) if producer in (None, row.producer)]


class RawTopicTest(QueueTest):
    """One segment, and nodes of one domain in a directory of the test's."""

    def name(self):
        name = f"sluice-test-{os.getpid()}-topic-{next(_numbers)}"
        self.addCleanup(pathlib.Path("/dev/shm", name).unlink, missing_ok=True)
        return name

    def prepare(self, creator, capacity, element, n, **options):
        """The segment, unless we are its creators, and a configuration that names it."""
        if creator == OURS:
            self.segment, self.capacity, self.element, self.n, self.seed = self.name(), capacity, element, n, SEED
            self.stop_file, self.start_file = self.file("stop"), self.file("start")
        else:
            self.create(creator, capacity, element, n)
        topic = {"transport": "slick", "segment": "/" + self.segment, "element": f"{element}B", "depth": capacity,
                 **options}
        config = {"domain": 83, "runtime_dir": str(self.file("run")), "topics": {TOPIC: topic}}
        self.config = self.file("config.yaml")
        self.config.write_text(json.dumps(config), encoding="ascii")  # JSON is YAML
        self.sent, self.end_of_sent = [], 0

    def node(self, command, *options, n=None):
        n = n or self.n
        process = Node(command, "--config", self.config, "--topic", TOPIC, "--element", self.element, "--seed",
                       self.seed, "--n", n if ":" in n else f"{n}:{n}", *options)
        self.addCleanup(process.stop)
        return process

    def publisher(self, number, *options):
        log = self.file(f"sent-{number}")
        return self.node("publish", "--producer", number, "--log", log, *options), log

    def taker(self, *options):
        log = self.file(f"taken-{next(_numbers)}")
        return self.node("take", "--log", log, "--stop-file", self.stop_file, *options), log

    # One producer after the other

    def send_ours(self, number, count):
        process, log = self.publisher(number, "--count", count)
        process.end()
        placed, position = [], self.end_of_sent
        for size, *rest in contents(log):
            index = place(position, int(size), self.capacity)
            position = index + int(size)
            placed.append(" ".join((str(index), size, *rest)) + "\n")
        log.write_text("".join(placed), encoding="ascii")
        self.sent_to(log)

    def send_theirs(self, version, number, count):
        process, log = self.producer(version, number, count)
        process.end()
        self.sent_to(log)

    def sent_to(self, log):
        self.sent.append(log)
        self.end_of_sent = self.reserved()
        last = list(rows(log))[-1]
        self.assertEqual(last.index + last.size, self.end_of_sent)

    def check_books(self, report, lost=0):
        self.assertEqual((report["elements"], report["lost_before"], report["torn"]), (report["received"], lost, 0))
        self.assertEqual((report["lost"], report["evictions"], report["queued"]), (lost, 0, 0))
        self.assertEqual(report["bytes"], report["elements"] * self.element)
        passed = report["received"] + report["lost"] + report["skipped"]
        self.assertEqual(report["reserved"] - report["joined"], passed)


class BothWays(RawTopicTest):
    """They produce and our subscription takes; our publisher produces and they consume. Nobody is lapped."""

    def run_cell(self, creator, theirs, n):
        self.prepare(creator, 1 << (MESSAGES * 4).bit_length(), ELEMENT, n)
        subscription, log = self.taker("--count", 4 * MESSAGES)
        self.assertEqual(self.header()[0], STATES[creator] or 1, "adopted")
        consumers = [self.reader(theirs, "--safe"), self.reader(theirs)]
        for reader in consumers:
            self.assertFalse(reader.await_reading().get("wiped", False))
        for number in (1, 3):  # twice, so that the array's end is crossed
            self.send_theirs(theirs, number, MESSAGES)
            self.send_ours(number + 1, MESSAGES)
            wait_until(lambda want=(number + 1) * MESSAGES: all(
                lines(each) >= want for each in (log, *(reader.log for reader in consumers))))
        self.stop_file.touch()
        report = subscription.end()
        exactly_once(self.sent, [log], "our subscription")
        self.check_books(report)
        self.assertEqual(report["elements"], sum(row.size for path in self.sent for row in rows(path)))
        self.assertEqual(subscription.heard, [])
        for reader in consumers:
            theirs_report = reader.end()
            exactly_once(self.sent, [reader.log], reader.what)
            self.assertEqual((theirs_report["cursor"], theirs_report["lost"]), (self.reserved(), 0), reader.what)


def add_cell(creator, theirs, n):
    def cell(self):
        self.run_cell(creator, theirs, n)
    kind = "single" if n == "1" else "of_one_to_three"
    setattr(BothWays, f"test_{creator}_creates_for_{theirs}_{kind}".replace(".", ""), cell)


for pair in [(version, version) for version in ORIGINALS] + [(OURS, version) for version in ORIGINALS]:
    for sizes in ("1", "1:3"):
        add_cell(*pair, sizes)


class Group(RawTopicTest):
    """Two subscriptions of ours and an original share out the messages."""

    def test_with_140(self):
        self.run_group("1.4.0")

    def test_with_python(self):
        self.run_group("python")

    def run_group(self, theirs):
        cursor = self.name()
        self.prepare(OURS, 1 << 16, ELEMENT, "1:3", group="/" + cursor)
        members = [self.taker(), self.taker()]
        stealer = self.reader(theirs, cursor=cursor)
        stealer.await_reading()
        place_of_group = self.own(SharedCursor(cursor))
        logs = [log for _, log in members] + [stealer.log]
        for burst in itertools.count(1):  # until everybody had something; the watchdog ends this
            if burst % 2 == 0:
                self.send_ours(burst, MESSAGES)
            else:
                self.send_theirs(theirs, burst, MESSAGES)
            wait_until(lambda: place_of_group.load() == self.reserved())
            wait_until(lambda want=burst * MESSAGES: lines(*logs) >= want)
            if burst >= 2 and all(lines(log) for log in logs):
                break
        self.stop_file.touch()
        reports = [process.end() for process, _ in members]
        report = stealer.end()
        exactly_once(self.sent, logs, "group")
        for each in reports:
            self.assertEqual((each["elements"], each["lost"], each["torn"]), (each["received"], 0, 0))
        passed = sum(each["received"] + each["skipped"] for each in reports)
        passed += report["elements"] + report["marker_skips"]
        self.assertEqual((passed, report["lost"]), (self.reserved(), 0))


class Sleeping(RawTopicTest):
    def test_a_sleeping_subscription_notices_single_messages(self):
        """Each is waited for before the next is sent, so nothing but itself can make it noticed."""
        self.prepare("1.4.0", 64, ELEMENT, "1:3")
        subscription, log = self.taker("--count", 16)
        sent = self.file("sent")
        with open(sent, "w", encoding="ascii") as file:
            for number in range(16):
                peer = self.own(Peer.open(self.segment, ELEMENT, ORIGINALS[number % len(ORIGINALS)]))
                size = payload.message_size(SEED, 1, number, 1, 3)
                data = payload.message(ELEMENT, SEED, 1, number, size)
                time.sleep((0, 0.003, 0.02, 0.15)[number // 4])  # up to beyond the time of the close watch
                index = peer.send(data)
                file.write(Log.line(index, size, payload.Origin(1, number), zlib.crc32(data)))
                wait_until(lambda want=number + 1: lines(log) >= want)
        report = subscription.end()
        exactly_once([sent], [log], "our sleeping subscription")
        self.check_books(report)


class Reliable(RawTopicTest):
    def test_nothing_is_lost_among_us_and_everybody_is_told_of_a_foreign_producer(self):
        self.prepare(OURS, 64, ELEMENT, "1:3", reliability="reliable", max_blocking_time="60s")
        subscription, log = self.taker("--pause-every", 50, "--pause-ms", 5)
        count = 5 * MESSAGES
        first = [self.publisher(number, "--count", count, "--start-file", self.start_file) for number in (1, 2)]
        self.start_file.touch()
        for process, _ in first:
            process.end()
            self.assertEqual(process.heard, [])
        wait_until(lambda: lines(log) >= 2 * count)
        for number, (_, sent) in enumerate(first, start=1):
            self.assertEqual(contents(log, str(number)), contents(sent))
        self.foreign_producer(subscription, log)

    def foreign_producer(self, subscription, log):
        publishers = [self.publisher(number, "--pause-ms", 3, "--stop-file", self.file("enough")) for number in (3, 4)]
        wait_until(lambda: all(lines(sent) > 3 for _, sent in publishers))
        process, theirs = self.producer("1.2.0", 5, 20, "--rate", 500)
        process.end()
        before = [lines(sent) for _, sent in publishers]
        wait_until(lambda: all(lines(sent) > count + 3 for (_, sent), count in zip(publishers, before)))
        self.file("enough").touch()
        for process, _ in publishers:
            process.end()
            self.check_heard(process)
        sent = [sent for _, sent in publishers] + [theirs]
        after_quiet = self.subscription_quiet(log)
        self.stop_file.touch()
        report = subscription.end()
        self.check_heard(subscription)
        self.assertEqual(lines(log), after_quiet)
        taken = sum(row.size for row in rows(log) if row.producer in "345")
        published = sum(int(size) for each in sent for size, *_ in contents(each))
        self.check_books(report, lost=report["lost"])
        if report["lost"] == 0:
            self.assertEqual(taken, published)
            for number, each in enumerate(sent, start=3):
                self.assertEqual(contents(log, str(number)), contents(each))

    def subscription_quiet(self, log):
        """Lines of the log once the last message, whoever sent it, is in it."""
        wait_until(lambda: list(rows(log))[-1].index + list(rows(log))[-1].size == self.reserved())
        return lines(log)

    def check_heard(self, process):
        kinds = [(line["event"], line["kind"], line["topic"]) for line in process.heard]
        self.assertEqual(kinds, [("heard", "reliability_lost", TOPIC)])


class Deaths(RawTopicTest):
    """Our publisher is killed at a random moment, and an original that reads the segment with a cursor of its own must
    get past what it left: a subscription of ours repairs it. Only between the grant and the note of it nothing can be
    proven. These are few instructions, but an interrupt waits for the locked one that grants and comes right behind it:
    about one death in seventy.

    Messages are of one size, so that a lap leaves no reader inside a message, and long, so that many deaths meet a
    publication."""

    CAPACITY = 1 << 16
    N = 3000  # a lap is no multiple of it, so each leaves a tail

    def test_an_original_is_not_stuck_for_good(self):
        self.prepare("1.4.0", self.CAPACITY, 8, str(self.N), max_size="64KiB")
        subscription, log = self.taker()
        self.peer, self.cursor = self.own(Peer.open(self.segment, 8, "1.4.0")), 0
        moments = random.Random(SEED)
        repaired = stuck = number = 0
        passed = False
        # Whoever is stuck gets on with the next lap, not with a last word; and some deaths must have met a publication.
        while number < KILLS or not passed or (repaired <= stuck and number < 20 * KILLS):
            number += 1
            self.still_waiting()
            self.kill_one(number, moments.uniform(0.001, 0.02))
            passed = self.get_to_the_end()
            stuck += not passed
            repaired += passed and self.ended_in_a_jump()
        print(f"{number} publishers killed: {repaired} holes repaired, {stuck} left", flush=True)
        self.assertGreater(repaired, stuck, "nothing is repaired, or no death met a publication and the test is none")
        self.check_last_word(subscription, log)

    def kill_one(self, number, moment):
        start = self.file(f"start-{next(_numbers)}")
        before = self.reserved()
        publisher = self.node("publish", "--producer", number, "--start-file", start)
        start.touch()
        wait_until(lambda: self.reserved() != before)
        end = time.monotonic() + moment
        while time.monotonic() < end:
            self.read()
        publisher.process.kill()
        publisher.process.wait()

    def read(self):
        message, self.cursor = self.peer.read(self.cursor)
        return message

    def get_to_the_end(self):
        """False: it is stuck, and the segment shows why."""
        look_after = time.monotonic() + 1  # our subscription needs a moment for the repair
        while self.cursor != self.reserved():
            if self.read() is None and time.monotonic() > look_after and self.holes():
                return False
        return True

    def holes(self):
        done = subprocess.run([SLUICE, "slick", "info", "--json", self.segment], capture_output=True, check=True)
        return json.loads(done.stdout)["holes"]

    def ended_in_a_jump(self):
        """Whether the last reservation's slot sends readers on instead of naming a message."""
        end = self.reserved()
        slot = (end - self.N) % self.CAPACITY
        index = int.from_bytes(self.content(self.segment)[64 + 16 * slot:][:8], "little")
        self.assertIn(index, (end - self.N, end))
        return index == end

    def check_last_word(self, subscription, log):
        """A publisher that nobody kills is heard by everybody, and the subscription's books balance."""
        self.node("publish", "--producer", LAST_WORD, "--count", 3).end()
        seen = []
        while len(seen) < 3:
            message = self.read()
            if message:
                seen.append(payload.origin(message.data, message.size, 8))
        self.assertEqual(seen, [(LAST_WORD, sequence) for sequence in range(3)])
        wait_until(lambda: contents(log)[-1][1:3] == [str(LAST_WORD), "2"])
        self.stop_file.touch()
        report = subscription.end()
        self.check_books(report, lost=report["lost"])


if __name__ == "__main__":
    unittest.main()
