#include "node/ready_watch.hpp"

#include <sys/eventfd.h>

#include <vector>

#include <sluice/shm/service_thread.hpp>

namespace sluice::detail {

ReadyWatch::ReadyWatch() {
  thread_ = shm::start_service_thread([this] { run(); });
}

ReadyWatch::~ReadyWatch() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wait_set_.interrupt();
  thread_.join();
}

void ReadyWatch::watch(int fd, const WaitFor& wait) {
  {
    const std::lock_guard lock(mutex_);
    watched_.insert_or_assign(fd, Watched{wait, shm::Deadline::after(wait.at_most)});
  }
  wait_set_.interrupt();
}

void ReadyWatch::forget(int fd) noexcept {
  std::unique_lock lock(mutex_);
  if (watched_.erase(fd) == 0) return;  // rung already: the thread has no copy of it
  wait_set_.interrupt();
  const std::uint64_t round = round_;
  next_round_.wait(lock, [&] { return !sleeping_ || round_ != round; });
}

void ReadyWatch::ring_those_that_are_ready() {
  for (auto entry = watched_.begin(); entry != watched_.end();) {
    const WaitFor& wait = entry->second.wait;
    const bool changed = wait.word != nullptr && wait.word->load_acquire() != wait.expected;
    if (changed || entry->second.until.passed()) {
      ::eventfd_write(entry->first, 1);
      entry = watched_.erase(entry);
    } else {
      ++entry;
    }
  }
}

void ReadyWatch::run() {
  std::vector<shm::WaitSet::Entry> entries;
  std::unique_lock lock(mutex_);
  while (!ended_) {
    ring_those_that_are_ready();
    entries.clear();
    shm::Deadline until = shm::Deadline::never();
    for (const auto& [fd, watched] : watched_) {
      if (watched.wait.word != nullptr) entries.push_back({watched.wait.word, watched.wait.expected});
      until = earlier(until, watched.until);
    }
    ++round_;
    sleeping_ = true;
    lock.unlock();
    next_round_.notify_all();
    wait_set_.wait(entries, until);
    lock.lock();
    sleeping_ = false;
    next_round_.notify_all();
  }
}

}  // namespace sluice::detail
