"""What the tests of nodes in Python share: a domain of their own, a configuration, programs, and a watchdog."""

import gc
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import sluice

PATIENCE = 120  # seconds; a watchdog, nothing is expected to be this slow

Imu = sluice.MessageType("demo/Imu", [("number", "u8"), ("accel", "f8", 3)])

TOPICS = """
topics:
  /imu: {reliability: reliable, depth: 8, max_blocking_time: 20s}
  /deep: {reliability: reliable, depth: 64, max_blocking_time: 20s}
  /wide: {reliability: reliable, depth: 512, max_blocking_time: 20s}
  /small: {reliability: reliable, depth: 4, max_blocking_time: 0ms, evict_after: 100ms}
  /blob: {max_size: 1KiB}
  /local: {transport: inproc}
"""


def on_watchdog(_signal, _frame):
    raise AssertionError(f"the test was still waiting after {PATIENCE} s")


def eventually(condition):
    """Waits until the condition holds; the watchdog ends it."""
    while not condition():
        time.sleep(0.001)


class NodeTest(unittest.TestCase):
    """Every test has a runtime directory of its own, which must be gone in the end."""

    def setUp(self):
        signal.signal(signal.SIGALRM, on_watchdog)
        signal.alarm(PATIENCE)
        self.addCleanup(signal.alarm, 0)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sluice-python-", dir="/dev/shm"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.run_directory = self.directory / "run"
        self.nodes = []
        self.addCleanup(self.nothing_is_left)
        self.addCleanup(self.close_nodes)
        self.config = self.directory / "test.yaml"
        self.config.write_text(f"runtime_dir: {self.run_directory}\n{TOPICS}", encoding="utf-8")

    def nothing_is_left(self):
        gc.collect()
        self.assertFalse(self.run_directory.exists(), list(self.run_directory.rglob("*")))

    def node(self, name="test", **options):
        node = sluice.Node(name, config=self.config, **options)
        self.nodes.append(node)
        return node

    def close_nodes(self):
        for node in self.nodes:
            node.close()
        gc.collect()

    def pair(self, topic="/imu", message_type=Imu, callback=None):
        """A publisher and a subscription of one node."""
        node = self.node()
        return node.advertise(topic, message_type), node.subscribe(topic, message_type, callback)

    def refuses(self, error, text, call, *arguments, **named):
        """The call raises this error with exactly this text."""
        with self.assertRaisesRegex(error, "^" + re.escape(text) + "$"):
            call(*arguments, **named)

    def start(self, program, **options):
        """Runs a Python program in a process of its own; `node` is a node with the test's configuration."""
        text = ("import os, signal, sys, threading, time, sluice\n"
                "Imu = sluice.MessageType('demo/Imu', [('number', 'u8'), ('accel', 'f8', 3)])\n"
                f"node = sluice.Node('child', config={str(self.config)!r})\n{program}\n")
        process = subprocess.Popen([sys.executable, "-B", "-X", "faulthandler", "-u", "-c", text], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env={**os.environ, "PYTHONUNBUFFERED": "1"}, **options)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def line(self, process, text):
        """Reads until a line that is `text`; what came before it is part of the error when it never comes."""
        before = []
        for line in process.stdout:
            if line.rstrip("\n") == text:
                return
            before.append(line)
        self.fail(f"the program ended without saying '{text}': {''.join(before)}")

    def end(self, process, code=0):
        """Waits for its end; its remaining output."""
        output = process.stdout.read()
        self.assertEqual(process.wait(), code, output)
        return output
