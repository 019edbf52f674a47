#!/usr/bin/python3
"""An ESHM master: greets a slave, and prints its answers. Ctrl-C ends it."""

import argparse
import signal
import time

from sluice.eshm import ESHM, ESHMRole

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("name", help="of the channel: /dev/shm/eshm_NAME")
parser.add_argument("--rate", type=float, default=10, help="greetings a second (default: 10)")
parser.add_argument("--count", type=int, help="end after so many greetings")


def talk(channel: ESHM, rate: float, count: int | None) -> None:
    """Sends at the rate, and reads until the next greeting is due."""
    channel.try_read()  # the first read says from when on messages are delivered: before the first greeting
    due = time.monotonic()
    sent = 0
    while True:
        if time.monotonic() >= due:
            if sent == count:
                return
            channel.write(f"Hello from Python master #{sent}".encode())  # as the original: 27 bytes, without a NUL
            print(f"[MASTER] Sent: Hello from Python master #{sent}", flush=True)
            sent += 1
            due += 1 / rate
        try:
            wait = max(1, min(100, round((due - time.monotonic()) * 1000)))
            answer = channel.read_text(timeout_ms=wait)
            print(f"[MASTER] Received: {answer}", flush=True)
        except TimeoutError:
            pass


def main() -> None:
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    print("=== ESHM Python Master Example ===", flush=True)
    with ESHM(arguments.name, ESHMRole.MASTER) as channel:
        print("Initialized as", channel.get_role().name, flush=True)
        try:
            talk(channel, arguments.rate, arguments.count)
        except KeyboardInterrupt:
            pass
        books = channel.get_books()
        print(f"[MASTER] Final statistics: sent={books['written']}, received={books['received']}", flush=True)


if __name__ == "__main__":
    main()
