#pragma once

#include <string>

#include <sluice/export.hpp>
#include <sluice/shm/segment.hpp>

namespace sluice::shm {

/// Sets the mode and the group of an open file or directory, whatever the umask. Throws Error naming `what`.
SLUICE_EXPORT void apply_access(int fd, const Access& access, const std::string& what);

}  // namespace sluice::shm
