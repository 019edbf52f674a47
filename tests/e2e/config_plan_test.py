#!/usr/bin/python3
"""`sluice config plan`: its numbers are those of what nodes make, and what the host cannot hold is refused."""

import ctypes
import errno
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from support import OPEN_TOPIC, PATIENCE, SLUICE, DomainTest


def can_mount():
    return subprocess.run(["unshare", "--map-root-user", "--mount", "true"], capture_output=True).returncode == 0


def has_futex_waitv():
    """A call with nothing to wait for is refused as invalid by a kernel that knows it."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(449, None, 0, 0, None, 1) == -1 and ctypes.get_errno() == errno.EINVAL


def size_on_disk(path):
    return os.stat(path).st_blocks * 512


class Numbers(DomainTest):
    def plan(self, *arguments):
        result = self.sluice("config", "plan", *arguments, "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return json.loads(result.stdout)

    def test_a_topic_is_as_long_as_planned_and_then_is_there(self):
        config = self.file("x.yaml", "topics: {/imu/raw: {depth: 100, max_size: 200B}, /other: {}}\n")
        before = self.plan(config)
        path = str(self.runtime / "domain-0" / "imu.raw.topic")
        planned = before["topics"][0]["files"]
        self.assertEqual([(file["path"], file["exists"]) for file in planned], [(path, False)])
        self.assertEqual(before["sum"]["new_bytes"], before["sum"]["bytes"])
        self.open_topic("publish", "/imu/raw", "--config", config)
        self.assertEqual(size_on_disk(path), planned[0]["bytes"])
        record = next((self.runtime / "domain-0" / "processes").glob("*.process"))
        self.assertEqual(size_on_disk(record), before["process"]["bytes"])
        after = self.plan(config)
        self.assertTrue(after["topics"][0]["files"][0]["exists"])
        self.assertEqual(after["sum"]["bytes"], before["sum"]["bytes"])
        self.assertEqual(after["sum"]["new_bytes"], before["sum"]["bytes"] - planned[0]["bytes"])

    def test_a_process_has_as_many_descriptors_and_threads_as_planned(self):
        config = self.file("x.yaml", "topics: {/x: {}}\n")
        planned = self.plan(config)["topics"][0]
        process = self.plan(config, "--endpoints", "0")["sum"]
        opened = self.open_topic("publish", "/x", "--config", config)
        descriptors = [os.readlink(fd) for fd in pathlib.Path(f"/proc/{opened.pid}/fd").iterdir()
                       if int(fd.name) > 2]
        self.assertEqual(len(descriptors), process["descriptors"] + planned["descriptors_per_publisher"], descriptors)
        self.assertEqual(len(list(pathlib.Path(f"/proc/{opened.pid}/task").iterdir())), 1 + process["threads"])

    def test_what_topics_share_is_counted_once(self):
        config = self.file("x.yaml", "topics:\n"
                           "  /cmd: {transport: eshm, channel: plan-test, direction: master_to_slave}\n"
                           "  /state: {transport: eshm, channel: plan-test, direction: slave_to_master}\n")
        plan = self.plan(config, "--endpoints", "4")
        shared = plan["topics"][0]["files"][0]
        self.assertEqual(plan["topics"][1]["files"], [shared])
        self.assertEqual(plan["sum"]["bytes"], shared["bytes"] + plan["process"]["bytes"])
        self.assertEqual(plan["sum"]["threads"], 2)
        # A publisher a direction, however many are asked for: a mailbox has one writer.
        self.assertEqual(plan["sum"]["descriptors"], plan["process"]["descriptors"] + 1 + 2 * (1 + 4))

    def test_the_table_for_people(self):
        config = self.file("x.yaml", "topics: {/**: {depth: 2}, /inside: {transport: inproc}, /x: {max_size: 1MiB}}\n")
        result = self.sluice("config", "plan", config)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
        self.assertIn("/inside inproc 0 + 0 0 0 bytes -", lines)
        self.assertRegex(result.stdout, r"/x +slick +1 \+ 1 +0 +\d+ bytes \(\d+\.\d[MG]iB\) +"
                                        rf"{self.runtime}/domain-0/x.topic\n")
        self.assertIn("Topics that only a wildcard names are not counted; name them with --topic.", lines)
        self.assertRegex(result.stdout, r"free: \d+ bytes \(.*\) in /dev/shm")

    def test_a_topic_that_only_a_wildcard_names(self):
        config = self.file("x.yaml", "topics: {/camera/*: {depth: 2}}\n")
        self.assertEqual([topic["topic"] for topic in self.plan(config, "--topic", "/camera/left")["topics"]],
                         ["/camera/left"])

    def test_more_topics_than_one_call_can_sleep_on_cost_a_thread(self):
        def threads(count):
            topics = ", ".join(f"/t{k}: {{transport: inproc}}" for k in range(count))
            return self.plan(self.file("x.yaml", f"topics: {{{topics}}}\n"))["sum"]["threads"]

        self.assertEqual([threads(127), threads(128), threads(254), threads(255)],
                         [1, 2, 2, 3] if has_futex_waitv() else [1, 1, 1, 1])

    def test_help(self):
        result = self.sluice("config", "plan", "--help")
        self.assertEqual(result.returncode, 0)
        for option in ("--topic", "--endpoints", "--json"):
            self.assertIn(option, result.stdout)

    def test_wrong_files_are_errors_as_everywhere(self):
        result = self.sluice("config", "plan", self.file("x.yaml", "topics: {/x: {dept: 2}}\n"))
        self.assertEqual(result.returncode, 2)
        self.assertIn("did you mean 'depth'?", result.stderr)


BIG = "topics: {/big: {max_size: 1MiB, depth: 16, reliability: reliable}, /small: {}}\n"
PAGE = os.sysconf("SC_PAGESIZE")


class ProcessLimits(DomainTest):
    def setUp(self):
        super().setUp()
        self.config = self.file("big.yaml", BIG)
        self.plan = json.loads(self.sluice("config", "plan", self.config, "--json").stdout)

    def limited(self, limit):
        return self.run_program("sh", "-c", f"ulimit {limit}; exec {SLUICE} config plan {self.config}")

    def test_descriptors(self):
        needed = self.plan["sum"]["descriptors"] + 3  # standard streams
        self.assertEqual(self.limited(f"-n {needed}").returncode, 0)
        result = self.limited(f"-n {needed - 1}")
        self.assertEqual((result.returncode, result.stderr),
                         (1, f"error: too many descriptors: {needed} descriptors needed, {needed - 1} descriptors free "
                             f"in a process (RLIMIT_NOFILE {needed - 1}) for one process that has every topic; raise "
                             "'ulimit -n', or divide the topics among processes\n"))

    def test_the_longest_file(self):
        longest = self.plan["topics"][0]["files"][0]["bytes"]
        self.assertEqual(self.limited(f"-f {longest // 512}").returncode, 0)  # in units of 512 bytes
        result = self.limited(f"-f {longest // 512 - 1}")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr,
                         rf"^error: a file is too long: {longest} bytes \(.*\) needed, {longest - 512} bytes \(.*\) "
                         rf"free in a file \(RLIMIT_FSIZE {longest - 512}\); the largest is topic '/big' with .* "
                         r"'ulimit -f'\n$")


@unittest.skipUnless(can_mount(), "this machine allows no mount namespaces")
class Memory(unittest.TestCase):
    """A small /dev/shm, and control groups of our own, in a mount namespace."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.config = pathlib.Path(directory.name, "big.yaml")
        self.config.write_text(BIG)
        self.environment = dict(os.environ, SLUICE_LOG_LEVEL="warn")
        for name in ("SLUICE_CONFIG", "SLUICE_DOMAIN", "SLUICE_PLUGIN_PATH", "SLUICE_RUNTIME_DIR"):
            self.environment.pop(name, None)
        planned = self.run_with(self.small(PAGE), f"{SLUICE} config plan {self.config} --json")
        self.needed = json.loads(planned.stdout)["sum"]["bytes"]

    def run_with(self, mounts, command):
        script = f"set -e; {mounts}; set +e; {command}"
        return subprocess.run(["unshare", "--map-root-user", "--mount", "sh", "-c", script], text=True,
                              capture_output=True, timeout=PATIENCE, env=self.environment)

    def plan_with(self, mounts):
        return self.run_with(mounts, f"exec {SLUICE} config plan {self.config}")

    def open_big(self, mounts):
        """A publisher that is ended as soon as it has its topic; then what is left of it."""
        opened = self.config.parent / "opened"
        if not opened.exists():
            os.mkfifo(opened)
        return self.run_with(mounts, f"{OPEN_TOPIC} publish /big --config {self.config} >{opened} & "
                                     f"read line <{opened}; kill -INT $!; wait $!; "
                                     "echo $line code $?; find /dev/shm -mindepth 1")

    @staticmethod
    def small(size, where="/dev/shm"):
        return f"mount -t tmpfs -o size={size} tmpfs {where}"

    @staticmethod
    def group(limit, usage):
        """Version 1 and 2, whichever this host has: the root's limit counts in any case."""
        return ("mount -t tmpfs tmpfs /sys/fs/cgroup && cd /sys/fs/cgroup && mkdir memory && touch cgroup.controllers "
                f"&& echo {limit} | tee memory.max > memory/memory.limit_in_bytes "
                f"&& echo {usage} | tee memory.current > memory/memory.usage_in_bytes && cd /")

    def refused(self, result, free, limited_by):
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr,
                         rf"^error: not enough shared memory: {self.needed} bytes \(.*\) needed, {free} bytes \(.*\) "
                         rf"free in {limited_by}; the largest is topic '/big' with \d+ bytes \(.*\) \(.+\): reduce its "
                         r"depth \(16\) or max_size \(1MiB\), remove leftovers with 'sluice shm clean', or enlarge the "
                         r"limit\n$")

    def test_a_file_system_that_is_a_page_too_small_is_refused_with_the_largest_topic(self):
        self.assertEqual(self.plan_with(self.small(self.needed)).returncode, 0)
        size = self.needed - PAGE
        self.refused(self.plan_with(self.small(size)), size, rf"/dev/shm \({size} bytes in all\)")

    def test_what_is_refused_cannot_be_opened_and_what_is_not_can(self):
        self.config.write_text(BIG.replace(", /small: {}", ""))
        planned = self.run_with("true", f"{SLUICE} config plan {self.config} --json")
        enough = json.loads(planned.stdout)["sum"]["bytes"]
        self.assertEqual(self.open_big(self.small(enough)).stdout, "open code 0\n")
        refused = self.open_big(self.small(enough - PAGE))
        self.assertEqual(refused.stdout, "code 2\n")
        self.assertIn("not enough shared memory", refused.stderr)

    def test_too_few_inodes(self):
        result = self.plan_with(f"mount -t tmpfs -o size={self.needed},nr_inodes=3 tmpfs /dev/shm")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"^error: too many files: 3 files needed, 2 files free in /dev/shm \(3 inodes "
                                        r"in all\); .*nr_inodes\n$")

    def test_the_memory_limit_of_a_control_group(self):
        limit = self.needed + (10 << 20)
        self.assertEqual(self.plan_with(self.group(limit, 10 << 20)).returncode, 0)
        self.refused(self.plan_with(self.group(limit, (10 << 20) + 1)), self.needed - 1,
                     rf"the memory limit of control group / \(memory\.\w+ {limit}\)")

    def test_a_topic_beyond_the_control_group_is_not_created_either(self):
        result = self.open_big(self.small("64m") + " && " + self.group(64 << 20, 63 << 20))
        self.assertEqual(result.stdout, "code 2\n")
        self.assertRegex(result.stderr,
                         r"^open_topic: topic '/big': not enough shared memory: \d+ bytes needed, 1048576 bytes free "
                         r"in the memory limit of control group / \(memory\.\w+ 67108864\); reduce depth or max_size, ")

    def test_both_limits_are_told(self):
        result = self.plan_with(self.small("4m") + " && " + self.group(64 << 20, 63 << 20))
        self.assertEqual((result.returncode, len(re.findall("^error: ", result.stderr, re.M))), (1, 2))

    def test_each_file_system_has_its_own_files(self):
        """A runtime directory elsewhere: the topics are there, the channels in /dev/shm all the same."""
        self.config.write_text("runtime_dir: /mnt/run\ntopics:\n  /x: {max_size: 1MiB, depth: 16}\n"
                               "  /c: {transport: eshm, channel: plan-test, direction: master_to_slave}\n")
        result = self.plan_with(self.small("64m") + " && " + self.small("4m", "/mnt"))
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"^error: .* free in /mnt \(4194304 bytes in all\); the largest is topic '/x' ")
        self.assertEqual(result.stderr.count("\n"), 1)
        self.assertIn(" in /dev/shm (67108864 bytes in all)", result.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
