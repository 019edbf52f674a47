#!/usr/bin/python3
"""roles.py ROLE NAME COUNT: the Python side of a run of `./dev bench python`; bench_peer.cpp has the roles in C++.

Prints "ready" when everything is open, begins at the line "go" on standard input, and prints its figures as JSON.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Callable

import numpy

import sluice
from foreign_roles import drive, echo, queue_read, queue_write
from side import PARTS, Rate, clock, expect, go, report, report_times

Tick = sluice.MessageType("bench/Tick", [("number", "u8"), ("bytes", "u1", 56)])
Image = sluice.MessageType("bench/Image", [("begun_ns", "i8"), ("number", "u8"), ("pixels", "u1", 5_000_000 - 16)])

PAGE = 4096
BATCH = 512


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
                if int(message["number"]) != received:  # comparing NumPy's number itself takes longer than the rest
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
            if int(message["number"]) != received:
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
            answer = int(next_message(answers)["number"])
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
            if int(message["number"]) != len(samples) - 1 or len(samples) == count:
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
