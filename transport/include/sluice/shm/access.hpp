#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <sluice/export.hpp>
#include <sluice/shm/segment.hpp>

namespace sluice::shm {

/// The rights that open(2) gives for `mode`: without the bits of the process's umask. For files that programs of other
/// origins make that way.
[[nodiscard]] SLUICE_EXPORT Access umask_access(std::uint32_t mode);

/// The group of this name, or of this number written as text; nothing: there is none on this machine.
[[nodiscard]] SLUICE_EXPORT std::optional<std::uint32_t> find_group(const std::string& name);

/// For messages: "0640".
[[nodiscard]] SLUICE_EXPORT std::string mode_text(std::uint32_t mode);

/// For messages: the user's name, or "user 1234".
[[nodiscard]] SLUICE_EXPORT std::string user_text(std::uint32_t uid);

/// Sets the mode and the group of an open file or directory, whatever the umask. Throws Error naming `what`.
SLUICE_EXPORT void apply_access(int fd, const Access& access, const std::string& what);

/// As above, of what a path means, such as a socket.
SLUICE_EXPORT void apply_access_to_path(const std::string& path, const Access& access, const std::string& what);

}  // namespace sluice::shm
