#include <catch2/catch.hpp>

#include <sluice/shm/process_identity.hpp>

#include "support/child_process.hpp"

using namespace sluice;
using namespace sluice::test;

namespace {

/// A child that does nothing, and that told us when it started.
struct IdleChild {
  IdleChild()
      : process([this] {
          const std::uint64_t own = shm::ProcessIdentity::self().start_time;
          if (::write(pipe[1], &own, sizeof(own)) != sizeof(own)) return 1;
          for (;;) ::pause();
          return 0;
        }) {
    REQUIRE(::read(pipe[0], &start_time, sizeof(start_time)) == sizeof(start_time));
  }
  IdleChild(const IdleChild&) = delete;
  IdleChild& operator=(const IdleChild&) = delete;
  ~IdleChild() {
    ::close(pipe[0]);
    ::close(pipe[1]);
  }

  [[nodiscard]] bool is_stopped() const {
    return shm::process_is_stopped(static_cast<std::uint32_t>(process.pid()), start_time);
  }

  struct Pipe {
    Pipe() { REQUIRE(::pipe(ends) == 0); }
    int operator[](int k) const { return ends[k]; }
    int ends[2] = {-1, -1};
  } pipe;
  std::uint64_t start_time = 0;
  ChildProcess process;
};

}  // namespace

TEST_CASE("a process is stopped from SIGSTOP to SIGCONT") {
  const IdleChild child;
  REQUIRE(child.start_time != 0);
  CHECK_FALSE(child.is_stopped());
  child.process.kill(SIGSTOP);
  CHECK(eventually([&] { return child.is_stopped(); }));
  child.process.kill(SIGCONT);
  CHECK(eventually([&] { return !child.is_stopped(); }));
}

TEST_CASE("a stopped process with another start time is another process") {
  const IdleChild child;
  child.process.kill(SIGSTOP);
  REQUIRE(eventually([&] { return child.is_stopped(); }));
  const auto pid = static_cast<std::uint32_t>(child.process.pid());
  CHECK_FALSE(shm::process_is_stopped(pid, child.start_time + 1));
  CHECK_FALSE(shm::process_is_stopped(pid, 0));  // it could not be told when the entry was written
}

TEST_CASE("whoever is gone, or calls, is not stopped") {
  IdleChild child;
  const auto pid = static_cast<std::uint32_t>(child.process.pid());
  child.process.kill(SIGSTOP);
  REQUIRE(eventually([&] { return child.is_stopped(); }));
  child.process.kill(SIGKILL);
  (void)child.process.wait();
  CHECK_FALSE(shm::process_is_stopped(pid, child.start_time));
  CHECK_FALSE(shm::process_is_stopped(0, child.start_time));
  const auto self = shm::ProcessIdentity::self();
  CHECK_FALSE(shm::process_is_stopped(static_cast<std::uint32_t>(self.pid), self.start_time));
}
