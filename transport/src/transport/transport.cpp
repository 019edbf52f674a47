#include <sluice/transport.hpp>

namespace sluice {

Writer::~Writer() = default;
Reader::~Reader() = default;
Transport::~Transport() = default;

std::vector<std::string> trait_names(const TransportTraits& traits) {
  std::vector<std::string> names;
  const auto add = [&](bool there, const char* name) {
    if (there) names.emplace_back(name);
  };
  add(traits.zero_copy, "zero_copy");
  add(traits.reliable, "reliable");
  add(traits.many_publishers, "many_publishers");
  add(traits.many_subscribers, "many_subscribers");
  add(traits.latest_value, "latest_value");
  add(traits.foreign_peers, "foreign_peers");
  add(traits.between_processes, "between_processes");
  add(traits.transient_local, "transient_local");
  return names;
}

std::size_t Transport::remove_leftovers(const TransportContext& /*context*/) { return 0; }

}  // namespace sluice
