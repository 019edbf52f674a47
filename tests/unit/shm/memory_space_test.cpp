#include <sluice/shm/memory_space.hpp>

#include <unistd.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "support/temporary_directory.hpp"

using namespace sluice::shm;
using sluice::test::TemporaryDirectory;

namespace {

/// Control groups as files of our own.
class Groups {
 public:
  explicit Groups(const std::string& membership) { write("membership", membership); }

  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = directory_.path() + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }
  /// A group of version 2; "" is the root.
  void write_v2(const std::string& group, const std::string& limit, const std::string& usage,
                const std::string& stat = "anon 7\ninactive_file 0") const {
    write("cgroup.controllers", "memory");
    write(group + "/memory.max", limit);
    write(group + "/memory.current", usage);
    write(group + "/memory.stat", stat);
  }
  void write_v1(const std::string& group, const std::string& limit, const std::string& usage,
                const std::string& stat = "cache 7\ntotal_inactive_file 0") const {
    write("memory" + group + "/memory.limit_in_bytes", limit);
    write("memory" + group + "/memory.usage_in_bytes", usage);
    write("memory" + group + "/memory.stat", stat);
  }
  [[nodiscard]] std::optional<SpaceLimit> space() const {
    return control_group_space({directory_.path() + "/membership", directory_.path()});
  }

 private:
  TemporaryDirectory directory_;
};

constexpr const char* kV1Unlimited = "9223372036854771712";

}  // namespace

TEST_CASE("a file takes whole pages") {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  CHECK(whole_pages(0) == 0);
  CHECK(whole_pages(1) == page);
  CHECK(whole_pages(page) == page);
  CHECK(whole_pages(page + 1) == 2 * page);
}

TEST_CASE("the tightest limit on the way to the root counts") {
  const Groups groups("0::/robot/nodes");
  groups.write_v2("/robot/nodes", "1000", "100");
  groups.write_v2("/robot", "800", "300");
  groups.write_v2("", "max", "5000");
  const auto space = groups.space();
  REQUIRE(space);
  CHECK(space->free_bytes == 500);
  CHECK(space->limited_by == "the memory limit of control group /robot (memory.max 800)");
}

TEST_CASE("page cache that can be dropped counts as free, and a group over its limit has nothing") {
  const Groups groups("0::/robot");
  groups.write_v2("/robot", "1000", "900", "anon 1\ninactive_file 600\nactive_file 5");
  CHECK(groups.space()->free_bytes == 700);
  groups.write_v2("/robot", "1000", "1200");
  CHECK(groups.space()->free_bytes == 0);
}

TEST_CASE("groups without a limit limit nothing") {
  const Groups two("0::/robot");
  two.write_v2("/robot", "max", "900");
  CHECK_FALSE(two.space());
  const Groups one("4:memory:/robot");
  one.write_v1("/robot", kV1Unlimited, "900");
  one.write_v1("", kV1Unlimited, "900");
  CHECK_FALSE(one.space());
  CHECK_FALSE(Groups("0::/").space());
  CHECK_FALSE(Groups("").space());
}

TEST_CASE("version 1 counts where it has the memory controller, on all levels") {
  const Groups groups("9:name=systemd:/\n4:memory:/robot/nodes\n0::/");
  groups.write_v1("/robot/nodes", kV1Unlimited, "100");
  groups.write_v1("/robot", "1000", "400", "inactive_file 300\ntotal_inactive_file 50");
  groups.write_v1("", kV1Unlimited, "5000");
  const auto space = groups.space();
  REQUIRE(space);
  CHECK(space->free_bytes == 650);
  CHECK(space->limited_by == "the memory limit of control group /robot (memory.limit_in_bytes 1000)");
}

TEST_CASE("version 2 beside version 1 has a directory of its own") {
  const Groups groups("3:cpuset:/\n0::/robot");
  groups.write("unified/robot/memory.max", "1000");
  groups.write("unified/robot/memory.current", "250");
  REQUIRE(groups.space());
  CHECK(groups.space()->free_bytes == 750);
}

TEST_CASE("in a container whose group has the host's path, the root's limit counts") {
  const Groups two("0::/system.slice/docker-1234.scope");
  two.write_v2("", "1000", "200");
  REQUIRE(two.space());
  CHECK(two.space()->free_bytes == 800);
  CHECK(two.space()->limited_by == "the memory limit of control group / (memory.max 1000)");
  const Groups one("4:memory:/docker/1234");
  one.write_v1("", "1000", "300");
  REQUIRE(one.space());
  CHECK(one.space()->free_bytes == 700);
}
