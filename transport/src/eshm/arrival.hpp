#pragma once

#include <functional>
#include <optional>
#include <string>

#include <sluice/eshm/channel.hpp>
#include <sluice/eshm/segment.hpp>

namespace sluice::eshm {

/// An attached segment in which we hold the presence of one side and have announced ourselves.
struct Arrival {
  Segment segment;
  Side side = Side::master;
  Presence presence;
  bool took_over = false;  ///< A dead master's segment goes on.
  bool waited = false;     ///< The segment was made after we began to look for it.
};

/// Begins as `options.role` says: README.md, "Who arrives as what". Throws Error.
[[nodiscard]] Arrival arrive(const std::string& name, const ChannelOptions& options);

/// Says whether a segment's place for a slave is occupied.
using Judge = std::function<Occupied(Segment& segment)>;

/// One attempt of a slave to attach: nothing if there is no segment, or it is being removed. Throws Error, also when
/// `judge` says that the place is taken. Blocks as long as `judge` does.
[[nodiscard]] std::optional<Arrival> try_arrive_as_slave(const SegmentRequest& request, bool beats, const Judge& judge);

/// What to ask for when creating or attaching.
[[nodiscard]] SegmentRequest segment_request(const std::string& name, const ChannelOptions& options);

}  // namespace sluice::eshm
