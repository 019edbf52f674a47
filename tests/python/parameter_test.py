"""Parameters that a Python node declares: types, ranges, callbacks, the configuration, and `sluice param`."""

import os
import subprocess
import unittest

import sluice
from node_test_support import NodeTest


class Parameters(NodeTest):
    def param(self, *arguments):
        return subprocess.run([os.environ["SLUICE_BIN"], "param", *arguments, "--config", str(self.config)], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)

    def test_each_type_is_kept(self):
        node = self.node(parameters={"count": 7, "names": ["x", "y z"]})
        self.assertEqual(node.declare_parameter("count", 3), 7)
        self.assertIs(node.declare_parameter("on", True), True)
        self.assertEqual(node.declare_parameter("gain", 0.5), 0.5)
        self.assertEqual(node.declare_parameter("label", "one"), "one")
        self.assertEqual(node.declare_parameter("names", ["a"]), ["x", "y z"])
        self.assertEqual(node.declare_parameter("sizes", [1, 2]), [1, 2])
        self.assertEqual(node.declare_parameter("mixed", [1, 2.5]), [1.0, 2.5])
        for name, value in (("count", 9), ("on", False), ("gain", 2), ("label", "12"), ("sizes", []), ("names", ["q"])):
            node.set_parameter(name, value)
            self.assertEqual(node.get_parameter(name), value)
        self.assertIsInstance(node.get_parameter("gain"), float)
        self.assertEqual(node.parameter("label", ""), "12")
        self.assertEqual(list(node.list_parameters()), ["count", "gain", "label", "mixed", "names", "on", "sizes"])

    def test_what_is_no_value_is_refused(self):
        node = self.node()
        for wrong in (None, [], {}, [1, "a"], 1 << 70, object):
            with self.assertRaises((TypeError, RuntimeError)):
                node.declare_parameter("p", wrong)
        node.declare_parameter("count", 3, minimum=0, maximum=10)
        node.declare_parameter("fixed", "x", read_only=True)
        for wrong in (True, 1.5, "4", [4]):
            with self.assertRaisesRegex(TypeError, "parameter 'count' is of type integer, and .* is not"):
                node.set_parameter("count", wrong)
        with self.assertRaisesRegex(sluice.Error, "must be from 0 to 10, but is to become '11'"):
            node.set_parameter("count", 11)
        with self.assertRaisesRegex(sluice.Error, "is read-only"):
            node.set_parameter("fixed", "y")
        with self.assertRaisesRegex(KeyError, "'cont' is not declared; declared are count, fixed"):
            node.get_parameter("cont")
        with self.assertRaisesRegex(sluice.Error, "is declared already"):
            node.declare_parameter("count", 3)

    def test_a_callback_may_refuse(self):
        def check(value):
            seen.append(value)
            if value > 5:
                raise ValueError("more than five do not fit")
        seen = []
        node = self.node()
        node.declare_parameter("count", 3, on_change=check)
        node.declare_parameter("other", 1)
        node.set_parameter("count", 4)
        node.set_parameter("other", 9)
        with self.assertRaisesRegex(sluice.Error, "the node refuses '6': more than five do not fit"):
            node.set_parameter("count", 6)
        self.assertEqual((seen, node.get_parameter("count")), ([4, 6], 4))

    def test_the_configuration_gives_values(self):
        self.config.write_text(self.config.read_text() + "nodes: {test: {parameters: {gain: 0.25, word: many}}}\n")
        node = self.node()
        self.assertEqual(node.parameter("gain", 1.0), 0.25)
        self.assertEqual(node.declare_parameter("gain", 1.0), 0.25)
        with self.assertRaisesRegex(sluice.ConfigError, r"test\.yaml:\d+:\d+: .*'many', which is not of its type int"):
            node.declare_parameter("word", 1)

    def test_it_is_set_from_outside_in_the_thread_that_spins(self):
        child = self.start(
            "def check(value):\n"
            "    assert threading.current_thread() is threading.main_thread()\n"
            "    if value == 6: raise ValueError('no six')\n"
            "    if value == 7: 1 / 0\n"
            "node.declare_parameter('count', 3, description='How many', on_change=check)\n"
            "print('ready', flush=True); node.spin(); print('value', node.get_parameter('count'))")
        self.line(child, "ready")
        self.assertEqual(self.param("set", "child", "count", "4").stdout, "Set parameter successful\n")
        self.assertIn("the node refuses '6': no six", self.param("set", "child", "count", "6").stderr)
        self.assertIn("its callback raised ZeroDivisionError", self.param("set", "child", "count", "7").stderr)
        self.assertEqual(self.param("get", "child", "count").stdout, "Integer value is: 4\n")
        self.assertIn("Description: How many", self.param("describe", "child", "count").stdout)
        child.terminate()
        output = self.end(child)
        self.assertIn("sluice: the callback of parameter 'count' raised:\nTraceback", output)
        self.assertIn("value 4\n", output)


if __name__ == "__main__":
    unittest.main()
