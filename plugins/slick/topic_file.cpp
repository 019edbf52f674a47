#include "slick/topic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/sleep.hpp>

#include "slick/topic_agreement.hpp"

namespace sluice::slick {

namespace {

constexpr std::chrono::seconds kOpenPatience{5};

bool is_linked(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && info.st_nlink > 0;
}

}  // namespace

std::string topic_path(const std::string& directory, const std::string& topic) {
  std::string name = topic.substr(topic.find_first_not_of('/'));
  std::replace(name.begin(), name.end(), '/', '.');
  return directory + "/" + name + ".topic";
}

bool TopicFile::create(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context,
                       const std::string& path, TopicFile& result) {
  const TopicGeometry plan = plan_geometry(spec, options);
  auto segment = shm::UnnamedSegment::create({"topic '" + spec.name + "'", path, plan.total, 0, context.access});
  segment.write_header(shm::SegmentKind::topic, kTopicVersion);
  write_topic_header(*segment.mapping().at<TopicHeader>(0), spec, plan);
  SLUICE_KILL_POINT("slick.create.filled");
  // Nothing may be granted before a slow path has looked at the readers: the horizon starts at 0 like everything else.
  auto lock = shm::FileLock::reopen(segment.fd(), "topic '" + spec.name + "'");
  // Held before the file has a name, so that nobody can ever mistake it for a leftover.
  if (!lock.try_lock_shared(kLifetimeByte)) return false;
  SLUICE_KILL_POINT("slick.create.locked");
  if (!segment.link()) return false;

  struct stat info {};
  ::fstat(segment.fd(), &info);
  shm::AttachedSegment attached;
  attached.outcome = shm::AttachOutcome::ok;
  attached.inode = info.st_ino;
  attached.mapping = segment.take_mapping();
  result.adopt(std::move(attached), std::move(lock), path);
  return true;
}

void TopicFile::adopt(shm::AttachedSegment&& attached, shm::FileLock&& lock, const std::string& path) {
  path_ = path;
  inode_ = attached.inode;
  mapping_ = std::move(attached.mapping);
  lock_ = std::move(lock);
  geometry_ = read_geometry(header());
  reliable_ = header().reliability == static_cast<std::uint8_t>(Reliability::reliable);
}

TopicFile TopicFile::open_at(const std::string& path, const TopicSpec& spec, const TopicOptions& options,
                             const TransportContext& context) {
  const std::string what = "topic '" + spec.name + "'";
  const shm::Deadline deadline = shm::Deadline::after(kOpenPatience);
  TopicFile result;
  for (; !deadline.passed(); shm::sleep_for(std::chrono::milliseconds{1})) {
    auto attached = shm::attach_segment(path, shm::SegmentKind::topic, kTopicVersion, kPage, shm::MapMode::read_write);
    if (attached.outcome == shm::AttachOutcome::absent) {
      shm::ensure_directory(context.directory, context.access);
      if (create(spec, options, context, path, result)) return result;
      continue;
    }
    if (attached.outcome == shm::AttachOutcome::wrong_version && remove_dead_topic(path)) continue;
    if (!attached.ok()) throw Error(what + ": its file cannot be used: " + attached.reason);
    check_topic_header(*attached.mapping.at<TopicHeader>(0), attached.mapping.size(), what, path);

    auto lock = shm::FileLock::reopen(attached.fd.get(), what);
    SLUICE_KILL_POINT("slick.open.attached");
    if (lock.try_lock_exclusive(kLifetimeByte)) {  // nobody is there: what the dead left
      SLUICE_KILL_POINT("slick.open.alone");
      if (shm::name_means(path, attached.inode)) ::unlink(path.c_str());
      SLUICE_KILL_POINT("slick.open.unlinked");
      continue;
    }
    // Refused while the last one out is just unlinking it: wait and look again.
    if (!lock.try_lock_shared(kLifetimeByte) || !is_linked(lock.fd())) continue;
    SLUICE_KILL_POINT("slick.open.shared");
    attached.fd.reset();
    result.adopt(std::move(attached), std::move(lock), path);
    // After adopting: while we look we are in, and if everybody else leaves meanwhile, we are the last one out.
    result.agree(spec, deadline);
    return result;
  }
  throw Error(what + ": its file '" + path + "' was locked by somebody else for " +
              std::to_string(kOpenPatience.count()) + " s; see who has it open with 'fuser " + path + "'");
}

std::optional<TopicFile> TopicFile::look_at(const std::string& path, const std::string& what) {
  auto attached = shm::attach_segment(path, shm::SegmentKind::topic, kTopicVersion, kPage, shm::MapMode::read_only);
  if (attached.outcome == shm::AttachOutcome::absent) return std::nullopt;
  if (!attached.ok()) throw Error(what + ": its file cannot be used: " + attached.reason);
  check_topic_header(*attached.mapping.at<TopicHeader>(0), attached.mapping.size(), what, path);
  auto lock = shm::FileLock::reopen(attached.fd.get(), what, true);
  attached.fd.reset();
  TopicFile file;
  file.adopt(std::move(attached), std::move(lock), path);
  file.observes_ = true;
  return file;
}

void TopicFile::lock_patiently(shm::ByteRange byte, shm::Deadline deadline, const std::string& otherwise) {
  while (!lock_.try_lock_exclusive(byte)) {
    if (deadline.passed() || shm::sleep_cancelled()) throw Error(otherwise);
    shm::sleep_for(std::chrono::milliseconds{1});
  }
}

void TopicFile::agree(const TopicSpec& spec, shm::Deadline deadline) {
  lock_patiently(kTypeByte, deadline, "topic '" + spec.name + "': somebody has been declaring its type for too long");
  SLUICE_KILL_POINT("slick.agree.locked");
  agree_on_type(*mapping_.at<TopicHeader>(0), spec);  // what it throws ends us, and with us the lock
  lock_.unlock(kTypeByte);
  SLUICE_KILL_POINT("slick.agree.unlocked");
  check_agreement(header(), spec);
}

TopicFile::~TopicFile() {
  if (observes_ || !lock_.usable()) return;  // or moved from, or in a forked child whose parent still uses the file
  try {
    // Unlock first: were two endpoints to ask for the exclusive lock while each holds the shared one, both would fail.
    lock_.unlock(kLifetimeByte);
    SLUICE_KILL_POINT("slick.close.unlocked");
    if (!lock_.try_lock_exclusive(kLifetimeByte)) return;
    SLUICE_KILL_POINT("slick.close.alone");
    if (shm::name_means(path_, inode_)) ::unlink(path_.c_str());
    SLUICE_KILL_POINT("slick.close.unlinked");
  } catch (const Error&) {
    // The file stays behind as a leftover for the next one who comes.
  }
}

bool remove_dead_topic(const std::string& path) {
  return shm::remove_dead_segment(path, shm::SegmentKind::topic, kLifetimeByte);
}

}  // namespace sluice::slick
