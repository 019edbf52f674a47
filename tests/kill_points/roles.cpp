#include "kill_points/roles.hpp"

#include <limits>
#include <memory>

#include <sluice/plugin.hpp>
#include <sluice/transport.hpp>

#include "kill_points/players.hpp"

extern "C" const sluice::PluginDescriptor sluice_plugin_descriptor;

namespace sluice::kill_points {

namespace {

constexpr std::uint64_t kMessagesPerVisit = 40;
constexpr int kMostVisits = 60;

std::uint32_t take_index(stress::Word& word) { return static_cast<std::uint32_t>(word.fetch_add_acq_rel(1)); }

/// Comes and goes until everybody is to end.
template <typename Visit>
int come_and_go(const stress::Place& place, Visit visit) {
  for (int k = 0; k < kMostVisits && place.shared.stop.load_acquire() == 0; ++k) {
    const int code = visit();
    if (code != 0) return code;
  }
  return 0;
}

}  // namespace

int write_untouched(const stress::Place& place, const Scenario& scenario) {
  if (scenario.payload != Payload::cells) return publish_messages(place, 0, UINT64_MAX, false);
  return stress::write_messages(place, 0, UINT64_MAX);
}

int play(Role role, const stress::Place& place, Indices& indices, GroupLog& group, const Scenario& scenario) {
  const auto publish = [&](std::uint64_t messages) {
    const std::uint32_t index = take_index(indices.writers);
    const bool ours = scenario.batches || scenario.payload != Payload::cells;
    return ours ? publish_messages(place, index, messages, scenario.batches)
                : stress::write_messages(place, index, messages);
  };
  const auto read_in_group = [&](std::uint64_t messages) {
    return read_as_member(place, group, take_index(group.count), messages);
  };
  constexpr std::uint64_t for_ever = std::numeric_limits<std::uint64_t>::max();
  switch (role) {
    case Role::publisher: return publish(for_ever);
    case Role::member: return read_in_group(for_ever);
    case Role::members: return come_and_go(place, [&] { return read_in_group(kMessagesPerVisit); });
    case Role::subscriber: return read_messages(place, take_index(indices.readers), for_ever);
    case Role::publishers: return come_and_go(place, [&] { return publish(kMessagesPerVisit); });
    case Role::subscribers:
      return come_and_go(place, [&] { return read_messages(place, take_index(indices.readers), kMessagesPerVisit); });
    case Role::sweeper: {
      const std::unique_ptr<Transport> slick(sluice_plugin_descriptor.create());
      (void)slick->remove_leftovers({place.directory, {}});
      return 0;
    }
  }
  return 1;
}

int inherit(const stress::Place& place) {
  const std::unique_ptr<Transport> slick(sluice_plugin_descriptor.create());
  const auto reader = slick->open_reader(place.spec, place.context());
  const auto writer = slick->open_writer(place.spec, place.context());
  const std::vector<std::byte> bytes(place.options.element == 0 ? 24 : place.options.element);
  for (int k = 0; k < 20; ++k) {
    if (writer->publish_copy(bytes, 0) != PublishResult::ok) return 1;
    const auto message = reader->take();
    if (!message) return 2;
    reader->release(*message);
  }
  return 0;
}

}  // namespace sluice::kill_points
