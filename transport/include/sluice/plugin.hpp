#pragma once

#include <cstdint>

#include <sluice/export.hpp>
#include <sluice/sanitizers.hpp>
#include <sluice/transport.hpp>

/// How a shared library says that it is a Sluice plugin: it exports one symbol, `sluice_plugin_descriptor`, a constant
/// that the loader reads (and never calls) before it runs any of the plugin's own code.
namespace sluice {

/// Raised whenever sluice/transport.hpp or anything it includes changes in a way that old plugins cannot live with.
inline constexpr std::uint32_t kPluginInterfaceVersion = 3;

/// Says that the exported symbol is one of ours before anything else of it is read.
inline constexpr std::uint64_t kPluginMagic = 0x4E475550'43554C53;  // "SLUCPUGN"

/// What must be equal for C++ objects to pass between two libraries.
#define SLUICE_STRINGIFY_(x) #x
#define SLUICE_STRINGIFY(x) SLUICE_STRINGIFY_(x)
#if defined(_LIBCPP_VERSION)
#define SLUICE_STANDARD_LIBRARY "libc++"
#else
#define SLUICE_STANDARD_LIBRARY "libstdc++-cxx11abi" SLUICE_STRINGIFY(_GLIBCXX_USE_CXX11_ABI)
#endif
#if SLUICE_ADDRESS_SANITIZER
#define SLUICE_SANITIZER_TAG "-asan"
#elif SLUICE_THREAD_SANITIZER
#define SLUICE_SANITIZER_TAG "-tsan"
#else
#define SLUICE_SANITIZER_TAG ""
#endif
#define SLUICE_COMPILER_TAG "itanium-" SLUICE_STANDARD_LIBRARY "-lp64" SLUICE_SANITIZER_TAG

/// What a plugin says about itself. The order of the fields never changes; new ones come at the end.
struct PluginDescriptor {
  std::uint64_t magic;              ///< kPluginMagic.
  std::uint32_t interface_version;  ///< kPluginInterfaceVersion of the headers it was built with.
  std::uint32_t size;               ///< sizeof(PluginDescriptor), so that fields can be added.
  const char* compiler_tag;         ///< SLUICE_COMPILER_TAG; must equal the loader's.
  const char* name;                 ///< The word after `transport:` in YAML.
  const char* version;              ///< The plugin's own, for people.
  const char* description;          ///< One line.
  Transport* (*create)();           ///< A new transport; the loader owns it.
  TransportTraits traits;           ///< The most that it can do; see Transport::traits for a given topic.
};

}  // namespace sluice

/// The symbol; another one where a plugin is linked into the program (CMake: sluice_add_plugin).
#ifndef SLUICE_PLUGIN_SYMBOL
#define SLUICE_PLUGIN_SYMBOL sluice_plugin_descriptor
#endif

/// Makes this library a plugin; `TYPE` derives from sluice::Transport and has a default constructor. The last argument
/// are its TransportTraits. Write a semicolon after it.
#define SLUICE_PLUGIN(TYPE, NAME, VERSION, DESCRIPTION, ...)                      \
  extern "C" SLUICE_EXPORT const ::sluice::PluginDescriptor SLUICE_PLUGIN_SYMBOL; \
  extern "C" const ::sluice::PluginDescriptor SLUICE_PLUGIN_SYMBOL = {            \
      ::sluice::kPluginMagic,                                                     \
      ::sluice::kPluginInterfaceVersion,                                          \
      sizeof(::sluice::PluginDescriptor),                                         \
      SLUICE_COMPILER_TAG,                                                        \
      NAME,                                                                       \
      VERSION,                                                                    \
      DESCRIPTION,                                                                \
      []() -> ::sluice::Transport* { return new TYPE; },                          \
      __VA_ARGS__}
