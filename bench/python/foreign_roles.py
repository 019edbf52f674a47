"""Roles of the classes for foreign formats, sluice.slick and sluice.eshm."""

from sluice.eshm import ESHM, ESHMRole, TIMEOUT_INFINITE
from sluice.slick import SlickQueue

from side import Rate, expect, go, report


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
            message, _, cursor = queue.read(cursor)
            if message is None:
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
