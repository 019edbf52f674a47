#!/usr/bin/python3
"""Publishes full HD frames of 6 MB, drawn into loans, for image_viewer.py. Ctrl-C ends it."""

import argparse
import pathlib
import sys
import time
from typing import Any

import numpy
import sluice

Frame = sluice.MessageType("example/Frame", [("number", "u8"), ("begun_ns", "i8"), ("pixels", "u1", (1080, 1920, 3))])
TOPICS = pathlib.Path(__file__).with_name("images.yaml")


def draw(frame: numpy.ndarray[Any, Any], number: int) -> None:
    """A grey picture with a white bar that moves."""
    column = number * 16 % 1920
    frame["number"] = number
    frame["begun_ns"] = time.monotonic_ns()
    frame["pixels"][...] = number % 200
    frame["pixels"][:, column:column + 16] = 255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, epilog="--param rate:=30 is frames a second; and the options "
                                     "of every node: --config FILE, --name NAME, --ns NAMESPACE, --remap FROM:=TO")
    _, options = parser.parse_known_args()
    with sluice.Node("image_publisher", options, config=TOPICS) as node:
        if node.arguments:
            parser.error(f"unknown arguments: {' '.join(node.arguments)}")
        images = node.advertise("camera/image", Frame)
        number = 0

        def publish() -> None:
            nonlocal number
            loan = images.loan()
            draw(loan.array, number)
            if images.publish(loan) == sluice.PublishResult.timeout:
                node.log.warning("frame %d was not sent: a viewer is too slow", number)
            number += 1

        node.every(1 / node.parameter("rate", 30.0), publish)
        node.spin()


if __name__ == "__main__":
    try:
        main()
    except (sluice.Error, ValueError) as error:
        sys.exit(f"image_publisher: {error}")
