"""Sluice: publish and subscribe through shared memory, between C++ and Python processes of one Linux host.

    import sluice

    Imu = sluice.MessageType("demo/Imu", [("number", "u8"), ("accel", "f8", 3)])

    with sluice.Node("imu_listener") as node:
        node.subscribe("imu/raw", Imu, lambda imu: print(imu["number"], imu.info.lost))
        node.spin()

The classes of existing SlickQueue and ESHM programs are in sluice.slick and sluice.eshm.
"""

from sluice._native import (  # pylint: disable=redefined-builtin
    ConfigError, Error, Loan, Message, MessageInfo, OutOfChunksError, OwnSubscriptionFullError, Publisher,
    PublisherStats, PublishResult, SubscriptionStats, SystemError, TransportEvent)
from sluice.message_type import MessageType
from sluice.node import Executor, Logger, Node, Subscription, Timer

__all__ = ["ConfigError", "Error", "Executor", "Loan", "Logger", "Message", "MessageInfo", "MessageType", "Node",
           "OutOfChunksError", "OwnSubscriptionFullError", "Publisher", "PublisherStats", "PublishResult",
           "Subscription", "SubscriptionStats", "SystemError", "Timer", "TransportEvent"]
