#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include <sluice/graph.hpp>
#include <sluice/topic_spec.hpp>
#include <sluice/transport.hpp>

#include "control/matching.hpp"
#include "control/runtime.hpp"
#include "node/deadline_watch.hpp"
#include "node/node_impl.hpp"

namespace sluice::detail {

/// A publisher or subscription as others see it: its entry in the process's record, its matching, its deadline. Not yet
/// to be seen while it is being opened; and if that fails, others see why.
class EndpointPresence {
 public:
  EndpointPresence(std::shared_ptr<Runtime> runtime, EntryKind kind, const EndpointOwner& owner, const TopicSpec& spec);
  EndpointPresence(const EndpointPresence&) = delete;
  EndpointPresence& operator=(const EndpointPresence&) = delete;
  ~EndpointPresence() { end(); }

  /// What `open` returns; the endpoint is open from then on.
  template <typename Open>
  [[nodiscard]] auto open(Open open) {
    try {
      auto opened = open();
      set_open();
      return opened;
    } catch (const std::exception& error) {
      set_refused(error.what());
      throw;
    }
  }

  /// Nobody sees it any more.
  void end() noexcept;

  [[nodiscard]] EndpointStatistics& statistics() noexcept { return runtime_->record().statistics(entry_); }

  /// Something was published or received. Costs a comparison where no deadline is set.
  void count() noexcept {
    if (deadline_ != nullptr) deadline_->message(shm::monotonic_ns());
  }

  void on_liveliness(std::function<void(const LivelinessEvent&)> callback);
  void on_deadline_missed(std::function<void(const DeadlineEvent&)> callback);

 private:
  template <typename Event>
  [[nodiscard]] std::function<void(const Event&)> in_spinning_thread(std::function<void(const Event&)> callback) const;
  void set_open();
  void set_refused(const std::string& why) noexcept;

  std::shared_ptr<Runtime> runtime_;
  std::uint32_t fork_generation_;
  EntryKind kind_;
  TopicSpec spec_;
  std::shared_ptr<NodeEvents> events_;
  std::shared_ptr<OwnEndpoint> own_;  ///< Observers: none.
  std::shared_ptr<DeadlineWatch> deadline_;
  std::size_t entry_;
  /// Until the end: what waits for the node to spin then is not called any more.
  std::shared_ptr<std::atomic<bool>> open_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace sluice::detail
