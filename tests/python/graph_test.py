"""What a Python node is told of others: the graph, liveliness, deadlines."""

import unittest

import sluice
from node_test_support import Imu, NodeTest, eventually


class Graph(NodeTest):
    def spin_until(self, node, condition):
        """The watchdog ends it."""
        while not condition():
            node.spin_for(0.01)

    def test_a_snapshot_is_complete_at_once(self):
        node = self.node("first")
        node.advertise("/imu", Imu)
        node.subscribe_bytes("/blob")
        (process,) = node.graph().processes
        self.assertEqual((process.liveliness, process.nodes), ("alive", ["/first"]))
        self.assertEqual({(each.kind, each.node, each.topic, each.type) for each in process.endpoints},
                         {("publisher", "/first", "/imu", "demo/Imu"), ("subscription", "/first", "/blob", "")})
        self.assertEqual((node.graph().lost, node.graph().problems), ([], []))

    def test_another_process_comes_and_is_killed(self):
        node = self.node()
        happened = []
        node.on_graph_change(lambda event: happened.append((event.kind, event.process.pid)))
        program = self.start("print('ready')\nnode.spin()")
        self.spin_until(node, lambda: ("joined", program.pid) in happened)
        program.kill()
        self.spin_until(node, lambda: ("lost", program.pid) in happened)
        self.assertNotIn(("left", program.pid), happened)
        node.on_graph_change(None)
        count = len(happened)
        self.end(self.start(""))
        node.spin_for(0.1)
        self.assertEqual(len(happened), count)

    def test_a_publisher_comes_and_leaves(self):
        node = self.node()
        happened = []
        node.subscribe("/imu", Imu).on_liveliness(happened.append)
        program = self.start("out = node.advertise('/imu', Imu)\nprint('ready')\nsys.stdin.read()", stdin=-1)
        self.spin_until(node, lambda: happened)
        self.assertEqual((happened[0].topic, happened[0].node, happened[0].pid, happened[0].liveliness,
                          happened[0].alive), ("/imu", "/child", program.pid, "alive", 1))
        program.stdin.close()
        self.spin_until(node, lambda: happened[-1].liveliness == "left")
        self.assertEqual((happened[-1].alive, happened[-1].late), (0, 0))

    def test_deadlines_are_missed_at_both_sides(self):
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(text + "  /timed: {deadline: 20ms}\n", encoding="utf-8")
        node = self.node()
        missed = {"out": [], "in": []}
        source, sink = node.advertise("/timed", Imu), node.subscribe("/timed", Imu, lambda message: None)
        source.on_deadline_missed(missed["out"].append)
        sink.on_deadline_missed(missed["in"].append)
        source.publish(Imu.zeros())
        self.spin_until(node, lambda: len(missed["out"]) > 1 and len(missed["in"]) > 1)
        for events in missed.values():
            self.assertEqual((events[0].topic, events[0].deadline, events[0].total), ("/timed", 0.02, 1))
        self.refuses(sluice.Error, "topic '/imu' has no deadline that could be missed; set 'deadline' in its YAML",
                     node.advertise("/imu", Imu).on_deadline_missed, print)

    def test_an_exception_in_a_callback_is_printed_and_the_node_goes_on(self):
        output = self.end(self.start(
            "out = node.advertise('/imu', Imu)\n"
            "happened = []\n"
            "def told(event):\n    happened.append(event)\n    raise KeyError('oh')\n"
            "node.subscribe('/imu', Imu).on_liveliness(told)\n"
            "while not happened: node.spin_for(0.01)\n"
            "node.spin_for(0.01)\nprint('went on')"))
        self.assertIn("sluice: the callback for liveliness raised:\n", output)
        self.assertTrue(output.endswith("KeyError: 'oh'\nwent on\n"), output)

    def test_who_is_closed_is_told_nothing(self):
        node = self.node()
        happened = []
        subscription = node.subscribe("/imu", Imu)
        node.advertise("/imu", Imu)
        subscription.on_liveliness(happened.append)
        subscription.close()
        node.spin_for(0.05)
        self.assertEqual(happened, [])
        eventually(lambda: subscription.closed)


if __name__ == "__main__":
    unittest.main(verbosity=2)
