#!/usr/bin/python3
"""Receives example/Imu from imu/raw in a callback, and reads its books. Its partners are talker.py and the C++ programs
of ../talker_listener. Ctrl-C ends it."""

import argparse
import sys

import sluice

# The fields lie as in the struct of ../talker_listener/imu.hpp; Sluice compares name and size.
Imu = sluice.MessageType("example/Imu", [("count", "u8"), ("accel", "f8", 3), ("gyro", "f8", 3)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, epilog="Options of every node: --config FILE, --name NAME, "
                                     "--ns NAMESPACE, --remap FROM:=TO, --param NAME:=VALUE")
    _, options = parser.parse_known_args()
    with sluice.Node("listener", options) as node:
        if node.arguments:
            parser.error(f"unknown arguments: {' '.join(node.arguments)}")
        height = 0.0

        def on_imu(message: sluice.Message) -> None:
            nonlocal height
            height = message["accel"][2]
            if message.info.lost > 0:
                node.log.warning("%d messages lost before number %d", message.info.lost, message["count"])

        imu = node.subscribe("imu/raw", Imu, on_imu)

        def report() -> None:
            books = imu.stats()
            node.log.info("received %d, lost %d, z = %.2f", books.received, books.lost, height)

        node.every(1, report)
        node.spin()  # until Ctrl-C, SIGTERM or node.shutdown()


if __name__ == "__main__":
    try:
        main()
    except (sluice.Error, ValueError) as error:
        sys.exit(f"listener: {error}")
