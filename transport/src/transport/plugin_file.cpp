#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>

#include <sluice/shm/unique_fd.hpp>
#include <sluice/transport_registry.hpp>

namespace sluice {

namespace {

constexpr const char* kSymbol = "sluice_plugin_descriptor";

#if defined(__x86_64__)
constexpr unsigned kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kMachine = EM_AARCH64;
#endif

/// The dynamic linker maps what a library's header announces without comparing it with the file's length: a truncated
/// library is a SIGBUS inside dlopen. So the header is checked here first; empty when the file may be loaded.
std::string check_elf(const std::string& path) {
  const shm::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return "cannot be opened: " + std::generic_category().message(errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return "is not a regular file";
  const auto length = static_cast<std::uint64_t>(info.st_size);

  Elf64_Ehdr header{};
  if (::pread(fd.get(), &header, sizeof header, 0) != sizeof header) return "is too short for a shared library";
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return "is not a shared library (no ELF header)";
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != kMachine) return "is for another machine";
  if (header.e_type != ET_DYN) return "is not a shared library";
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return "has a damaged ELF header";
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part{};
    const auto offset = static_cast<off_t>(header.e_phoff + i * sizeof part);
    if (::pread(fd.get(), &part, sizeof part, offset) != sizeof part) return "is truncated";
    if (part.p_offset > length || part.p_filesz > length - part.p_offset) return "is truncated";
  }
  return {};
}

std::string check_descriptor(const PluginDescriptor& descriptor) {
  if (descriptor.magic != kPluginMagic) return "is not a Sluice plugin (its descriptor has no magic)";
  if (descriptor.interface_version != kPluginInterfaceVersion) {
    return "was built for plugin interface " + std::to_string(descriptor.interface_version) + ", this Sluice has " +
           std::to_string(kPluginInterfaceVersion) + "; rebuild it";
  }
  if (descriptor.size != sizeof(PluginDescriptor)) return "has a descriptor of another size; rebuild it";
  if (std::string_view(descriptor.compiler_tag) != SLUICE_COMPILER_TAG) {
    return std::string("was built with another C++ ABI (") + descriptor.compiler_tag + ", this Sluice has " +
           SLUICE_COMPILER_TAG + "); rebuild it";
  }
  return {};
}

}  // namespace

PluginInfo inspect_plugin(const std::string& path, const PluginDescriptor** descriptor) {
  PluginInfo info;
  info.path = path;
  *descriptor = nullptr;
  info.error = check_elf(path);
  if (!info.error.empty()) return info;

  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    info.error = std::string("cannot be loaded: ") + ::dlerror();
    return info;
  }
  const auto* found = static_cast<const PluginDescriptor*>(::dlsym(library, kSymbol));
  info.error = found == nullptr ? std::string("is not a Sluice plugin (it has no symbol ") + kSymbol + ")"
                                : check_descriptor(*found);
  if (!info.error.empty()) {
    ::dlclose(library);
    return info;
  }
  info.name = found->name;
  info.version = found->version;
  info.description = found->description;
  info.traits = found->traits;
  *descriptor = found;
  return info;
}

}  // namespace sluice
