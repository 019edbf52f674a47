#!/usr/bin/python3
"""Each example is copied to an empty directory, built and run against an installation as its README says, and prints
what the README shows.

In a README of examples/: the first `sh` block builds; each line of the second is a terminal of its own; the `text`
block is what they print."""

import re
import shutil
import signal
import subprocess
import threading
import unittest

from install_support import InstalledTest, as_pattern, blocks
from support import SOURCE, wait_until


class Terminal:
    """A command line of a README, whose output is collected."""

    def __init__(self, line, directory, environment):
        self.process = subprocess.Popen(["sh", "-c", "exec " + line], cwd=directory, env=environment, text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(iter(self.process.stdout.readline, "")))
        self.reader.start()

    def ended(self):
        return self.process.poll() is not None

    def end(self):
        code = self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        return code


class Examples(InstalledTest):
    def start_example(self, name):
        """Builds the example, starts what its README starts; what it should print."""
        folder = shutil.copytree(SOURCE / "examples" / name, self.work / name)
        build, run = blocks(folder / "README.md", "sh")[:2]
        expected, = blocks(folder / "README.md", "text")
        self.shell(build, folder)
        self.terminals = []
        self.addCleanup(self.kill_all)
        for line in run.splitlines():
            self.terminals.append(Terminal(line, folder, self.environment))
        return expected.splitlines()

    def kill_all(self):
        for terminal in self.terminals:
            terminal.process.kill()
            terminal.end()

    def printed(self):
        return [line.rstrip("\n") for terminal in self.terminals for line in terminal.lines]

    def missing(self, expected):
        return [line for line in expected if not any(re.fullmatch(as_pattern(line), done) for done in self.printed())]

    def end_all(self, stop):
        for terminal in self.terminals:
            if stop:
                terminal.process.send_signal(signal.SIGINT)
        for terminal in self.terminals:
            self.assertEqual(terminal.end(), 0, self.printed())

    def prints_exactly(self, name):
        """It ends by itself, and its standard output is what the README shows. Log lines are not compared."""
        expected = self.start_example(name)
        self.end_all(stop=False)
        self.assertEqual([line for line in self.printed() if not re.match(r"\[\d\d:", line)], expected)

    def prints_among_others(self, name, stop):
        """Each line that the README shows is printed, with numbers of its own."""
        expected = self.start_example(name)
        wait_until(lambda: not self.missing(expected) or any(terminal.ended() for terminal in self.terminals),
                   f"{expected} of {name}")
        self.end_all(stop)
        self.assertEqual(self.missing(expected), [], self.printed())

    def test_talker_listener(self):
        self.prints_among_others("talker_listener", stop=True)

    def test_loan_large_messages(self):
        self.prints_exactly("loan_large_messages")

    def test_reliable_and_stats(self):
        self.prints_exactly("reliable_and_stats")

    def test_polling_executor(self):
        self.prints_exactly("polling_executor")

    def test_asio_loop(self):
        self.prints_exactly("asio_loop")

    def test_camera(self):
        self.prints_among_others("camera", stop=False)

    def test_demo(self):
        self.prints_among_others("demo", stop=False)


if __name__ == "__main__":
    unittest.main(verbosity=2)
