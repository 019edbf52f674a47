#include <sluice/shm/file_lock.hpp>

#include <fcntl.h>

#include <catch2/catch.hpp>

#include <sluice/error.hpp>

#include "support/child_process.hpp"
#include "support/temporary_directory.hpp"

using namespace sluice::shm;
using sluice::test::ChildProcess;
using sluice::test::eventually;
using sluice::test::TemporaryDirectory;

namespace {

std::string make_file(const TemporaryDirectory& directory) {
  const std::string path = directory.path() + "/file";
  const UniqueFd fd(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  REQUIRE(fd.valid());
  return path;
}

}  // namespace

TEST_CASE("an exclusive lock excludes others on its byte only") {
  const TemporaryDirectory directory;
  const std::string path = make_file(directory);
  FileLock a = FileLock::open(path);
  FileLock b = FileLock::open(path);
  REQUIRE(a.try_lock_exclusive({7, 1}));
  CHECK_FALSE(b.try_lock_exclusive({7, 1}));
  CHECK_FALSE(b.try_lock_shared({7, 1}));
  CHECK(b.try_lock_exclusive({8, 1}));
  CHECK(b.held_by_other({7, 1}));
  CHECK_FALSE(a.held_by_other({7, 1}));
  a.unlock({7, 1});
  CHECK_FALSE(b.held_by_other({7, 1}));
}

TEST_CASE("shared locks live together and keep the exclusive one out") {
  const TemporaryDirectory directory;
  const std::string path = make_file(directory);
  FileLock a = FileLock::open(path);
  FileLock b = FileLock::open(path);
  REQUIRE(a.try_lock_shared({0, 1}));
  REQUIRE(b.try_lock_shared({0, 1}));
  CHECK_FALSE(a.try_lock_exclusive({0, 1}));
  b = FileLock();
  CHECK(a.try_lock_exclusive({0, 1}));
}

TEST_CASE("a killed process's locks are released, and a read-only description can tell") {
  const TemporaryDirectory directory;
  const std::string path = make_file(directory);
  ChildProcess child([&] {
    FileLock lock = FileLock::open(path);
    if (!lock.try_lock_exclusive({1, 1})) return 1;
    for (;;) ::pause();
  });
  FileLock probe = FileLock::open(path, true);
  REQUIRE(eventually([&] { return probe.held_by_other({1, 1}); }));
  child.kill(SIGKILL);
  child.wait();
  CHECK_FALSE(probe.held_by_other({1, 1}));
}

TEST_CASE("a forked child neither keeps nor can use its parent's locks") {
  const TemporaryDirectory directory;
  const std::string path = make_file(directory);
  auto lock = std::make_unique<FileLock>(FileLock::open(path));
  REQUIRE(lock->try_lock_exclusive({1, 1}));
  ChildProcess child([&] {
    if (lock->usable()) return 1;
    try {
      (void)lock->try_lock_exclusive({2, 1});
      return 2;
    } catch (const sluice::Error&) {
    }
    for (;;) ::pause();
  });
  FileLock probe = FileLock::open(path);
  CHECK(probe.held_by_other({1, 1}));
  lock.reset();  // while the child lives; it may not have come out of fork() yet
  CHECK(eventually([&] { return !probe.held_by_other({1, 1}); }));
}
