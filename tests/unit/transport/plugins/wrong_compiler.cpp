#include <sluice/plugin.hpp>

extern "C" SLUICE_EXPORT const sluice::PluginDescriptor sluice_plugin_descriptor;
extern "C" const sluice::PluginDescriptor sluice_plugin_descriptor = {sluice::kPluginMagic,
                                                                      sluice::kPluginInterfaceVersion,
                                                                      sizeof(sluice::PluginDescriptor),
                                                                      "some-other-abi",
                                                                      "alien",
                                                                      "1",
                                                                      "",
                                                                      nullptr,
                                                                      {}};
