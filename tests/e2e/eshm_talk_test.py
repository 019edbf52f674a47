#!/usr/bin/python3
"""`sluice eshm master|slave|auto|bench`: what users of ESHM's demo do, also beside an independent program."""

import json
import os
import re
import signal
import threading
import unittest

from eshm_command_support import EshmTest
from eshm_peer import EshmPeer, PeerError, Timeout
from support import wait_until

ONCE = ("--rate", "0.001")  # the first greeting at once, the second in a quarter of an hour


class Demo(EshmTest):
    def test_the_guides_lines_whoever_starts_first(self):
        slave = self.eshm("slave", self.name)
        self.line(slave, r"\[SLAVE\] Starting high-performance slave process\.\.\.$")
        self.line(slave, rf"\[SLAVE\] Waiting for a master on {self.path} \(sluice eshm master {self.name}\)")
        master = self.eshm("master", self.name, *ONCE)
        for text in (r"Starting high-performance master process\.\.\.$", "Initialized with role: MASTER$",
                     rf"Channel: {self.path} \(created\), protocol 3, max_size 4096, generation 1$",
                     "Sent: Hello from master #0$", "Received: ACK from slave #0$"):
            self.line(master, r"\[MASTER\] " + text)
        for text in ("Initialized with role: SLAVE$", r"Received \(21 bytes\): Hello from master #0$",
                     "Sent: ACK from slave #0$"):
            self.line(slave, r"\[SLAVE\] " + text)
        self.assertEqual(self.path.read_bytes()[132:157], b"\x15\0\0\0Hello from master #0\0")
        self.assertRegex(self.end(master, signal.SIGINT), r"\[MASTER\] Final statistics: sent=1, received=1, "
                                                          r"conflated=0, interrupted=0, reconnects=0, in [\d.]+ s\n$")
        self.assertFalse(self.path.exists())
        self.line(slave, r"\[SLAVE\] Remote endpoint gone: the master ended$")
        self.eshm("master", self.name, *ONCE)
        self.line(slave, r"\[SLAVE\] Received \(21 bytes\): Hello from master #0$")
        self.assertIn("sent=2, received=2, conflated=0", self.end(slave, signal.SIGTERM))

    def test_a_slave_that_comes_later_reads_what_comes_later(self):
        master = self.eshm("master", self.name, "--rate", 50)
        self.line(master, r"\[MASTER\] Sent: Hello from master #0$")
        slave = self.eshm("slave", self.name)
        number = int(self.line(slave, r"\[SLAVE\] Received \(\d+ bytes\): Hello from master #(\d+)$")[1])
        self.assertGreater(number, 0)
        self.line(slave, r"\[SLAVE\] Remote connected: the master, pid " + str(master.pid))
        self.line(master, r"\[MASTER\] Remote connected: the slave, pid " + str(slave.pid))

    def test_statistics_and_books(self):
        slave = self.eshm("slave", self.name, "--show", 0, "--stats-every", 500)
        self.line(slave, r"\[SLAVE\] Waiting")
        master = self.eshm("master", self.name, "--count", 3000, "--show", 2)
        rates = r" \(\d+ msg/sec\), received=\d+ \(\d+ msg/sec\), conflated=\d+$"
        for sent in (1000, 2000, 3000):
            self.line(master, rf"\[MASTER\] Messages: sent={sent}{rates}")
        self.line(slave, r"\[SLAVE\] Messages: received=500, rate=\d+ msg/sec, conflated=\d+, sent=\d+$")
        books = self.line(master, r"\[MASTER\] Final statistics: sent=(\d+), received=(\d+), conflated=(\d+), .* in "
                                  r"([\d.]+) s$")
        self.assertEqual(books[1], "3000")
        self.assertGreaterEqual(float(books[4]), 2.9)  # a thousand a second, not more
        self.line(slave, r"\[SLAVE\] Remote endpoint gone")
        lines = self.end(slave, signal.SIGINT)
        self.assertNotIn("Received", lines)
        books = re.search(r"received=(\d+), conflated=(\d+), interrupted", lines)
        self.assertEqual(int(books[1]) + int(books[2]), 3000)

    def test_what_is_no_text_is_escaped(self):
        slave = self.eshm("slave", self.name)
        self.line(slave, r"\[SLAVE\] Waiting")
        master = EshmPeer(self.name, "master", version="3")
        self.addCleanup(master.close)
        for message, shown in ((b"caf\xc3\xa9\0\0", r"(7 bytes): café"),
                               (b"\x1b[2J\xff\n\\\xc2\x9b\0end", r"(13 bytes): \x1b[2J\xff\x0a\\\xc2\x9b\x00end"),
                               (b"", "(0 bytes): "),
                               (b"Hello from Python master #0", "(27 bytes): Hello from Python master #0"),
                               (b"x" * 300, "(300 bytes): " + "x" * 256 + "...")):
            master.write(message)
            self.assertEqual(self.line(slave, r"\[SLAVE\] Received (.*)$")[1], shown)

    def test_padding_rights_protocol_and_sizes_are_as_asked(self):
        umask = os.umask(0o022)
        self.addCleanup(os.umask, umask)
        for arguments, mode, size, protocol in (((), 0o600, 8576, 3), (("--mode", "0666"), 0o666, 8576, 3),
                                                (("--mode", "640", "--protocol", "2"), 0o640, 8576, 2),
                                                (("--max-size", "8KiB", "--size", "100"), 0o600, 16768, 3)):
            master = self.eshm("master", self.name, *ONCE, *arguments)
            self.line(master, r"\[MASTER\] Sent")
            status = self.path.stat()
            content = self.path.read_bytes()
            self.assertEqual((status.st_mode & 0o777, status.st_size, content[4]), (mode, size, protocol), arguments)
            self.assertEqual(content[132], 100 if "--size" in arguments else 21)
            self.end(master, signal.SIGTERM)

    def test_every_end_in_order_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            master = self.eshm("master", self.name)
            self.line(master, r"\[MASTER\] Sent")
            self.assertIn("Final statistics", self.end(master, number))
            self.assertFalse(self.path.exists(), number)
            waiting = self.eshm("slave", self.name)
            self.line(waiting, r"\[SLAVE\] Waiting")
            self.assertEqual(self.end(waiting, number), "")
        for arguments in (("--count", "3"), ("--duration", "50ms")):
            self.assertIn("Final statistics", self.answer("master", self.name, *arguments))
            self.assertFalse(self.path.exists(), arguments)
        self.assertIn("Waiting", self.answer("slave", self.name, "--duration", "50ms"))

    def test_a_closed_pipe_ends_it_in_order(self):
        master = self.eshm("master", self.name)
        self.line(master, r"\[MASTER\] Sent")
        master.stdout.close()
        self.assertEqual(master.wait(), 0)
        self.assertFalse(self.path.exists())
        master.stderr.close()
        self.started.remove(master)


class Roles(EshmTest):
    def refused(self, *arguments):
        result = self.sluice("eshm", *arguments)
        self.assertEqual(result.returncode, 2, result.stdout)
        return result.stderr

    def test_a_second_one_is_refused_with_the_first_ones_pid(self):
        master = self.eshm("master", self.name)
        self.line(master, r"\[MASTER\] Sent")
        slave = self.eshm("slave", self.name)
        self.line(slave, r"\[SLAVE\] Received")
        for role, first in (("master", master), ("slave", slave)):
            self.assertIn(f"has a living {role} already (pid {first.pid}); there can be one",
                          self.refused(role, self.name))
        self.assertIn("give both sides the same", self.refused("slave", self.name, "--max-size", "8KiB"))

    def test_auto_becomes_what_is_missing(self):
        first = self.eshm("auto", self.name)
        self.line(first, r"\[AUTO\] Starting")
        self.line(first, r"\[MASTER\] Initialized with role: MASTER$")
        second = self.eshm("auto", self.name)
        self.line(second, r"\[SLAVE\] Remote connected")
        self.assertIn("has a living slave already", self.refused("auto", self.name))
        first.kill()
        self.line(second, r"\[SLAVE\] Remote endpoint gone")
        third = self.eshm("auto", self.name)
        self.line(third, r"\[MASTER\] Channel: .* \(taken over from a dead master\), protocol 3, max_size 4096, "
                         r"generation 2$")
        self.line(second, r"\[SLAVE\] Another master took the channel over: generation 2$")

    def test_a_killed_master_is_replaced_and_its_slave_goes_on(self):
        master = self.eshm("master", self.name)
        slave = self.eshm("slave", self.name)
        self.line(slave, r"\[SLAVE\] Remote connected")
        for generation in (2, 3):
            master.kill()
            self.line(slave, r"\[SLAVE\] Remote endpoint gone: the master ended$")
            master = self.eshm("master", self.name)
            self.line(master, rf"\[MASTER\] Channel: .* \(taken over .*generation {generation}$")
            self.line(slave, rf"\[SLAVE\] Remote is back: the master, pid {master.pid}, generation {generation}$")
        self.end(master, signal.SIGINT)
        self.assertRegex(self.end(slave, signal.SIGINT), "reconnects=2")
        self.assertFalse(self.path.exists(), "the last one out removes what no creator can remove any more")

    def test_a_killed_slave_is_replaced(self):
        master = self.eshm("master", self.name)
        for back in ("connected", "is back"):
            slave = self.eshm("slave", self.name)
            self.line(master, rf"\[MASTER\] Remote {back}: the slave, pid {slave.pid}")
            slave.kill()
            self.line(master, r"\[MASTER\] Remote endpoint gone: the slave ended$")

    def test_a_stopped_master_is_stale_and_comes_back(self):
        master = self.eshm("master", self.name)
        slave = self.eshm("slave", self.name, "--reconnects", 0)
        self.line(slave, r"\[SLAVE\] Remote connected")
        master.send_signal(signal.SIGSTOP)
        self.line(slave, r"\[SLAVE\] Remote endpoint stale: the master's heartbeat stands still$")
        master.send_signal(signal.SIGCONT)
        self.line(slave, r"\[SLAVE\] Remote is back: the master")
        self.line(slave, r"\[SLAVE\] Received")

    def test_patience_ends(self):
        master = self.eshm("master", self.name)
        slave = self.eshm("slave", self.name, "--reconnects", 3)
        self.line(slave, r"\[SLAVE\] Received")
        master.kill()
        self.assertIn("[SLAVE] Gave up: the master did not come back (3 attempts)\n", self.ends(slave, 1))

    def test_a_removed_name_is_said(self):
        master = self.eshm("master", self.name)
        self.line(master, r"\[MASTER\] Sent")
        self.path.unlink()
        self.line(master, rf"\[MASTER\] {self.path} was removed or replaced: no new slave can find this channel")


class BesideThePeer(EshmTest):
    def test_our_master_and_its_slave(self):
        for version in "23":
            master = self.eshm("master", self.name, "--rate", 100, "--protocol", version)
            self.line(master, r"\[MASTER\] Sent")
            slave = self.peer("greet", "slave", self.name, "--version", version, "--language", "python", "--count", 5)
            self.line(master, r"\[MASTER\] Received: ACK from Python slave #\d+$")
            self.line(slave, '{"event": "done"')
            self.assertEqual(slave.wait(), 0)
            self.end(master, signal.SIGINT)
            self.assertFalse(self.path.exists())

    def test_its_master_and_our_slave(self):
        for version in "23":
            slave = self.eshm("slave", self.name)
            self.line(slave, r"\[SLAVE\] Waiting")
            master = self.peer("greet", "master", self.name, "--version", version, "--language", "python", "--count", 5)
            found = self.line(slave, r"\[SLAVE\] Received \((\d+) bytes\): Hello from Python master #(\d+)$")
            self.assertEqual(int(found[1]), 27 + len(found[2]))
            self.line(slave, r"\[SLAVE\] Sent: ACK from slave #0$")
            self.line(master, r'{"event": "received", "size": 18, "text": "ACK from slave #\d"}')
            self.line(slave, r"\[SLAVE\] Remote endpoint gone: the master ended$")
            self.end(slave, signal.SIGINT)

    def test_a_living_master_without_locks_is_not_replaced(self):
        master = EshmPeer(self.name, "master", version="2")
        self.addCleanup(master.close)
        result = self.sluice("eshm", "master", self.name)
        self.assertEqual(result.returncode, 2, result.stdout)
        self.assertIn(f"has a living master already (pid {os.getpid()}, a program without Sluice)", result.stderr)


class Bench(EshmTest):
    def drive(self, *arguments):
        return self.sluice("eshm", "bench", "drive", self.name, *map(str, arguments))

    def test_round_trips_are_counted_and_compared(self):
        for spin in ((), ("--spin",)):
            echo = self.eshm("bench", "echo", self.name, "--reconnects", 0, *spin)
            result = self.drive("--count", 500, "--size", "1KiB", "--json", *spin)
            found = json.loads(result.stdout)
            self.assertEqual((result.returncode, found["round_trips"], found["mismatches"], found["complete"]),
                             (0, 500, 0, True), result.stderr)
            times = [found["round_trip_us"][key] for key in ("p50", "p99", "p999", "max")]
            self.assertEqual(times, sorted(times))
            self.assertEqual(found["half_round_trip_us"]["max"] * 2, times[-1])
            self.assertRegex(self.end(echo, signal.SIGINT), r"Echoed \d+ messages")
        self.assertFalse(self.path.exists())

    def test_the_driver_waits_and_prints_a_table(self):
        drive = self.eshm("bench", "drive", self.name, "--count", 10)
        self.assertEqual(drive.stderr.readline(), f"waiting for the other side: sluice eshm bench echo {self.name}\n")
        self.peer("echo", "slave", self.name, "--version", "3")
        self.assertRegex(self.ends(drive),
                         r"10 round trips of 64 bytes in [\d.]+ s: \d+ a second, 0 mismatches, \d+ sent again\n"
                         r" +p50 +p99 +p99\.9 +max\nwhole round trip( +[\d.]+ us){4}\n"
                         r"half a round trip( +[\d.]+ us){4}\n$")

    def spoiled_echo(self, spoil):
        """An echo of the peer's in this process; `spoil` makes of a message what is sent back, or nothing."""
        drive = self.eshm("bench", "drive", self.name, "--count", 20, "--patience", "1500ms", "--json")
        self.assertIn("waiting", drive.stderr.readline())
        peer = EshmPeer(self.name, "slave", version="3")
        over = threading.Event()

        def serve():
            while not over.is_set():
                try:
                    answer = spoil(peer.read(timeout_ms=20))
                    if answer is not None:
                        peer.write(answer)
                except (Timeout, PeerError):
                    continue
        thread = threading.Thread(target=serve)
        thread.start()
        output = drive.stdout.read()
        code = drive.wait()
        over.set()
        thread.join()
        peer.close()
        return code, json.loads(output), drive.stderr.read()

    def test_a_wrong_echo_is_a_mismatch(self):
        code, found, _ = self.spoiled_echo(lambda message: message[:-1] + b"?")
        self.assertEqual((code, found["round_trips"], found["mismatches"]), (1, 20, 20))

    def test_a_missing_echo_ends_it(self):
        code, found, said = self.spoiled_echo(lambda message: None)
        self.assertEqual((code, found["round_trips"], found["complete"]), (1, 0, False))
        self.assertIn("no echo for 1 s; the slave is alive\n", said)
        self.assertIn("gave up: an echo did not come\n", said)

    def test_interrupted_it_says_what_it_has(self):
        drive = self.eshm("bench", "drive", self.name, "--count", 100000000, "--json")
        self.assertIn("waiting", drive.stderr.readline())
        echo = self.eshm("bench", "echo", self.name)
        self.line(echo, r"\[SLAVE\] Remote connected")
        wait_until(lambda: json.loads(self.answer("info", self.name, "--json"))["slave_to_master"]["writes"] > 0,
                   "an echo")
        drive.send_signal(signal.SIGINT)
        found = json.loads(drive.stdout.read())
        self.assertEqual((drive.wait(), found["mismatches"]), (0, 0))
        self.assertGreater(found["round_trips"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
