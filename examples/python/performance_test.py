#!/usr/bin/python3
"""How fast an ESHM channel is: a master or a slave that prints rates, or round trips that are counted and compared."""

import argparse
import signal
import time

from sluice.eshm import ESHM, ESHMRole, TIMEOUT_INFINITE

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("what", choices=["master", "slave", "drive", "echo"],
                    help="master sends, slave acknowledges; drive sends what echo returns, and compares")
parser.add_argument("name", help="of the channel: /dev/shm/eshm_NAME")
parser.add_argument("number", type=int, nargs="?", default=1000,
                    help="statistics every so many messages; for drive: so many round trips (default: 1000)")
parser.add_argument("--rate", type=float, default=1000, help="messages a second of master (default: 1000)")
parser.add_argument("--count", type=int, help="master and slave end after so many messages")


def send(channel: ESHM, every: int, rate: float, count: int | None) -> None:
    """A master: sends at the rate and reads the acknowledgements."""
    sent = acknowledged = 0
    begun = due = time.monotonic()
    while sent != count:
        wait = due - time.monotonic()
        if wait <= 0:
            channel.write_text(f"Hello from Python master #{sent}")
            sent += 1
            due += 1 / rate
            if sent % every == 0:
                now = time.monotonic()
                print(f"[MASTER] Messages: sent={sent} ({every / (now - begun):.0f} msg/sec), "
                      f"received={acknowledged}", flush=True)
                begun = now
        elif channel.try_read() is not None:
            acknowledged += 1
        else:
            time.sleep(min(wait, 0.0005))


def acknowledge(channel: ESHM, every: int, count: int | None) -> None:
    """A slave: answers each message. What it misses is counted as conflated."""
    received = 0
    begun = time.monotonic()
    while received != count:
        try:
            channel.read(timeout_ms=1000)
        except TimeoutError:
            continue
        channel.write_text(f"ACK from Python slave #{received}")
        received += 1
        if received % every == 0:
            now = time.monotonic()
            print(f"[SLAVE] Messages: received={received}, rate={every / (now - begun):.0f} msg/sec, "
                  f"conflated={channel.get_books()['conflated']}", flush=True)
            begun = now


def drive(channel: ESHM, trips: int) -> None:
    """A master: each message must come back as it was before the next one is sent."""
    greeting, echo = b"are you there?\0", None
    while echo != greeting:
        channel.write(greeting)
        try:
            echo = channel.read(timeout_ms=1000)
        except TimeoutError:
            pass
    messages = [f"round trip {number:>52}\0".encode() for number in range(min(trips, 1000))]  # 64 bytes each
    begun = time.monotonic()
    for number in range(trips):
        message = messages[number % len(messages)]
        channel.write(message)
        while (echo := channel.read(timeout_ms=10000)) == greeting:
            pass  # it was slow, and has answered twice
        if echo != message:
            raise SystemExit(f"[MASTER] round trip #{number} brought {echo!r}")
    print(f"[MASTER] {trips} round trips, all verified: {trips / (time.monotonic() - begun):.0f} a second", flush=True)


def echo_all(channel: ESHM) -> None:
    """A slave: returns each message."""
    while True:
        try:
            channel.write(channel.read(timeout_ms=1000))
        except TimeoutError:
            pass


def main() -> None:
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    role = ESHMRole.MASTER if arguments.what in ("master", "drive") else ESHMRole.SLAVE
    try:
        with ESHM(arguments.name, role, reconnect_wait_ms=0, max_reconnect_attempts=0,
                  attach_timeout_ms=TIMEOUT_INFINITE) as channel:
            print("Initialized as", channel.get_role().name, flush=True)
            try:
                if arguments.what == "master":
                    send(channel, arguments.number, arguments.rate, arguments.count)
                elif arguments.what == "slave":
                    acknowledge(channel, arguments.number, arguments.count)
                elif arguments.what == "drive":
                    drive(channel, arguments.number)
                else:
                    echo_all(channel)
            finally:
                books = channel.get_books()
                print(f"[{role.name}] Final statistics: sent={books['written']}, received={books['received']}, "
                      f"conflated={books['conflated']}", flush=True)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
