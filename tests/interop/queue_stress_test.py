"""The library's queue and the independent peer at full speed on one segment: many producers and every kind of reader,
readers that are lapped on purpose, producers that are killed. Each message is compared with the producers' logs.

SLUICE_QUEUE_MESSAGES sets the messages of a round, SLUICE_QUEUE_ROUNDS the rounds, SLUICE_QUEUE_SEED what is chosen."""

import os
import random
import unittest

from queue_check import at_most_once, exactly_once, private_books, reservations
from queue_support import BulkProducer, OURS, Peer, QueueTest, SEED, payload

MESSAGES = int(os.environ.get("SLUICE_QUEUE_MESSAGES", "40000"))
ROUNDS = int(os.environ.get("SLUICE_QUEUE_ROUNDS", "2"))
VERSIONS = ("1.2.0", "1.2.3", "1.3.0", "1.4.0", "python")
PREFIX = 99
KILLED = -9


class Stress(QueueTest):
    def prefilled(self, creator, capacity, element, n, filled):
        """A queue whose first lap is so nearly over that the messages to come wrap."""
        self.create(creator, capacity, element, n)
        self.newest()  # adopts, so that every version can attach
        peer = self.own(Peer.open(self.segment, element, "1.2.0"))
        BulkProducer(peer, PREFIX, self.seed, (1, 1)).produce(filled)
        self.joined = filled

    def run_producers(self, producers):
        self.start_file.touch()
        logs = []
        for process, log in producers:
            process.end()
            logs.append(log)
        self.stop_file.touch()
        return logs


class ManyProducers(Stress):
    """Nobody is lapped, so every reader gets everything, and every group shares out everything."""

    def test_every_message_once(self):
        for number in range(ROUNDS):
            self.still_waiting()
            self.run_round(random.Random(SEED * 1000 + number))

    def run_round(self, chosen):
        capacity = 1 << (MESSAGES * 5 // 2).bit_length()  # one to three elements a message, and then some
        n = chosen.choice(("1", "1:3", "1:3"))
        seen = (self.name(), chosen.choice(VERSIONS + (OURS,)), chosen.choice((8, 24, 28, 64)), n)
        with self.subTest(creator=seen[1], element=seen[2], n=n):
            self.prefilled(seen[1], capacity, seen[2], n, capacity - chosen.randrange(1, MESSAGES // 2))
            self.start_readers(chosen)
            theirs = [chosen.choice(VERSIONS) for _ in range(2)]
            waits = ("--start-file", self.start_file)
            producers = [self.producer(OURS, 1, MESSAGES // 4, *waits), self.producer(OURS, 2, MESSAGES // 4, *waits)]
            producers += [self.producer(version, 3 + number, MESSAGES // 4, "--bulk", *waits)
                          for number, version in enumerate(theirs)]
            self.check(self.run_producers(producers))

    def start_readers(self, chosen):
        cursor, bulk = self.name(), ("--bulk",)
        self.private = [self.reader(OURS, "--copy", "--spin", start=self.joined),
                        self.reader(OURS, "--in-place", start=self.joined),
                        self.reader(chosen.choice(VERSIONS), *bulk, start=self.joined),
                        self.reader(chosen.choice(VERSIONS), "--safe", *bulk, start=self.joined)]
        self.group = [self.reader(OURS, start=self.joined, cursor=cursor)]
        self.group[0].await_reading()  # the one whose cursor does not begin at 0
        self.group += [self.reader(OURS, "--in-place", start=self.joined, cursor=cursor),
                       self.reader(chosen.choice(VERSIONS), *bulk, cursor=cursor)]
        for reader in self.private + self.group[1:]:
            reader.await_reading()

    def check(self, sent):
        whole = reservations(sent, self.joined, self.capacity)
        self.assertEqual(whole.end, self.reserved())
        for reader in self.private:
            report = reader.end()
            exactly_once(sent, [reader.log], reader.what)
            self.assertEqual((report["cursor"], report["lost"]), (whole.end, 0), reader.what)
            if reader.gaps:
                private_books(sent, reader)
        reports = [reader.end() for reader in self.group]
        exactly_once(sent, [reader.log for reader in self.group], "group")
        self.assertEqual({report["cursor"] for report in reports}, {whole.end})
        for path in self.directory.iterdir():
            if path not in (self.start_file, self.stop_file):
                path.unlink()  # a round's logs are large


class Laps(Stress):
    """One producer, for a message torn by a second one is nobody's mistake (the peer's README), and a queue that it
    fills in no time."""

    CAPACITY = 64
    INSIDE = ("--pause-every", 40, "--pause-ms", 1, "--pause-inside")
    BEFORE = ("--pause-every", 150, "--pause-ms", 2)

    def lap(self, creator, producer, n):
        self.create(creator, self.CAPACITY, 256, n, seed=SEED)
        self.newest()
        private = [self.reader(OURS, *options) for options in (
            ("--copy", *self.INSIDE), ("--copy", *self.BEFORE), ("--in-place", *self.INSIDE), ("--copy", "--spin"))]
        cursor = self.name()
        group = [self.reader(OURS, *options, cursor=cursor)
                 for options in (self.INSIDE, self.BEFORE, ("--spin", "--in-place"))]
        for reader in private + group:
            reader.await_reading()
        bulk = () if producer == OURS else ("--bulk",)
        sent = self.run_producers([self.producer(producer, 1, 5 * MESSAGES, "--start-file", self.start_file, *bulk)])
        whole = reservations(sent, 0, self.CAPACITY)
        self.assertEqual(whole.end, self.reserved())
        for reader in private:
            self.still_waiting()
            self.check_private(sent, reader, n)
        self.check_group(sent, group, n)

    def check_private(self, sent, reader, n):
        report = reader.end()
        self.assertEqual((report["torn"], report["cursor"]), (0, self.reserved()), reader.what)
        books = private_books(sent, reader)
        self.assertEqual(books, (report["elements"], report["lost"] + report["discarded"], report["skipped"]))
        self.assertEqual(report["cursor"], sum(books), reader.what)
        if n == "1":
            self.assertEqual(report["skipped"], 0)
        if "--pause-every" in reader.what:
            self.assertGreater(report["lost"], 0, "was not lapped: the test is none")
            self.assertGreater(report["messages"], 0)
        if "--in-place" in reader.what:
            self.assertGreater(report["discarded"], 0, "nothing was overwritten in place: the test is none")

    def check_group(self, sent, group, n):
        reports = [reader.end() for reader in group]
        at_most_once(sent, [reader.log for reader in group], "group")
        total = {name: sum(report[name] for report in reports) for name in reports[0]
                 if name in ("elements", "lost", "discarded", "skipped", "torn")}
        self.assertEqual(total["torn"], 0)
        self.assertEqual({report["cursor"] for report in reports}, {self.reserved()})
        self.assertEqual(total["elements"] + total["lost"] + total["discarded"] + total["skipped"], self.reserved(),
                         f"the group's books: {reports}")
        self.assertGreater(total["lost"], 0, "was not lapped: the test is none")
        if n == "1":
            self.assertEqual(total["skipped"], 0)

    def test_our_producer_of_single_elements(self):
        self.lap(OURS, OURS, "1")

    def test_our_producer_of_one_to_three(self):
        self.lap("python", OURS, "1:3")

    def test_their_producer_of_single_elements(self):
        self.lap("1.2.0", "1.3.0", "1")

    def test_their_producer_of_one_to_three(self):
        self.lap("1.3.0", "1.4.0", "1:3")

    def read_in_place(self, *options):
        self.create(OURS, self.CAPACITY, 256, "1")
        process, _ = self.producer(OURS, 1, None, "--stop-file", self.stop_file)
        reader = self.reader(OURS, "--in-place", "--count", 3000, *self.INSIDE, *options)
        reader.await_reading()
        report = reader.end()
        self.stop_file.touch()
        process.end()
        return report

    def test_reading_in_place_is_torn_unless_still_valid_is_asked(self):
        self.assertGreater(self.read_in_place("--unchecked")["torn"], 0)
        asked = self.read_in_place()
        self.assertEqual(asked["torn"], 0)
        self.assertGreater(asked["discarded"], 0)


class Deaths(Stress):
    """A producer is killed between reserve and publish: whoever has a hole timeout goes on behind it."""

    KINDS = (("--copy",), ("--in-place",))

    def die(self, side, number, after, *options):
        """Starts a producer that kills itself with message `after` reserved; the size of its hole."""
        smallest, _, largest = self.n.partition(":")
        hole = payload.message_size(self.seed, number, after, int(smallest), int(largest or smallest))
        process, log = self.producer(side, number, after + 1, "--die-after-reserve", after, *options)
        return process, log, hole

    def readers_with(self, timeout, start=0):
        cursor = self.name()
        options = ("--hole-timeout", timeout)
        private = [self.reader(OURS, *kind, *options, start=start) for kind in self.KINDS]
        group = [self.reader(OURS, *kind, *options, cursor=cursor, start=start) for kind in self.KINDS]
        for reader in private + group:
            reader.await_reading()
        return private, group

    def check(self, sent, holes, private, group):
        whole = reservations(sent, 0, self.capacity, holes)
        self.assertEqual(whole.end, self.reserved())
        self.assertEqual(sorted(size for _, size in whole.holes), sorted(holes))
        skipped = sum(holes) + whole.tails
        for reader in private:
            report = reader.end()
            exactly_once(sent, [reader.log], reader.what)
            private_books(sent, reader, whole.holes)
            self.assertEqual((report["cursor"], report["lost"], report["skipped"]), (whole.end, 0, skipped))
        reports = [reader.end() for reader in group]
        exactly_once(sent, [reader.log for reader in group], "group")
        self.assertEqual({report["cursor"] for report in reports}, {whole.end})
        self.assertEqual(sum(report["skipped"] for report in reports), skipped)
        self.assertEqual(sum(report["lost"] for report in reports), 0)

    def test_a_hole_in_a_queue_that_is_quiet_again(self):
        for dies, n in ((OURS, "1"), ("1.2.0", "1"), (OURS, "1:3"), ("1.4.0", "1:3")):
            self.create("1.3.0", 1024, 64, n)
            process, dead_log, hole = self.die(dies, 1, 7)
            process.end(code=KILLED)
            process, log = self.producer("python", 2, 50)
            process.end()
            self.stop_file.touch()
            self.check([dead_log, log], [hole], *self.readers_with(0.02))
            stuck = self.reader(OURS)  # no timeout, as the originals
            report = stuck.end()
            first_hole = reservations([dead_log, log], 0, 1024, [hole]).holes[0][0]
            self.assertEqual((report["cursor"], report["skipped"]), (first_hole, 0))

    def test_two_holes_while_everybody_is_at_work(self):
        # A timeout that no producer outlasts which is merely waiting for a processor.
        self.create(OURS, 1 << 17, 64, "1:3")
        private, group = self.readers_with(2)
        waits = ("--start-file", self.start_file)
        doomed = [self.die(OURS, 1, 3000, *waits), self.die("1.4.0", 2, 20, *waits)]
        lasting = [self.producer(OURS, 3, 20000, *waits), self.producer("1.3.0", 4, 10000, "--bulk", *waits)]
        self.start_file.touch()
        for process, _, _ in doomed:
            process.end(code=KILLED)
        for process, _ in lasting:
            process.end()
        process, last_log = self.producer("1.2.0", 5, 1)  # behind every hole
        process.end()
        self.stop_file.touch()
        sent = [log for _, log, _ in doomed] + [log for _, log in lasting] + [last_log]
        self.check(sent, [hole for _, _, hole in doomed], private, group)

    def test_a_producer_that_dies_before_its_wrap_marker(self):
        self.create("1.4.0", 8, 64, "3")
        process, _ = self.producer("1.2.0", 1, 9, "--die-before-marker", 0)
        process.end(code=KILLED)
        self.assertEqual(self.reserved(), 11)
        self.stop_file.touch()
        self.assertEqual(self.reader(OURS, "--hole-timeout", 0.02, start=3).end()["cursor"], 6)  # nothing behind yet
        process, _ = self.producer(OURS, 2, 1, n="1")
        process.end()
        report = self.reader(OURS, "--hole-timeout", 0.02, start=6, check_sizes=False).end()
        self.assertEqual((report["messages"], report["cursor"], report["skipped"], report["lost"]), (1, 12, 5, 0))


if __name__ == "__main__":
    unittest.main()
