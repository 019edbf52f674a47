#!/usr/bin/python3
"""Receives the frames of image_publisher.py as NumPy arrays over shared memory, without a copy. Ctrl-C ends it."""

import argparse
import pathlib
import sys
import time

import sluice

Frame = sluice.MessageType("example/Frame", [("number", "u8"), ("begun_ns", "i8"), ("pixels", "u1", (1080, 1920, 3))])
TOPICS = pathlib.Path(__file__).with_name("images.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, epilog="Options of every node: --config FILE, --name NAME, "
                                     "--ns NAMESPACE, --remap FROM:=TO, --param NAME:=VALUE")
    _, options = parser.parse_known_args()
    with sluice.Node("image_viewer", options, config=TOPICS) as node:
        if node.arguments:
            parser.error(f"unknown arguments: {' '.join(node.arguments)}")
        delays: list[float] = []

        def look(message: sluice.Message) -> None:
            frame = message.array  # read-only; its place in the topic is free again when nobody refers to it
            grey, bar = frame["pixels"].min(), frame["pixels"].max()  # looks at every byte
            if (grey, bar) != (frame["number"] % 200, 255):
                node.log.error("frame %d has false pixels", frame["number"])
            delays.append(float(time.monotonic_ns() - frame["begun_ns"]) / 1e6)

        images = node.subscribe("camera/image", Frame, look)

        def report() -> None:
            if delays:
                node.log.info("%d frames, %.0f MB, %.1f ms at the median from drawing to having seen it, lost %d",
                              len(delays), len(delays) * Frame.size / 1e6, sorted(delays)[len(delays) // 2],
                              images.stats().lost)
                delays.clear()

        node.every(1, report)
        node.spin()


if __name__ == "__main__":
    try:
        main()
    except (sluice.Error, ValueError) as error:
        sys.exit(f"image_viewer: {error}")
