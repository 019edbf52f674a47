#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include <sluice/export.hpp>
#include <sluice/shm/segment.hpp>

namespace sluice::slick {

/// The cursor of a group of readers in different processes: a shared-memory object of 8 bytes that holds nothing but
/// the index of the next message to claim, as slick_queue programs share it. Its name is the group's own.
///
///     SharedCursor group("ticks-workers");
///     auto [tick, n] = queue.read(group.get());
///
/// Thread safety: any. Never removes the name by itself, for nobody knows who comes back; see remove.
class SLUICE_EXPORT SharedCursor {
 public:
  /// Attaches to `name` or creates it with the value `initial`, complete before others can see it. Throws Error naming
  /// the object when it has another size.
  explicit SharedCursor(const std::string& name, std::uint64_t initial = 0);
  SharedCursor(const std::string& name, std::uint64_t initial, const shm::Access& access);

  /// The index of the next message to claim; good as long as this object.
  [[nodiscard]] std::atomic<std::uint64_t>& get() noexcept {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(mapping_.data());
  }

  /// Whether this object created it.
  [[nodiscard]] bool created() const noexcept { return created_; }

  /// Unlinks the name; whether there was one. Readers that have it open go on.
  static bool remove(const std::string& name) noexcept;

 private:
  shm::Mapping mapping_;
  bool created_ = false;
};

static_assert(sizeof(std::atomic<std::uint64_t>) == 8 && std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace sluice::slick
