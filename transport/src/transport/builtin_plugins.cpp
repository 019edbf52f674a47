#include "transport/builtin_plugins.hpp"

#if defined(SLUICE_STATIC_PLUGINS)
extern "C" const sluice::PluginDescriptor sluice_plugin_eshm;
extern "C" const sluice::PluginDescriptor sluice_plugin_inproc;
extern "C" const sluice::PluginDescriptor sluice_plugin_slick;
#endif

namespace sluice {

std::vector<const PluginDescriptor*> builtin_plugins() {
#if defined(SLUICE_STATIC_PLUGINS)
  return {&sluice_plugin_eshm, &sluice_plugin_inproc, &sluice_plugin_slick};
#else
  return {};
#endif
}

}  // namespace sluice
