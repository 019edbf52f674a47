#!/usr/bin/python3
"""Channels between PID namespaces, as between containers that share /dev/shm: pids mean nothing there."""

import subprocess
import unittest

from eshm_command_support import EshmTest
from support import SLUICE

OWN_PIDS = ("unshare", "--map-root-user", "--pid", "--fork", "--kill-child")
ALLOWED = subprocess.run([*OWN_PIDS, "true"], capture_output=True).returncode == 0


@unittest.skipUnless(ALLOWED, "this machine allows no namespaces to this user")
class Namespaces(EshmTest):
    def alone(self, role):
        """In a PID namespace of its own, where it is process 1."""
        return self.start(*OWN_PIDS, SLUICE, "eshm", role, self.name, "--rate", "20", "--show", "100")

    def tearDown(self):
        for process in self.started:
            process.kill()  # unshare passes no other signal on
        super().tearDown()

    def test_both_sides_have_the_same_pid_and_find_and_miss_each_other(self):
        master = self.alone("master")
        self.line(master, r"\[MASTER\] Sent: Hello from master #0$")
        slave = self.alone("slave")
        self.line(slave, r"\[SLAVE\] Remote connected: the master, pid 1$")
        self.line(slave, r"\[SLAVE\] Received \(2\d bytes\): Hello from master #\d+$")
        self.line(master, r"\[MASTER\] Received: Hello from slave #\d+$")
        for role in ("master", "slave"):
            second = self.alone(role)
            error = second.communicate()[1]
            self.assertEqual(second.returncode, 2)
            self.assertRegex(error, f"has a living {role} already \\(pid 1\\)")
        master.kill()  # and the kernel kills what is in its namespace
        self.line(slave, r"\[SLAVE\] Remote endpoint gone")
        again = self.alone("master")
        self.line(again, r"\[MASTER\] Channel: .*, generation 2$")
        self.line(slave, r"\[SLAVE\] Remote is back: the master, pid 1, generation 2$")
        self.line(slave, r"\[SLAVE\] Received \(2\d bytes\): Hello from master #\d+$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
