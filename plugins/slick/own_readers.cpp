#include "slick/own_readers.hpp"

#include <map>
#include <mutex>
#include <utility>

namespace sluice::slick {

namespace {

struct Registry {
  std::mutex mutex;
  std::map<std::pair<std::uint64_t, std::uint32_t>, const OwnReader*> readers;
};

/// Never destroyed: endpoints may be, after it, at the end of the process.
Registry& registry() {
  static auto* const all = new Registry;
  return *all;
}

}  // namespace

OwnReader::OwnReader(std::uint64_t topic, std::uint32_t entry) : topic_(topic), entry_(entry) {
  const std::lock_guard lock(registry().mutex);
  registry().readers[{topic, entry}] = this;
}

OwnReader::~OwnReader() {
  const std::lock_guard lock(registry().mutex);
  registry().readers.erase({topic_, entry_});
}

void OwnReader::on_full(std::function<void()> settle) {
  const std::lock_guard lock(registry().mutex);
  settle_ = std::move(settle);
}

bool OwnReader::is_own(std::uint64_t topic, std::uint32_t entry) noexcept {
  const std::lock_guard lock(registry().mutex);
  const auto found = registry().readers.find({topic, entry});
  return found != registry().readers.end() && found->second->is_taken_from_here();
}

void OwnReader::settle_own(std::uint64_t topic, std::uint32_t entry) {
  const std::lock_guard lock(registry().mutex);
  const auto found = registry().readers.find({topic, entry});
  if (found == registry().readers.end() || !found->second->is_taken_from_here()) return;
  if (found->second->settle_) found->second->settle_();
}

}  // namespace sluice::slick
