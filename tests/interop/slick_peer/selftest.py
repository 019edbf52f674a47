#!/usr/bin/python3
"""The peer judged by the golden files, by the format's tables, and by itself as many processes."""

import unittest

from selftest_golden import Golden, Production
from selftest_processes import Deaths, Stress
from selftest_versions import Attaching, Oddities, Payload

__all__ = ["Attaching", "Deaths", "Golden", "Oddities", "Payload", "Production", "Stress"]

if __name__ == "__main__":
    unittest.main()
