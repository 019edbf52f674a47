#!/usr/bin/python3
"""`sluice top`: on a terminal of 80x24, which is afterwards as it was, and as plain tables."""

import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from support import PATIENCE, SLUICE, DomainTest, wait_until

ENTER = b"\x1b[?1049h\x1b[?25l"
LEAVE = b"\x1b[0m\x1b[?25h\x1b[?1049l"
STYLE = re.compile(r"\x1b\[\d*m")


class Screen:
    """A program on a terminal of its own, and what it shows there."""

    def __init__(self, test, *options, rows=24, columns=80, environment=None):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.modes = termios.tcgetattr(self.slave)
        self.output = b""
        environment = dict(test.environment, TERM="xterm", **(environment or {}))
        self.process = subprocess.Popen([SLUICE, "top", "--period", "50ms", *options], env=environment,
                                        stdin=self.slave, stdout=self.slave, stderr=subprocess.PIPE,
                                        preexec_fn=self.take_terminal)
        test.addCleanup(self.close)

    def take_terminal(self):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys):
        os.write(self.master, keys.encode())

    def read(self):
        if select.select([self.master], [], [], 0.02)[0]:
            self.output += os.read(self.master, 65536)

    def lines(self):
        """Of the last screen that was drawn completely."""
        frames = self.output.decode().split("\x1b[H")[1:]
        whole = [frame for frame in frames if "\x1b[J" in frame]
        if not whole:
            return []
        return STYLE.sub("", whole[-1].split("\x1b[J")[0]).replace("\x1b[K", "").replace("\r", "").split("\n")

    def wait(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition(self.lines()):
            if time.monotonic() > deadline:
                raise AssertionError("still waiting for " + what + ":\n" + "\n".join(self.lines()))
            self.read()

    def end(self):
        """Its exit code; the terminal must be as it was."""
        while self.process.poll() is None:
            self.read()
        while LEAVE not in self.output:
            self.read()
        return self.process.returncode


def head(word):
    return lambda lines: any(re.search(rf"(^| ){re.escape(word)}( |$)", line) for line in lines)


class Top(DomainTest):
    def talk(self, topic="/chatter"):
        subscriber = self.open_topic("subscribe", topic, "--name", "listener")
        publisher = self.start(SLUICE, "topic", "pub", topic, "hello", "--rate", "200", "--quiet")
        return publisher, subscriber

    def restored(self, screen, code=0):
        self.assertEqual(screen.end(), code)
        self.assertTrue(screen.output.startswith(ENTER))
        self.assertEqual(screen.output.count(ENTER), screen.output.count(LEAVE))
        self.assertEqual(termios.tcgetattr(screen.slave), screen.modes)

    def test_a_full_screen(self):
        publisher, subscriber = self.talk()
        screen = Screen(self)
        row = re.compile(r"/chatter +1 +1 +(1[5-9]\d|2[0-4]\d)(\.\d)? +\S+ +\S+[mu]s +\S+[mu]s +0 ")
        screen.wait(lambda lines: any(map(row.match, lines)), "rates and latencies")
        lines = screen.lines()
        self.assertEqual(len(lines), 24)
        self.assertLessEqual(max(map(len, lines)), 80)
        for process, name, node in ((publisher, "sluice", f"/sluice_pub_{publisher.pid}"),
                                    (subscriber, "open_topic", "/listener")):
            self.assertTrue(any(re.match(rf" *{process.pid} {name} +\S+ +\S+ alive +{node}$", line)
                                for line in lines), lines)
        self.assertTrue(lines[-1].startswith("q quit"))
        screen.press("q")
        self.restored(screen)

    def test_keys(self):
        self.talk()
        screen = Screen(self)
        screen.wait(head("CPU%*"), "the first table to be sorted by CPU")
        screen.press("s")
        screen.wait(head("MEMORY*"), "the next column")
        screen.press("sss")
        screen.wait(head("TOPIC*"), "the next table")
        screen.press("p")
        screen.wait(lambda lines: head("NODES")(lines) and not head("PUB")(lines), "processes alone")
        screen.press("p")
        screen.wait(lambda lines: head("PUB")(lines) and not head("NODES")(lines), "topics alone")
        screen.press("p ")
        screen.wait(lambda lines: head("NODES")(lines) and lines[0].startswith("PAUSED"), "a pause")
        self.assertIn(b"\x1b[7m", screen.output)
        screen.press("\x1b[")  # in two pieces, as over a slow line
        screen.press("Bq")
        self.restored(screen)

    def test_scrolling_and_reverse(self):
        for i in range(30):
            self.start(SLUICE, "topic", "pub", f"/t{i:02}", "x", "--quiet")
        screen = Screen(self, "--sort", "topic", rows=12)
        screen.wait(lambda lines: head("/t00")(lines) and head("30 topics")(lines), "the first topic")
        screen.press("p" * 2 + "\x1b[B")
        screen.wait(lambda lines: head("/t01")(lines) and not head("/t00")(lines), "the second to be the topmost")
        screen.press("\x1b[6~" * 9)
        screen.wait(head("/t29"), "the last one")
        screen.press("r")
        screen.wait(lambda lines: head("/t00")(lines) and not head("/t29")(lines), "the other order")
        screen.press("\x1b[A" * 40)
        screen.wait(head("/t29"), "the top")
        screen.press("q")
        self.restored(screen)

    def test_another_size(self):
        self.talk("/a/rather/long/name/of/a/topic/that/does/not/fit/anywhere")
        screen = Screen(self, rows=24, columns=60)
        screen.wait(lambda lines: any(line.startswith("<") and "ywhere " in line for line in lines), "the name's end")
        screen.resize(10, 150)
        screen.wait(lambda lines: len(lines) == 10 and head("/a/rather/long/name/of/a/topic/that/does/not/fit/anywhere")
                    (lines), "the new size")
        screen.resize(1, 1)
        screen.wait(lambda lines: lines == ["s"], "a size for nothing")
        screen.press("q")
        self.restored(screen)

    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            screen = Screen(self)
            screen.wait(head("TOPIC*"), "the table")
            screen.process.send_signal(number)
            self.restored(screen)
        screen = Screen(self)
        screen.wait(head("TOPIC*"), "the table")
        screen.press("\x03")
        self.restored(screen)

    def test_a_crash(self):
        screen = Screen(self)
        screen.wait(head("TOPIC*"), "the table")
        screen.process.send_signal(signal.SIGBUS)
        self.restored(screen, -signal.SIGBUS)

    def test_stopped_and_continued(self):
        screen = Screen(self)
        screen.wait(head("TOPIC*"), "the table")
        screen.process.send_signal(signal.SIGTSTP)
        while LEAVE not in screen.output:
            screen.read()
        while not os.WIFSTOPPED(os.waitpid(screen.process.pid, os.WUNTRACED)[1]):
            pass
        self.assertEqual(termios.tcgetattr(screen.slave), screen.modes)
        screen.process.send_signal(signal.SIGCONT)
        while screen.output.count(ENTER) < 2:
            screen.read()
        screen.press("q")
        self.restored(screen)

    def test_colours_only_where_they_are_wanted(self):
        process = self.open_topic("publish", "/imu")
        process.send_signal(signal.SIGSTOP)  # the base class lets it go on
        late = lambda lines: any(re.search(r" late +/open_topic$", line) for line in lines)
        plain = Screen(self)
        coloured = Screen(self, environment={"NO_COLOR": ""})
        for screen in (plain, coloured):
            screen.wait(late, "the process to be late")
            screen.press("q")
            self.restored(screen)
        self.assertNotIn(b"\x1b[33m", plain.output)
        self.assertIn(b"\x1b[33m", coloured.output)

    def test_plain_tables(self):
        publisher, _ = self.talk()
        result = self.sluice("top", "-n", "2", "--period", "100ms")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertNotIn("\x1b", result.stdout)
        self.assertEqual(len(re.findall(r"^ *PID +NAME +CPU%\* +MEMORY +STATE +NODES$", result.stdout, re.M)), 2)
        self.assertEqual(len(re.findall(r"^/chatter +1 +1 ", result.stdout, re.M)), 2)
        frames = [json.loads(line) for line in
                  self.sluice("top", "-n", "2", "--period", "1s", "--json").stdout.splitlines()]
        topic, = frames[1]["topics"]
        self.assertEqual((topic["topic"], topic["publishers"], topic["subscriptions"]), ("/chatter", 1, 1))
        self.assertAlmostEqual(topic["rate"], 200, delta=100)
        self.assertAlmostEqual(topic["bytes_per_second"], topic["rate"] * 5, delta=20)
        process, = [process for process in frames[1]["processes"] if process["pid"] == publisher.pid]
        self.assertEqual((process["name"], process["liveliness"]), ("sluice", "alive"))
        self.assertGreater(process["memory"], 1_000_000)
        self.assertIsNotNone(process["cpu_percent"])

    def test_programs_without_sluice(self):
        """By what they write into the file of a configured topic that nobody of the domain has open."""
        name = f"sluice-top-test-{os.getpid()}"
        config = self.file("x.yaml", f"topics: {{/raw: {{segment: {name}, element: 8, depth: 64}}}}")
        self.addCleanup(pathlib.Path("/dev/shm", name).unlink, missing_ok=True)
        writer = self.start(SLUICE, "slick", "write", name, "--create", "64", "--element", "8", "12345678", "--rate",
                            "100", "--count", "1000000")
        wait_until(lambda: pathlib.Path("/dev/shm", name).exists(), "the segment")
        frame = json.loads(self.sluice("top", "-n", "1", "--period", "1s", "--json", "--config", config).stdout)
        topic, = frame["topics"]
        self.assertEqual((topic["topic"], topic["publishers"]), ("/raw", 0))
        self.assertAlmostEqual(topic["rate"], 100, delta=50)
        self.assertAlmostEqual(topic["bytes_per_second"], 8 * topic["rate"], delta=1)
        process, = frame["processes"]
        self.assertEqual((process["pid"], process["name"], process["nodes"], process["foreign"]),
                         (writer.pid, "sluice", ["/raw"], True))
        table = self.sluice("top", "--batch", "-n", "1", "--period", "100ms", "--config", config).stdout
        self.assertRegex(table, rf"(?m)^ *{writer.pid} +sluice +\S+ +\S+ +foreign +/raw$")

    def test_errors(self):
        for options, sentence in ((("--sort", "rat"), "--sort: there is no column 'rat'; did you mean 'rate'?"),
                                  (("--period", "1ms"), "--period: '1ms' is less than 50ms, the shortest period")):
            result = self.sluice("top", *options)
            self.assertEqual(result.returncode, 2)
            self.assertIn(sentence, result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
