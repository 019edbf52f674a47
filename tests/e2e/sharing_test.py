#!/usr/bin/python3
"""Domains that users and containers share: nothing is common to their processes but the directories."""

import json
import os
import signal
import subprocess
import unittest

from support import BUILD, SLUICE, DomainTest, wait_until

PEER = str(BUILD / "tests" / "doctor_peer")
OWN_PIDS = ("unshare", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc")
ALLOWED = subprocess.run([*OWN_PIDS, "true"], capture_output=True).returncode == 0
GROUP = 2000  # a number that no group of a usual machine has


class SharedDomain(DomainTest):
    flows = "flows"  # what doctor says of a pair that has no trouble

    def peer(self, side, *words, prefix=()):
        process = self.start(*prefix, PEER, side, "/t", *words)
        self.assertEqual(process.stdout.readline(), "open\n")
        return process

    def nodes(self, *prefix):
        result = self.run_program(*prefix, SLUICE, "node", "list")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout.split()

    def causes(self, *prefix):
        return [finding["cause"] for finding in
                json.loads(self.run_program(*prefix, SLUICE, "doctor", "/t", "--json").stdout)]


@unittest.skipUnless(ALLOWED, "this machine allows no namespaces to this user")
class Containers(SharedDomain):
    """Each process is number 1 of a PID namespace of its own, as in a container."""

    flows = "pid_namespaces_differ"

    def setUp(self):
        super().setUp()
        self.containers = []

    def tearDown(self):
        for process in self.containers:
            self.kill(process)
        self.sluice("shm", "clean")
        super().tearDown()

    def contained(self, side, *words):
        process = self.peer(side, *words, prefix=OWN_PIDS)
        self.containers.append(process)
        return process

    def kill(self, process):
        """unshare passes no other signal on; the kernel kills what is in its namespace."""
        process.kill()
        process.communicate()
        if process in self.started:
            self.started.remove(process)

    def program_of(self, container):
        """The one process in it, as it is numbered here."""
        with open(f"/proc/{container.pid}/task/{container.pid}/children", encoding="ascii") as children:
            return int(children.read())

    def test_everybody_sees_everybody_and_data_flows(self):
        sink, source = self.contained("subscribe"), self.contained("publish", "messages=5")
        self.assertRegex(source.stdout.readline(), "^sent 5")
        for prefix in ((), OWN_PIDS):
            self.assertEqual(self.nodes(*prefix), ["/sink", "/source"])
            wait_until(lambda at=prefix: self.causes(*at) == [self.flows], "the messages")
        self.kill(source)
        wait_until(lambda: self.nodes() == ["/sink"], "the publisher to be missed")
        self.assertIn("is lost: it ended without leaving", sink.stderr.readline())
        again = self.contained("publish", "messages=5")
        self.assertRegex(again.stdout.readline(), "^sent 5")
        wait_until(lambda: self.causes() == [self.flows], "the messages of the next one")

    def test_many_that_start_at_one_moment_are_told_apart(self):
        """Their numbers are the same, and some of their starting times, too."""
        for k in range(8):
            self.containers.append(self.start(*OWN_PIDS, PEER, "subscribe", "/t", "--name", f"n{k}"))
        for process in self.containers:
            self.assertEqual(process.stdout.readline(), "open\n", process.poll())
        self.assertEqual(self.nodes(), [f"/n{k}" for k in range(8)])

    def test_a_stopped_one_is_late_and_goes_on(self):
        source, sink = self.contained("publish"), self.contained("subscribe")
        inside = self.program_of(source)
        os.kill(inside, signal.SIGSTOP)
        self.assertIn("is late: no sign of life for", sink.stderr.readline())
        self.assertEqual(self.nodes(), ["/sink", "/source"])
        os.kill(inside, signal.SIGCONT)
        wait_until(lambda: "publisher_late" not in self.causes(), "it to be alive again")


@unittest.skipUnless(ALLOWED, "this machine allows no namespaces to this user")
class FewInotifyInstances(SharedDomain):
    def test_those_who_get_none_see_the_others_as_well(self):
        """The limit is the namespace's; some get an instance, and the others look for themselves."""
        result = self.run_program("unshare", "--map-root-user", "sh", "-c", 'echo 5 > /proc/sys/user/max_inotify_'
                                  'instances && exec "$0" many --processes 20', str(BUILD / "tests" / "graph_size"))
        self.assertEqual((result.returncode, result.stdout),
                         (0, "20 processes: everybody was told of everybody\n"), result.stderr)
        self.assertIn("no inotify instance is left for this user (sysctl fs.inotify.max_user_instances): looking for "
                      "other processes every 100 ms instead", result.stderr)


@unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
class Users(SharedDomain):
    """Two users that are neither root nor each other, and a third one."""

    @staticmethod
    def user(number, *groups):
        extra = ("--groups", ",".join(map(str, groups))) if groups else ("--clear-groups",)
        return ("setpriv", f"--reuid={number}", f"--regid={number}", *extra)

    def setUp(self):
        super().setUp()
        self.base.chmod(0o1777)
        self.ann, self.bob, self.eve = self.user(3001, GROUP), self.user(3002, GROUP), self.user(3003)
        shared = self.file("shared.yaml", f"group: {GROUP}\nmode: '0660'\n")
        os.chmod(shared, 0o644)
        self.environment["SLUICE_CONFIG"] = shared

    def test_members_of_the_group_share_everything(self):
        self.peer("subscribe", prefix=self.ann)
        source = self.peer("publish", "messages=5", prefix=self.bob)
        self.assertRegex(source.stdout.readline(), "^sent 5")
        for who in (self.ann, self.bob):
            self.assertEqual(self.nodes(*who), ["/sink", "/source"])
            wait_until(lambda at=who: self.causes(*at) == [self.flows], "the messages")
            result = self.run_program(*who, SLUICE, "node", "log-level", "/sink", "debug")
            self.assertEqual((result.returncode, result.stderr), (0, ""))
        source.kill()
        source.communicate()
        self.started.remove(source)
        wait_until(lambda: self.nodes(*self.ann) == ["/sink"], "the other user's process to be missed")
        self.peer("publish", prefix=self.bob)  # what it left hinders nobody
        self.assertEqual(self.nodes(*self.bob), ["/sink", "/source"])

    def test_a_member_removes_what_another_one_left(self):
        for who in (self.ann, self.bob):
            victim = self.peer("publish", prefix=who)
            victim.kill()
            victim.communicate()
            self.started.remove(victim)
        self.assertEqual(self.run_program(*self.ann, SLUICE, "node", "list").stdout, "")
        result = self.run_program(*self.bob, SLUICE, "shm", "clean")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual([path for path in self.runtime.rglob("*") if not path.is_dir()], [])

    def test_who_is_no_member_is_told(self):
        self.peer("subscribe", prefix=self.ann)
        for command in ((SLUICE, "node", "list"), (SLUICE, "topic", "list"), (SLUICE, "doctor", "/t")):
            result = self.run_program(*self.eve, *command)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertRegex(result.stderr, "^sluice: cannot read the domain's directory '.*' .another user's. see "
                                            "'mode' and 'group' in config/README.md.: Permission denied\n$")
        result = self.run_program(*self.eve, PEER, "publish", "/t")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, f"cannot give .* to group '{GROUP}'|Permission denied")

    def test_a_mode_that_lets_members_only_look(self):
        self.environment["SLUICE_CONFIG"] = self.file("look.yaml", f"group: {GROUP}\nmode: '0640'\n")
        os.chmod(self.environment["SLUICE_CONFIG"], 0o644)
        source = self.start(*self.ann, SLUICE, "topic", "pub", "/t", "hello", "--rate", "50")
        self.assertEqual(source.stdout.readline(), "publishing #1\n")
        self.assertEqual(self.run_program(*self.bob, SLUICE, "topic", "list").stdout, "/t\n")
        result = self.run_program(*self.bob, SLUICE, "topic", "echo", "/t", "--once")
        self.assertEqual((result.returncode, result.stdout), (0, "hello\n---\n"), result.stderr)
        result = self.run_program(*self.bob, PEER, "publish", "/t")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("Permission denied", result.stderr)

    def test_without_a_group_users_do_not_meet(self):
        del self.environment["SLUICE_CONFIG"]
        self.peer("subscribe", prefix=self.ann)
        result = self.run_program(*self.bob, PEER, "publish", "/t")
        self.assertEqual(result.returncode, 2)
        self.assertIn(f"runtime directory '{self.runtime}' belongs to user 3001, not to user 3002; remove it, choose "
                      "another 'runtime_dir', or share it with 'group'", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
