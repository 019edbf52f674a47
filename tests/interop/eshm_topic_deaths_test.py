"""Several processes of ours on one ESHM topic, killed at random: a publisher, three subscriptions, and whoever of them
holds an office. The others get on each time, and at the end the books are compared with the publishers' logs.

SLUICE_ESHM_TOPIC_KILLS sets how many die, SLUICE_ESHM_TOPIC_SEED which and when."""

import os
import random
import signal
import time
import unittest

from eshm_topic_support import STARTED, TopicTest, completed, count, numbers, read_log
from selftest_support import PATIENCE

KILLS = int(os.environ.get("SLUICE_ESHM_TOPIC_KILLS", "20"))
MOMENTS = random.Random(int(os.environ.get("SLUICE_ESHM_TOPIC_SEED", "1")))
READERS = 3


class Deaths(TopicTest):
    def setUp(self):
        super().setUp()
        self.publishers, self.takers, self.dead = [], [], []
        self.publisher_stop = self.file("publisher-stop")

    def start_publisher(self):
        writer = len(self.publishers) + 1
        self.publishers.append(self.publisher("/commands", writer, "--pause-ms", 0.2, "--stop-file",
                                              self.publisher_stop))

    def start_all(self):
        while len(self.takers) < READERS:
            self.takers.append(self.taker("/commands"))
        self.start_publisher()

    def kill(self, process):
        process.process.kill()
        process.process.wait()

    def get_on(self):
        """Everybody alive takes more of the newest publisher."""
        writer = len(self.publishers)
        before = [len(numbers(taker.log, writer=writer)) for taker in self.takers]
        self.await_that(lambda: all(len(numbers(taker.log, writer=writer)) > number + 5
                                    for taker, number in zip(self.takers, before)))

    def office_is_held(self, side, holders):
        """By one of them, who beats."""
        self.await_that(lambda: self.dump()[f"{side}_pid"] in [process.pid for process in holders])
        heartbeat = self.dump()[f"{side}_heartbeat"]
        self.await_that(lambda: self.dump()[f"{side}_heartbeat"] != heartbeat)
        self.assertEqual(self.dump()[f"{side}_alive"], 1)

    def kill_publisher(self):
        generation = self.dump()["master_generation"]
        self.kill(self.publishers[-1])
        self.start_publisher()
        self.office_is_held("master", self.publishers[-1:])
        self.assertEqual(self.dump()["master_generation"], generation + 1)

    def kill_reader(self, holder):
        pid = self.dump()["slave_pid"]
        victim = MOMENTS.choice([taker for taker in self.takers if (taker.pid == pid) == holder])
        self.kill(victim)
        self.takers.remove(victim)
        self.dead.append(victim)
        self.office_is_held("slave", self.takers)
        self.takers.append(self.taker("/commands"))

    def test_whoever_dies_the_others_get_on_and_the_books_balance(self):
        self.start_all()
        inode = os.stat(f"/dev/shm/eshm_{self.name}").st_ino
        kinds = [self.kill_publisher, lambda: self.kill_reader(True), lambda: self.kill_reader(False)]
        for number in range(KILLS):
            signal.alarm(PATIENCE)
            self.get_on()
            time.sleep(MOMENTS.uniform(0, 0.01))  # so that death comes at any moment
            MOMENTS.choice(kinds)() if number >= len(kinds) else kinds[number]()
        self.get_on()
        self.assertEqual(os.stat(f"/dev/shm/eshm_{self.name}").st_ino, inode)
        self.end_all()

    def end_all(self):
        self.publisher_stop.touch()
        last = self.publishers[-1]
        last.end()
        end = numbers(last.log, STARTED)[-1]
        for taker in self.takers:
            self.await_last(taker, len(self.publishers), end)
        self.stop_file.touch()
        reports = [taker.end() for taker in self.takers]
        self.check_books(reports)
        for taker in self.takers + self.dead:
            self.check_taken(taker.log)
        self.assertFalse(self.exists())

    def check_books(self, reports):
        written = sum(completed(publisher.log) for publisher in self.publishers)
        begun = sum(count(publisher.log, STARTED) for publisher in self.publishers)
        self.assertEqual(len({report["completed"] for report in reports}), 1, reports)
        self.assertLessEqual(written, reports[0]["completed"])
        self.assertLessEqual(reports[0]["completed"], begun)
        for report in reports:
            self.assertEqual(report["received"] + report["lost"], report["completed"] - report["joined"], report)
            self.assertEqual((report["queued"], report["torn"], report["disorder"], report["miscounted"]), (0, 0, 0, 0))

    def check_taken(self, log):
        """Whole, somebody's, and in order."""
        begun = {writer: {record.number: record.size for record in read_log(publisher.log) if record.kind == STARTED}
                 for writer, publisher in enumerate(self.publishers, start=1)}
        last = (0, -1)
        for record in read_log(log):
            if record.writer != 0:
                self.assertGreater((record.writer, record.number), last)
                self.assertEqual(record.size, begun[record.writer][record.number])
                last = (record.writer, record.number)

    def test_what_everybody_left_who_was_killed_is_continued(self):
        for _ in range(3):
            self.start_all()
            self.get_on()
            for process in (self.publishers[-1], *self.takers):
                self.kill(process)
            self.dead += self.takers
            self.takers = []
            self.assertTrue(self.exists())
        self.start_all()
        self.get_on()
        self.end_all()


if __name__ == "__main__":
    unittest.main()
