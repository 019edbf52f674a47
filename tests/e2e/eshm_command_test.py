#!/usr/bin/python3
"""`sluice eshm list|info|clean`, and what it says to mistakes."""

import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import time
import unittest

from eshm_command_support import GOLDEN, PEER, EshmTest
from eshm_peer import EshmPeer
from support import PATIENCE, SLUICE, wait_until

ONCE = ("--rate", "0.001")
LONG_AGO = 1_000_000_000


def can_mount():
    return subprocess.run(["unshare", "--map-root-user", "--mount", "true"], capture_output=True).returncode == 0


class Looking(EshmTest):
    def listed(self):
        return {row["name"]: row for row in json.loads(self.answer("list", "--json"))}

    def state_becomes(self, side, state):
        """On a busy machine one look may not be conclusive."""
        wait_until(lambda: self.listed()[self.name][side]["state"] == state, f"{side} {state}")

    def text_row(self):
        (row,) = [line for line in self.answer("list").splitlines() if line.startswith(self.name + " ")]
        return row.split()

    def test_who_is_there_of_our_programs(self):
        master = self.eshm("master", self.name, *ONCE)
        self.line(master, r"\[MASTER\] Sent")
        self.state_becomes("master", "alive")
        row = self.listed()[self.name]
        self.assertEqual((row["master"]["state"], row["master"]["pid"], row["master"]["origin"], row["slave"]["state"],
                          row["generation"], row["protocol"], row["bytes"], row["stale_threshold_ms"]),
                         ("alive", master.pid, "ours", "never", 1, 3, 8576, 100))
        self.assertEqual(row["max_size"], {"least": 4089, "most": 4152})
        self.assertEqual((row["master_to_slave"]["writes"], row["master_to_slave"]["data_size"]), (1, 21))
        slave = self.eshm("slave", self.name)
        self.line(slave, r"\[SLAVE\] Initialized")
        wait_until(lambda: self.text_row()[7:13] == ["1", "alive", str(master.pid), "(ours)", "alive", str(slave.pid)],
                   "both alive")
        master.kill()
        master.wait()
        self.state_becomes("master", "stale")
        self.end(slave, signal.SIGINT)
        self.assertEqual(self.listed()[self.name]["slave"]["state"], "dead")

    def test_who_is_there_of_other_programs(self):
        master = EshmPeer(self.name, "master", version="2")
        self.addCleanup(master.close)
        self.state_becomes("master", "alive")
        before = self.listed()[self.name]
        self.assertEqual((before["protocol"], before["master"]["state"], before["master"]["origin"]),
                         (2, "alive", "foreign"))
        self.assertGreater(self.listed()[self.name]["master"]["heartbeat"], before["master"]["heartbeat"])
        line = f"master:          alive {os.getpid()} (foreign), heartbeat "
        wait_until(lambda: line in self.answer("info", self.name), line)

    def test_a_death_inside_a_write_is_marked(self):
        self.path.write_bytes((GOLDEN / "eshm-v2-cpp-odd-master-killed.bin").read_bytes())
        content = self.path.read_bytes()
        self.state_becomes("master", "stale")
        row = self.listed()[self.name]
        self.assertEqual((row["master_to_slave"]["odd"], row["slave_to_master"]["odd"]), (True, False))
        self.assertIn(" odd", " ".join(self.text_row()))
        text = self.answer("info", self.name)
        self.assertIn("(odd: inside a write, or its writer died there)", text)
        stale = r"master: +stale \d+, heartbeat \d+ ms, which stood still for the \d+ ms of this look\n"
        wait_until(lambda: re.search(stale, self.answer("info", self.name)), stale)
        self.assertEqual(self.path.read_bytes(), content, "looking changes nothing")

    def test_what_is_no_channel_has_a_problem(self):
        good = (GOLDEN / "eshm-v2-cpp-hello.bin").read_bytes()
        for content, problem in ((b"", "too short for a channel"), (b"x" * 8576, "no ESHM segment (wrong magic)"),
                                 (good[:100], "too short for a channel"),
                                 (good[:4] + b"\x09" + good[5:], "of unknown protocol version 9"),
                                 (good[:8000], "no channel is that long; truncated or overwritten")):
            self.path.write_bytes(content)
            row = self.listed()[self.name]
            self.assertEqual((row["problem"], row["bytes"]), (problem, len(content)))
            self.assertEqual(" ".join(self.text_row()[3:]), problem)
            self.assertIn(f"problem:         {problem}\n", self.answer("info", self.name, code=1))
            self.assertEqual(json.loads(self.answer("info", self.name, "--json", code=1))["problem"], problem)
        self.path.unlink()
        self.path.symlink_to("/dev/null")
        self.assertEqual(self.listed()[self.name]["problem"], "not a regular file")
        self.path.unlink()
        self.path.mkdir()
        self.addCleanup(shutil.rmtree, self.path, ignore_errors=True)
        self.assertEqual(self.listed()[self.name]["problem"], "not a regular file")
        self.path.rmdir()


class Cleaning(EshmTest):
    """Always by name: other tests have channels of their own. Without a name only in a /dev/shm of its own."""

    def killed_master(self):
        master = self.eshm("master", self.name, *ONCE)
        self.line(master, r"\[MASTER\] Sent")
        master.kill()
        master.wait()
        return master.pid

    def kept(self, reason, name=None):
        for arguments in (("--dry-run",), ()):
            result = self.sluice("eshm", "clean", name or self.name, *arguments)
            self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
            self.assertEqual(result.stderr, f"kept {self.path}: {reason}\n")
        self.assertTrue(self.path.exists())

    def test_what_the_dead_left_is_removed(self):
        pid = self.killed_master()
        reason = f"{self.path}: master dead (was pid {pid}), slave never there\n"
        self.assertEqual(self.answer("clean", self.name, "--dry-run"), "would remove " + reason)
        self.assertTrue(self.path.exists())
        self.assertEqual(self.answer("clean", self.name), "removed " + reason)
        self.assertFalse(self.path.exists())
        self.killed_master()
        found = json.loads(self.answer("clean", self.name, "--json"))
        self.assertEqual(([row["path"] for row in found["removed"]], found["kept"]), ([str(self.path)], []))

    def test_the_living_stay(self):
        master = self.eshm("master", self.name, *ONCE)
        self.line(master, r"\[MASTER\] Sent")
        self.kept(f"its master lives, pid {master.pid}")
        slave = self.eshm("slave", self.name, "--reconnects", 0)
        self.line(slave, r"\[SLAVE\] Initialized")
        master.kill()
        master.wait()
        self.kept(f"its slave lives, pid {slave.pid}")

    def test_the_living_of_other_programs_stay(self):
        with_heartbeat = EshmPeer(self.name, "master", version="2")
        self.kept(f"its master lives, pid {os.getpid()}, a program without Sluice")
        with_heartbeat.close()
        without = EshmPeer(self.name, "master", version="2", use_threads=False)
        executable = pathlib.Path("/proc/self/comm").read_text().strip()
        still = "its heartbeats stand still, but {} (pid {}) has it mapped: stopped, or without heartbeat threads"
        self.kept(still.format(executable, os.getpid()))
        without.close()
        stopped = self.start("/usr/bin/python3", "-B", PEER, "greet", "master", self.name)
        self.line(stopped, '{"event": "ready"')
        stopped.send_signal(signal.SIGSTOP)
        self.kept(still.format(pathlib.Path("/proc", str(stopped.pid), "comm").read_text().strip(), stopped.pid))
        stopped.kill()
        stopped.wait()
        self.assertIn("removed", self.answer("clean", self.name))

    def test_what_is_no_channel_stays_unless_a_creator_died(self):
        self.path.write_bytes(b"something else" * 100)
        self.kept("it is no ESHM segment; rm it if nobody needs it")
        for content in (b"", bytes(8576)):
            self.path.write_bytes(content)
            os.utime(self.path, (time.time() + 3600,) * 2)
            self.kept("it was made a moment ago and is not complete yet")
            os.utime(self.path, (LONG_AGO, LONG_AGO))
            self.assertEqual(self.answer("clean", self.name),
                             f"removed {self.path}: its creator died before it was complete\n")
        self.path.symlink_to("/dev/null")
        self.kept("not a regular file")

    @unittest.skipUnless(os.geteuid() == 0, "needs two users")
    def test_other_users_are_named(self):
        nobody = pwd.getpwnam("nobody").pw_uid
        try:
            subprocess.run([SLUICE, "--version"], user=nobody, capture_output=True, check=True, timeout=PATIENCE)
        except (OSError, subprocess.CalledProcessError):
            self.skipTest("another user cannot run what was built here")
        self.killed_master()
        os.chown(self.path, nobody, -1)
        self.assertIn("; it belonged to nobody\n", self.answer("clean", self.name))
        self.killed_master()
        for mode, reason in ((0o600, "it belongs to root, and you may not write it"),
                             (0o666, "it could not be removed: somebody came, or you may not remove files of root")):
            self.path.chmod(mode)
            result = subprocess.run([SLUICE, "eshm", "clean", self.name], user=nobody, text=True, capture_output=True,
                                    timeout=PATIENCE, env=self.environment)
            self.assertEqual((result.returncode, result.stdout, result.stderr),
                             (1, "", f"kept {self.path}: {reason}\n"))
        self.assertTrue(self.path.exists())

    @unittest.skipUnless(can_mount(), "this machine allows no mount namespaces")
    def test_without_a_name_all_that_are_dead_and_no_others(self):
        script = ("mount -t tmpfs tmpfs /dev/shm && $0 eshm clean && $0 eshm list && "
                  "echo something else > /dev/shm/eshm_other && "
                  "{ $0 eshm master living >/dev/null & living=$!; } && "
                  "{ $0 eshm master dead --show 1 >/dev/null & dead=$!; } && "
                  "until [ -e /dev/shm/eshm_living ] && [ -e /dev/shm/eshm_dead ]; do :; done; "
                  "kill -9 $dead; wait $dead 2>/dev/null; $0 eshm clean; echo code $?; ls /dev/shm; "
                  "kill $living; wait $living; ls /dev/shm")
        result = subprocess.run(["unshare", "--map-root-user", "--mount", "sh", "-c", script, SLUICE], text=True,
                                capture_output=True, timeout=PATIENCE)
        self.assertRegex(result.stdout, r"^removed /dev/shm/eshm_dead: master dead \(was pid \d+\), slave never there\n"
                                        r"code 0\neshm_living\neshm_other\neshm_other\n$")
        self.assertRegex(result.stderr, r"^kept /dev/shm/eshm_living: its master lives, pid \d+\n"
                                        r"kept /dev/shm/eshm_other: ")


class Mistakes(EshmTest):
    def test_they_are_named(self):
        self.path.write_bytes((GOLDEN / "eshm-v2-cpp-hello.bin").read_bytes())
        absent = f"there is no channel '{self.name}x' ('{self.path}x' does not exist); did you mean '{self.name}'?"
        for arguments, message in (
                (["mastr", "x"], "there is no command 'sluice eshm mastr'; did you mean 'master'?"),
                (["bench", "ecko"], "there is no command 'sluice eshm bench ecko'; did you mean 'echo'?"),
                (["info", self.name + "x"], absent), (["clean", self.name + "x"], absent),
                (["master", ""], "a channel needs a name"),
                (["master", "x", "--mode", "9"], "--mode must be rights in octal such as 0600 or 0666, not '9'"),
                (["master", "x", "--mode", "1777"], "--mode must be rights in octal such as 0600 or 0666, not '1777'"),
                (["master", "x", "--size", "5000"], "--size 5000 is more than the channel's --max-size, 4096"),
                (["master", self.name + "-y", "--max-size", "16"],
                 "a message of 21 bytes does not fit: max_size is 16; give both sides a larger --max-size"),
                (["master", "x", "--max-size", "3q"], "size '3q' has the unknown unit 'q'; accepted is a number with "
                                                      "B, kB, KB, MB, GB, KiB, MiB or GiB, such as 64KiB"),
                (["slave", "x", "--stale-after", "5"],
                 "duration '5' has no unit; accepted is a number with ns, us, ms, s, min or h, such as 100ms"),
                (["slave", "x", "--stale-after", "0"], "channel 'x': a stale threshold of 0 ms is none; give at least "
                                                       "1 ms"),
                (["bench", "drive", "x", "--size", "0"], "--size must be 1 to the channel's --max-size (4096), not 0")):
            result = self.sluice("eshm", *arguments)
            self.assertEqual((result.returncode, result.stderr), (2, f"sluice: {message}\n"), arguments)
        self.assertFalse(self.path.with_name(self.path.name + "-y").exists())

    def test_wrong_and_missing_flags(self):
        for arguments, message in (([], "A subcommand is required"), (["bench"], "A subcommand is required"),
                                   (["master"], "NAME is required"), (["info"], "NAME is required"),
                                   (["master", "x", "--wrong"], "--wrong"),
                                   (["slave", "x", "--mode", "0600"], "--mode"),
                                   (["master", "x", "--reconnects", "1"], "--reconnects"),
                                   (["master", "x", "--protocol", "4"], "--protocol: 4 not in {2,3}"),
                                   (["master", "x", "--rate", "-1"], "--rate"), (["master", "x", "--count", "a"], "a"),
                                   (["bench", "drive", "x", "--count", "0"], "--count")):
            result = self.sluice("eshm", *arguments)
            self.assertEqual((result.returncode, result.stdout), (2, ""), arguments)
            self.assertIn(message, result.stderr, arguments)

    def test_help_names_every_command_and_flag(self):
        self.assertRegex(self.answer("--help"), r"(?s)master.*slave.*auto.*bench.*list.*info.*clean")
        flags = ("--rate", "--size", "--count", "--duration", "--stats-every", "--show", "--max-size", "--stale-after")
        creating = ("--protocol", "--mode", "--group")
        for role, expected in (("master", flags + creating), ("slave", flags + ("--reconnects",)),
                               ("auto", flags + creating + ("--reconnects",))):
            text = self.answer(role, "--help")
            self.assertEqual([flag for flag in expected if flag not in text], [], role)


if __name__ == "__main__":
    unittest.main(verbosity=2)
