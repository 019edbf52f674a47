"""Subscriptions in asyncio programs."""

import asyncio
import os
import select
import unittest

from node_test_support import PATIENCE, Imu, NodeTest


def run(main):
    asyncio.run(asyncio.wait_for(main, PATIENCE))


class Async(NodeTest):
    def test_messages_come_in_order_and_other_tasks_run(self):
        out, in_ = self.pair("/deep")  # room for all: a publisher that waits holds up the loop, and with it the reader
        ticks = []

        async def publish():
            for number in range(20):
                await asyncio.sleep(0.001)
                ticks.append(number)
                out.publish_batch(Imu.zeros(2))

        async def main():
            publishing = asyncio.create_task(publish())
            numbers = []
            async for message in in_:
                numbers.append(message.info.sequence)
                if len(numbers) == 40:
                    break
            await publishing
            self.assertEqual(numbers, list(range(40)))

        run(main())
        self.assertEqual(ticks, list(range(20)))

    def test_several_subscriptions_at_once(self):
        node = self.node()
        pairs = [(node.advertise(f"/topic{k}", Imu), node.subscribe(f"/topic{k}", Imu)) for k in range(20)]

        async def main():
            taking = [asyncio.create_task(in_.take_async()) for _, in_ in pairs]
            await asyncio.sleep(0.01)
            for number, (out, _) in enumerate(pairs):
                out.publish((number, [0, 0, 0]))
            messages = await asyncio.gather(*taking)
            self.assertEqual([int(message["number"]) for message in messages], list(range(20)))

        run(main())

    def test_closing_ends_the_iteration(self):
        out, in_ = self.pair()

        async def main():
            asyncio.get_running_loop().call_later(0.02, in_.close)
            out.publish(Imu.zeros())
            self.assertEqual([message.info.sequence async for message in in_], [0])
            self.assertIsNone(await in_.take_async())

        run(main())

    def test_a_cancelled_wait_leaves_the_subscription_usable(self):
        out, in_ = self.pair()

        async def main():
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(in_.take_async(), 0.02)
            out.publish((5, [0, 0, 0]))
            self.assertEqual((await in_.take_async())["number"], 5)

        run(main())

    def test_a_descriptor_for_loops_of_other_kinds(self):
        out, in_ = self.pair()
        self.assertTrue(in_.arm())
        self.assertEqual(select.select([in_], [], [], 0)[0], [])
        out.publish(Imu.zeros())
        self.assertEqual(select.select([in_], [], [], PATIENCE)[0], [in_])
        self.assertFalse(in_.arm())  # there is one
        self.assertIsNotNone(in_.take())
        self.assertTrue(in_.arm())
        descriptor = in_.fileno()
        in_.close()
        with self.assertRaises(OSError):
            os.fstat(descriptor)


if __name__ == "__main__":
    unittest.main()
