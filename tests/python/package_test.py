"""The package as a whole: what is exported, and how its errors are related to Python's."""

import unittest

import sluice


class Package(unittest.TestCase):
    def test_every_error_is_a_runtime_error(self):
        for error in (sluice.Error, sluice.SystemError, sluice.ConfigError, sluice.OutOfChunksError,
                      sluice.OwnSubscriptionFullError):
            self.assertTrue(issubclass(error, RuntimeError))
            self.assertTrue(issubclass(error, sluice.Error))

    def test_all_that_is_promised_is_there(self):
        for name in sluice.__all__:
            self.assertTrue(hasattr(sluice, name), name)


if __name__ == "__main__":
    unittest.main()
