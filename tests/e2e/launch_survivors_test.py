#!/usr/bin/python3
"""Whatever kills the launcher or its nodes, no process survives it. SLUICE_TEST_SEED repeats a random run."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import unittest

from launch_support import LaunchTest, SEED, SLUICE, processes, tagged, wait_until


class Survivors(LaunchTest):
    # A plain process, one with children, a daemon in another session, and one that ignores what it can.
    def family(self):
        self.script("plain", "exec sleep 100000")
        self.script("parent", "sleep 100000 & sleep 100000 & wait")
        self.script("daemon", "(setsid sh -c 'sleep 100000 & sleep 100000' &) ; exec sleep 100000")
        self.script("deaf", "trap '' INT TERM HUP; setsid sleep 100000 & while :; do sleep 100000; done")
        return [f"cmd: ./{name}" for name in ("plain", "parent", "daemon", "deaf")]

    QUICK = "shutdown: {sigterm_after: 100ms, sigkill_after: 100ms}"

    def started(self, run):
        wait_until(lambda: len([p for p in tagged(run.tag) if self.name_of(p) == "sleep"]) == 8, "all sleepers")
        return run

    @staticmethod
    def name_of(pid):
        try:
            return pathlib.Path("/proc", str(pid), "comm").read_text().strip()
        except OSError:
            return ""

    def test_an_orderly_end_leaves_nothing(self):
        run = self.started(self.launch(self.family(), root=self.QUICK))
        self.assertEqual(run.send(signal.SIGINT).end(), 130)
        self.assertRegex(run.output, r"\[WARNING\] \[launch\]: killed 'sleep' \[pid \d+\], left behind by a process")

    def test_a_daemon_whose_starter_has_ended(self):
        self.script("a", "setsid sleep 100000 & exit 0")
        self.assertEqual(self.launch(["cmd: ./a"]).end(), 0)

    def test_adopted_processes_are_reaped(self):
        self.script("a", "i=0; while [ $i -lt 50 ]; do (sleep 0.01 &); i=$((i+1)); done; echo ready; exec sleep 100000")
        run = self.launch(["cmd: ./a", self.forever()]).wait_for("] ready", 2)

        def zombies():
            return subprocess.run(["ps", "-o", "stat=", "--ppid", str(run.supervisor())], capture_output=True,
                                  text=True, check=False).stdout.split()

        wait_until(lambda: len(zombies()) == 2, "two living children and no zombies")
        self.assertEqual(run.send(signal.SIGINT).end(), 130)

    def test_killed_guard(self):
        run = self.started(self.launch(self.family()))
        self.assertEqual(run.send(signal.SIGKILL).end(), -9)
        self.assertIn("the launcher was killed, shutting down", run.output)

    def test_killed_supervisor(self):
        run = self.started(self.launch(self.family()))
        os.kill(run.supervisor(), signal.SIGKILL)
        self.assertEqual(run.end(), 137)

    def test_stopped_supervisor_and_killed_guard(self):
        run = self.started(self.launch(self.family()))
        supervisor = run.supervisor()
        os.kill(supervisor, signal.SIGSTOP)
        run.send(signal.SIGKILL)
        os.kill(supervisor, signal.SIGCONT)
        self.assertEqual(run.end(), -9)

    def test_guard_killed_during_a_long_shutdown(self):
        self.script("a", "trap '' INT TERM; echo ready; while :; do sleep 100000; done")
        run = self.launch(["cmd: ./a"], root="shutdown: {sigterm_after: 1h, sigkill_after: 1h}").wait_for("] ready")
        run.send(signal.SIGTERM).wait_for("sending SIGINT")
        self.assertEqual(run.send(signal.SIGKILL).end(), -9)

    def test_guard_killed_while_nobody_reads(self):
        self.script("flood", "yes | head -c 200000")
        run = self.launch(["cmd: ./flood"], read=False)
        run.wait_for_error("waiting for the reader of stdout")
        self.assertEqual(run.send(signal.SIGKILL).end(), -9)

    def test_killed_guard_and_supervisor(self):
        run = self.launch([self.forever()] * 3).wait_for("] ready", 3)
        supervisor = run.supervisor()
        os.kill(run.pid, signal.SIGKILL)
        os.kill(supervisor, signal.SIGKILL)
        self.assertEqual(run.end(), -9)

    def test_killed_at_random_moments(self):
        dice = random.Random(SEED)
        family = self.family()
        for round_number in range(60):
            victims = dice.choice(["guard", "supervisor", "both", "child"])
            from_start, delay = dice.random() < 0.3, dice.uniform(0, 0.03)
            actions = [self.forever()] * 3 if victims == "both" else family
            with self.subTest(round=round_number, seed=SEED, victims=victims, delay=delay):
                run = self.launch(actions, root=self.QUICK)
                if not from_start:
                    run.wait_for("process started")
                time.sleep(delay)  # Chooses the moment; nothing relies on it.
                supervisor = run.supervisor()
                nodes = [pid for pid, parent in processes().items() if parent == supervisor]
                chosen = {"guard": [run.pid], "supervisor": [supervisor], "both": [run.pid, supervisor],
                          "child": [dice.choice(nodes or [None])]}[victims]
                for pid in filter(None, chosen):
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                if victims == "child" or not chosen[0]:
                    run.send(signal.SIGTERM)
                # -15: the signal came before the launcher had done anything.
                self.assertIn(run.end(), (-9, 137, 143, -15))


if __name__ == "__main__":
    sys.stderr.write(f"SLUICE_BIN={SLUICE} SLUICE_TEST_SEED={SEED}\n")
    unittest.main()
