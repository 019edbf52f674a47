#!/usr/bin/python3
"""An ESHM slave: waits for its master, and acknowledges each of its messages. Ctrl-C ends it."""

import argparse
import signal

from sluice.eshm import ESHM, ESHMRole, TIMEOUT_INFINITE

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("name", help="of the channel: /dev/shm/eshm_NAME")
parser.add_argument("--count", type=int, help="end after so many messages")


def talk(channel: ESHM, count: int | None) -> None:
    """Answers what comes. A master that ended may come back at any time."""
    received = 0
    while received != count:
        try:
            message = channel.read(timeout_ms=1000)
        except TimeoutError:
            continue
        text = message.rstrip(b"\0").decode(errors="replace")
        print(f"[SLAVE] Received ({len(message)} bytes): {text}", flush=True)
        channel.write_text(f"ACK from Python slave #{received}")
        print(f"[SLAVE] Sent: ACK from Python slave #{received}", flush=True)
        received += 1


def main() -> None:
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        print("=== ESHM Python Slave Example ===", flush=True)
        with ESHM(arguments.name, ESHMRole.SLAVE, reconnect_wait_ms=0, max_reconnect_attempts=0,
                  attach_timeout_ms=TIMEOUT_INFINITE) as channel:
            print("Initialized as", channel.get_role().name, flush=True)
            try:
                talk(channel, arguments.count)
            finally:
                books = channel.get_books()
                print(f"[SLAVE] Final statistics: received={books['received']}, conflated={books['conflated']}, "
                      f"sent={books['written']}", flush=True)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
