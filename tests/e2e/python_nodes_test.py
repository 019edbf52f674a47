#!/usr/bin/python3
"""The nodes of examples/python, beside each other and beside the C++ programs of examples/talker_listener."""

import re
import signal
import sys
import threading
import unittest

from support import BUILD, SOURCE, DomainTest, wait_until

EXAMPLES = SOURCE / "examples" / "python"
PROGRAMS = {"C++": lambda name: [str(BUILD / "bin" / name)],
            "Python": lambda name: [sys.executable, "-B", str(EXAMPLES / f"{name}.py")]}
HEARD = re.compile(r"received (\d+), lost 0, z = 9\.81")
HEARD_OF = re.compile(r"published (\d+), 1 listening")
SAID = re.compile(r"published (\d+), ")
SEEN = re.compile(r"(\d+) frames, .* lost 0")

# A dead listener that is waited for would hold a talker up after 16 messages.
SMALL_TOPIC = "topics:\n  /**: {depth: 16, reliability: reliable, max_blocking_time: 60s, evict_after: 60s}\n"


class Nodes(DomainTest):
    def setUp(self):
        super().setUp()
        self.environment["PYTHONPATH"] = str(next(BUILD.glob("lib/python3*/dist-packages")))
        self.environment["SLUICE_LOG_LEVEL"] = "info"
        self.lines = {}
        self.readers = []
        self.addCleanup(self.join_readers)

    def join_readers(self):
        for reader in self.readers:
            reader.join()

    def start_node(self, language, name, *arguments):
        """What it prints is collected while it runs."""
        process = self.start(*PROGRAMS[language](name), *arguments)
        lines = self.lines[process] = []
        reader = threading.Thread(target=lambda: lines.extend(iter(process.stderr.readline, "")))
        reader.start()
        self.readers.append(reader)
        return process

    def numbers(self, process, pattern):
        return [int(found[1]) for found in map(pattern.search, list(self.lines[process])) if found]

    def wait_for(self, process, pattern, more_than=0):
        def printed():
            self.assertIsNone(process.poll(), self.lines[process])
            return any(number > more_than for number in self.numbers(process, pattern))

        wait_until(printed, f"more than {more_than} in '{pattern.pattern}': {self.lines[process]}")

    def wait_for_line(self, process, text):
        wait_until(lambda: any(text in line for line in list(self.lines[process])), f"'{text}' of {process.args}")

    def end(self, process):
        """Ctrl-C, in order: nothing but lines of the log."""
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(self.patience), 0, self.lines[process])
        self.assertNotIn("Traceback", "".join(self.lines[process]))

    def test_talkers_and_listeners_of_both_languages_in_any_order(self):
        pairs = [("C++", "Python"), ("Python", "C++"), ("Python", "Python")]
        running = []
        for number, (talks, listens) in enumerate(pairs):
            running.append((self.start_node(talks, "talker", "--ns", f"talker_first_{number}"),
                            self.start_node(listens, "listener", "--ns", f"talker_first_{number}")))
            listener = self.start_node(listens, "listener", "--ns", f"listener_first_{number}")
            running.append((self.start_node(talks, "talker", "--ns", f"listener_first_{number}"), listener))
        for talker, listener in running:
            self.wait_for(listener, HEARD)
            self.wait_for(talker, HEARD_OF)
        for talker, listener in running:
            self.end(talker)
            self.end(listener)

    def test_what_one_language_says_the_other_hears_to_the_last_message(self):
        self.environment["SLUICE_CONFIG"] = self.file("small.yaml", SMALL_TOPIC)
        for talks, listens in (("C++", "Python"), ("Python", "C++")):
            listener = self.start_node(listens, "listener")
            self.wait_for_line(listener, "received 0, lost 0")
            talker = self.start_node(talks, "talker")
            self.wait_for(talker, HEARD_OF)
            self.end(talker)
            said = max(self.numbers(talker, SAID))
            self.wait_for(listener, HEARD, said - 1)
            self.end(listener)

    def test_images_are_seen_whole(self):
        camera = self.start_node("Python", "image_publisher")
        viewer = self.start_node("Python", "image_viewer")
        self.wait_for(viewer, SEEN, 1)
        late_viewer = self.start_node("Python", "image_viewer", "--name", "late_viewer")
        self.wait_for(late_viewer, SEEN, 1)
        for process in (viewer, camera, late_viewer):
            self.end(process)
            self.assertNotIn("false pixels", "".join(self.lines[process]))

    def test_a_killed_listener_holds_nobody_up(self):
        self.environment["SLUICE_CONFIG"] = self.file("small.yaml", SMALL_TOPIC)
        for talks, listens in (("C++", "Python"), ("Python", "C++")):
            talker = self.start_node(talks, "talker")
            untouched = self.start_node(listens, "listener", "--name", "untouched")
            killed = self.start_node(listens, "listener")
            self.wait_for(killed, HEARD)
            killed.kill()
            killed.wait(self.patience)
            heard = max(self.numbers(untouched, HEARD), default=0)
            self.wait_for(untouched, HEARD, heard + 50)
            self.end(talker)
            self.end(untouched)
            self.assertEqual(self.sluice("shm", "clean").returncode, 0)  # the killed one's record

    def test_a_killed_talker_is_replaced(self):
        for talks, listens in (("C++", "Python"), ("Python", "C++")):
            listener = self.start_node(listens, "listener")
            killed = self.start_node(talks, "talker")
            self.wait_for(listener, HEARD)
            killed.kill()
            killed.wait(self.patience)
            heard = max(self.numbers(listener, HEARD))
            talker = self.start_node(talks, "talker")
            self.wait_for(listener, HEARD, heard + 50)
            self.end(talker)
            self.end(listener)

    def test_usage(self):
        for name in ("talker", "listener", "image_publisher", "image_viewer"):
            wrong = self.run_program(*PROGRAMS["Python"](name), "--colour", "red")
            self.assertEqual(wrong.returncode, 2, wrong.stderr)
            self.assertIn("unknown arguments: --colour red", wrong.stderr)
            asked = self.run_program(*PROGRAMS["Python"](name), "--help")
            self.assertEqual(asked.returncode, 0)
            self.assertIn("--remap FROM:=TO", " ".join(asked.stdout.split()))
            torn = self.run_program(*PROGRAMS["Python"](name), "--config", self.file("bad.yaml", "topics: ["))
            self.assertEqual(torn.returncode, 1)
            self.assertTrue(torn.stderr.startswith(f"{name}: "), torn.stderr)


if __name__ == "__main__":
    unittest.main()
