#!/usr/bin/python3
"""`sluice param`, `sluice node shutdown` and `log-level`, and the control socket behind them under hostile clients."""

import json
import os
import signal
import socket
import stat
import struct
import unittest

from support import BUILD, DomainTest, wait_until

PARAMETER_NODE = str(BUILD / "tests" / "parameter_node")
MOST_CONNECTIONS = 8


class ParameterTest(DomainTest):
    def node(self, *arguments):
        process = self.start(PARAMETER_NODE, *arguments)
        self.assertEqual(process.stdout.readline(), "ready\n")
        wait_until(lambda: self.sockets(), "a control socket")
        return process

    def sockets(self):
        return list(self.runtime.glob("domain-0/processes/*.control"))

    def connect(self):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(client.close)
        client.connect(str(self.sockets()[0]))
        return client

    def send(self, client, body):
        client.sendall(struct.pack("<I", len(body)) + body)

    def answer(self, client):
        length = client.recv(4, socket.MSG_WAITALL)
        return json.loads(client.recv(struct.unpack("<I", length)[0], socket.MSG_WAITALL)) if length else None

    def get(self, name):
        return self.sluice("param", "get", "subject", name).stdout


class Commands(ParameterTest):
    def test_list_get_set_describe_dump(self):
        self.node("--param", "count:=7")
        result = self.sluice("param", "list", "/subject")
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (0, "/subject:\n  count\n  fixed\n  flag\n  gain\n  label\n  names\n  sizes\n", ""))
        self.assertEqual(self.get("count"), "Integer value is: 7\n")
        self.assertEqual(self.get("flag"), "Boolean value is: true\n")
        self.assertEqual(self.get("sizes"), "Integer values are: [1,2]\n")
        for name, value in (("count", "9"), ("gain", "1.25"), ("label", "12"), ("sizes", "[4]"), ("names", '["x"]')):
            result = self.sluice("param", "set", "subject", name, value)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "Set parameter successful\n", ""))
            self.assertEqual(self.sluice("param", "get", "--hide-type", "subject", name).stdout, value + "\n")
        self.assertEqual(self.sluice("param", "describe", "subject", "count").stdout,
                         "Parameter name: count\n  Type: integer\n  Description: How many\n  Constraints:\n"
                         "    Min value: 0.0\n    Max value: 10.0\n")
        self.assertIn('/subject:\n  ros__parameters:\n    "count": 9\n',
                      self.sluice("param", "dump", "subject").stdout)

    def test_what_cannot_be_set_says_why(self):
        self.node()
        for name, value, why in (
                ("count", "11", "parameter 'count' must be from 0 to 10, but is to become '11'"),
                ("count", "many", "parameter 'count' is of type integer, and 'many' is not"),
                ("fixed", "x", "parameter 'fixed' is read-only; it keeps 'stays'"),
                ("gain", "inf", "must be a finite number"),
                ("label", "bad", "the node refuses 'bad': that label is taken")):
            result = self.sluice("param", "set", "subject", name, value)
            self.assertEqual((result.returncode, result.stdout), (1, ""), name)
            self.assertIn("Setting parameter failed: node '/subject': ", result.stderr)
            self.assertIn(why, result.stderr)
        self.assertEqual(self.get("count"), "Integer value is: 3\n")
        result = self.sluice("param", "get", "subject", "cont")
        self.assertEqual((result.returncode, result.stderr), (2, "sluice: node '/subject': parameter 'cont' is not "
                                                              "declared; did you mean 'count'?\n"))
        result = self.sluice("param", "get", "subjekt", "count")
        self.assertIn("there is no node '/subjekt' in the domain; did you mean '/subject'?", result.stderr)

    def test_a_dump_is_loaded(self):
        self.node()
        for name, value in (("count", "5"), ("label", '"12"'), ("sizes", "[4, 5]"), ("names", '["7"]')):
            self.sluice("param", "set", "subject", name, value)
        dump = self.sluice("param", "dump", "subject").stdout
        path = self.file("dump.yaml", dump)
        for name, value in (("count", "1"), ("label", "y"), ("sizes", "[]"), ("names", "[]")):
            self.assertEqual(self.sluice("param", "set", "subject", name, value).returncode, 0)
        result = self.sluice("param", "load", "subject", path)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("Set parameter count successful\nSet parameter fixed not needed: read-only\n", result.stdout)
        self.assertEqual(self.sluice("param", "dump", "subject").stdout, dump)

    def test_what_a_file_sets_wrongly_is_named_and_the_rest_is_set(self):
        self.node()
        path = self.file("ros.yaml", "subject:\n  ros__parameters:\n    count: 11\n    gain: 1.0\n    fixed: moves\n"
                                     "    label: bad\n    cont: 1\n")
        result = self.sluice("param", "load", "subject", path)
        self.assertEqual((result.returncode, result.stdout), (1, "Set parameter gain successful\n"))
        for name, place, why in (("count", "3:12", "must be from 0 to 10, but is to become '11'"),
                                 ("fixed", "5:12", "is read-only; it keeps 'stays'"),
                                 ("label", "6:12", "that label is taken"),
                                 ("cont", "7:11", "is not declared; did you mean 'count'?")):
            self.assertRegex(result.stderr, f"Set parameter {name} failed: {path}:{place}: .*")
            self.assertIn(why, result.stderr)
        report = json.loads(self.sluice("param", "load", "subject", path, "--json").stdout)
        self.assertEqual(report["set"], ["gain"])
        self.assertEqual([one["name"] for one in report["refused"]], ["cont", "count", "fixed", "label"])
        result = self.sluice("param", "load", "subject", self.file("other.yaml", "/other: {parameters: {a: 1}}\n"))
        self.assertEqual(result.returncode, 2)
        self.assertIn("there are no parameters of node '/subject' in this file; it has those of /other", result.stderr)

    def test_a_list_is_filtered(self):
        self.node()
        result = self.sluice("param", "list", "subject", "--filter", "^(g|fl)")
        self.assertEqual((result.returncode, result.stdout), (0, "/subject:\n  flag\n  gain\n"))
        result = self.sluice("param", "list", "--filter", "(")
        self.assertEqual(result.returncode, 2)
        self.assertIn("sluice: --filter '(' is no regular expression", result.stderr)

    def test_the_configuration_and_the_command_line(self):
        path = self.file("nodes.yaml", "nodes:\n  /**:\n    parameters: {count: 4, gain: 1.0}\n  subject:\n"
                                       "    parameters:\n      count: 6\n      names: [x, 'y \"z', \"3\"]\n")
        self.node("--config", path, "--param", "gain:=0.25")
        self.assertEqual(self.get("count"), "Integer value is: 6\n")
        self.assertEqual(self.get("gain"), "Double value is: 0.25\n")
        self.assertEqual(self.get("names"), 'String values are: ["x","y \\"z","3"]\n')

    def test_a_parameter_that_the_node_does_not_have_is_named(self):
        """Once, with its place; a pattern is for other nodes, too."""
        path = self.file("nodes.yaml", "nodes:\n  /**: {parameters: {rate: 1}}\n  subject: {parameters: {gan: 1.0}}\n")
        node = self.node("--config", path, "--param", "cont:=4", "--param", "count:=4")
        node.send_signal(signal.SIGINT)
        lines = [line.split("] ")[-1] for line in node.communicate()[1].splitlines()]
        self.assertEqual(lines, ["parameter 'cont' (--param cont) is ignored: this node has none of that name; did you "
                                 "mean 'count'?",
                                 f"parameter 'gan' ({path}:3:31) is ignored: this node has none of that name; did you "
                                 "mean 'gain'?"])

    def test_a_configured_value_that_cannot_be_is_named_with_its_place(self):
        for value, why in (("11", "must be from 0 to 10, but is to become '11'; its default is '3'"),
                           ("many", "has the value 'many', which is not of its type integer; its default is '3'")):
            path = self.file("wrong.yaml", "nodes:\n  subject:\n    parameters: {count: %s}\n" % value)
            result = self.run_program(PARAMETER_NODE, "--config", path)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertEqual(result.stderr, f"parameter_node: {path}:3:25: node '/subject': parameter 'count' {why}\n")

    def test_log_level_and_shutdown(self):
        process = self.node()
        self.assertEqual(self.sluice("node", "log-level", "subject").stdout, "warning\n")
        self.assertEqual(self.sluice("node", "log-level", "subject", "debug").stdout, "debug\n")
        self.assertEqual(self.sluice("node", "log-level", "subject").stdout, "debug\n")
        result = self.sluice("node", "log-level", "subject", "loud")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(self.sluice("node", "shutdown", "subject").returncode, 0)
        self.assertEqual(process.communicate(timeout=self.patience)[0], "ended\n")
        self.assertEqual((process.returncode, self.sockets()), (0, []))

    def test_a_node_that_does_not_spin_is_named(self):
        self.node("idle")
        result = self.sluice("param", "set", "subject", "count", "4")
        self.assertEqual(result.returncode, 1)
        self.assertIn("node '/subject' does not spin: nothing was changed in 2 s", result.stderr)
        self.assertEqual(self.get("count"), "Integer value is: 3\n")

    def test_a_stopped_process_is_named(self):
        process = self.node()
        process.send_signal(signal.SIGSTOP)
        result = self.sluice("param", "get", "subject", "count")
        self.assertEqual(result.returncode, 2)
        self.assertIn(f"node '/subject' (process {process.pid}, parameter_node) does not answer within 2 s",
                      result.stderr)

    def test_a_killed_process_leaves_a_socket_that_the_next_start_removes(self):
        process = self.node()
        path = self.sockets()[0]
        process.kill()
        process.wait()
        self.assertTrue(path.exists())
        self.node()
        self.assertFalse(path.exists())
        self.assertEqual(len(self.sockets()), 1)

    def test_an_orphaned_socket_is_removed(self):
        process = self.node()
        process.kill()
        process.wait()
        path = self.sockets()[0]
        path.with_suffix(".process").unlink()
        self.sluice("shm", "clean")
        self.assertFalse(path.exists())

    def test_a_long_path_and_a_removed_socket(self):
        self.environment["SLUICE_RUNTIME_DIR"] = str(self.base / ("x" * 120))
        self.runtime = self.base / ("x" * 120)
        self.node()
        self.assertEqual(self.get("count"), "Integer value is: 3\n")
        self.sockets()[0].unlink()
        wait_until(lambda: self.sockets(), "the socket made anew")
        self.assertEqual(self.get("count"), "Integer value is: 3\n")


class Hostile(ParameterTest):
    def setUp(self):
        super().setUp()
        self.process = self.node()

    def tearDown(self):
        self.assertEqual(self.sluice("topic", "echo", "/ticks", "--once", "--hex").returncode, 0, "it delivers no more")
        wait_until(lambda: self.get("count") == "Integer value is: 3\n", "an answer to an honest client")
        self.assertIsNone(self.process.poll())
        super().tearDown()

    def test_garbage(self):
        for body, why in ((b"\xff\x00", "is not a JSON object"), (b"[" * 60000, "nested more deeply"),
                          (b"{}", "version is missing"), (b'{"version":2}', "version is '2'"),
                          (b'{"version":1,"request":3}', "must be a string"),
                          (b'{"version":1,"request":"x","node":"/subject"}', "there is no request 'x'"),
                          (b'{"version":1,"request":"list_parameters","node":"/s"}', "has no node '/s'")):
            client = self.connect()
            self.send(client, body)
            answer = self.answer(client)
            self.assertIs(answer["ok"], False)
            self.assertIn(why, answer["error"])
            client.close()

    def test_a_length_of_a_gibibyte(self):
        client = self.connect()
        client.sendall(struct.pack("<I", 1 << 30))
        self.assertEqual(self.answer(client)["error"],
                         "a message of 1073741824 bytes is announced; 1 to 65536 are allowed")
        self.assertEqual(client.recv(1), b"")

    def test_one_byte_at_a_time_and_two_at_once(self):
        client = self.connect()
        body = b'{"version":1,"request":"info"}'
        for byte in struct.pack("<I", len(body)) + body:
            client.sendall(bytes([byte]))
        self.assertEqual(self.answer(client)["pid"], self.process.pid)
        client.sendall((struct.pack("<I", len(body)) + body) * 2)
        self.assertEqual([self.answer(client)["nodes"] for _ in range(2)], [["/subject"]] * 2)

    def test_silence_is_ended(self):
        silent = [self.connect() for _ in range(MOST_CONNECTIONS)]
        silent[0].sendall(b"\x10\x00")
        self.assertIn("serves 8 control connections, the most", self.answer(self.connect())["error"])
        for client in silent:
            self.assertEqual(client.recv(1), b"")

    def test_ten_thousand_connections(self):
        for _ in range(10_000):
            client = self.connect()
            client.close()


@unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
class AnotherUser(ParameterTest):
    ASK = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
           "print(s.recv(4096)[4:].decode() if len(sys.argv) == 2 else '')")

    def ask_as_nobody(self, group):
        return self.run_program("setpriv", "--reuid=65534", "--regid=" + group, "--clear-groups", "/usr/bin/python3",
                                "-c", self.ASK, str(self.sockets()[0]))

    def test_who_is_no_member_is_told(self):
        """The rights of the files are opened on purpose: the peer's credentials alone decide."""
        self.node()
        self.assertEqual(stat.S_IMODE(self.sockets()[0].stat().st_mode), 0o600)
        self.base.chmod(0o755)
        for path in (self.runtime, *self.runtime.rglob("*")):
            path.chmod(0o777)
        result = self.ask_as_nobody("65534")
        self.assertIn("this process belongs to root and you are nobody; set 'group'", result.stdout, result.stderr)


if __name__ == "__main__":
    unittest.main()
