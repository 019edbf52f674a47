#pragma once

/// Marks what the shared libraries offer to programs and plugins; everything else stays hidden.
#define SLUICE_EXPORT __attribute__((visibility("default")))
