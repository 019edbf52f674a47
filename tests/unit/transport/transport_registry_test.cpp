#include <sluice/plugin.hpp>
#include <sluice/transport_registry.hpp>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "support/temporary_directory.hpp"

using namespace sluice;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using sluice::test::TemporaryDirectory;

namespace {

const PluginInfo& find(const TransportRegistry& registry, const std::string& path) {
  for (const PluginInfo& plugin : registry.plugins()) {
    if (plugin.path == path) return plugin;
  }
  FAIL("no plugin file " << path << " was looked at");
  throw;
}

std::string copy_library(const TemporaryDirectory& directory, const std::string& name) {
  const std::string path = directory.path() + "/" + name + ".so";
  std::filesystem::copy_file(std::string(SLUICE_TEST_PLUGINS) + "/" + name + ".so", path);
  return path;
}

TopicSpec reliable_topic(const std::string& transport) {
  TopicSpec spec;
  spec.name = "/x";
  spec.transport = transport;
  spec.qos.reliability = Reliability::reliable;
  spec.origins["reliability"] = Origin{"demo.yaml", 3, 5};
  return spec;
}

}  // namespace

TEST_CASE("the shipped transports are found without being told where") {
  TransportRegistry registry;
  CHECK(registry.names() == std::vector<std::string>{"eshm", "inproc", "slick"});
  CHECK(registry.get("slick").name() == "slick");
  CHECK(&registry.get("slick") == &registry.get("slick"));
}

TEST_CASE("an unknown transport is an error that names the near one and the usable ones") {
  TransportRegistry registry;
  CHECK_THROWS_WITH(registry.get("slik"),
                    "there is no transport 'slik'; did you mean 'slick'? (usable: eshm, inproc, slick; plugins are "
                    "searched in SLUICE_PLUGIN_PATH, plugin_path and beside the library)");
}

TEST_CASE("files that cannot be used are named with the reason and change nothing else") {
  const TemporaryDirectory directory;
  std::string expected;
  std::string path;
  SECTION("another interface version") {
    path = copy_library(directory, "wrong_version");
    expected = "was built for plugin interface " + std::to_string(kPluginInterfaceVersion + 1) + ", this Sluice has " +
               std::to_string(kPluginInterfaceVersion) + "; rebuild it";
  }
  SECTION("another compiler") {
    path = copy_library(directory, "wrong_compiler");
    expected = "was built with another C++ ABI (some-other-abi, this Sluice has " SLUICE_COMPILER_TAG "); rebuild it";
  }
  SECTION("a library that is no plugin") {
    path = copy_library(directory, "no_plugin");
    expected = "is not a Sluice plugin (it has no symbol sluice_plugin_descriptor)";
  }
  SECTION("text") {
    path = directory.path() + "/text.so";
    std::ofstream(path) << "this is a text, and one that is longer than an ELF header, so that it is read as one";
    expected = "is not a shared library (no ELF header)";
  }
  SECTION("empty") {
    path = directory.path() + "/empty.so";
    std::ofstream{path};
    expected = "is too short for a shared library";
  }
  SECTION("a directory") {
    path = directory.path() + "/directory.so";
    std::filesystem::create_directory(path);
    expected = "is not a regular file";
  }
  SECTION("a dangling link") {
    path = directory.path() + "/dangling.so";
    std::filesystem::create_symlink("/nonexistent", path);
    expected = "cannot be opened: No such file or directory";
  }
  TransportRegistry registry({directory.path()});
  CHECK(find(registry, path).error == expected);
  CHECK(registry.get("slick").name() == "slick");
  CHECK_THROWS_WITH(registry.get("future"), EndsWith("; '" + path + "' " + expected));
}

TEST_CASE("a library truncated anywhere is named and does not crash the loader") {
  const TemporaryDirectory directory;
  const std::string whole = std::string(SLUICE_TEST_PLUGINS) + "/no_plugin.so";
  const auto size = std::filesystem::file_size(whole);
  const std::string path = directory.path() + "/truncated.so";
  for (std::uintmax_t length = 0; length < size; length += 97) {
    std::filesystem::copy_file(whole, path, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(path, length);
    TransportRegistry registry({directory.path()});
    INFO("truncated to " << length << " of " << size);
    CHECK_FALSE(find(registry, path).error.empty());
  }
}

TEST_CASE("a plugin directory that does not exist is named") {
  TransportRegistry registry({"/nonexistent/plugins"});
  CHECK(find(registry, "/nonexistent/plugins").error == "cannot be searched: No such file or directory");
}

TEST_CASE("asking a transport for what it cannot do is one sentence with the place") {
  TransportRegistry registry;
  SECTION("durability") {
    TopicSpec spec = reliable_topic("inproc");
    spec.qos.durability = Durability::transient_local;
    spec.qos.history = 1;
    spec.origins["durability"] = Origin{"demo.yaml", 4, 9};
    CHECK_THROWS_WITH(
        registry.check(spec),
        "demo.yaml:4:9: topic '/x': transport 'inproc' cannot do 'transient_local'; change 'durability' or "
        "choose another transport");
  }
  SECTION("a reliable work-stealing group") {
    TopicSpec spec = reliable_topic("slick");
    spec.options["segment"] = {"/ticks", {}};
    spec.options["element"] = {"64", {}};
    CHECK_NOTHROW(registry.check(spec));
    spec.options["group"] = {"workers", {"demo.yaml", 5, 7}};
    CHECK_THROWS_WITH(registry.check(spec),
                      "demo.yaml:5:7: topic '/x': group: a work-stealing group is best_effort; leave out "
                      "'reliability: reliable'");
  }
  SECTION("an option of another transport") {
    TopicSpec spec = reliable_topic("inproc");
    spec.options["evict_after"] = {"5s", {"demo.yaml", 7, 3}};
    CHECK_THROWS_WITH(registry.check(spec),
                      "demo.yaml:7:3: topic '/x': evict_after: is no option of transport 'inproc'; it has none");
  }
  SECTION("a transport that does not exist") {
    TopicSpec spec = reliable_topic("carrier_pigeon");
    spec.origins["transport"] = Origin{"demo.yaml", 2, 14};
    CHECK_THROWS_WITH(registry.check(spec), Contains("demo.yaml:2:14: topic '/x': there is no transport "
                                                     "'carrier_pigeon'"));
  }
}
