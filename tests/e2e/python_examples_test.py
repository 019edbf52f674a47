#!/usr/bin/python3
"""The scripts of examples/python on channels with the sluice command, as the founding documents have it."""

import re
import signal
import sys
import unittest

from eshm_command_support import EshmTest
from eshm_peer import EshmPeer, NoData, Timeout
from support import SOURCE, wait_until

EXAMPLES = SOURCE / "examples" / "python"
SLOWLY = ("--rate", "20", "--show", "1000000")


class Scripts(EshmTest):
    def script(self, name, *arguments):
        return self.start(sys.executable, "-B", str(EXAMPLES / name), *map(str, arguments))

    def test_1_cpp_master_and_python_slave(self):
        master = self.eshm("master", self.name, *SLOWLY)
        self.line(master, r"\[MASTER\] Starting high-performance master process\.\.\.$")
        self.line(master, r"\[MASTER\] Initialized with role: MASTER$")
        self.line(master, r"\[MASTER\] Sent: Hello from master #0$")
        slave = self.script("simple_slave.py", self.name)
        self.line(slave, "=== ESHM Python Slave Example ===$")
        self.assertEqual(slave.stdout.readline(), "Initialized as SLAVE\n")
        found = self.line(slave, r"\[SLAVE\] Received \((\d+) bytes\): (Hello from master #\d+)$")
        self.assertEqual(int(found[1]), len(found[2]) + 1)
        self.line(slave, r"\[SLAVE\] Sent: ACK from Python slave #0$")
        self.line(master, r"\[MASTER\] Received: ACK from Python slave #\d+$")
        self.assertRegex(self.end(slave, signal.SIGINT),
                         r"\[SLAVE\] Final statistics: received=\d+, conflated=\d+, sent=\d+\n$")
        self.end(master, signal.SIGINT)

    def test_2_python_master_and_cpp_slave(self):
        master = self.script("simple_master.py", self.name)
        self.assertEqual([master.stdout.readline() for _ in range(3)],
                         ["=== ESHM Python Master Example ===\n", "Initialized as MASTER\n",
                          "[MASTER] Sent: Hello from Python master #0\n"])
        slave = self.eshm("slave", self.name)
        self.line(slave, r"\[SLAVE\] Starting high-performance slave process\.\.\.$")
        found = self.line(slave, r"\[SLAVE\] Received \((\d+) bytes\): (Hello from Python master #\d+)$")
        self.assertEqual(int(found[1]), len(found[2]))  # 27 for #0: the original sends no NUL here
        self.line(slave, r"\[SLAVE\] Sent: ACK from slave #0$")
        self.line(master, r"\[MASTER\] Received: ACK from slave #\d+$")
        self.assertRegex(self.end(master, signal.SIGTERM), r"\[MASTER\] Final statistics: sent=\d+, received=\d+\n$")
        self.assertFalse(self.path.exists(), "its master removes it")
        self.end(slave, signal.SIGINT)

    def test_3_performance(self):
        slave = self.script("performance_test.py", "slave", self.name, 500)
        master = self.eshm("master", self.name, "--show", 0, "--stats-every", 500)
        self.line(slave, r"Initialized as SLAVE$")
        self.line(master, r"\[MASTER\] Messages: sent=500 \(\d+ msg/sec\)")
        found = self.line(slave, r"\[SLAVE\] Messages: received=500, rate=(\d+) msg/sec, conflated=\d+$")
        self.assertGreater(int(found[1]), 0)
        self.line(slave, r"\[SLAVE\] Messages: received=1000, ")
        self.end(master, signal.SIGINT)
        self.end(slave, signal.SIGINT)

    def test_a_python_master_measures_too(self):
        slave = self.eshm("slave", self.name, "--show", 0)
        self.line(slave, r"\[SLAVE\] Waiting")
        master = self.script("performance_test.py", "master", self.name, 500, "--count", 1000)
        for sent in (500, 1000):
            self.line(master, rf"\[MASTER\] Messages: sent={sent} \(\d+ msg/sec\), received=\d+$")
        self.assertIn("[MASTER] Final statistics: sent=1000, ", self.ends(master))
        books = self.end(slave, signal.SIGINT)
        found = re.search(r"received=(\d+), conflated=(\d+)", books)
        self.assertEqual(int(found[1]) + int(found[2]), 1000)

    def test_round_trips_with_the_bench(self):
        echo = self.script("performance_test.py", "echo", self.name)
        drive = self.sluice("eshm", "bench", "drive", self.name, "--count", "200")
        self.assertEqual(drive.returncode, 0, drive.stderr)
        self.assertIn("200 round trips of 64 bytes", drive.stdout)
        self.end(echo, signal.SIGTERM)
        echo = self.eshm("bench", "echo", self.name)
        drive = self.script("performance_test.py", "drive", self.name, 200)
        self.line(drive, r"\[MASTER\] 200 round trips, all verified: \d+ a second$")
        self.ends(drive)
        self.end(echo, signal.SIGINT)

    def test_a_wrong_echo_is_noticed(self):
        drive = self.script("performance_test.py", "drive", self.name, 200)
        wait_until(self.path.exists, "a master")
        peer = EshmPeer(self.name, "slave", version="3")
        self.addCleanup(peer.close)
        while drive.poll() is None:
            try:
                message = peer.read(20)
                peer.write(message.replace(b" 0\0", b" ?\0"))
            except (NoData, Timeout):
                continue
        self.assertEqual(drive.returncode, 1)
        self.assertIn("[MASTER] round trip #0 brought b'round trip", drive.stderr.read())

    def test_any_start_order_and_a_master_that_comes_back(self):
        slave = self.script("simple_slave.py", self.name)
        self.line(slave, "=== ESHM Python Slave Example ===$")
        for _ in range(2):
            master = self.eshm("master", self.name, *SLOWLY)
            self.line(slave, r"\[SLAVE\] Received")
            self.line(master, r"\[MASTER\] Received: ACK from Python slave #\d+$")
            self.end(master, signal.SIGINT)
        self.end(slave, signal.SIGINT)

    def test_bounds_and_waiting_end_in_order(self):
        master = self.script("simple_master.py", self.name, "--rate", 100, "--count", 3)
        self.assertIn("sent=3", self.ends(master))
        waiting = self.script("simple_slave.py", self.name)
        self.line(waiting, "=== ESHM Python Slave Example ===$")
        self.assertEqual(self.end(waiting, signal.SIGTERM), "")

    def test_wrong_arguments_say_what_is_right(self):
        for name, arguments in (("simple_master.py", ()), ("simple_slave.py", ("a", "b")),
                                ("performance_test.py", ("both", "name"))):
            result = self.run_program(sys.executable, "-B", str(EXAMPLES / name), *arguments)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(f"usage: {name}", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
