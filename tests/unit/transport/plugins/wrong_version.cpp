#include <sluice/plugin.hpp>

// A plugin of another interface version: it must be named and never called.
extern "C" SLUICE_EXPORT const sluice::PluginDescriptor sluice_plugin_descriptor;
extern "C" const sluice::PluginDescriptor sluice_plugin_descriptor = {sluice::kPluginMagic,
                                                                      sluice::kPluginInterfaceVersion + 1,
                                                                      sizeof(sluice::PluginDescriptor),
                                                                      SLUICE_COMPILER_TAG,
                                                                      "future",
                                                                      "9",
                                                                      "",
                                                                      nullptr,
                                                                      {}};
