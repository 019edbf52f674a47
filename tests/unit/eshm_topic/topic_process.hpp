#pragma once

#include <sys/mman.h>

#include <atomic>
#include <new>
#include <stdexcept>

#include "unit/eshm_topic/eshm_topic_support.hpp"

namespace sluice::test {

/// Another process with an endpoint on a bench's topic. Killed at the latest by the destructor.
class TopicProcess {
 public:
  enum class Is { writer, reader };

  TopicProcess(ChannelBench& bench, Is what, eshm::Side writer)
      : orders_(make_orders()), process_([&] { return body(bench, what, writer); }) {
    if (!eventually([this] { return orders_->open != 0; })) throw std::runtime_error("it cannot open its topic");
  }
  ~TopicProcess() { ::munmap(orders_, sizeof(Orders)); }
  TopicProcess(const TopicProcess&) = delete;
  TopicProcess& operator=(const TopicProcess&) = delete;

  /// Publishes "1", "2", ...; so many more, and waits until they are out.
  void publish(std::uint32_t count = 1) {
    orders_->asked += count;
    if (!eventually([this] { return orders_->done == orders_->asked; })) throw std::runtime_error("it does not write");
  }
  /// What a reader has received and lost.
  [[nodiscard]] std::uint64_t counted() const { return orders_->counted; }
  [[nodiscard]] pid_t pid() const { return process_.pid(); }

  void signal(int number) { process_.kill(number); }
  void kill() {
    process_.kill(SIGKILL);
    (void)process_.wait();
  }
  /// Closes its endpoint; the exit code.
  int leave() {
    orders_->stop = 1;
    return process_.wait();
  }

 private:
  struct Orders {
    std::atomic<std::uint32_t> open, asked, done, stop;
    std::atomic<std::uint64_t> counted;
  };
  static Orders* make_orders() {
    void* memory = ::mmap(nullptr, sizeof(Orders), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
    return ::new (memory) Orders{};
  }

  int body(ChannelBench& bench, Is what, eshm::Side side) {
    const auto writer = what == Is::writer ? bench.writer(side) : nullptr;
    const auto reader = what == Is::reader ? bench.reader(side) : nullptr;
    orders_->open = 1;
    while (orders_->stop == 0) {
      const bool busy = writer ? publish_one(*writer) : receive_one(*reader);
      if (!busy) std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return 0;
  }
  bool publish_one(Writer& writer) {
    if (orders_->done == orders_->asked) return false;
    if (send(writer, std::to_string(orders_->done + 1)) == PublishResult::ok) ++orders_->done;
    return true;
  }
  bool receive_one(Reader& reader) {
    if (!receive(reader)) return false;
    const ReaderStats stats = reader.stats();
    orders_->counted = stats.received + stats.lost;
    return true;
  }

  Orders* orders_;
  ChildProcess process_;
};

}  // namespace sluice::test
