#pragma once

/// What libeshm is compiled with. C11 and C++.

/// Largest message, in bytes. The library has the same number in it: defining another one does not change that.
#define ESHM_MAX_DATA_SIZE 4096

/// Milliseconds between two heartbeats, as the original has them. Peers only ask whether a heartbeat moves.
#define ESHM_HEARTBEAT_INTERVAL_MS 1
