#!/usr/bin/python3
"""Full shared memory, wrong files, hostile directories: errors with names and remedies, and nothing left behind."""

import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

from support import OPEN_TOPIC, PATIENCE, SLUICE, SOURCE, DomainTest, wait_until


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


class Listed(DomainTest):
    """`sluice shm list` and `shm clean`. Foreign files lie in /dev/shm, where other tests have theirs, too."""

    def setUp(self):
        super().setUp()
        self.foreign = f"sluice-e2e-{os.getpid()}-{self.id().rsplit('.', 1)[1]}"

    def listed(self):
        """The rows of this test's files, by path."""
        rows = json.loads(self.sluice("shm", "list", "--json").stdout)
        return {row["path"]: row for row in rows if str(self.runtime) in row["path"] or self.foreign in row["path"]}

    def foreign_file(self, prefix=""):
        path = pathlib.Path("/dev/shm", prefix + self.foreign)
        self.addCleanup(path.unlink, missing_ok=True)
        return path

    def stop(self, process):
        process.send_signal(signal.SIGSTOP)
        tasks = list(pathlib.Path(f"/proc/{process.pid}/task").iterdir())
        wait_until(lambda: all(") T " in (task / "stat").read_text() for task in tasks), "every thread to stand still")

    def kill(self, process):
        process.kill()
        process.wait()

    def test_what_the_living_have(self):
        writer = self.open_topic("publish", "/imu/raw")
        reader = self.open_topic("subscribe", "/imu/raw")
        rows = self.listed()
        self.assertEqual(sorted(row["kind"] for row in rows.values()), ["record"] * 2 + ["socket"] * 2 + ["topic"])
        path = self.runtime / "domain-0" / "imu.raw.topic"
        topic = rows[str(path)]
        self.assertEqual((topic["name"], topic["state"], topic["bytes"], topic["size"], topic["uid"]),
                         ("/imu/raw", "alive", path.stat().st_blocks * 512, path.stat().st_size, os.getuid()))
        self.assertEqual({user["pid"] for user in topic["used_by"]}, {writer.pid, reader.pid})
        for kind in ("record", "socket"):
            users = [row["used_by"] for row in rows.values() if row["kind"] == kind]
            self.assertEqual(sorted(user["pid"] for user, in users), sorted([writer.pid, reader.pid]))
        lines = self.sluice("shm", "list").stdout.splitlines()
        self.assertRegex(lines[0], r"^NAME +KIND +BYTES +OWNER +AGE +STATE +USED BY$")
        one = rf"open_topic \(({writer.pid}|{reader.pid})\)"
        users = rf"{one}, {one}(, perhaps some that you may not look into)?"
        self.assertEqual(len([line for line in lines if re.match(
            rf"/imu/raw +topic +{topic['bytes']} +{topic['owner']} +\d+ (s|min) +alive +{users}$", line)]), 1, lines)

    def test_dead_files_are_told_and_then_removed(self):
        self.stop(self.open_topic("publish", "/here"))  # or it would remove the other's record
        self.kill(self.open_topic("publish", "/gone"))
        before = self.listed()
        dead = {path for path, row in before.items() if row["state"] == "dead"}
        self.assertEqual(sorted(before[path]["kind"] for path in dead), ["record", "socket", "topic"])
        self.assertTrue(all(before[path]["used_by"] == [] for path in dead))
        told = self.sluice("shm", "clean", "--dry-run").stdout
        self.assertEqual(set(re.findall(r"^would remove (/.*?): ", told, re.MULTILINE)), dead)
        self.assertRegex(told, r"\nwould remove 3 leftover files, \d+ bytes\n$")
        self.assertEqual({row["path"] for row in json.loads(self.sluice("shm", "clean", "--dry-run", "--json").stdout)
                          ["would_remove"]}, dead)
        self.assertEqual(self.listed().keys(), before.keys())
        done = self.sluice("shm", "clean").stdout
        self.assertEqual(done, told.replace("would remove", "removed"))
        self.assertEqual(self.listed().keys(), before.keys() - dead)
        answer = json.loads(self.sluice("shm", "clean", "--json").stdout)
        self.assertEqual(answer, {"removed": [], "kept": []})

    def test_what_is_no_file_of_ours_is_named_and_stays(self):
        self.leftovers_expected = True
        self.open_topic("publish", "/x")
        damaged = self.runtime / "domain-0" / "damaged.topic"
        damaged.write_bytes(b"x" * 5000)
        stray = self.runtime / "domain-0" / "stray"
        stray.symlink_to("/etc/passwd")
        for path in (damaged, stray):
            row = self.listed()[str(path)]
            self.assertEqual((row["name"], row["kind"], row["state"], row["used_by"]),
                             (path.name, "other", "unknown", []))
        for arguments, verb in ((["--dry-run"], "would remove"), ([], "removed")):
            result = self.sluice("shm", "clean", *arguments)
            self.assertEqual((result.returncode, result.stdout), (0, f"{verb} 0 leftover files, 0 bytes\n"))
            self.assertEqual(result.stderr, "".join(
                f"kept {path}: it is no Sluice file, and damages no other; rm it if nobody needs it\n"
                for path in (damaged, stray)))
        self.assertTrue(damaged.exists() and stray.is_symlink())

    def test_slick_queue_segments(self):
        path = self.foreign_file()
        path.write_bytes((SOURCE / "tests" / "golden" / "slick-1.2.0-lapped.bin").read_bytes())
        row = self.listed()[str(path)]
        self.assertEqual((row["name"], row["kind"], row["state"], row["used_by"]),
                         ("/" + self.foreign, "slick queue", "unused" if row["used_by_complete"] else "unknown", []))
        reader = self.start(SLUICE, "slick", "read", self.foreign, "--from", "oldest")
        self.assertNotEqual(reader.stdout.readline(), "")
        row = self.listed()[str(path)]
        self.assertEqual((row["state"], row["used_by"]), ("alive", [{"pid": reader.pid, "executable": "sluice"}]))
        config = self.file("raw.yaml", f"topics: {{/ticks: {{segment: /{self.foreign}, element: 8}}}}\n")
        self.open_topic("subscribe", "/ticks", "--config", config)
        self.assertEqual([row["state"] for row in self.listed().values() if row["kind"] == "companion"], ["alive"])

    def test_eshm_channels(self):
        path = self.foreign_file("eshm_")
        master = self.start(SLUICE, "eshm", "master", self.foreign)
        self.assertNotEqual(master.stdout.readline(), "")
        row = self.listed()[str(path)]
        self.assertEqual((row["name"], row["kind"], row["state"], row["used_by"]),
                         (self.foreign, "eshm channel", "alive", [{"pid": master.pid, "executable": "sluice"}]))
        self.kill(master)
        row = self.listed()[str(path)]
        self.assertEqual((row["state"], row["used_by"]), ("dead", []))


if __name__ == "__main__":
    unittest.main(verbosity=2)
