#!/usr/bin/python3
"""Publishes example/Imu on imu/raw, a hundred messages a second. Its partners are listener.py and the C++ programs of
../talker_listener. Ctrl-C ends it."""

import argparse
import math
import sys

import sluice

# The fields lie as in the struct of ../talker_listener/imu.hpp; Sluice compares name and size.
Imu = sluice.MessageType("example/Imu", [("count", "u8"), ("accel", "f8", 3), ("gyro", "f8", 3)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, epilog="Options of every node: --config FILE, --name NAME, "
                                     "--ns NAMESPACE, --remap FROM:=TO, --param NAME:=VALUE")
    _, options = parser.parse_known_args()
    with sluice.Node("talker", options) as node:
        if node.arguments:
            parser.error(f"unknown arguments: {' '.join(node.arguments)}")
        imu = node.advertise("imu/raw", Imu)  # transport, depth and QoS: from the YAML
        count = 0

        def publish() -> None:
            nonlocal count
            count += 1
            loan = imu.loan()
            loan["count"] = count
            loan["accel"] = math.sin(0.01 * count), math.cos(0.01 * count), 9.81
            loan["gyro"] = 0, 0, 0.1
            imu.publish(loan)

        node.every(0.01, publish)
        node.every(1, lambda: node.log.info("published %d, %d listening", count, imu.subscriber_count))
        node.spin()  # until Ctrl-C, SIGTERM or node.shutdown()


if __name__ == "__main__":
    try:
        main()
    except (sluice.Error, ValueError) as error:
        sys.exit(f"talker: {error}")
