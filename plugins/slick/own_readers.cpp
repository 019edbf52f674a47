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

/// The subscription with this entry, if the calling thread takes from it. Under the lock.
const OwnReader* find_own(std::uint64_t topic, std::uint32_t entry) noexcept {
  const auto found = registry().readers.find({topic, entry});
  const bool own = found != registry().readers.end() && found->second->is_taken_from_here();
  return own ? found->second : nullptr;
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
  return find_own(topic, entry) != nullptr;
}

void OwnReader::settle_own(std::uint64_t topic, std::uint32_t entry) {
  const std::lock_guard lock(registry().mutex);
  const OwnReader* own = find_own(topic, entry);
  if (own != nullptr && own->settle_) own->settle_();
}

}  // namespace sluice::slick
