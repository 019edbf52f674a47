#!/usr/bin/python3
"""End-to-end tests of launch/demo.yaml and the example programs.

SLUICE_BIN names the sluice program, SLUICE_SOURCE the source tree. SLUICE_DEMO_KILLS is the length of the campaign that
kills random processes, SLUICE_TEST_SEED its seed. Nothing here expects anything to be fast: every wait is for a
condition, with a watchdog.
"""

import faulthandler
import json
import os
import pathlib
import pty
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

SLUICE = os.path.abspath(os.environ.get("SLUICE_BIN", "build/release/bin/sluice"))
SOURCE = pathlib.Path(os.environ.get("SLUICE_SOURCE", pathlib.Path(__file__).parent.parent.parent)).resolve()
KILLS = int(os.environ.get("SLUICE_DEMO_KILLS", "3"))
SEED = int(os.environ.get("SLUICE_TEST_SEED", "1"))
PATIENCE = 120.0
BIN = pathlib.Path(SLUICE).parent
NODES = ["file_sink", "file_source", "host_telemetry", "host_monitor", "dashboard"]
QUICK = ["total:=4MiB", "rate:=0", "patience:=30s"]
STEADY = ["total:=1GiB", "rate:=4MiB", "seconds:=100"]  # to be interrupted


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("still waiting for " + (what() if callable(what) else what))
        time.sleep(0.005)


class Running:
    """A process whose output is collected by a thread."""

    def __init__(self, command, runtime_dir, **environment):
        clean = {name: value for name, value in os.environ.items() if name not in ("SLUICE_CONFIG", "SLUICE_DOMAIN")}
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        env={**clean, "SLUICE_RUNTIME_DIR": runtime_dir, **environment})
        self.chunks = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while chunk := os.read(self.process.stdout.fileno(), 65536):
            self.chunks.append(chunk)

    @property
    def output(self):
        return b"".join(self.chunks).decode(errors="replace")

    def wait_for(self, pattern):
        wait_until(lambda: re.search(pattern, self.output) or self.process.poll() is not None,
                   lambda: f"{pattern!r} in\n{self.output}")
        found = re.search(pattern, self.output)
        if not found:
            self.reader.join(PATIENCE)
            found = re.search(pattern, self.output)
        assert found, f"ended without {pattern!r}:\n{self.output}"
        return found

    def pid_of(self, node):
        return int(self.wait_for(rf"\[{node}-\d\]: process started with pid \[(\d+)\]")[1])

    def end(self):
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not end:\n{self.output}") from None
        self.reader.join(PATIENCE)
        self.process.stdout.close()
        return code


class DemoTest(unittest.TestCase):
    def setUp(self):
        faulthandler.dump_traceback_later(600, exit=True)
        self.runtime_dir = "/dev/shm/sluice-demo-test-" + uuid.uuid4().hex
        self.addCleanup(shutil.rmtree, self.runtime_dir, ignore_errors=True)
        self.addCleanup(faulthandler.cancel_dump_traceback_later)
        self.running = []
        self.addCleanup(self.end_all)

    def end_all(self):
        for running in self.running:
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait()

    def start(self, command, **environment):
        self.running.append(Running(command, self.runtime_dir, **environment))
        return self.running[-1]

    def launch(self, *arguments, file=SOURCE / "launch/demo.yaml", sluice=SLUICE):
        return self.start([sluice, "launch", file, *arguments])

    def start_node(self, name, *options, **environment):
        return self.start([BIN / name, "--config", SOURCE / "config/demo.yaml", *options], **environment)

    def assert_no_accident(self, output):
        for word in ("terminate called", "Segmentation", "Traceback", "what():", "Assertion", "ERROR: "):
            self.assertNotIn(word, output)

    def assert_good_verdict(self, output):
        self.assertIn("verdict: OK", output)
        matched, mismatched = map(int, re.search(r"files: (\d+) matched, (\d+) mismatched", output).groups())
        received, lost, skipped, queued, positions = map(int, re.search(
            r"books: received (\d+) \+ lost (\d+) \+ skipped (\d+) \+ queued (\d+); reserved \d+ - joined \d+ = (\d+)",
            output).groups())
        files, messages, total = map(int, re.search(
            r"source: (\d+) files, (\d+) messages, (\d+) bytes by its own log", output).groups())
        sent = re.search(r"sent (\d+) files, (\d+) bytes in (\d+) messages", output)
        self.assertEqual((matched, mismatched), (files, 0))
        self.assertGreater(files, 0)
        self.assertEqual((received, lost, skipped, queued), (messages, 0, 0, 0))
        self.assertEqual(positions, messages)
        if sent:  # absent when the source itself was killed after its last message
            self.assertEqual(tuple(map(int, sent.groups())), (files, total, messages))
        return total

    def assert_nothing_left(self):
        """Everybody left in order, so there is nothing to clean."""
        left = [str(path) for path in pathlib.Path(self.runtime_dir).rglob("*")]
        self.assertFalse(os.path.exists(self.runtime_dir), left)

    def assert_clean_removes_all(self):
        cleaned = subprocess.run([SLUICE, "shm", "clean"], env={**os.environ, "SLUICE_RUNTIME_DIR": self.runtime_dir},
                                 capture_output=True, text=True, timeout=PATIENCE, check=True)
        left = [str(path) for path in pathlib.Path(self.runtime_dir).rglob("*")]
        self.assertFalse(os.path.exists(self.runtime_dir), f"{left} {cleaned}")


class LaunchedDemo(DemoTest):
    def test_succeeds_and_leaves_nothing(self):
        demo = self.launch(*QUICK)
        self.assertEqual(demo.end(), 0, demo.output)
        self.assertEqual(self.assert_good_verdict(demo.output), 4 << 20)
        self.assert_no_accident(demo.output)
        self.assertRegex(demo.output, r"\[dashboard-5\] totals after ")
        self.assertRegex(demo.output, r"\[host_monitor-4\] cpu +\d+% of \d+|\[host_monitor-4\] no telemetry yet")
        for line in re.findall(r"^\[dashboard-5\].*", demo.output, re.M):
            self.assertLessEqual(len(line), 80, line)
        self.assert_nothing_left()

    def test_file_data_travels_by_reference(self):
        """Messages longer than inline_limit lie in chunks, of which nobody makes a copy."""
        demo = self.launch(*STEADY)
        demo.wait_for("streaming")

        def topic():
            command = [SLUICE, "topic", "info", "/file/data", "--json"]
            return json.loads(subprocess.check_output(command, timeout=PATIENCE,
                                                      env={**os.environ, "SLUICE_RUNTIME_DIR": self.runtime_dir}))

        wait_until(lambda: topic()["chunks"][0]["used"] > 0, lambda: f"a message in a chunk: {topic()}")
        cells, chunks = topic()["copies_per_delivery"]
        self.assertEqual((cells["up_to"], chunks["up_to"]), (2 << 10, 64 << 10))
        self.assertEqual((chunks["publish_loan"], chunks["take"]), (0, 0))
        demo.process.send_signal(signal.SIGINT)
        self.assertEqual(demo.end(), 128 + signal.SIGINT, demo.output)
        self.assert_nothing_left()

    def test_keeps_to_the_rate(self):
        begin = time.monotonic()
        demo = self.launch("total:=4MiB", "rate:=2MiB")
        self.assertEqual(demo.end(), 0, demo.output)
        self.assert_good_verdict(demo.output)
        self.assertGreater(time.monotonic() - begin, 1.9)
        self.assert_nothing_left()

    def test_repeats_while_the_sink_is_stopped(self):
        demo = self.launch("total:=64MiB", "rate:=32MiB")
        sink = demo.pid_of("file_sink")
        demo.wait_for("streaming")
        os.kill(sink, signal.SIGSTOP)
        time.sleep(1)  # ten publications time out meanwhile; five such seconds would evict the sink
        os.kill(sink, signal.SIGCONT)
        self.assertEqual(demo.end(), 0, demo.output)
        self.assert_good_verdict(demo.output)
        self.assertGreater(int(re.search(r"(\d+) publications waited too long", demo.output)[1]), 0)
        self.assert_nothing_left()

    def test_a_corrupt_byte_is_found(self):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory, "corrupt.yaml")
            file.write_text(f"config: {SOURCE}/config/demo.yaml\n"
                            "launch:\n"
                            "  - node: {exec: file_sink, name: file_sink, required: true}\n"
                            "  - node:\n"
                            "      exec: file_source\n"
                            "      name: file_source\n"
                            "      param: [{name: corrupt, value: true}, {name: total, value: 1MiB}]\n")
            demo = self.launch(file=file)
            self.assertEqual(demo.end(), 1, demo.output)
        self.assertRegex(demo.output, r"problem: /\S+: SHA-256 mismatch")
        self.assertRegex(demo.output, r"files: \d+ matched, 1 mismatched")
        self.assertIn("verdict: FAILED: 1 file mismatches", demo.output)
        self.assert_nothing_left()

    def test_a_killed_sink_ends_the_demo(self):
        demo = self.launch(*STEADY)
        demo.wait_for("streaming")
        os.kill(demo.pid_of("file_sink"), signal.SIGKILL)
        self.assertEqual(demo.end(), 128 + signal.SIGKILL, demo.output)
        self.assertRegex(demo.output, r"\[file_sink-1\]: process has died .*SIGKILL")
        self.assert_no_accident(demo.output)
        self.assert_clean_removes_all()

    def test_a_killed_source_is_noticed(self):
        demo = self.launch(*STEADY)
        demo.wait_for("streaming")
        os.kill(demo.pid_of("file_source"), signal.SIGKILL)
        self.assertNotEqual(demo.end(), 0)
        self.assertIn("verdict: FAILED: the source has left without saying goodbye", demo.output)
        self.assertRegex(demo.output, r"\[file_source-2\]: process has died .*SIGKILL")
        self.assert_clean_removes_all()

    def test_time_runs_out(self):
        demo = self.launch("total:=1GiB", "rate:=1MiB", "seconds:=3")
        self.assertEqual(demo.end(), 1, demo.output)
        self.assertIn("verdict: FAILED: asked to end before the stream was complete", demo.output)
        self.assert_nothing_left()

    def test_ctrl_c_at_any_moment(self):
        moments = random.Random(SEED)
        for _ in range(6):
            delay = moments.uniform(0.02, 1.0)
            with self.subTest(seed=SEED, delay=delay):
                demo = self.launch(*STEADY)
                demo.wait_for("process started")  # before, the launcher may not handle signals yet
                time.sleep(delay)
                demo.process.send_signal(signal.SIGINT)
                self.assertEqual(demo.end(), 128 + signal.SIGINT, demo.output)
                self.assert_no_accident(demo.output)
                self.assertNotIn("escalating", demo.output)
                self.assert_nothing_left()

    def test_works_from_an_installation(self):
        build = BIN.parent
        if not shutil.which("cmake") or not (build / "CMakeCache.txt").exists():
            self.skipTest("no build tree to install from")
        with tempfile.TemporaryDirectory() as prefix:
            subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL,
                           timeout=PATIENCE)
            shared = pathlib.Path(prefix, "share/sluice")
            self.assertTrue((shared / "config/demo.yaml").is_file())
            demo = self.launch(*QUICK, file=shared / "launch/demo.yaml", sluice=pathlib.Path(prefix, "bin/sluice"))
            self.assertEqual(demo.end(), 0, demo.output)
            self.assertIn(f"{prefix}/libexec/sluice/", subprocess.run(
                [f"{prefix}/bin/sluice", "launch", shared / "launch/demo.yaml", "--print"], capture_output=True,
                text=True, check=True, timeout=PATIENCE).stdout)
        self.assert_good_verdict(demo.output)
        self.assert_nothing_left()


class RandomKills(DemoTest):
    """Any demo process dies at any moment: the others go on, the launcher says so, and the next start works."""

    def test_campaign(self):
        chance = random.Random(SEED)
        for number in range(KILLS):
            faulthandler.dump_traceback_later(600, exit=True)
            victim, delay = chance.choice(NODES), chance.uniform(0.0, 2.5)
            with self.subTest(number=number, seed=SEED, victim=victim, delay=delay):
                self.kill_one(victim, delay)
        # What the dead left is the next start's business: one orderly run later nothing is left at all.
        demo = self.launch(*QUICK)
        self.assertEqual(demo.end(), 0, demo.output)
        self.assert_good_verdict(demo.output)
        self.assert_nothing_left()

    def kill_one(self, victim, delay):
        demo = self.launch("total:=8MiB", "rate:=4MiB", "patience:=10s")
        pid = demo.pid_of(victim)
        time.sleep(delay)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it had ended before
        code = demo.end()
        self.assert_no_accident(demo.output)
        if not re.search(rf"\[{victim}-\d\]: process has died .*SIGKILL", demo.output):
            self.assertEqual(code, 0, demo.output)  # the shot came too late
            self.assert_good_verdict(demo.output)
        elif victim == "file_sink":
            self.assertEqual(code, 128 + signal.SIGKILL, demo.output)
        elif victim == "file_source" and "verdict: OK" not in demo.output:
            self.assertNotEqual(code, 0, demo.output)
            self.assertRegex(demo.output, "verdict: FAILED: (the source has left|no publisher of /file/data)")
        else:  # the transfer did not need it
            self.assertEqual(code, 128 + signal.SIGKILL, demo.output)
            self.assert_good_verdict(demo.output)


class SingleNodes(DemoTest):
    def test_help_and_mistakes(self):
        for name in NODES:
            with self.subTest(name=name):
                help_text = self.start_node(name, "--help")
                self.assertEqual(help_text.end(), 0)
                self.assertIn("--config FILE", help_text.output)
                self.assertIn("Parameters", help_text.output)
                wrong = self.start_node(name, "--speed", "fast")
                self.assertEqual(wrong.end(), 2)
                self.assertIn(f"{name}: unknown arguments '--speed' 'fast'", wrong.output)
                unknown = self.start_node(name, "--param", "nonsense:=1")
                self.assertEqual(unknown.end(), 2)
                self.assertIn(f"{name}: there is no parameter 'nonsense'", unknown.output)
                missing = self.start([BIN / name, "--config", "/nowhere.yaml"])
                self.assertEqual(missing.end(), 2)
                self.assertIn("/nowhere.yaml", missing.output)
        self.assert_nothing_left()

    def test_source_and_sink_do_not_wait_for_ever(self):
        sink = self.start_node("file_sink", "--param", "patience:=200ms")
        self.assertEqual(sink.end(), 1)
        self.assertIn("no publisher of /file/data came within 200ms", sink.output)
        source = self.start_node("file_source", "--param", "patience:=200ms")
        self.assertEqual(source.end(), 1)
        self.assertIn("nobody subscribed to /file/data within 200ms", source.output)
        self.assert_nothing_left()

    def test_source_notices_that_the_sink_is_gone(self):
        sink = self.start_node("file_sink")
        source = self.start_node("file_source")
        source.wait_for("streaming")
        sink.process.kill()
        sink.end()
        self.assertEqual(source.end(), 1)
        self.assertIn("the subscriber of /file/data has left", source.output)
        self.assert_clean_removes_all()

    def test_talker_and_listener(self):
        listener = self.start([BIN / "listener"])
        talker = self.start([BIN / "talker"])
        listener.wait_for(r"received [1-9]\d*, lost 0")
        talker.wait_for(r"published \d+, 1 listening")
        for process in (talker, listener):
            process.process.send_signal(signal.SIGINT)
            self.assertEqual(process.end(), 0, process.output)
        self.assert_nothing_left()

    def dashboard_on_a_terminal(self, **environment):
        """What it draws until it has drawn two pictures, and after SIGINT."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(BIN / "dashboard", ["dashboard", "--param", "period:=50ms", "--param", "every:=50ms"],
                      {"PATH": "/usr/bin:/bin", "SLUICE_RUNTIME_DIR": self.runtime_dir, "TERM": "xterm", **environment})
        output = b""
        asked = False
        while True:
            try:
                output += os.read(terminal, 4096)
            except OSError:  # the other side is closed
                break
            if output.count(b"via") >= 2 and not asked:
                asked = True
                os.kill(pid, signal.SIGINT)
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        self.assertIn("totals after", output.decode())
        return output.decode()

    def test_dashboard_redraws_only_where_it_may(self):
        self.assertIn("\033[", self.dashboard_on_a_terminal())
        self.assertNotIn("\033", self.dashboard_on_a_terminal(NO_COLOR="1"))
        self.assertNotIn("\033", self.dashboard_on_a_terminal(TERM="dumb"))
        self.assert_nothing_left()

    def test_dashboard_ends_when_nobody_reads(self):
        telemetry = self.start_node("host_telemetry")
        telemetry.wait_for("sampling")
        read, write = os.pipe()
        dashboard = subprocess.Popen([BIN / "dashboard", "--param", "every:=20ms"], stdout=write,
                                     env={**os.environ, "SLUICE_RUNTIME_DIR": self.runtime_dir})
        os.close(write)
        os.read(read, 1)
        os.close(read)
        self.addCleanup(dashboard.kill)
        self.assertEqual(dashboard.wait(PATIENCE), 1)
        telemetry.process.send_signal(signal.SIGTERM)
        self.assertEqual(telemetry.end(), 0, telemetry.output)
        self.assert_nothing_left()


if __name__ == "__main__":
    print(f"seed {SEED}")
    unittest.main(verbosity=2)
