#!/usr/bin/python3
"""roles.py ROLE NAME COUNT: the Python side of a run of `./dev bench python`; bench_peer.cpp has its roles in C++.

Prints "ready" when everything is open, begins at the line "go" on standard input, and prints its figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from typing import Any, Callable

import numpy

import sluice
from sluice.eshm import ESHM, ESHMRole, TIMEOUT_INFINITE
from sluice.slick import SlickQueue

Tick = sluice.MessageType("bench/Tick", [("number", "u8"), ("bytes", "u1", 56)])
Image = sluice.MessageType("bench/Image", [("begun_ns", "i8"), ("number", "u8"), ("pixels", "u1", 5_000_000 - 16)])

PARTS = 16
PAGE = 4096
BATCH = 512
OK = sluice.PublishResult.ok
clock = time.monotonic_ns


def go() -> None:
    print("ready", flush=True)
    if not sys.stdin.readline():
        raise SystemExit(1)


def report(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


def expect(found: object, expected: object) -> None:
    if found != expected:
        raise SystemExit(f"roles.py: {found} where {expected} was due")


def report_times(samples: list[float]) -> None:
    samples.sort()
    report(value=statistics.median(samples), p99=samples[int(0.99 * (len(samples) - 1))])


class Rate:
    """The rate of the median of equal parts of a run."""

    def __init__(self, count: int) -> None:
        self.ends = [count * part // PARTS for part in range(1, PARTS + 1)]
        self._stamps = [(clock(), 0)]

    def note(self, received: int) -> None:
        self._stamps.append((clock(), received))

    def report(self) -> None:
        report(value=statistics.median(1e9 * (after[1] - before[1]) / (after[0] - before[0])
                                       for before, after in zip(self._stamps, self._stamps[1:])))


# Sending ticks

def send_each(publish: Callable[[sluice.Publisher, int], None]) -> Callable[[str, int], None]:
    """A role that calls publish(publisher, number) for each number."""

    def run(_name: str, count: int) -> None:
        with sluice.Node("stream") as node:
            out = node.advertise("ticks", Tick)
            go()
            for number in range(count):
                publish(out, number)
            expect(out.stats().published, count)
            report()

    return run


def stream_bytes(_name: str, count: int) -> None:
    messages = [number.to_bytes(64, "little") for number in range(count)]
    with sluice.Node("stream") as node:
        out = node.advertise("ticks", Tick)
        go()
        for message in messages:
            out.publish(message)
        expect(out.stats().published, count)
        report()


def stream_elements(_name: str, count: int) -> None:
    messages = Tick.zeros(count)
    messages["number"] = numpy.arange(count)
    with sluice.Node("stream") as node:
        out = node.advertise("ticks", Tick)
        go()
        for message in messages:
            out.publish(message)
        expect(out.stats().published, count)
        report()


tick = Tick.zeros()


def publish_filled(out: sluice.Publisher, number: int) -> None:
    tick["number"] = number
    out.publish(tick)


def publish_loan(out: sluice.Publisher, number: int) -> None:
    loan = out.loan()
    loan["number"] = number
    out.publish(loan)


def stream_batches(_name: str, count: int) -> None:
    messages = Tick.zeros(count)
    messages["number"] = numpy.arange(count)
    with sluice.Node("stream") as node:
        out = node.advertise("ticks", Tick)
        go()
        for first in range(0, count, BATCH):
            out.publish_batch(messages[first:first + BATCH])
        expect(out.stats().published, count)
        report()


# Receiving ticks

def drain(_name: str, count: int) -> None:
    """One by one, polling; one field of each message is read."""
    with sluice.Node("drain") as node:
        subscription = node.subscribe("ticks", Tick)
        take = subscription.take
        go()
        rate = Rate(count)
        received = 0
        for end in rate.ends:
            while received < end:
                message = take()
                if message is None:
                    continue
                if message["number"] != received:
                    expect(message["number"], received)
                received += 1
            rate.note(received)
        expect(subscription.stats().lost, 0)
        rate.report()


def drain_in_callback(_name: str, count: int) -> None:
    """The same in a callback, under spin."""
    with sluice.Node("drain") as node:
        received = 0
        rate = Rate(count)
        each = max(1, count // PARTS)

        def on_tick(message: sluice.Message) -> None:
            nonlocal received
            if message["number"] != received:
                print(f"roles.py: {message['number']} where {received} was due", file=sys.stderr)
                node.shutdown()
            received += 1
            if received % each == 0:
                rate.note(received)
            if received == count:
                node.shutdown()

        subscription = node.subscribe("ticks", Tick, on_tick)
        go()
        node.spin()
        expect((received, subscription.stats().lost), (count, 0))
        rate.report()


def drain_batches(_name: str, count: int) -> None:
    """In batches; the numbers of all messages are compared."""
    with sluice.Node("drain") as node:
        subscription = node.subscribe("ticks", Tick)
        expected = numpy.arange(BATCH, dtype="u8")
        go()
        rate = Rate(count)
        received = 0
        for end in rate.ends:
            while received < end:
                numbers = subscription.take_batch(BATCH)["number"]
                if not numpy.array_equal(numbers, expected[:len(numbers)] + numpy.uint64(received)):
                    expect(list(numbers), received)
                received += len(numbers)
            rate.note(received)
        expect(subscription.stats().lost, 0)
        rate.report()


# Round trips

def next_message(subscription: sluice.Subscription) -> sluice.Message:
    while True:
        message = subscription.take()
        if message is not None:
            return message


def ping(_name: str, count: int) -> None:
    with sluice.Node("ping") as node:
        out, answers = node.advertise("ping", Tick), node.subscribe("pong", Tick)
        message = Tick.zeros()
        go()
        samples: list[float] = []
        for number in range(count):
            begun = clock()
            message["number"] = number
            out.publish(message)
            answer = next_message(answers)["number"]
            samples.append((clock() - begun) / 2)
            expect(answer, number)
        report_times(samples)


def pong(_name: str, count: int) -> None:
    with sluice.Node("pong") as node:
        out, questions = node.advertise("pong", Tick), node.subscribe("ping", Tick)
        go()
        for _ in range(count):
            out.publish(next_message(questions))
        report()


def ping_in_callback(_name: str, count: int) -> None:
    """Both ends sleep in between."""
    with sluice.Node("ping") as node:
        out = node.advertise("ping", Tick)
        samples: list[float] = []
        begun = 0

        def send() -> None:
            nonlocal begun
            begun = clock()
            out.publish((len(samples), 0))

        def on_answer(message: sluice.Message) -> None:
            samples.append((clock() - begun) / 2)
            if message["number"] != len(samples) - 1 or len(samples) == count:
                node.shutdown()
            else:
                send()

        node.subscribe("pong", Tick, on_answer)
        go()
        send()
        node.spin()
        expect(len(samples), count)
        report_times(samples)


def pong_in_callback(_name: str, count: int) -> None:
    with sluice.Node("pong") as node:
        out = node.advertise("pong", Tick)

        def on_question(message: sluice.Message) -> None:
            out.publish(message)
            if message["number"] == count - 1:
                node.shutdown()

        node.subscribe("ping", Tick, on_question)
        go()
        node.spin()
        report()


async def ping_in_task(count: int) -> None:
    with sluice.Node("ping") as node:
        out, answers = node.advertise("ping", Tick), node.subscribe("pong", Tick)
        go()
        samples: list[float] = []
        for number in range(count):
            begun = clock()
            out.publish((number, 0))
            answer = await answers.take_async()
            samples.append((clock() - begun) / 2)
            expect(answer and answer["number"], number)
        report_times(samples)


async def pong_in_task(count: int) -> None:
    with sluice.Node("pong") as node:
        out, questions = node.advertise("pong", Tick), node.subscribe("ping", Tick)
        go()
        async for message in questions:
            out.publish(message)
            if message["number"] == count - 1:
                break
        report()


# Images: one at a time

def send_images(send: Callable[[sluice.Publisher, Any], None]) -> Callable[[str, int], None]:
    """A role that calls send(publisher, image) for each image, and waits until the other side has read it."""

    def run(_name: str, count: int) -> None:
        with sluice.Node("camera") as node:
            out, answers = node.advertise("images", Image), node.subscribe("seen", Tick)
            image = Image.zeros()
            go()
            for number in range(count):
                image["number"] = number
                image["pixels"][:] = number & 0xff
                send(out, image)
                expect(next_message(answers)["number"], number)
            report()

    return run


def send_copy(out: sluice.Publisher, image: Any) -> None:
    image["begun_ns"] = clock()
    out.publish(image)


def fill_loan(out: sluice.Publisher, image: Any) -> None:
    image["begun_ns"] = clock()
    loan = out.loan()
    loan.array[...] = image
    out.publish(loan)


def view(_name: str, count: int) -> None:
    """The time of an image ends when a byte of each of its pages has been compared."""
    with sluice.Node("viewer") as node:
        images, seen = node.subscribe("images", Image), node.advertise("seen", Tick)
        go()
        samples: list[float] = []
        for number in range(count):
            with next_message(images) as message:
                expect(message["number"], number)
                if not (message["pixels"][::PAGE] == number & 0xff).all():
                    raise SystemExit(f"roles.py: image {number} has false pixels")
                samples.append(float(clock() - int(message["begun_ns"])))
            seen.publish((number, 0))
        report_times(samples)


# The foreign formats' classes

def queue_size(count: int) -> int:
    """The queue is as long as the run, so that nothing is lost and nobody needs to pace the producer. Both sides have a
    rate; that of the slower one counts."""
    return 1 << (count - 1).bit_length()


def queue_write(name: str, count: int) -> None:
    messages = [number.to_bytes(8, "little") for number in range(count)]
    queue = SlickQueue(name=name, size=queue_size(count), element_size=64)
    go()
    rate = Rate(count)
    sent = 0
    for end in rate.ends:
        for message in messages[sent:end]:
            index = queue.reserve()
            queue[index][:8] = message
            queue.publish(index)
        sent = end
        rate.note(sent)
    rate.report()


def queue_read(name: str, count: int) -> None:
    messages = [number.to_bytes(8, "little") for number in range(count)]
    queue = SlickQueue(name=name, size=queue_size(count), element_size=64)
    cursor = 0
    go()
    rate = Rate(count)
    received = 0
    for end in rate.ends:
        while received < end:
            message, elements, cursor = queue.read(cursor)
            if elements == 0:
                continue
            if not message.startswith(messages[received]):
                expect(message[:8], messages[received])
            received += 1
        rate.note(received)
    expect(queue.loss_count(), 0)
    rate.report()


def drive(name: str, count: int) -> None:
    messages = [number.to_bytes(64, "little") for number in range(count)]
    with ESHM(name, ESHMRole.MASTER, attach_timeout_ms=TIMEOUT_INFINITE) as channel:
        go()
        rate = Rate(count)
        done = 0
        for end in rate.ends:
            for number in range(done, end):
                channel.write(messages[number])
                while (echoed := channel.try_read()) is None:
                    pass
                if echoed != messages[number]:
                    expect(echoed, messages[number])
            done = end
            rate.note(done)
        rate.report()


def echo(name: str, count: int) -> None:
    with ESHM(name, ESHMRole.SLAVE, attach_timeout_ms=TIMEOUT_INFINITE) as channel:
        go()
        for _ in range(count):
            while (message := channel.try_read()) is None:
                pass
            channel.write(message)
        report()


ROLES: dict[str, Callable[[str, int], None]] = {
    "stream_bytes": stream_bytes, "stream_elements": stream_elements, "stream_filled": send_each(publish_filled),
    "stream_loans": send_each(publish_loan), "stream_batches": stream_batches,
    "drain": drain, "drain_in_callback": drain_in_callback, "drain_batches": drain_batches,
    "ping": ping, "pong": pong, "ping_in_callback": ping_in_callback, "pong_in_callback": pong_in_callback,
    "ping_in_task": lambda _name, count: asyncio.run(ping_in_task(count)),
    "pong_in_task": lambda _name, count: asyncio.run(pong_in_task(count)),
    "image": send_images(send_copy), "image_in_loan": send_images(fill_loan), "view": view,
    "queue_write": queue_write, "queue_read": queue_read, "drive": drive, "echo": echo}

if __name__ == "__main__":
    ROLES[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
