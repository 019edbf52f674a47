#!/usr/bin/python3
"""End-to-end tests of what a launch file can say: groups, included files, timers, shutdown, parameters from files."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
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


class Respawn(Language):
    def test_a_process_is_started_anew_until_the_launch_ends(self):
        self.script("worker", 'echo started; sleep 0.05; exit 3')
        run = self.run_file("for: 3s\nlaunch:\n  - executable: {cmd: ./worker, name: w, respawn: true}\n"
                            "  - executable: {cmd: sleep 100, name: other}\n")
        self.assertEqual(run.end(), 0)
        self.assertGreaterEqual(run.lines("w-1").count("started"), 3)
        self.assertRegex(run.output, r"\[w-1\]: process is started anew in 100ms \(restart 2\)")

    def test_a_process_that_ends_too_often_is_given_up(self):
        self.script("worker", 'echo started; exit 3')
        run = self.run_file("launch:\n  - executable: {cmd: ./worker, name: w, respawn: true, max_respawns: 2}\n")
        self.assertEqual(run.end(), 3)
        self.assertEqual(run.lines("w-1"), ["started"] * 3)
        self.assertRegex(run.output, r"\[w-1\]: process has been started anew 2 times within \S+ and has ended "
                         "again: giving it up")

    def test_a_restart_that_is_due_does_not_hold_up_the_end(self):
        self.script("worker", 'echo started; exit 3')
        run = self.run_file("launch:\n  - executable: {cmd: ./worker, name: w, respawn: true, respawn_delay: 1000s}\n"
                            "  - executable: {cmd: sleep 0.3, name: other, on_exit: shutdown}\n")
        self.assertEqual(run.end(), 0)
        self.assertEqual(run.lines("w-1"), ["started"])


class After(Language):
    def setUp(self):
        super().setUp()
        shared = tempfile.TemporaryDirectory(prefix="sluice-launch-", dir="/dev/shm")
        self.addCleanup(shared.cleanup)
        self.domain = {"SLUICE_RUNTIME_DIR": shared.name + "/run", "SLUICE_CONFIG": "", "SLUICE_DOMAIN": "0"}

    def test_a_process_waits_for_a_publisher_and_another_for_the_node(self):
        self.script("ready", "echo ready")
        pub = f"[sh, -c, 'sleep 0.3; echo now; exec {SLUICE} topic pub /scan x -r 50']"
        run = self.run_file("launch:\n"
                            "  - executable: {cmd: ./ready, name: last, after: first, on_exit: shutdown}\n"
                            "  - executable: {cmd: ./ready, name: first, after: {topic: /scan}}\n"
                            f"  - executable: {{cmd: {pub}}}\n", env=self.domain)
        self.assertEqual(run.end(), 0)
        self.assertIn("[last-1]: waiting for [first-2]\n", run.output)
        self.assertIn("[first-2]: waiting for a publisher of /scan\n", run.output)
        places = [run.output.index(line) for line in ("[sh-3] now", "[first-2] ready", "[last-1] ready")]
        self.assertEqual(places, sorted(places), run.output)

    def test_a_node_is_ready_when_the_domain_knows_it(self):
        self.script("ready", "echo ready")
        self.write("late.sh", f'sleep 0.3; exec {os.path.dirname(SLUICE)}/listener "$@"')
        self.script("late", f'. {self.directory}/late.sh')
        run = self.run_file("launch:\n"
                            "  - node: {exec: ./late, name: ears}\n"
                            "  - executable: {cmd: ./ready, after: ears, on_exit: shutdown}\n", env=self.domain)
        self.assertEqual(run.end(), 0)
        self.assertEqual(run.lines("ready-2"), ["ready"])

    def test_what_never_comes_is_said(self):
        self.script("fails", "exit 3")
        self.script("ready", "echo ready")
        run = self.run_file("launch:\n"
                            "  - node: {exec: ./fails, name: fails}\n"
                            "  - executable: {cmd: ./ready, name: a, after: fails}\n"
                            "  - executable: {cmd: ./ready, name: b, after: a}\n"
                            "  - executable: {cmd: ./ready, name: c, after: {node: /nobody}, after_timeout: 0.2}\n",
                            env=self.domain)
        self.assertEqual(run.end(), 3)
        never = "process is not started: it is to be started after"
        self.assertIn(f"[ERROR] [launch]: [a-2]: {never} [fails-1], which has ended or was not started\n", run.output)
        self.assertIn(f"[ERROR] [launch]: [b-3]: {never} [a-2], which has ended or was not started\n", run.output)
        self.assertIn("[c-4]: process is not started: node /nobody was not there within 200ms ('after_timeout')\n",
                      run.output)
        self.assertNotIn("ready", run.output.replace("already", ""))


if __name__ == "__main__":
    sys.stderr.write(f"SLUICE_BIN={SLUICE} SLUICE_TEST_SEED={SEED}\n")
    unittest.main()
