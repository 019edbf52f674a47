"""What every role of a run does: begin when it is told to, and report its figures."""

from __future__ import annotations

import json
import statistics
import sys
import time

PARTS = 16
clock = time.monotonic_ns


def go() -> None:
    print("ready", flush=True)
    if not sys.stdin.readline():
        raise SystemExit(1)


def report(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


def expect(found: object, expected: object) -> None:
    if found != expected:
        raise SystemExit(f"roles.py: {found} where {expected} was due")


def report_times(samples: list[float]) -> None:
    samples.sort()
    report(value=statistics.median(samples), p99=samples[int(0.99 * (len(samples) - 1))])


class Rate:
    """The rate of the median of equal parts of a run."""

    def __init__(self, count: int) -> None:
        self.ends = [count * part // PARTS for part in range(1, PARTS + 1)]
        self._stamps = [(clock(), 0)]

    def note(self, received: int) -> None:
        self._stamps.append((clock(), received))

    def report(self) -> None:
        report(value=statistics.median(1e9 * (after[1] - before[1]) / (after[0] - before[0])
                                       for before, after in zip(self._stamps, self._stamps[1:])))
