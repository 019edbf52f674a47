#!/usr/bin/python3
"""The peer judged by the golden files, by the format's tables, and by itself as two processes."""

import unittest

from selftest_behaviour import Entering, Reading, Words
from selftest_golden import Golden, Judging, Messages, Places, Writing
from selftest_presence import Deaths, Presence
from selftest_processes import Pairs, Programs

__all__ = ["Deaths", "Entering", "Golden", "Judging", "Messages", "Pairs", "Places", "Presence", "Programs", "Reading",
           "Words", "Writing"]

if __name__ == "__main__":
    unittest.main()
