#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <sluice/eshm/presence.hpp>
#include <sluice/eshm/pulse.hpp>
#include <sluice/eshm/segment.hpp>
#include <sluice/shm/atomic.hpp>
#include <sluice/transport.hpp>

#include "eshm/eshm_options.hpp"

namespace sluice::eshm {

/// An endpoint as its process's Link knows it.
struct Member {
  std::string topic;                                  ///< Fully qualified.
  Side side = Side::master;                           ///< On which it sits.
  bool writes = false;                                ///< A publisher; it may write its side's mailbox.
  std::function<void(const TransportEvent&)> report;  ///< TransportContext's; may be empty.
};

/// What all endpoints of this process share that use one channel: the mapped segment, and the presence on the sides
/// that they sit on. README.md, "Offices and rights".
///
/// A channel needs no first: who comes first makes the segment. Presence on a side (alive flag, pid, heartbeat) is an
/// office: of all processes of ours that have an endpoint on that side, the one that holds its lock byte. It hands the
/// office over when it leaves; when it dies, the kernel releases the lock and another one takes it at its next beat.
///
/// Where another program gives the segment's name to a new file (a master of the original does that), the Link moves
/// there and raises `version`; endpoints follow at their next call and never lose the old mapping under their feet.
///
/// Thread safety: all functions may be called from any thread.
class Link final : private PulseClient {
 public:
  /// The process's Link to that channel, made now if there is none. Throws Error: the segment cannot be used, or
  /// another topic of this process uses it with another max_size.
  [[nodiscard]] static std::shared_ptr<Link> join(const EshmOptions& options);

  explicit Link(const EshmOptions& options);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// `member` sits on its side from now on, and stays where it is until `leave`.
  void enter(const Member& member);
  void leave(const Member& member) noexcept;

  /// A segment, kept alive by whoever holds it, and the version that it is.
  struct Attached {
    std::shared_ptr<Segment> segment;
    std::uint64_t version = 0;
  };
  [[nodiscard]] Attached attached() const;  ///< Now.

  /// Changes when the segment does.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }

  /// Whether a program that takes no locks is alive on `side`.
  [[nodiscard]] bool foreigner_on(Side side) const;

  /// "channel 'robot'".
  [[nodiscard]] std::string what() const { return "channel '" + options_.request.name + "'"; }

 private:
  /// What is known of one side.
  struct SideState {
    std::vector<const Member*> members;
    std::optional<Presence> office;  ///< We hold it.
    RemoteWatch watch;
    RemoteState state = RemoteState::unknown;
    bool second_writer_told = false;
  };
  struct Report {
    std::function<void(const TransportEvent&)> to;
    TransportEvent event;
  };
  using Reports = std::vector<Report>;

  [[nodiscard]] Segment attach_or_make(std::chrono::nanoseconds patience) const;
  void adopt(Segment segment);
  std::chrono::nanoseconds beat(std::int64_t now_ns) noexcept override;
  void beat_side(Side side, std::int64_t now_ns, Reports& reports);
  void try_office(Side side);
  void watch_side(Side side, std::int64_t now_ns, Reports& reports);
  void tell_of_second_writer(Side side, Reports& reports);
  void follow_name(Reports& reports);
  void leave_segment() noexcept;
  void give_up_office(SideState& state, Side side) noexcept;
  void tell(Side side, TransportEvent::Kind kind, const std::string& text, Reports& reports) const;
  [[nodiscard]] SideState& at(Side side) noexcept { return sides_[static_cast<std::size_t>(side)]; }

  const EshmOptions options_;  ///< Of who came first.
  const std::uint32_t fork_generation_;
  mutable std::mutex mutex_;  ///< Guards what follows.
  std::shared_ptr<Segment> segment_;
  std::array<SideState, 2> sides_;
  std::int64_t next_name_look_ns_ = 0;
  std::atomic<std::uint64_t> version_{0};
  std::shared_ptr<Pulse> pulse_;
};

}  // namespace sluice::eshm
