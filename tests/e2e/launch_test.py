#!/usr/bin/python3
"""End-to-end tests of `sluice launch`. SLUICE_BIN names the program; SLUICE_TEST_SEED repeats a random run."""

import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import threading
import unittest

from launch_support import Launch, LaunchTest, PATIENCE, SEED, SLUICE, tagged, wait_until


class Endings(LaunchTest):
    def test_all_end_cleanly(self):
        self.script("a", "echo hello")
        run = self.launch(["cmd: ./a", "cmd: ./a, name: second"])
        self.assertEqual(run.end(), 0)
        self.assertEqual(run.lines("a-1") + run.lines("second-2"), ["hello", "hello"])
        self.assertRegex(run.output, r"(?m)^\[INFO\] \[launch\]: \[a-1\]: process started with pid \[\d+\]$")
        self.assertRegex(run.output, r"(?m)^\[INFO\] \[launch\]: \[a-1\]: process has finished cleanly \[pid \d+\]$")

    def test_nothing_to_do(self):
        self.assertEqual(Launch(self.directory, "launch: []").end(), 0)
        self.assertEqual(Launch(self.directory, "launch: []\nfor: 1h").end(), 0)

    def test_the_first_failure_gives_the_code(self):
        self.script("first", "echo $$ > tmp; mv tmp pid; exit 3")
        self.script("second", "until [ -e pid ]; do sleep 0.01; done\n"
                              "while kill -0 `cat pid`; do sleep 0.01; done\nexit 4")
        run = self.launch(["cmd: ./first", "cmd: ./second"])
        self.assertEqual(run.end(), 3)
        self.assertRegex(run.output, r"(?m)^\[ERROR\] \[launch\]: \[first-1\]: process has died "
                                     r"\[pid \d+, exit code 3, cmd '.*/first'\]$")

    def test_death_by_signal(self):
        self.script("a", "kill -SEGV $$")
        run = self.launch(["cmd: ./a"])
        self.assertEqual(run.end(), 128 + signal.SIGSEGV)
        self.assertRegex(run.output, r"process has died \[pid \d+, killed by SIGSEGV, cmd")

    def test_required(self):
        for ending, code in (("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137)):
            with self.subTest(ending):
                self.script("a", ending)
                run = self.launch([self.forever(), "cmd: ./a, required: true"])
                self.assertEqual(run.end(), code)
                self.assertIn("[launch]: [a-2] is required, shutting down", run.output)
                self.assertIn("[forever-1]: process has ended as asked", run.output)

    def test_required_that_ends_well_does_not_hide_a_failure(self):
        self.script("bad", "echo $$ > tmp; mv tmp pid; exit 3")
        self.script("good", "until [ -e pid ]; do sleep 0.01; done; while kill -0 `cat pid`; do sleep 0.01; done")
        self.assertEqual(self.launch(["cmd: ./bad", "cmd: ./good, required: true"]).end(), 3)

    def test_bounded_run(self):
        run = self.launch([self.forever()], root="for: 300ms")
        self.assertEqual(run.end(), 0)
        self.assertIn("the time of 'for: 300ms' is over, shutting down", run.output)
        self.script("bad", "exit 9")
        self.assertEqual(self.launch([self.forever(), "cmd: ./bad"], root="for: 300ms").end(), 9)

    def test_failure_during_the_shutdown(self):
        for code, expected in ((5, 5), (130, 0), (139, 139)):
            with self.subTest(code):
                up = os.path.join(self.directory, f"up{code}")
                self.python("a", f"import signal, sys, time\nsignal.signal(2, lambda *_: sys.exit({code}))\n"
                                 f"open('{up}', 'w')\nwhile True: time.sleep(0.01)")
                self.script("b", f"until [ -e {up} ]; do sleep 0.01; done")
                self.assertEqual(self.launch(["cmd: ./a", "cmd: ./b, required: true"]).end(), expected)

    def test_signals_to_the_launcher(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            with self.subTest(number):
                run = self.launch([self.forever(), self.forever()], root="for: 1h").wait_for("] ready", 2)
                self.assertEqual(run.send(number).end(), 128 + number)
                self.assertIn(f"received {number.name}, shutting down", run.output)
                self.assertEqual(run.output.count("killed by SIGINT]"), 2)

    def test_dispositions_of_the_caller(self):
        def careless():
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_IGN)

        run = self.launch([self.forever()], preexec_fn=careless).wait_for("] ready")
        # Under nohup a hang-up is not for us. Of two pending signals the lower number comes first.
        self.assertEqual(run.send(signal.SIGHUP).send(signal.SIGINT).end(), 130)
        self.script("a", "exit 3")
        self.assertEqual(self.launch(["cmd: ./a"], preexec_fn=careless).end(), 3)

    def test_a_program_that_cannot_be_started(self):
        self.script("a", "", "#!/no/such/interpreter")
        run = self.launch(["cmd: ./a", self.forever()], root="for: 300ms")
        self.assertEqual(run.end(), 126)
        self.assertIn(f"[ERROR] [launch]: [a-1]: process cannot be started: cannot execute '{self.directory}/a': "
                      "No such file or directory\n", run.output)
        self.assertEqual(self.launch([self.forever(), "cmd: ./a, required: true", self.forever("never")]).end(), 126)

    def test_escalation(self):
        root = "for: 1h\nshutdown: {sigterm_after: 200ms, sigkill_after: 200ms}"
        for ignored, last in (("INT", "SIGTERM"), ("INT TERM", "SIGKILL")):
            self.script("a", f"trap '' {ignored}; echo ready; while :; do sleep 100000; done")
            run = self.launch(["cmd: ./a"], root=root).wait_for("] ready")
            self.assertEqual(run.send(signal.SIGTERM).end(), 143)
            self.assertIn("process has not ended after SIGINT, escalating to SIGTERM", run.output)
            self.assertRegex(run.output, rf"process has ended as asked \[pid \d+, killed by {last}\]")

    def test_a_second_interrupt_does_not_wait(self):
        self.script("a", "trap '' INT TERM; echo ready; while :; do sleep 100000; done")
        run = self.launch(["cmd: ./a"], root="shutdown: {sigterm_after: 1h, sigkill_after: 1h}").wait_for("] ready")
        run.send(signal.SIGINT).wait_for("sending SIGINT")
        run.send(signal.SIGINT).wait_for("escalating to SIGTERM")
        self.assertEqual(run.send(signal.SIGINT).end(), 130)
        self.assertIn("killed by SIGKILL]", run.output)

    def test_a_stopped_process_ends_too(self):
        self.script("a", "echo ready; kill -STOP $$")
        run = self.launch(["cmd: ./a"], root="shutdown: {sigterm_after: 50ms, sigkill_after: 50ms}").wait_for("] ready")
        self.assertEqual(run.send(signal.SIGINT).end(), 130)


class Output(LaunchTest):
    def test_a_flood_starves_nobody(self):
        self.script("flood", "exec yes abcdefghijklmnopqrstuvwxyz")
        self.python("tick", "for i in range(200): print('tick', i)\nprint('last', end='')")
        run = self.launch(["cmd: ./flood", "cmd: ./flood", "cmd: ./tick, required: true"])
        self.assertEqual(run.end(), 0)
        self.assertEqual(run.lines("tick-3"), [f"tick {i}" for i in range(200)] + ["last"])
        for flood in ("flood-1", "flood-2"):
            self.assertEqual(set(run.lines(flood)[:-1]), {"abcdefghijklmnopqrstuvwxyz"})

    def test_nothing_is_lost(self):
        self.python("a", "import sys\nfor i in range(300000): sys.stdout.write(f'{i}\\n')\nsys.stderr.write('end')")
        run = self.launch(["cmd: ./a"])
        self.assertEqual(run.end(), 0)
        lines = run.lines("a-1")
        lines.remove("end")
        self.assertEqual(lines, [str(i) for i in range(300000)])

    def test_lines_that_never_end(self):
        self.python("a", "import os, sys\nsys.stdout.write('x' * 1000000); sys.stdout.flush()\nos.abort()")
        run = self.launch(["cmd: ./a"])
        self.assertEqual(run.end(), 134)
        pieces = run.lines("a-1")
        self.assertEqual("".join(pieces), "x" * 1000000)
        self.assertEqual({len(piece) for piece in pieces[:-1]}, {65536})
        self.assertLess(run.output.index("x\n[ERROR]"), run.output.index("process has died"))

    def test_what_a_grandchild_writes_later_is_shown(self):
        self.script("a", "(until [ -e go ]; do sleep 0.01; done; echo late) & echo early")
        run = self.launch(["cmd: ./a", self.forever()]).wait_for("[a-1]: process has finished cleanly")
        pathlib.Path(self.directory, "go").touch()
        run.wait_for("[a-1] late")
        self.assertEqual(run.send(signal.SIGINT).end(), 130)

    def test_output_up_to_the_end_comes_before_the_end(self):
        # The pipe stays open, so that only the end of the process can finish the line.
        self.script("a", "sleep 100000 & printf partial")
        run = self.launch(["cmd: ./a"])
        self.assertEqual(run.end(), 0)
        self.assertIn("[a-1] partial\n[INFO] [launch]: [a-1]: process has finished cleanly", run.output)

    def test_a_reader_that_stalls_does_not_stop_supervision(self):
        self.script("flood", "exec yes")
        run = self.launch(["cmd: ./flood", "cmd: sleep 1, required: true"], read=False)
        run.wait_for_error("all processes have ended; waiting for the reader of stdout (Ctrl-C leaves)")
        memory = pathlib.Path("/proc", str(run.supervisor()), "status").read_text()
        self.assertLess(int(re.search(r"VmHWM:\s+(\d+) kB", memory)[1]), 100000)
        self.assertEqual(run.send(signal.SIGINT).end(), 0)
        run = self.launch(["cmd: ./flood"], read=False)
        wait_until(lambda: len(tagged(run.tag)) == 3, "the flood")
        self.assertEqual(run.send(signal.SIGINT).end(), 130)

    def test_a_reader_that_leaves_ends_the_launch_in_order(self):
        self.python("a", "import signal, sys, time\nsignal.signal(2, lambda *_: (open('done', 'w'), sys.exit(0)))\n"
                         "print('ready')\nwhile True: print('x'); time.sleep(0.01)")
        run = self.launch(["cmd: ./a"], read=False)
        while b"ready" not in os.read(run.process.stdout.fileno(), 4096):
            pass
        run.process.stdout.close()
        self.assertEqual(run.end(), 141)
        self.assertTrue(os.path.exists(os.path.join(self.directory, "done")))

    def test_stdout_in_non_blocking_mode(self):
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK)
        self.python("a", "for i in range(100000): print(i)")
        run = self.launch(["cmd: ./a"], read=False, stdout=writing)
        run.process.stdout = os.fdopen(reading, "rb")
        # A full pipe, so that the launcher has met EAGAIN.
        wait_until(lambda: not select.select([], [writing], [], 0)[1], "a full pipe")
        os.close(writing)
        run.reader.start()
        self.assertEqual(run.end(), 0)
        self.assertEqual(run.lines("a-1"), [str(i) for i in range(100000)])

    def on_terminal(self, actions, **env):
        """A launcher as the foreground job of a terminal of its own, and that terminal."""
        master, slave = pty.openpty()

        def own_terminal():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        run = self.launch(actions, read=False, stdout=slave, preexec_fn=own_terminal, pass_fds=[slave], env=env)
        os.close(slave)
        run.process.stdout = os.fdopen(os.dup(master), "rb", 0)

        def read():
            try:
                run._read()
            except OSError:
                pass  # EIO: the other side is closed.

        run.reader = threading.Thread(target=read, daemon=True)
        run.reader.start()
        return run, os.fdopen(master, "wb", 0)

    def test_interrupt_from_the_terminal_arrives_once(self):
        self.python("a", "import signal, time\nseen = []\nsignal.signal(2, lambda *_: seen.append(1))\nprint('ready')\n"
                         "while not seen: time.sleep(0.01)\ntime.sleep(0.3)\nprint('interrupts:', len(seen))")
        run, terminal = self.on_terminal(["cmd: ./a"])
        run.wait_for(" ready")
        terminal.write(b"\x03")
        self.assertEqual(run.end(), 130)
        self.assertIn("interrupts: 1", run.output)
        self.assertNotIn("during the shutdown", run.output)
        terminal.close()

    def test_colours(self):
        self.script("a", "echo hello")
        for env, coloured in (({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)):
            run, terminal = self.on_terminal(["cmd: ./a"], **env)
            self.assertEqual(run.end(), 0)
            self.assertEqual("\033[36m[a-1]\033[0m hello" in run.output, coloured)
            self.assertEqual("\033" in run.output, coloured)
            terminal.close()


class Children(LaunchTest):
    def test_what_a_process_inherits(self):
        self.python("a", "import os, signal\n"
                         "fds = '/proc/self/fd/'\n"
                         "print('fds', *sorted(int(n) for n in os.listdir(fds) if os.path.exists(fds + n)))\n"
                         "print('stdin', os.readlink('/proc/self/fd/0'))\n"
                         "print('leader', os.getpgrp() == os.getpid())\nprint('cwd', os.getcwd())\n"
                         "print('env', os.environ['A'], os.environ['B'])\n")
        self.script("b", "grep -E '^Sig(Blk|Ign)' /proc/self/status")
        os.mkdir(os.path.join(self.directory, "sub"))
        leak = os.open("/dev/null", os.O_RDONLY)
        self.addCleanup(os.close, leak)

        def careless():
            for number in (signal.SIGUSR2, signal.SIGPIPE, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])

        run = self.launch(["cmd: ./a, cwd: sub, env: [{name: A, value: 1}, {name: B, value: '$(dirname)'}]",
                           "cmd: ./b"], pass_fds=[leak], preexec_fn=careless,
                          env={"A": "0"})
        self.assertEqual(run.end(), 0)
        self.assertEqual(run.lines("a-1"), ["fds 0 1 2", "stdin /dev/null", "leader True",
                                            f"cwd {self.directory}/sub", f"env 1 {self.directory}"])
        self.assertEqual([re.sub(r"\s+", " ", line) for line in run.lines("b-2")],
                         ["SigBlk: 0000000000000000", "SigIgn: 0000000000000000"])

    def test_signals_reach_the_process_group(self):
        self.python("a", "import os, signal, time\nname, done = 'parent', []\n"
                         "signal.signal(2, lambda *_: done.append(1))\n"
                         "if os.fork() == 0: name = 'child'\n"
                         "os.write(1, b'ready\\n')\nwhile not done: time.sleep(0.01)\n"
                         "os.write(1, f'{name} interrupted\\n'.encode())\nif name == 'parent': os.wait()")
        run = self.launch(["cmd: ./a"]).wait_for("] ready", 2)
        self.assertEqual(run.send(signal.SIGINT).end(), 130)
        self.assertEqual(sorted(run.lines("a-1"))[:2], ["child interrupted", "parent interrupted"])

    def test_a_node_gets_its_settings_as_options(self):
        self.script("talker", 'for word; do echo "<$word>"; done')
        pathlib.Path(self.directory, "c.yaml").touch()
        run = Launch(self.directory, "config: c.yaml\nlaunch:\n  - node: {exec: ./talker, name: t, namespace: ns, "
                                     "args: '-v \"a b\"', remap: [{from: x, to: /y}], param: [{name: p, value: 1}]}\n")
        self.assertEqual(run.end(), 0)
        self.assertEqual(run.lines("t-1"), ["<--name>", "<t>", "<--ns>", "</ns>", "<--config>",
                                            f"<{self.directory}/c.yaml>", "<--remap>", "<x:=/y>", "<--param>", "<p:=1>",
                                            "<-v>", "<a b>"])


class CommandLine(LaunchTest):
    def command(self, yaml, *args):
        pathlib.Path(self.directory, "demo.yaml").write_text(yaml)
        done = subprocess.run([SLUICE, "launch", "demo.yaml", *args], cwd=self.directory, capture_output=True,
                              text=True, timeout=PATIENCE)
        return done.returncode, done.stdout, done.stderr

    def test_plan_without_running(self):
        yaml = ("launch:\n  - arg: {name: n, default: 1, description: How many.}\n  - log: {message: n=$(var n)}\n"
                "  - executable: {cmd: 'touch $(dirname)/ran', name: a b, required: true, "
                "env: [{name: A, value: b c}]}\n")
        touch = subprocess.run(["which", "touch"], capture_output=True, text=True, check=True).stdout.strip()
        self.assertEqual(self.command(yaml, "--check"), (0, "demo.yaml: valid, 1 process\n", ""))
        self.assertEqual(self.command(yaml, "--print", "n:=5"), (0, (
            "launch file: demo.yaml\nshutdown: SIGINT, SIGTERM after 5s, SIGKILL after another 5s\nlog: n=5\n"
            f"[a b-1] required\n  command: {touch} {self.directory}/ran\n  env: A='b c'\n"), ""))
        self.assertEqual(self.command(yaml, "--show-args"), (0, (
            "Arguments (pass them as NAME:=VALUE):\n\n    'n':\n        How many.\n        (default: '1')\n"), ""))
        self.assertFalse(os.path.exists(os.path.join(self.directory, "ran")))

    def test_errors(self):
        own = os.path.dirname(os.path.realpath(SLUICE))
        path = os.environ["PATH"]
        for yaml, args, error in (
                ("launch:\n  - node: {exec: zzzzzz}", [],
                 f"demo.yaml:2:18: node 'zzzzzz-1': no program 'zzzzzz' in {own} or PATH ({path})"),
                ("launch:\n  - node: {exec: ./demo.yaml}", [],
                 f"demo.yaml:2:18: node 'demo.yaml-1': '{self.directory}/demo.yaml' is not executable; chmod +x it"),
                ("launch:\n  - log: {message: $(var x)}", [], "demo.yaml:2:20: undefined variable 'x'"),
                ("launch:\n  - arg: {name: speed}", [],
                 "demo.yaml:2:5: argument 'speed' has no default; give it as speed:=VALUE"),
                ("launch:\n  - arg: {name: speed, default: 1}", ["sped:=2"],
                 "command line: 'demo.yaml' declares no argument 'sped'; did you mean 'speed'?"),
                ("launch:\n  - nodes: {exec: x}", [],
                 "demo.yaml:2:5: unknown launch action 'nodes'; did you mean 'node'?")):
            with self.subTest(error):
                self.assertEqual(self.command(yaml, *args), (2, "", f"sluice launch: {error}\n"))


if __name__ == "__main__":
    sys.stderr.write(f"SLUICE_BIN={SLUICE} SLUICE_TEST_SEED={SEED}\n")
    unittest.main()
