#!/usr/bin/python3
"""`sluice doctor`: each check, and what it says when something is wrong. What this machine does not let a test do to it
(inotify, control groups, systemd, processors) is in tests/unit/commands."""

import json
import os
import pathlib
import re
import signal
import subprocess
import unittest

from support import BUILD, SLUICE, DomainTest, wait_until

PEER = str(BUILD / "tests" / "doctor_peer")
NAMESPACES = ("unshare", "--map-root-user", "--pid", "--fork", "--kill-child")
MOUNTS = ("unshare", "--map-root-user", "--mount")
CHECKS = ("configuration", "plugins", "runtime directory", "group", "shared memory", "memory limit", "descriptors",
          "inotify", "futex_waitv", "RemoveIPC", "processor governor", "huge pages", "records", "processes",
          "PID namespaces", "leftovers")


def allowed(command):
    return subprocess.run([*command, "true"], capture_output=True).returncode == 0


class Doctor(DomainTest):
    def peer(self, *words, prefix=()):
        process = self.start(*prefix, PEER, *words)
        self.assertEqual(process.stdout.readline(), "open\n")
        return process

    def doctor(self, *options, prefix=()):
        """Code, and by name the checks' lines."""
        result = self.run_program(*prefix, SLUICE, "doctor", *options)
        self.assertEqual(result.stderr, "")
        lines = re.findall(r"^(ok|warning|failed) +([^:]+): (.*)$", result.stdout, re.MULTILINE)
        return result.returncode, {name: f"{verdict}: {rest}" for verdict, name, rest in lines}

    def check(self, name, line, *options, prefix=()):
        """One check's line; only a failed one makes the whole fail."""
        code, lines = self.doctor(*options, prefix=prefix)
        self.assertEqual(lines[name], line)
        self.assertEqual(code, 1 if line.startswith("failed") else 0, lines)

    def test_a_fit_machine(self):
        result = self.sluice("doctor")
        self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)
        self.assertTrue(result.stdout.endswith("\n\nAll 16 checks passed\n"), result.stdout)
        code, lines = self.doctor()
        self.assertEqual(tuple(lines), CHECKS)
        for name, line in (("configuration", "ok: no files: every topic has the defaults"),
                           ("runtime directory", f"ok: '{self.runtime}' is not there yet; the first process makes it"),
                           ("group", "ok: none is configured: the domain is its owner's alone"),
                           ("records", "ok: every process's record can be read"),
                           ("processes", "ok: 0 processes, none late"),
                           ("PID namespaces", "ok: no process is in another one than this"),
                           ("leftovers", "ok: none of dead processes")):
            self.assertEqual(lines[name], line)
        self.assertRegex(lines["shared memory"], r"^ok: \d+ bytes \(.*\) free of \d+ bytes \(.*\) in /dev/shm$")
        self.assertFalse(self.runtime.exists(), "looking makes nothing")

    def test_json_and_the_end(self):
        self.environment["SLUICE_CONFIG"] = str(self.base / "no.yaml")
        result = self.sluice("doctor", "--json")
        answer = json.loads(result.stdout)
        self.assertEqual((result.returncode, answer["failed"]), (1, 1))
        self.assertEqual([check["name"] for check in answer["checks"]], list(CHECKS))
        self.assertEqual({check["verdict"] for check in answer["checks"]} - {"warning"}, {"ok", "failed"})
        self.assertTrue(self.sluice("doctor").stdout.endswith("\n\n1/16 check(s) failed\n\nFailed checks: "
                                                              "configuration\n"))

    def test_configuration(self):
        remedy = "; correct it; 'sluice config check' looks at it alone"
        good = self.file("good.yaml", "topics: {/a: {}, /b: {}}")
        self.check("configuration", f"ok: {good}: 2 topics", "--config", good)
        self.environment["SLUICE_CONFIG"] = good
        self.check("configuration", f"ok: {good}: 2 topics")
        bad = self.file("bad.yaml", "topics: {/a: {depth: many}}")
        self.environment["SLUICE_CONFIG"] = f"{good}:{bad}"
        self.check("configuration", f"failed: {bad}:1:22: depth of topic '/a': 'many' is not accepted; expected a "
                   "whole number from 1 to 1048576" + remedy)
        wrong = self.file("wrong.yaml", "topics: {/a: {transport: eshm, channel: x, direction: master_to_slave, "
                          "reliability: reliable}}")
        self.check("configuration", f"failed: {wrong}:1:85: topic '/a': transport 'eshm' cannot do 'reliable'; change "
                   "'reliability' or choose another transport" + remedy, "--config", wrong)

    def test_a_plugin_that_cannot_be_used(self):
        plugin = self.base / "plugins" / "sluice_broken.so"
        plugin.parent.mkdir()
        plugin.write_text("no library")
        self.environment["SLUICE_PLUGIN_PATH"] = str(plugin.parent)
        code, lines = self.doctor()
        self.assertEqual(code, 1)
        self.assertRegex(lines["plugins"], f"^failed: plugin '{plugin}' .*; build it anew against this Sluice, or "
                         "remove it$")

    def test_runtime_directory(self):
        target = self.base / "target"
        target.mkdir(mode=0o700)
        self.runtime.symlink_to(target)
        self.check("runtime directory", f"failed: '{self.runtime}' is a symbolic link, which is never followed; remove "
                   "it, or set 'runtime_dir' to what it points to")
        self.runtime.unlink()
        self.runtime.write_text("")
        self.check("runtime directory", f"failed: '{self.runtime}' is no directory; remove it, or set another "
                   "'runtime_dir'")
        self.runtime.unlink()
        self.runtime.mkdir()
        self.runtime.chmod(0o777)
        self.check("runtime directory", f"failed: '{self.runtime}' belongs to {self.me()}, mode 0777: others may write "
                   f"into it; 'chmod go-w {self.runtime}', or set 'mode' and 'group' to share it")
        self.runtime.chmod(0o700)
        (self.runtime / "domain-0").mkdir(mode=0o700)
        self.check("runtime directory", f"ok: '{self.runtime}/domain-0' belongs to {self.me()}, mode 0700")

    @staticmethod
    def me():
        return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_another_users_directory(self):
        self.base.chmod(0o755)
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        self.check("runtime directory", f"failed: '{self.runtime}' is not there, and nobody may not make it in "
                   f"'{self.base}'; set 'runtime_dir' to a directory in /dev/shm", prefix=nobody)
        (self.runtime / "domain-0" / "processes").mkdir(parents=True, mode=0o700)
        self.runtime.chmod(0o700)
        code, lines = self.doctor(prefix=nobody)
        self.assertEqual(code, 1)
        share = "; set another 'runtime_dir', or share it with 'group' and 'mode'"
        self.assertEqual(lines["runtime directory"], f"failed: '{self.runtime}' belongs to root, mode 0700, and nobody "
                         "may not use it" + share)
        self.assertEqual(lines["records"], f"failed: cannot read the domain's directory '{self.runtime}/domain-0/"
                         "processes' (another user's? see 'mode' and 'group' in config/README.md): Permission denied; "
                         "run this as the domain's owner, or share it with 'group' and 'mode'")
        os.chown(self.runtime, 1, 1)
        self.check("runtime directory", f"failed: '{self.runtime}' belongs to daemon, mode 0700, and you are "
                   f"{self.me()}" + share)
        os.chown(self.runtime, 0, 0)
        config = self.file("x.yaml", "group: daemon\nmode: 0660\n")
        code, lines = self.doctor("--config", config, prefix=nobody)
        self.assertEqual(lines["group"], "failed: you are no member of group 'daemon'; 'usermod -aG daemon nobody' and "
                         "log in anew")
        self.check("group", "ok: 'daemon' shares the domain, mode 0660", "--config", config)

    def test_a_group_that_is_not_there(self):
        config = self.file("x.yaml", "group: sluice-no-such-group\nmode: 0660\n")
        self.check("group", "failed: there is no group 'sluice-no-such-group' on this machine; 'groupadd "
                   "sluice-no-such-group', or change 'group'", "--config", config)

    def test_descriptors(self):
        need = " for a process (RLIMIT_NOFILE), and 13 are needed by one that has every topic"
        self.check("descriptors", "warning: 100" + need + "; raise 'ulimit -n' to 1024 or more",
                   prefix=("prlimit", "--nofile=100"))
        topics = "".join(f"  /t{i}: {{max_size: 8B, depth: 1}}\n" for i in range(100))
        config = self.file("x.yaml", "topics:\n" + topics)
        code, lines = self.doctor("--config", config, prefix=("prlimit", "--nofile=100"))
        self.assertEqual(code, 1)
        self.assertRegex(lines["descriptors"], r"^failed: 100 for a process \(RLIMIT_NOFILE\), and \d+ are needed by "
                         "one that has every topic; raise 'ulimit -n', or divide the topics among processes$")

    @unittest.skipUnless(allowed(MOUNTS), "this machine allows no namespaces to this user")
    def test_little_shared_memory(self):
        remedy = "; remove leftovers with 'sluice shm clean', or enlarge it ('mount -o remount,size=1G /dev/shm'; of " \
                 "a container: --shm-size)"
        script = 'mount -t tmpfs -o size={} tmpfs /dev/shm && {} && exec "$0" "$@"'
        small = (*MOUNTS, "sh", "-c", script.format("16k", "true"))
        code, lines = self.doctor(prefix=small)
        self.assertEqual(code, 1)
        self.assertRegex(lines["shared memory"], r"^failed: 16384 bytes \(16.0KiB\) free of 16384 bytes \(16.0KiB\) in "
                         r"/dev/shm, and \d+ bytes \(.*\) are needed" + re.escape(remedy) + "$")
        full = (*MOUNTS, "sh", "-c", script.format("100m", "head -c 96468992 /dev/zero > /dev/shm/full"))
        self.check("shared memory", "warning: 8388608 bytes (8.0MiB) free of 104857600 bytes (100.0MiB) in /dev/shm, "
                   "which is less than a tenth" + remedy, prefix=full)

    def test_a_runtime_directory_on_another_file_system(self):
        folder = pathlib.Path(__file__).parent.resolve()
        self.environment["SLUICE_RUNTIME_DIR"] = str(folder / "no-such-run")
        kind = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True, check=True).stdout
        if kind.strip() in ("tmpfs", "ramfs"):
            self.skipTest("everything here is in memory")
        self.assertRegex(self.doctor()[1]["runtime directory's space"],
                         rf"^warning: \d+ bytes \(.*\) free of \d+ bytes \(.*\) in {folder}, which is no tmpfs: the "
                         "kernel writes messages to a disk; set 'runtime_dir' to a directory in /dev/shm$")

    def test_late_processes(self):
        config = self.file("x.yaml", "topics: {/t: {liveliness: 1s}}")
        process = self.peer("subscribe", "/t", "--config", config)
        self.check("processes", "ok: 1 process, none late")
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: self.doctor()[0] == 1, "lateness")
        self.assertEqual(re.sub(r"for \d+\.\d s", "for N s", self.doctor()[1]["processes"]),
                         f"failed: process {process.pid} (doctor_peer) is late: no sign of life for N s: stopped by a "
                         f"signal or a debugger; let it go on with 'kill -CONT {process.pid}', or from the debugger "
                         "that holds it")

    def test_leftovers(self):
        process = self.peer("publish", "/t")
        self.check("leftovers", "ok: none of dead processes")
        process.kill()
        process.wait()
        code, lines = self.doctor()
        self.assertEqual(code, 0, "they do no harm")
        self.assertRegex(lines["leftovers"], rf"^warning: 3 files are used by nobody, such as '{self.runtime}/domain-0/"
                         rf"processes/{process.pid}-\d+\.control'; died without leaving: process {process.pid} "
                         r"\(doctor_peer\); remove them with 'sluice shm clean'$")
        self.assertEqual(self.sluice("shm", "clean").returncode, 0)
        self.check("leftovers", "ok: none of dead processes")

    def test_records_that_cannot_be_read(self):
        self.peer("publish", "/t")
        path = self.runtime / "domain-0" / "processes" / "1-2.process"
        path.write_bytes(b"x" * 5000)
        code, lines = self.doctor()
        self.assertEqual(code, 1)
        self.assertRegex(lines["records"], rf"^failed: .*'{path}'.*; build all programs with one version of Sluice, "
                         "and end those that have another$")
        path.unlink()

    @unittest.skipUnless(allowed(NAMESPACES), "this machine allows no namespaces to this user")
    def test_pid_namespaces(self):
        process = self.peer("publish", "/t", prefix=NAMESPACES)
        self.check("PID namespaces", "warning: process 1 (doctor_peer) is in another PID namespace: data flows, but "
                   "the number means nothing here; look at such processes from within their container")
        process.kill()
        self.leftovers_expected = True


if __name__ == "__main__":
    unittest.main(verbosity=2)
