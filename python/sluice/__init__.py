"""Sluice: publish and subscribe through shared memory, between C++ and Python processes of one Linux host.

    import sluice

    Imu = sluice.MessageType("demo/Imu", [("number", "u8"), ("accel", "f8", 3)])

    with sluice.Node("imu_listener") as node:
        node.subscribe("imu/raw", Imu, lambda imu: print(imu["number"], imu.info.lost))
        node.spin()

The classes of existing SlickQueue and ESHM programs are in sluice.slick and sluice.eshm.
"""

from sluice._native import (  # pylint: disable=redefined-builtin
    ConfigError, DeadlineEvent, EndpointInfo, Error, GraphEvent, GraphSnapshot, LivelinessEvent, Loan, Message,
    MessageInfo, OutOfChunksError, OwnSubscriptionFullError, ProcessInfo, PublisherStats, PublishResult,
    SubscriptionStats, SystemError, TransportEvent)
from sluice.message_type import MessageType
from sluice.node import Executor, Logger, Node, Publisher, Subscription, Timer

__all__ = ["ConfigError", "DeadlineEvent", "EndpointInfo", "Error", "Executor", "GraphEvent", "GraphSnapshot",
           "LivelinessEvent", "Loan", "Logger", "Message", "MessageInfo", "MessageType", "Node", "OutOfChunksError",
           "OwnSubscriptionFullError", "ProcessInfo", "Publisher", "PublisherStats", "PublishResult", "Subscription",
           "SubscriptionStats", "SystemError", "Timer", "TransportEvent"]
