#!/usr/bin/python3
"""ESHM between languages: C++ (ours), Python (ours) and the independent peer as version 2 and 3 of the original, in
both roles and both directions. Prints a table at its end."""

import argparse
import itertools
import random
import signal
import sys
import time
import unittest

from python_eshm_support import (ChannelTest, CPP, OTHER, PEER_2, PEER_3, PEERS, PYTHON, SLUICE, Table, script)

OURS = (CPP, PYTHON)
PAIRS = [pair for pair in itertools.product((CPP, PYTHON, PEER_2, PEER_3), repeat=2)
         if PYTHON in pair or pair == (CPP, CPP)]  # master, slave
BACK = ("reconnected", "alive")
settings = argparse.Namespace(seconds=2.0, messages=50_000, round_trips=20_000, kills=2, seed=1)
table = Table()


class Greetings(ChannelTest):
    """The seeds' tests 1 and 2: what users see. Each role has a command, what it is called, what it prints first."""

    SHOW = ("--show", "1000000")
    MASTERS = {CPP: (lambda name, rate: [SLUICE, "eshm", "master", name, "--rate", rate, *Greetings.SHOW], "master"),
               PYTHON: (lambda name, rate: script("simple_master.py", name, "--rate", rate), "Python master")}
    SLAVES = {CPP: (lambda name: [SLUICE, "eshm", "slave", name, *Greetings.SHOW], "slave", r"\[SLAVE\] Waiting"),
              PYTHON: (lambda name: script("simple_slave.py", name), "Python slave", "=== ESHM Python Slave Example")}

    def master_hears(self, master, slave_says):
        return int(master.matching(rf"\[MASTER\] Received: ACK from {slave_says} #(\d+)$")[1])

    def slave_hears(self, slave, master_says):
        found = slave.matching(rf"\[SLAVE\] Received \((\d+) bytes\): (Hello from {master_says} #(\d+))$")
        with_nul = master_says == "master"  # the original's greeting in Python has none
        self.assertEqual(int(found[1]), len(found[2]) + with_nul)
        return int(found[3])

    def end(self, *programs):
        for program in programs:
            program.signal(signal.SIGINT)
            self.assertIn("Final statistics", "".join(program.ends()))
        self.fresh()

    def greet(self, master_kind, slave_kind):
        master_command, master_says = self.MASTERS[master_kind]
        slave_command, slave_says, waiting = self.SLAVES[slave_kind]
        slave = self.start(slave_command(self.name))
        slave.matching(waiting)
        slave.await_sleeps()
        master = self.start(master_command(self.name, 0.001))  # the second greeting in a quarter of an hour
        self.assertEqual(self.slave_hears(slave, master_says), 0)
        self.assertEqual(self.inside("master")["data_size"], 21 if master_says == "master" else 27)
        self.assertEqual(self.master_hears(master, slave_says), 0)
        self.end(master, slave)
        master = self.start(master_command(self.name, 200))
        master.matching(r"\[MASTER\] Sent")
        slave = self.start(slave_command(self.name))
        for hear, program, says in ((self.slave_hears, slave, master_says), (self.master_hears, master, slave_says)):
            numbers = [hear(program, says) for _ in range(50)]
            self.assertEqual(numbers, sorted(set(numbers)), "in order, each one once")
        self.end(slave, master)

    def test_cpp_master_and_python_slave(self):
        self.greet(CPP, PYTHON)

    def test_python_master_and_cpp_slave(self):
        self.greet(PYTHON, CPP)

    def test_names_that_differ_never_connect(self):
        master = self.start([SLUICE, "eshm", "master", self.name, "--rate", "500"])
        other = self.start(script("simple_slave.py", self.name + "-other"))
        other.matching("=== ESHM Python Slave Example ===")
        self.await_that(lambda: self.written("master") > 300)
        self.assertEqual(self.inside("master")["read_count"], 0)
        other.signal(signal.SIGINT)
        self.assertEqual(len(other.ends()), 1)
        master.signal(signal.SIGINT)
        self.assertNotIn("Received", "".join(master.ends()))


class Traffic(ChannelTest):
    """Messages are whole and in order, and received + conflated is what was written."""

    def pair(self, master, slave, counts, rate, reads):
        """Both sides' books, by role, and the seconds that it took."""
        sides = {}
        for role, kind, writer in (("master", master, 3), ("slave", slave, 7)):
            # Who is merely waiting for a processor is not stale: the original's books begin anew with a connection.
            sides[role] = self.side(kind, role, writer, count=counts[role], rate=rate, read=reads[role], stale=5000)
        begun = time.monotonic()
        self.start_file.touch()
        self.await_that(lambda: all(self.written(role) == counts[role] for role in OTHER))
        seconds = time.monotonic() - begun
        self.stop_file.touch()
        books = {role: sides[role].done() for role in OTHER}
        self.fresh()
        return books, seconds

    def lost(self, kind, books, count):
        """Of what a reader of that kind was sent."""
        self.assertEqual(books["torn"], 0)
        if kind in PEERS:  # it counts by write_count
            return count - books["joined"] - books["reads"] - books["conflated"]
        self.assertEqual(books["disorder"], 0)
        return count - books["received"] - books["conflated"]

    def test_a_thousand_a_second_both_ways(self):
        count = int(settings.seconds * 1000)
        for master, slave in PAIRS:
            with self.subTest(master=master, slave=slave):
                both = dict.fromkeys(OTHER, count)
                books, seconds = self.pair(master, slave, both, 1000, dict.fromkeys(OTHER, True))
                for sender, receiver, role in ((master, slave, "slave"), (slave, master, "master")):
                    lost = self.lost(receiver, books[role], count)
                    row = table.row(sender, receiver)
                    row["paced"] = max(row.get("paced", 0), books[role]["reads"] / seconds)
                    row["paced_unread"] = row.get("paced_unread", 0) + books[role]["conflated"]
                    row["lost"] = row.get("lost", 0) + lost
                    self.assertEqual(lost, 0, books)
                    self.assertGreater(books[role]["reads"], 0)

    def test_as_fast_as_it_goes(self):
        for master, slave in PAIRS:
            for writer in OTHER:
                sender, receiver = (master, slave) if writer == "master" else (slave, master)
                with self.subTest(sender=sender, receiver=receiver, writer=writer):
                    count = settings.messages // (10 if sender in PEERS else 1)
                    counts = {writer: count, OTHER[writer]: 0}
                    books, seconds = self.pair(master, slave, counts, 0, {writer: False, OTHER[writer]: True})
                    read = books[OTHER[writer]]
                    lost = self.lost(receiver, read, count)
                    row = table.row(sender, receiver)
                    row["unpaced"] = max(row.get("unpaced", 0), count / seconds)
                    row["unpaced_received"] = max(row.get("unpaced_received", 0), read["reads"] / seconds)
                    row["unpaced_unread"] = row.get("unpaced_unread", 0) + read["conflated"]
                    row["lost"] = row.get("lost", 0) + lost
                    self.assertEqual(lost, 0, read)
                    self.assertGreater(read["reads"], 0)

    def test_verified_round_trips(self):
        trips = settings.round_trips
        drives = {CPP: lambda: [SLUICE, "eshm", "bench", "drive", self.name, "--count", trips],
                  PYTHON: lambda: script("performance_test.py", "drive", self.name, trips)}
        echoes = {CPP: lambda: [SLUICE, "eshm", "bench", "echo", self.name],
                  PYTHON: lambda: script("performance_test.py", "echo", self.name)}
        for driver, echoer in itertools.product(OURS, OURS):
            with self.subTest(driver=driver, echo=echoer):
                echo = self.start(echoes[echoer]())
                drive = self.start(drives[driver]())
                rate = drive.matching(rf"(?:\[MASTER\] )?{trips} round trips.*: (\d+) a second")[1]
                drive.ends()
                echo.signal(signal.SIGTERM)
                echo.ends()
                row = table.row(driver, echoer)
                row["round_trips"] = max(row.get("round_trips", 0), int(rate))
                self.fresh()


class Deaths(ChannelTest):
    """kill -9, restarts and stops of either side: the other one sees them, and its books are the segment's."""

    SURVIVORS = [(PYTHON, victim) for victim in (CPP, PYTHON, PEER_2, PEER_3)] + [
        (survivor, PYTHON) for survivor in (CPP, PEER_2, PEER_3)]

    def both(self, survivor, victim, role):
        """The survivor in this role, and a first victim in the other one."""
        kinds = {role: survivor, OTHER[role]: victim}
        sides = {each: self.side(kinds[each], each, 1 if each == role else 100, count=-1, rate=500)
                 for each in ("master", "slave")}
        self.start_file.touch()
        return sides[role], sides[OTHER[role]]

    def await_traffic(self, victim_role):
        """The survivor reads what the victim wrote, now."""
        before = self.inside(victim_role)["read_count"]
        self.await_that(lambda: self.inside(victim_role)["read_count"] > before + 10)

    def each(self, check):
        for (survivor, victim), role in itertools.product(self.SURVIVORS, OTHER):
            with self.subTest(survivor=survivor, victim=victim, role=role):
                check(survivor, victim, role)
                self.fresh()

    def test_killed_and_started_again(self):
        self.each(self.killed_and_started_again)

    def killed_and_started_again(self, survivor, victim, role):
        chance = random.Random(f"{settings.seed} {survivor} {victim} {role}")
        untouched, other = self.both(survivor, victim, role)
        for life in range(settings.kills):
            self.await_traffic(OTHER[role])
            time.sleep(chance.random() / 100)
            other.kill()
            untouched.event("stale")
            other = self.side(victim, OTHER[role], 101 + life, count=-1, rate=500)
            untouched.event(*BACK)
        self.await_traffic(OTHER[role])
        other.kill()
        untouched.event("stale")
        written = self.written(OTHER[role])
        self.stop_file.touch()
        books = untouched.done()
        self.assertEqual(books["torn"], 0)
        if survivor not in PEERS:
            self.assertEqual(books["received"] + books["conflated"], written)
            self.assertEqual(books["disorder"], 0)
            self.assertEqual(books["reconnects"], settings.kills)

    def test_stopped_and_continued(self):
        self.each(self.stopped_and_continued)

    def stopped_and_continued(self, survivor, victim, role):
        untouched, other = self.both(survivor, victim, role)
        self.await_traffic(OTHER[role])
        other.signal(signal.SIGSTOP)
        untouched.event("stale")
        other.signal(signal.SIGCONT)
        untouched.event(*BACK)
        self.await_traffic(OTHER[role])
        other.kill()
        self.stop_file.touch()
        self.assertEqual(untouched.done()["torn"], 0)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repeat", type=int, default=1, metavar="N", help="run everything so often")
    options.add_argument("--seconds", type=float, default=2.0, help="of each pair at 1 kHz")
    options.add_argument("--messages", type=int, default=50_000, help="of each pair without pacing")
    options.add_argument("--round-trips", type=int, default=20_000)
    options.add_argument("--kills", type=int, default=1, help="of each survivor's other side")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("only", nargs="*", metavar="TEST", help="a class, or Class.test")
    options.parse_args(namespace=settings)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run_all()
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        ChannelTest.latest.doCleanups()
        print("interrupted", flush=True)
        return 130


def run_all():
    names = [f"{__name__}.{name}" for name in settings.only] or [__name__]
    for round_number in range(settings.repeat):
        settings.seed += round_number
        suite = unittest.defaultTestLoader.loadTestsFromNames(names)
        result = unittest.TextTestRunner(verbosity=1 if settings.repeat > 1 else 2).run(suite)
        if not result.wasSuccessful() or result.testsRun == 0:
            print(f"failed in round {round_number + 1}, seed {settings.seed}", flush=True)
            return 1
    print(f"\nESHM, messages of 64 bytes in a mailbox; unread: replaced by the next one, and counted\n{table}")
    print(f"{settings.repeat} rounds passed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
