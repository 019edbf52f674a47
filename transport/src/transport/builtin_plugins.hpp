#pragma once

#include <vector>

#include <sluice/plugin.hpp>

namespace sluice {

/// The plugins that are linked into this library (CMake option SLUICE_STATIC_PLUGINS); usually none.
[[nodiscard]] std::vector<const PluginDescriptor*> builtin_plugins();

}  // namespace sluice
