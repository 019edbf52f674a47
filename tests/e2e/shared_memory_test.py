#!/usr/bin/python3
"""Full shared memory, wrong files, hostile directories: errors with names and remedies, and nothing left behind."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from support import OPEN_TOPIC, PATIENCE, DomainTest


def can_mount():
    return subprocess.run(["unshare", "--map-root-user", "--mount", "true"], capture_output=True).returncode == 0


class SmallSharedMemory(unittest.TestCase):
    @unittest.skipUnless(can_mount(), "this machine allows no mount namespaces")
    def test_a_topic_larger_than_dev_shm_is_an_error_at_open_and_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as directory:
            config = pathlib.Path(directory, "big.yaml")
            config.write_text("topics: {/big: {max_size: 1MiB, depth: 16, reliability: reliable}}\n")
            script = (f"mount -t tmpfs -o size=4m tmpfs /dev/shm && "
                      f"{OPEN_TOPIC} publish /big --config {config}; echo code $?; find /dev/shm -mindepth 1")
            result = subprocess.run(["unshare", "--map-root-user", "--mount", "sh", "-c", script], text=True,
                                    capture_output=True, timeout=PATIENCE)
        self.assertEqual(result.stdout, "code 2\n")
        self.assertRegex(result.stderr,
                         r"^open_topic: topic '/big': not enough shared memory: \d+ bytes needed, \d+ bytes free in "
                         r"/dev/shm/sluice-\d+/domain-0 \(4194304 bytes in all\); reduce depth or max_size, remove "
                         r"leftovers with 'sluice shm clean', or enlarge it\n$")
        needed, free = map(int, re.search(r": (\d+) bytes needed, (\d+) bytes free", result.stderr).groups())
        self.assertGreater(needed, 16 << 20)
        self.assertLess(free, 4 << 20)


class WrongFiles(DomainTest):
    def setUp(self):
        super().setUp()
        self.leftovers_expected = True
        self.domain = self.runtime / "domain-0"
        self.domain.mkdir(parents=True, mode=0o700)
        self.runtime.chmod(0o700)
        self.domain.chmod(0o700)
        self.topic = self.domain / "x.topic"

    def open_fails(self, expected):
        result = self.run_program(OPEN_TOPIC, "publish", "/x")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertRegex(result.stderr, r"^open_topic: topic '/x': .*" + re.escape(str(self.topic)) + ".*" + expected)

    def test_zero_length(self):
        self.topic.touch()
        self.open_fails("has 0 bytes, too short for a Sluice file")

    def test_garbage(self):
        self.topic.write_bytes(os.urandom(100_000))
        self.open_fails("is not a Sluice file")

    def test_directory_fifo_and_link(self):
        self.topic.mkdir()
        self.open_fails("is not a regular file")
        self.topic.rmdir()
        os.mkfifo(self.topic)
        self.open_fails("is not a regular file")
        self.topic.unlink()
        self.topic.symlink_to("/etc/passwd")
        self.open_fails("is a symbolic link")

    def test_truncated_and_oversized(self):
        good = self.open_topic("publish", "/y")
        original = (self.domain / "y.topic").read_bytes()
        good.kill()
        for size in (64, 4096, len(original) - 1, len(original) + 4096):
            self.topic.write_bytes(original[:size].ljust(size, b"\0"))
            self.open_fails("truncated or overwritten")

    def test_a_process_record_in_place_of_a_topic(self):
        self.open_topic("publish", "/y").kill()
        record = next((self.domain / "processes").glob("*.process"))
        record.rename(self.topic)
        self.open_fails("is a process record, expected a topic")

    def test_a_prepared_runtime_directory_is_refused(self):
        self.domain.chmod(0o777)
        result = self.run_program(OPEN_TOPIC, "publish", "/x")
        self.assertEqual((result.returncode, result.stderr),
                         (2, f"open_topic: runtime directory '{self.domain}' may be written by others (mode 777); "
                             "remove it or set 'mode' and 'group' to share it\n"))

    def test_a_runtime_directory_that_is_a_link_is_refused(self):
        self.domain.rmdir()
        self.domain.symlink_to("/tmp")
        result = self.run_program(OPEN_TOPIC, "publish", "/x")
        self.assertEqual(result.returncode, 2)
        self.assertIn("symbolic link", result.stderr)


class Modes(DomainTest):
    def test_files_have_the_configured_mode_whatever_the_umask(self):
        config = self.file("shared.yaml", "mode: 0660\n")
        process = subprocess.Popen(["sh", "-c", f"umask 0077; exec {OPEN_TOPIC} publish /x --config {config}"],
                                   env=self.environment, stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        self.assertEqual(process.stdout.readline(), "open\n")
        modes = {path.name.rpartition(".")[2]: path.stat().st_mode & 0o777 for path in self.runtime.rglob("*.*")}
        self.assertEqual(modes, {"topic": 0o660, "process": 0o660, "control": 0o660})
        self.assertEqual((self.runtime / "domain-0").stat().st_mode & 0o777, 0o770)
        process.terminate()
        process.wait()

    def test_shared_memory_is_not_inherited_by_other_programs(self):
        process = self.open_topic("publish", "/x")
        proc = pathlib.Path(f"/proc/{process.pid}")
        flags = [int(re.search(r"flags:\s+(\d+)", (proc / "fdinfo" / fd.name).read_text())[1], 8)
                 for fd in (proc / "fd").iterdir()
                 if "/dev/shm" in os.readlink(fd)]
        self.assertGreater(len(flags), 0)
        self.assertTrue(all(flag & os.O_CLOEXEC for flag in flags))
        process.terminate()
        process.wait()


if __name__ == "__main__":
    unittest.main(verbosity=2)
