#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <spdlog/logger.h>

#include <sluice/graph.hpp>

#include "control/asio.hpp"
#include "control/directory_watch.hpp"
#include "control/process_record.hpp"
#include "control/record_view.hpp"

namespace sluice::detail {

/// Who is in the domain, kept up to date: what `read_graph` reads once, this watches. There is no master and nothing is
/// sent; everybody reads everybody's record.
///
///   record appears             joined     inotify: IN_CREATE
///   its entries change         changed    IN_ATTRIB, which the owner causes after a change
///   heartbeats stop, or an     late       compared at every tick, for the processes that somebody is interested in
///     executor stands still
///   its lock is released       lost       IN_CLOSE_WRITE of the descriptor its owner held open, IN_DELETE; the lock
///                                         goes within the same exit, a little before or after, so it is asked again
///   `left` is set              left       likewise
///
/// Where there is no inotify instance to be had, the directory's time of change and the records' counters are looked at
/// every 100 ms, and the locks of those whose heartbeat stood still meanwhile.
///
/// Used by the control thread alone. Reports what it finds through `sink`, in the order in which it was found.
class Registry {
 public:
  using Sink = std::function<void(const GraphEvent& event)>;
  /// Whether somebody here wants to know whether this process is late.
  using Interest = std::function<bool(const ProcessInfo& process)>;
  /// The lease that matters for this process: it is not less than the one that the process itself promises.
  using Lease = std::function<std::chrono::nanoseconds(const ProcessInfo& process)>;

  Registry(boost::asio::io_context& context, std::string domain_directory, ProcessRecord& own,
           std::shared_ptr<spdlog::logger> log);

  void begin(Sink sink, Interest interest, Lease lease);

  /// Once a heartbeat: compares others' heartbeats, and looks after what was lost of our own. `period`: from one tick
  /// to the next. Whether files of ours may have lost their names since the last one.
  bool tick(std::chrono::nanoseconds period);

  /// What `interest` and `lease` say may be something else now.
  void reconsider();

  /// All known processes, ours included.
  void for_each(const std::function<void(const ProcessInfo&)>& visit) const;

  [[nodiscard]] bool alone() const noexcept;

 private:
  struct Peer {
    RecordView view;
    ProcessInfo info;
    std::uint64_t changes = 0;
    std::uint64_t heartbeat = 0;
    std::int64_t heard_ns = 0;           ///< Its last heartbeat that was seen, as far as its time is known.
    std::int64_t looked_ns = 0;          ///< When that was compared last.
    std::uint64_t polled_heartbeat = 0;  ///< As of the last look without inotify.
    bool interesting = false;
    std::chrono::nanoseconds lease{};
  };
  /// When to look at a peer again. Apart from the peers: a tick at which nobody is due touches no more than this.
  struct Due {
    std::int64_t at_ns;
    Peer* peer;
  };
  struct Suspect {
    std::string path;
    int looks_left;
  };

  void rescan();
  void overflowed();
  void look_at(const std::string& path);
  void meet(const std::string& path);
  void refresh(const std::string& path, Peer& peer);
  void suspect(const std::string& path);
  void look_at_suspects();
  void take_leave(const std::string& path);
  void bury(const std::string& path);
  void compare_heartbeat(Peer& peer, std::int64_t now);
  [[nodiscard]] std::int64_t next_look(const Peer& peer, std::int64_t now) const;
  void look_soon(const Peer& peer);
  void forget(const Peer& peer);
  void restore_if_removed();
  void begin_watching();
  void poll();
  void consider(Peer& peer) const;
  void report(GraphEvent::Kind kind, Peer& peer);

  std::string domain_directory_;
  std::string directory_;
  ProcessRecord& own_;
  std::shared_ptr<spdlog::logger> log_;
  Sink sink_;
  Interest interest_;
  Lease lease_;
  DirectoryWatch watch_;
  boost::asio::steady_timer suspects_timer_;
  boost::asio::steady_timer poll_timer_;
  bool polling_ = false;
  bool own_in_doubt_ = true;               ///< Our own record or socket may have lost its name.
  std::int64_t directory_changed_ns_ = 0;  ///< Its time of change, as of the last look without inotify.
  std::map<std::string, Peer> peers_;      ///< By the path of the record.
  std::vector<Due> due_;                   ///< Of each of them.
  std::vector<Suspect> suspects_;
  std::set<std::string> problems_;  ///< Reported already.
  std::int64_t ticked_ns_ = 0;
};

}  // namespace sluice::detail
