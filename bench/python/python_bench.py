#!/usr/bin/python3
"""Measures the Python package beside C++: each line of the table, and the same traffic between two C++ programs, in
interleaved pairs of runs, two processes on two cores. ../README.md says how, docs/performance.md what came out."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import signal
import statistics
import sys
from typing import Any, Iterator

import numpy

from harness import Bench, RunFailed, Side, cpp, python

TOO_FEW_CORES = 77  # test drivers read it as "skipped"


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table. One of the two sides has figures."""

    group: str
    name: str
    first: Side  # opens before the second one, and begins after it
    second: Side
    beside: tuple[str, str]  # the roles of the C++ run
    count: int
    beside_count: int
    goal: float | None = None  # at least (rates), at most (times)


@dataclasses.dataclass(frozen=True)
class Group:
    unit: str
    scale: float  # of the unit, in the roles' units: 1/s or ns
    is_rate: bool


GROUPS = {
    "64-byte messages, reliable, nothing lost": Group("messages received per second", 1, True),
    "64-byte messages, latency": Group("us of half a round trip", 1e3, False),
    "images of 5 MB, reliable": Group("us until each page was read and compared", 1e3, False),
    "sluice.slick, elements of 64 bytes, nothing lost": Group("elements received per second", 1, True),
    "sluice.eshm, 64 bytes": Group("round trips per second, every echo compared", 1, True)}


def rows() -> Iterator[Row]:
    messages, latency, images, slick, eshm = GROUPS
    stream = ("stream", "drain")
    few, many = 200_000, 2_000_000

    def message_row(name: str, sender: Side, receiver: Side, count: int, goal: float | None = None) -> Row:
        return Row(messages, name, sender, receiver, stream, count, many, goal)

    yield message_row("C++ to Python, take", cpp("stream"), python("drain"), few, 500_000)
    yield message_row("C++ to Python, callback", cpp("stream"), python("drain_in_callback"), few)
    yield message_row("C++ to Python, take_batch", cpp("stream"), python("drain_batches"), many, 5_000_000)
    yield message_row("Python to C++, publish bytes", python("stream_bytes"), cpp("drain"), few, 500_000)
    yield message_row("Python to C++, array elements", python("stream_elements"), cpp("drain"), few, 500_000)
    yield message_row("Python to C++, array filled", python("stream_filled"), cpp("drain"), few)
    yield message_row("Python to C++, loan filled", python("stream_loans"), cpp("drain"), few)
    yield message_row("Python to C++, publish_batch", python("stream_batches"), cpp("drain"), many)
    yield message_row("Python to Python, take", python("stream_bytes"), python("drain"), few)
    yield message_row("Python to Python, batches", python("stream_batches"), python("drain_batches"), many)

    asleep = ("ping_in_callback", "pong_in_callback")
    yield Row(latency, "spinning, take", python("ping"), python("pong"), ("ping", "pong"), 20_000, 100_000)
    yield Row(latency, "asleep, callback", python(asleep[0]), python(asleep[1]), asleep, 3_000, 3_000)
    yield Row(latency, "asleep, asyncio", python("ping_in_task"), python("pong_in_task"), asleep, 3_000, 3_000)

    yield Row(images, "array published", python("image"), python("view"), ("image", "view"), 200, 200, 1_000_000)
    yield Row(images, "loan filled and published", python("image_in_loan"), python("view"), ("image_in_loan", "view"),
              200, 200)
    yield Row(images, "C++ to Python", cpp("image"), python("view"), ("image", "view"), 200, 200)

    queue = ("queue_write", "queue_read")
    yield Row(slick, "C++ to Python", cpp(queue[0]), python(queue[1]), queue, few, many)
    yield Row(slick, "Python to C++", python(queue[0]), cpp(queue[1]), queue, few, many)
    yield Row(slick, "Python to Python", python(queue[0]), python(queue[1]), queue, few, many)

    trips = ("drive", "echo")
    yield Row(eshm, "C++ and back from Python", cpp("drive"), python("echo"), trips, 50_000, 200_000, 100_000)
    yield Row(eshm, "Python and back from C++", python("drive"), cpp("echo"), trips, 50_000, 200_000, 100_000)
    yield Row(eshm, "Python and back from Python", python("drive"), python("echo"), trips, 50_000, 200_000)


@dataclasses.dataclass(frozen=True)
class Result:
    """The figures of all pairs of a row."""

    row: Row
    measured: list[dict[str, float]]
    beside: list[dict[str, float]]

    @property
    def group(self) -> Group:
        return GROUPS[self.row.group]

    @property
    def value(self) -> float:
        return statistics.median(figures["value"] for figures in self.measured) / self.group.scale

    @property
    def values_beside(self) -> list[float]:
        return [figures["value"] / self.group.scale for figures in self.beside]

    @property
    def ratio(self) -> float:
        return statistics.median(measured["value"] / beside["value"]
                                 for measured, beside in zip(self.measured, self.beside))

    @property
    def goal(self) -> float | None:
        return None if self.row.goal is None else self.row.goal / (1 if self.group.is_rate else self.group.scale)

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        met = self.value >= self.goal if self.group.is_rate else self.value <= self.goal
        return "met" if met else "MISSED"

    def as_json(self) -> dict[str, Any]:
        return {"group": self.row.group, "name": self.row.name, "unit": self.group.unit, "value": self.value,
                "runs": [figures["value"] / self.group.scale for figures in self.measured],
                "p99": self._p99(), "ratio": self.ratio, "goal": self.goal, "goal_met": self.verdict != "MISSED",
                "cpp": {"median": statistics.median(self.values_beside), "runs": self.values_beside}}

    def _p99(self) -> float | None:
        if self.group.is_rate:
            return None
        return statistics.median(figures["p99"] for figures in self.measured) / self.group.scale

    def print(self) -> None:
        number = "{:,.0f}".format if self.group.is_rate else "{:,.1f}".format
        beside = self.values_beside
        p99 = self._p99()
        print(f"{self.row.name:30} {number(self.value):>12} {number(p99) if p99 is not None else '':>9} "
              f"{number(self.goal) if self.goal is not None else '':>11} {self.verdict:6} {self.ratio:7.2f}x  "
              f"C++ {number(statistics.median(beside))} ({number(min(beside))} to {number(max(beside))})", flush=True)


def print_heading(group: str) -> None:
    latency = not GROUPS[group].is_rate
    print(f"\n{group}: {GROUPS[group].unit}, medians of the pairs\n"
          f"{'':30} {'p50' if latency else 'rate':>12} {'p99' if latency else '':>9} {'goal':>11} {'':6} {'ratio':>8}  "
          "the same in C++, and its spread over the pairs", flush=True)


def measure(bench: Bench, row: Row, pairs: int, divisor: int) -> Result:
    """Takes turns in going first: what drifts in the course of a pair favours neither."""
    result = Result(row, [], [])

    def run_beside() -> None:
        result.beside.append(bench.run(cpp(row.beside[0]), cpp(row.beside[1]), row.beside_count // divisor))

    for pair in range(pairs):
        if pair % 2 == 0:
            run_beside()
        result.measured.append(bench.run(row.first, row.second, row.count // divisor))
        if pair % 2 != 0:
            run_beside()
    return result


def machine() -> dict[str, str]:
    model = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return {"processor": model, "cores": f"{os.cpu_count()}, usable {len(os.sched_getaffinity(0))}",
            "load before": f"{os.getloadavg()[0]:.2f}", "kernel": f"{platform.system()} {platform.release()}",
            "python": platform.python_version(), "numpy": numpy.__version__}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench python", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", default="", help="the lines whose group or name contains TEXT")
    parser.add_argument("--pairs", metavar="N", type=int, help="interleaved pairs of runs for every line (7)")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="write the results there as well")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, one pair: whether it runs")
    parser.add_argument("--list", action="store_true", help="name the lines, measure nothing")
    parser.add_argument("--build", metavar="DIR", type=pathlib.Path, default=pathlib.Path("build/release"),
                        help="what to measure (build/release)")
    arguments = parser.parse_args()
    if arguments.pairs is None:
        arguments.pairs = 1 if arguments.quick else 7
    if arguments.pairs < 1:
        parser.error("--pairs is a number from 1 on")
    return arguments


def main() -> int:
    arguments = parse()
    wanted = [row for row in rows() if arguments.only in f"{row.group}: {row.name}"]
    if arguments.list:
        for row in wanted:
            print(f"{row.group}: {row.name}")
        return 0
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("bench: two sides need two cores, and this process may use one", file=sys.stderr)
        return TOO_FEW_CORES
    for what, value in machine().items():
        print(f"{what:20} {value}")
    print(f"{arguments.pairs} interleaved pairs; ratio: of the C++ figure, median of the pairs")
    results: list[Result] = []
    bench = Bench(arguments.build.resolve(), cores)
    try:
        for row in wanted:
            if not results or results[-1].row.group != row.group:
                print_heading(row.group)
            results.append(measure(bench, row, arguments.pairs, 10 if arguments.quick else 1))
            results[-1].print()
    finally:
        bench.close()
    if arguments.json is not None:
        document = {"machine": machine(), "pairs": arguments.pairs, "rows": [result.as_json() for result in results]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: nothing is left in shared memory
    try:
        sys.exit(main())
    except RunFailed as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
