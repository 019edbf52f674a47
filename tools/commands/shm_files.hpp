#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sluice/slick/inspect.hpp>

/// Files in shared memory as `sluice shm` shows them.
namespace sluice::commands {

enum class ShmKind : std::uint8_t {
  topic,        ///< A Sluice topic's ring and pool.
  companion,    ///< What the nodes of a raw topic know of each other.
  record,       ///< A process of the domain.
  socket,       ///< Where that process is asked for parameters.
  slick_queue,  ///< A segment that SlickQueue programs use.
  eshm,         ///< An ESHM channel.
  other,        ///< None of ours, in our directory.
};

enum class ShmState : std::uint8_t {
  alive,    ///< A living process uses it.
  late,     ///< ESHM: a process has it mapped, and its heartbeat stands still.
  dead,     ///< Left by processes that died: `shm clean` removes ours, `eshm clean` channels.
  unused,   ///< A SlickQueue segment that nobody has mapped; such segments outlive their programs.
  unknown,  ///< It cannot be told.
};

struct ShmFile {
  std::string path;
  std::string name;  ///< For people: "/imu/raw", "camera (4711)".
  ShmKind kind = ShmKind::other;
  ShmState state = ShmState::unknown;
  std::uint64_t bytes = 0;  ///< Of memory that it takes.
  std::uint64_t size = 0;   ///< As `ls` says.
  std::uint32_t uid = 0;
  double age = 0;        ///< Seconds since it was made.
  slick::Mappers users;  ///< Of a record: its process, by the number in its own PID namespace.
  std::string problem;   ///< Why nobody can use it; empty: nothing wrong.
};

[[nodiscard]] const char* to_string(ShmKind kind) noexcept;
[[nodiscard]] const char* to_string(ShmState state) noexcept;

/// The files of a domain, by path; without their users, but for records and sockets. None if there is no such
/// directory; throws SystemError when this user may not read it.
[[nodiscard]] std::vector<ShmFile> domain_shm_files(const std::string& directory);

/// The SlickQueue segments and ESHM channels of this host, whoever made them, by path; without their users.
[[nodiscard]] std::vector<ShmFile> foreign_shm_files();

/// Who has them mapped, and what follows from that for their states.
void find_users(std::vector<ShmFile>& files);

}  // namespace sluice::commands
