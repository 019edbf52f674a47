#!/usr/bin/python3
"""End-to-end tests of what a launch file can say: groups, included files, timers, shutdown, parameters from files."""

import os
import pathlib
import signal
import subprocess
import sys
import unittest

from launch_support import Launch, LaunchTest, PATIENCE, SEED, SLUICE, tagged


class Language(LaunchTest):
    def write(self, name, text):
        path = pathlib.Path(self.directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def run_file(self, yaml, **kwargs):
        run = Launch(self.directory, yaml, **kwargs)
        self.addCleanup(lambda: [os.kill(pid, signal.SIGKILL) for pid in tagged(run.tag)])
        return run

    def command(self, yaml, *args):
        self.write("demo.yaml", yaml)
        done = subprocess.run([SLUICE, "launch", "demo.yaml", *args], cwd=self.directory, capture_output=True,
                              text=True, timeout=PATIENCE)
        return done.returncode, done.stdout, done.stderr

    def show_words(self):
        self.script("words", 'echo "env ${GIVEN-none} ${TAKEN-none}"; for word; do echo "<$word>"; done')

    def test_a_group_and_what_follows_it(self):
        self.show_words()
        run = self.run_file("launch:\n"
                            "  - group:\n"
                            "      - push_ros_namespace: {namespace: robot}\n"
                            "      - set_env: {name: GIVEN, value: group}\n"
                            "      - unset_env: {name: TAKEN}\n"
                            "      - node: {exec: ./words, name: a}\n"
                            "  - node: {exec: ./words, name: a}\n", env={"TAKEN": "kept"})
        self.assertEqual(run.end(), 0)
        self.assertEqual(run.lines("a-1"), ["env group none", "<--name>", "<a>", "<--ns>", "</robot>"])
        self.assertEqual(run.lines("a-2"), ["env none kept", "<--name>", "<a>"])

    def test_included_files(self):
        self.show_words()
        part = self.write("sub/part.yaml", "launch:\n  - arg: {name: robot}\n"
                                           "  - node: {exec: ../words, name: $(var robot)}\n")
        yaml = ("launch:\n  - include: {file: sub/part.yaml, arg: [{name: robot, value: one}]}\n"
                "  - include: {file: sub/part.yaml, arg: [{name: robot, value: two}]}\n")
        run = self.run_file(yaml)
        self.assertEqual(run.end(), 0)
        self.assertEqual(run.lines("one-1")[2:] + run.lines("two-2")[2:], ["<one>", "<two>"])
        self.assertEqual(self.command(yaml.replace("two", "one"), "--check"), (2, "", (
            f"sluice launch: {part}:3:34: the process name '/one' is taken by the one at {part}:3:5 "
            "(included from demo.yaml:2:5); names must differ; included from demo.yaml:3:5\n")))

    def test_a_circle_of_files(self):
        path = os.path.join(self.directory, "demo.yaml")
        self.assertEqual(self.command("launch:\n  - include: {file: demo.yaml}\n"), (2, "", (
            f"sluice launch: demo.yaml:2:21: launch files include each other in a circle: '{path}' -> '{path}'\n")))

    def test_timers_come_in_the_order_of_their_times(self):
        self.script("say", 'echo "$1"')
        run = self.run_file("launch:\n"
                            "  - timer: {period: 0.3, children: [{executable: {cmd: ./say last, name: a}},"
                            " {log: {message: 'after last'}}]}\n"
                            "  - timer: {period: 100ms, children: [{log: {message: second}}]}\n"
                            "  - log: {message: first}\n")
        self.assertEqual(run.end(), 0)
        texts = (": first\n", ": second\n", "[a-1]: process started", ": after last")
        places = [run.output.index(text) for text in texts]
        self.assertEqual(places, sorted(places))
        self.assertEqual(run.lines("a-1"), ["last"])

    def test_the_launch_waits_for_its_timers_and_a_signal_does_not(self):
        self.script("quick", "echo done")
        run = self.run_file("launch:\n  - executable: {cmd: ./quick, name: a}\n"
                            "  - timer: {period: 1h, children: [{executable: {cmd: ./quick, name: b}}]}\n")
        run.wait_for("[a-1]: process has finished cleanly")
        self.assertEqual(run.send(signal.SIGINT).end(), 130)
        self.assertNotIn("[b-2]", run.output)

    def test_shutdown(self):
        self.forever()
        run = self.run_file("launch:\n  - executable: {cmd: ./forever, name: a}\n"
                            "  - timer: {period: 300ms, children: [{shutdown: {reason: enough}},"
                            " {executable: {cmd: ./forever, name: never}}]}\n")
        self.assertEqual(run.end(), 0)
        self.assertIn("the launch file says shutdown (enough), shutting down", run.output)
        self.assertIn("[a-1]: process has ended as asked", run.output)
        self.assertNotIn("never", run.output)

    def test_the_time_of_for_goes_on_while_timers_wait(self):
        run = self.run_file("for: 200ms\nlaunch:\n  - timer: {period: 1h, children: []}\n"
                            "  - timer: {period: 1h, children: [{log: {message: never}}]}\n")
        self.assertEqual(run.end(), 0)
        self.assertIn("the time of 'for: 200ms' is over, shutting down", run.output)

    def test_choices_and_expressions_and_the_plan(self):
        self.show_words()
        self.write("params.yaml", "/**: {ros__parameters: {gain: 0.5}}\n")
        yaml = ("launch:\n"
                "  - arg: {name: mode, default: slow, choice: [{value: slow}, {value: fast}]}\n"
                "  - arg: {name: rate, default: 10}\n"
                "  - timer:\n"
                "      period: 2\n"
                "      children:\n"
                "        - node:\n"
                "            exec: ./words\n"
                "            name: n\n"
                "            param: [{from: params.yaml}, {name: rate, value: $(eval $(var rate) * 2)}]\n"
                "            if: $(eval \"'$(var mode)' == 'fast'\")\n"
                "        - unset_env: {name: GONE}\n"
                "        - executable: {cmd: ./words, if: $(not $(equals $(var mode) fast))}\n"
                "        - shutdown: {reason: over}\n")
        head = "launch file: demo.yaml\nshutdown: SIGINT, SIGTERM after 5s, SIGKILL after another 5s\n"
        tail = "shutdown after 2s: over\n"
        self.assertEqual(self.command(yaml, "--print", "mode:=fast"), (0, (
            f"{head}[n-1] after 2s\n"
            f"  command: {self.directory}/words --name n --param gain:=0.5 --param rate:=20\n{tail}"), ""))
        self.assertEqual(self.command(yaml, "--print"), (0, (
            f"{head}[words-1] after 2s\n  command: {self.directory}/words\n  env without: GONE\n{tail}"), ""))
        self.assertEqual(self.command(yaml, "--check", "mode:=medium"), (2, "", (
            "sluice launch: command line: argument 'mode' cannot be 'medium'; its choices are 'slow', 'fast'\n")))
        self.assertIn("Valid choices are: ['slow', 'fast']\n", self.command(yaml, "--show-args")[1])


if __name__ == "__main__":
    sys.stderr.write(f"SLUICE_BIN={SLUICE} SLUICE_TEST_SEED={SEED}\n")
    unittest.main()
