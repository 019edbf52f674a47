#!/usr/bin/python3
"""The command line as a stranger uses it: answers, wrong input, exit codes."""

import json
import os
import signal
import unittest

from install_support import STATIC_PLUGINS
from support import BUILD, OPEN_TOPIC, SLUICE, SOURCE, DomainTest, wait_until


class WrongUse(DomainTest):
    def check(self, arguments, code, message):
        result = self.sluice(*arguments)
        self.assertEqual((result.returncode, result.stderr), (code, message))
        self.assertEqual(result.stdout, "")

    def test_unknown_commands_name_the_near_one(self):
        self.check(["lunch"], 2, "sluice: there is no command 'sluice lunch'; did you mean 'launch'?\n")
        self.check(["topic", "lst"], 2, "sluice: there is no command 'sluice topic lst'; did you mean 'list'?\n")

    def test_missing_files_are_named(self):
        self.check(["config", "check", "/nonexistent.yaml"], 2,
                   "sluice: /nonexistent.yaml: cannot read this file: No such file or directory\n")

    def test_an_unknown_option_is_an_error(self):
        result = self.sluice("node", "list", "--jsn")
        self.assertEqual(result.returncode, 2)
        self.assertIn("--jsn", result.stderr)

    def test_help_works_everywhere(self):
        for arguments in ([], ["topic"], ["topic", "list"], ["launch"], ["config", "check"], ["plugin", "list"]):
            result = self.sluice(*arguments, "--help")
            self.assertEqual(result.returncode, 0, arguments)
            self.assertIn("Usage:", result.stdout)

    def test_a_wrong_environment_is_named(self):
        self.environment["SLUICE_DOMAIN"] = "many"
        result = self.sluice("node", "list")
        self.assertEqual(result.returncode, 2)
        self.assertIn("environment SLUICE_DOMAIN", result.stderr)


class ConfigCommands(DomainTest):
    def test_check_says_ok(self):
        result = self.sluice("config", "check", str(SOURCE / "config" / "defaults.yaml"))
        self.assertEqual((result.returncode, result.stdout), (0, "ok: 4 topics, 1 wildcard\n"))

    def test_check_names_place_value_and_near_key(self):
        path = self.file("typo.yaml", "topics:\n  /imu:\n    relaibility: reliable\n")
        result = self.sluice("config", "check", path)
        self.assertEqual(result.returncode, 2)
        self.assertTrue(result.stderr.startswith(f"sluice: {path}:3:5: "), result.stderr)
        self.assertIn("did you mean 'reliability'?", result.stderr)

    def test_check_asks_the_transport(self):
        path = self.file("raw.yaml",
                         "topics:\n  /ticks: {segment: /ticks, durability: transient_local, history: 1, element: 64}\n")
        result = self.sluice("config", "check", path)
        self.assertEqual((result.returncode, result.stderr),
                         (2, f"sluice: {path}:2:41: topic '/ticks': transport 'slick' cannot do 'transient_local'; "
                             "change 'durability' or choose another transport\n"))

    def test_show_tells_values_and_origins(self):
        path = self.file("x.yaml", "topics:\n  /camera/**: {depth: 8}\n  /camera/image: {max_size: 8MiB}\n")
        result = self.sluice("config", "show", path)
        lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
        self.assertIn(f"depth: 8 # {path}:2:23", lines)
        self.assertIn(f"max_size: 8MiB # {path}:3:29", lines)
        self.assertIn("reliability: best_effort # default", lines)
        shown = json.loads(self.sluice("config", "show", path, "--topic", "/camera/x", "--json").stdout)
        self.assertEqual(shown["topics"]["/camera/x"]["depth"], {"value": "8", "origin": f"{path}:2:23"})


class GraphCommands(DomainTest):
    def test_an_empty_domain_has_nothing_and_is_no_error(self):
        for command in (["node", "list"], ["topic", "list"]):
            result = self.sluice(*command)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        result = self.sluice("shm", "list", "--json")  # foreign files of this host may be there
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertNotIn(str(self.runtime), result.stdout)

    def test_nodes_and_topics_are_listed_at_once(self):
        self.open_topic("publish", "imu/raw", "--name", "driver", "--ns", "robot")
        self.open_topic("subscribe", "/robot/imu/raw", "--name", "filter")
        self.assertEqual(self.sluice("node", "list").stdout, "/filter\n/robot/driver\n")
        self.assertEqual(self.sluice("topic", "list").stdout, "/robot/imu/raw\n")
        self.assertEqual(self.sluice("topic", "list", "-t").stdout, "/robot/imu/raw [bytes]\n")
        self.assertEqual(self.sluice("topic", "list", "-c").stdout, "1\n")
        self.assertEqual(self.sluice("topic", "list", "-v").stdout,
                         "Published topics:\n * /robot/imu/raw [bytes] 1 publisher\n\n"
                         "Subscribed topics:\n * /robot/imu/raw [bytes] 1 subscriber\n")
        topics = json.loads(self.sluice("topic", "list", "--json").stdout)
        self.assertEqual(topics, [{"topic": "/robot/imu/raw", "types": [], "transport": "slick", "publishers": 1,
                                   "subscriptions": 1}])
        nodes = json.loads(self.sluice("node", "list", "--json").stdout)
        self.assertEqual([node["node"] for node in nodes], ["/robot/driver", "/filter"])

    def test_stopped_processes_are_still_listed(self):
        process = self.open_topic("publish", "x", "--name", "stopped")
        process.send_signal(signal.SIGSTOP)
        self.assertEqual(self.sluice("node", "list").stdout, "/stopped\n")
        process.send_signal(signal.SIGCONT)

    def test_domains_do_not_see_each_other(self):
        self.open_topic("publish", "x", "--name", "here")
        self.environment["SLUICE_DOMAIN"] = "7"
        self.assertEqual(self.sluice("node", "list").stdout, "")

    def test_the_killed_are_gone_from_the_lists_and_cleaned_away(self):
        process = self.open_topic("publish", "x", "--name", "victim")
        process.kill()
        process.wait()
        self.assertEqual(self.sluice("node", "list").stdout, "")
        self.assertRegex(self.sluice("shm", "list").stdout, r"/x +topic .* dead +nobody")
        self.assertIn("removed 3 leftover files", self.sluice("shm", "clean").stdout)
        self.assertFalse(self.runtime.exists())

    def test_cleaning_does_not_disturb_the_living(self):
        process = self.open_topic("publish", "x", "--name", "alive")
        self.assertEqual(self.sluice("shm", "clean").stdout, "removed 0 leftover files, 0 bytes\n")
        self.assertEqual(self.sluice("node", "list").stdout, "/alive\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), 0)
        wait_until(lambda: not self.runtime.exists(), "the last one out to leave nothing")

    def test_two_nodes_of_one_name_are_warned_about(self):
        self.open_topic("publish", "x", "--name", "twin")
        self.open_topic("subscribe", "x", "--name", "twin")
        self.assertEqual(self.sluice("node", "list").stderr, "warning: 2 nodes are named '/twin'\n")


@unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
class AnotherUser(DomainTest):
    def as_nobody(self, *command):
        self.base.chmod(0o755)
        return self.run_program("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command)

    def test_missing_rights_are_named_and_nothing_looks_empty(self):
        self.open_topic("publish", "/x")
        reading = (f"cannot read the domain's directory '{self.runtime}/domain-0/processes' (another user's? see "
                   "'mode' and 'group' in config/README.md): Permission denied\n")
        for command in (("node", "list"), ("topic", "list"), ("shm", "clean")):
            result = self.as_nobody(SLUICE, *command)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (2, "", "sluice: " + reading))
        result = self.as_nobody(OPEN_TOPIC, "subscribe", "/x")
        self.assertEqual((result.returncode, result.stderr),
                         (2, f"open_topic: cannot make directory '{self.runtime}/domain-0' (set another 'runtime_dir', "
                             "or share this one with 'mode' and 'group'): Permission denied\n"))


class Plugins(DomainTest):
    def test_list_shows_name_version_path_and_traits(self):
        result = self.sluice("plugin", "list")
        self.assertEqual(result.returncode, 0)
        self.assertIn("slick 0.1.0", result.stdout)
        path = "(linked in)" if STATIC_PLUGINS else str(BUILD / "lib" / "sluice" / "plugins" / "sluice_slick.so")
        self.assertIn(path, result.stdout)
        self.assertIn("many_publishers", result.stdout)

    def test_a_broken_plugin_is_named_and_the_others_work(self):
        broken = self.base / "plugins" / "broken.so"
        broken.parent.mkdir()
        broken.write_bytes((BUILD / "lib" / "libsluice-core.so").read_bytes()[:5000])
        self.environment["SLUICE_PLUGIN_PATH"] = str(broken.parent)
        result = self.sluice("plugin", "list")
        self.assertEqual((result.returncode, result.stderr), (1, f"error: plugin '{broken}' is truncated\n"))
        self.assertIn("slick 0.1.0", result.stdout)
        self.open_topic("publish", "x")


if __name__ == "__main__":
    unittest.main(verbosity=2)
