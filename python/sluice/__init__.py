"""Sluice: publish and subscribe through shared memory, between C++ and Python processes of one Linux host."""

from sluice._native import ConfigError, Error, SystemError  # pylint: disable=redefined-builtin

__all__ = ["ConfigError", "Error", "SystemError"]
