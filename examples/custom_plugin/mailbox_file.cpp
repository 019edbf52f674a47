#include "mailbox_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include <sluice/shm/fixed_text.hpp>

namespace mailbox {

namespace {

/// "/imu/raw" -> "imu.raw.mailbox". A name has no '.', so no two topics meet.
std::string file_name(const std::string& topic) {
  std::string name = topic.substr(topic.find_first_not_of('/'));
  std::replace(name.begin(), name.end(), '/', '.');
  return name + ".mailbox";
}

bool is_linked(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && info.st_nlink > 0;
}

[[noreturn]] void refuse(const TopicSpec& spec, const Origin& origin, const std::string& key, const std::string& ours,
                         const std::string& theirs) {
  throw ConfigError(origin, "topic '" + spec.name + "': " + key + " is '" + ours + "' here, but the topic was opened " +
                                "with '" + theirs + "'; give both the same configuration");
}

}  // namespace

MailboxFile::MailboxFile(const TopicSpec& spec, const TransportContext& context, std::uint32_t slots)
    : path_(context.directory + "/" + file_name(spec.name)) {
  shm::ensure_directory(context.directory, context.access);
  const shm::Deadline deadline = shm::Deadline::after(std::chrono::seconds{5});
  // Any of these may meet somebody else who is just coming or going: then once more.
  while (!attach() && !create(spec, context, slots)) {
    if (deadline.passed()) throw Error("topic '" + spec.name + "': '" + path_ + "' is locked by somebody else");
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  try {
    check_agreement(spec);
  } catch (...) {
    leave();
    throw;
  }
}

MailboxFile::~MailboxFile() { leave(); }

/// False: there is no file, or there is no more.
bool MailboxFile::attach() {
  auto found = shm::attach_segment(path_, kKind, kVersion, kSlotsOffset, shm::MapMode::read_write);
  if (found.outcome == shm::AttachOutcome::absent) return false;
  if (!found.ok()) throw Error("'" + path_ + "' cannot be used: " + found.reason);
  auto lock = shm::FileLock::reopen(found.fd.get(), "'" + path_ + "'");
  if (lock.try_lock_exclusive(kLifetimeByte)) {  // nobody is there: what the dead left
    if (shm::name_means(path_, found.inode)) ::unlink(path_.c_str());
    return false;
  }
  if (!lock.try_lock_shared(kLifetimeByte) || !is_linked(lock.fd())) return false;

  const auto& header = *found.mapping.at<MailboxHeader>(0);
  const bool sound = header.slots >= 2 && header.max_size <= found.mapping.size() &&
                     header.slots <= (found.mapping.size() - kSlotsOffset) / slot_size(header.max_size);
  if (!sound) throw Error("'" + path_ + "' has a damaged header; remove it");
  slots_ = header.slots;
  max_size_ = header.max_size;
  inode_ = found.inode;
  mapping_ = std::move(found.mapping);
  lock_ = std::move(lock);
  return true;
}

/// The file has no name before it is complete and locked, so nobody sees it half made or takes it for a leftover.
/// False: somebody else was first.
bool MailboxFile::create(const TopicSpec& spec, const TransportContext& context, std::uint32_t slots) {
  const std::size_t size = kSlotsOffset + slots * slot_size(spec.max_size);
  auto file = shm::UnnamedSegment::create({"topic '" + spec.name + "'", path_, size, 0, context.access});
  file.write_header(kKind, kVersion);
  auto& header = *file.mapping().at<MailboxHeader>(0);
  header.max_size = spec.max_size;
  header.slots = slots;
  header.type_size = spec.type.fixed_size;
  shm::store_text(header.type_name, spec.type.name);
  auto lock = shm::FileLock::reopen(file.fd(), "topic '" + spec.name + "'");
  if (!lock.try_lock_shared(kLifetimeByte) || !file.link()) return false;

  struct stat info {};
  ::fstat(file.fd(), &info);
  inode_ = info.st_ino;
  slots_ = slots;
  max_size_ = spec.max_size;
  mapping_ = file.take_mapping();
  lock_ = std::move(lock);
  return true;
}

/// What was written down must be equal; what was not is as the first one made it.
void MailboxFile::check_agreement(const TopicSpec& spec) const {
  const std::string type = shm::load_text(header().type_name);
  if (!spec.type.name.empty() && !type.empty() && spec.type.name != type) {
    refuse(spec, spec.origin("type"), "type", spec.type.name, type);
  }
  if (spec.type.fixed_size != 0 && header().type_size != 0 && spec.type.fixed_size != header().type_size) {
    refuse(spec, spec.origin("type"), "size of the type", std::to_string(spec.type.fixed_size),
           std::to_string(header().type_size));
  }
  const bool too_large = spec.type.fixed_size > max_size_;
  if (too_large || (spec.origins.count("max_size") != 0 && spec.max_size != max_size_)) {
    refuse(spec, spec.origin("max_size"), "max_size", std::to_string(spec.max_size), std::to_string(max_size_));
  }
  const auto option = spec.options.find("slots");
  if (option != spec.options.end() && option->second.value != std::to_string(slots_)) {
    refuse(spec, option->second.origin, "slots", option->second.value, std::to_string(slots_));
  }
}

void MailboxFile::leave() noexcept {
  if (!lock_.usable()) return;  // in a forked child: the parent still uses the file
  try {
    // First unlocked, or two that leave at once would each keep the other from being the last.
    lock_.unlock(kLifetimeByte);
    if (lock_.try_lock_exclusive(kLifetimeByte) && shm::name_means(path_, inode_)) ::unlink(path_.c_str());
  } catch (const Error&) {
    // A leftover, for whoever comes next.
  }
}

}  // namespace mailbox
