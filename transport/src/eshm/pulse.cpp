#include <sluice/eshm/pulse.hpp>

#include <algorithm>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/service_thread.hpp>

namespace sluice::eshm {

Pulse::Pulse() : fork_generation_(shm::fork_generation()), thread_(shm::start_service_thread([this] { run(); })) {}

Pulse::~Pulse() {
  if (fork_generation_ != shm::fork_generation()) {
    thread_.detach();          // it runs in the parent only
    (void)changed_.release();  // where it waits; to destroy that would mean to wait for it
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_->notify_all();
  thread_.join();
}

std::shared_ptr<Pulse> process_pulse() { return shm::process_service<Pulse>(); }

void Pulse::add(PulseClient& client) {
  {
    const std::lock_guard lock(mutex_);
    entries_.push_back({&client, 0});
  }
  changed_->notify_all();
}

void Pulse::remove(PulseClient& client) noexcept {
  std::unique_lock lock(mutex_);
  std::erase_if(entries_, [&](const Entry& entry) { return entry.client == &client; });
  changed_->wait(lock, [&] { return beating_ != &client; });
}

/// The list may change during each call, so the next one due is looked for anew.
std::int64_t Pulse::beat_all(std::unique_lock<std::mutex>& lock) {
  for (;;) {
    const auto next = std::min_element(entries_.begin(), entries_.end(),
                                       [](const Entry& a, const Entry& b) { return a.due_ns < b.due_ns; });
    if (next == entries_.end()) return INT64_MAX;
    const std::int64_t now = shm::monotonic_ns();
    if (next->due_ns > now) return next->due_ns;
    PulseClient* const client = beating_ = next->client;
    lock.unlock();
    const std::chrono::nanoseconds period = client->beat(now);
    lock.lock();
    beating_ = nullptr;
    for (Entry& entry : entries_) {
      if (entry.client == client) entry.due_ns = now + period.count();
    }
    changed_->notify_all();
    if (stop_) return INT64_MAX;
  }
}

void Pulse::run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    const std::int64_t due = beat_all(lock);
    if (stop_) return;
    if (due == INT64_MAX) {
      changed_->wait(lock);
    } else {
      changed_->wait_for(lock, std::chrono::nanoseconds(due - shm::monotonic_ns()));
    }
  }
}

}  // namespace sluice::eshm
