#!/usr/bin/python3
"""End-to-end tests of `sluice launch`. SLUICE_BIN names the program; SLUICE_TEST_SEED repeats a random run."""

import fcntl
import faulthandler
import os
import pathlib
import pty
import random
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest
import uuid

SLUICE = os.path.abspath(os.environ.get("SLUICE_BIN", "build/release/bin/sluice"))
SEED = int(os.environ.get("SLUICE_TEST_SEED", "1"))
PATIENCE = 60.0  # A watchdog: no test expects anything to be this slow.
MOST_OUTPUT = 1 << 29  # Another one, for a flood that does not end.
TAG = "SLUICE_LAUNCH_TEST_TAG"


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("still waiting for: " + (what() if callable(what) else what))
        time.sleep(0.002)


def processes():
    """pid -> parent of everything that is alive (no zombies)."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = pathlib.Path("/proc", entry, "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if stat[0] not in "ZX":
            found[int(entry)] = int(stat[1])
    return found


def tagged(tag):
    """Every process that inherited the environment of a launch, whoever its parent is now."""
    found = []
    for pid in processes():
        try:
            environment = pathlib.Path("/proc", str(pid), "environ").read_bytes()
        except OSError:
            continue
        if f"{TAG}={tag}".encode() in environment:
            found.append(pid)
    return found


class Launch:
    """A running launcher whose output is collected by a thread."""

    def __init__(self, directory, yaml, *args, env=None, read=True, **popen):
        self.tag = uuid.uuid4().hex
        path = pathlib.Path(directory, "demo.yaml")
        path.write_text(yaml)
        environment = {**os.environ, TAG: self.tag, **(env or {})}
        popen.setdefault("stdout", subprocess.PIPE)
        self.stderr = pathlib.Path(directory, self.tag)
        with open(self.stderr, "wb") as stderr:
            self.process = subprocess.Popen([SLUICE, "launch", "demo.yaml", *args], stderr=stderr, env=environment,
                                            cwd=directory, stdin=subprocess.DEVNULL, **popen)
        self.pid = self.process.pid
        self.chunks = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        if read:
            self.reader.start()

    def _read(self):
        size = 0
        while chunk := os.read(self.process.stdout.fileno(), 65536):
            size += len(chunk)
            if size < MOST_OUTPUT:
                self.chunks.append(chunk)

    @property
    def output(self):
        return b"".join(self.chunks).decode()

    def lines(self, label):
        return re.findall(rf"^\[{label}\] (.*)$", self.output, re.M)

    def wait_for(self, text, count=1):
        wait_until(lambda: self.output.count(text) >= count, lambda: f"{text!r} in\n{self.output[-2000:]}")
        return self

    def wait_for_error(self, text):
        wait_until(lambda: text in self.stderr.read_text(), text + " on stderr")
        return self

    def send(self, number):
        os.kill(self.pid, number)
        return self

    def end(self):
        """The exit code, with nothing surviving."""
        code = self.process.wait(PATIENCE)
        wait_until(lambda: not tagged(self.tag), lambda: f"the end of {tagged(self.tag)}\n{self.output[-2000:]}")
        if self.reader.ident:
            self.reader.join(PATIENCE)
        self.process.stdout.close()
        return code

    def supervisor(self):
        found = [pid for pid, parent in processes().items() if parent == self.pid]
        return found[0] if found else None


class LaunchTest(unittest.TestCase):
    def setUp(self):
        faulthandler.dump_traceback_later(300, exit=True)
        self.addCleanup(faulthandler.cancel_dump_traceback_later)
        temporary = tempfile.TemporaryDirectory(prefix="sluice_launch_")
        self.addCleanup(temporary.cleanup)
        self.directory = os.path.realpath(temporary.name)

    def script(self, name, text, shebang="#!/bin/sh"):
        path = pathlib.Path(self.directory, name)
        path.write_text(f"{shebang}\n{text}\n")
        path.chmod(0o755)

    def python(self, name, text):
        self.script(name, text, "#!/usr/bin/python3 -u")

    def launch(self, actions, *args, root="", **kwargs):
        """`actions`: lines such as 'cmd: ./a, required: true', one executable each."""
        yaml = root + "\nlaunch:\n" + "".join(f"  - executable: {{{action}}}\n" for action in actions)
        started = Launch(self.directory, yaml, *args, **kwargs)
        self.addCleanup(lambda: [os.kill(pid, signal.SIGKILL) for pid in tagged(started.tag)])
        return started

    def forever(self, name="forever"):
        self.script(name, "echo ready; exec sleep 100000")
        return f"cmd: ./{name}"


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
