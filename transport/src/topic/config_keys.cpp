#include <sluice/detail/config_keys.hpp>

#include <algorithm>
#include <array>

namespace sluice::detail {

namespace {

constexpr std::array kDomainKeys{
    ConfigKey{"domain", "", "0 to 4294967295", "0",
              "Processes of different domains never see each other; SLUICE_DOMAIN overrides it."},
    ConfigKey{"runtime_dir", "", "an absolute path", "/dev/shm/sluice-UID",
              "Directory of all shared files, best in shared memory; SLUICE_RUNTIME_DIR overrides it."},
    ConfigKey{"group", "", "a group's name or number", "",
              "Group of the shared files; by default the group of the process."},
    ConfigKey{"mode", "", "0600, 0640, 0644, 0660, 0664 or 0666", "0600",
              "Permissions of the shared files, whatever the umask."},
    ConfigKey{"plugin_path", "", "a directory or a list of them", "",
              "Directories searched for transport plugins, in order; relative to the YAML file."},
    ConfigKey{"log_level", "", "trace, debug, info, warn, error, critical or off", "info",
              "What is logged to stderr and to log_dir; SLUICE_LOG_LEVEL overrides it."},
    ConfigKey{"log_dir", "", "an absolute path", "",
              "Each process also logs to EXECUTABLE-PID.log in this directory; SLUICE_LOG_DIR overrides it."},
    ConfigKey{"log_max_size", "", "a size of at least 4KiB", "10MiB",
              "A log file that reaches it is renamed, and the next one begins."},
    ConfigKey{"log_files", "", "1 to 1000", "3", "Log files that a process keeps; the oldest is removed."},
    ConfigKey{"topics", "", "a mapping of topic names or wildcards to settings", "",
              "Settings by topic; '*' stands for one token of a name and '**' for any number."},
    ConfigKey{"nodes", "", "a mapping of node names or wildcards to `parameters`", "",
              "What nodes declare their parameters with, instead of their defaults; --param overrides it."},
};

constexpr std::array kTopicKeys{
    ConfigKey{"type", "", "a name, such as demo/Imu", "",
              "Message type; publishers and subscribers of another type are refused."},
    ConfigKey{"transport", "", "the name of a transport plugin", "slick", "What carries the messages."},
    ConfigKey{"max_size", "", "a size from 1B to 1GiB", "4KiB", "Largest message."},
    ConfigKey{"timestamps", "", "on or off", "on", "Whether publishing reads the clock (about 40 ns)."},
    ConfigKey{"reliability", "", "best_effort or reliable", "best_effort",
              "best_effort: a slow reader loses the oldest messages, and they are counted; reliable: publishers wait."},
    ConfigKey{"depth", "", "1 to 1048576", "16", "Messages kept for a reader that is behind."},
    ConfigKey{"durability", "", "volatile or transient_local", "volatile",
              "transient_local: a late joiner first receives the last `history` messages."},
    ConfigKey{"history", "", "1 to 1048576, at most depth", "",
              "Messages for a late joiner; needs durability: transient_local, which needs it."},
    ConfigKey{"deadline", "", "a duration above 0", "", "Longest expected time between two messages."},
    ConfigKey{"liveliness", "", "a duration above 0", "", "A publisher that is silent for this long counts as late."},
    ConfigKey{"max_blocking_time", "", "a duration", "100ms",
              "Publishing on a reliable topic waits at most this long, then reports a timeout; nothing was sent."},
    ConfigKey{"segment", "slick", "a shared memory name, such as /ticks", "",
              "Share a SlickQueue segment with other programs instead of using a private file."},
    ConfigKey{"element", "slick", "a size in bytes", "", "Size of one element of `segment`."},
    ConfigKey{"adopt", "slick", "true or false", "true",
              "Mark an older program's `segment` as initialised, so that newer programs do not wipe it."},
    ConfigKey{"group", "slick", "a name, such as workers", "",
              "Subscriptions of this process join this group: each message goes to one member (raw topics: a shared "
              "memory name)."},
    ConfigKey{"mode", "slick", "a file mode in octal, such as 0666", "",
              "Raw topics: permissions of a `segment` that is created; by default the domain's."},
    ConfigKey{
        "hole_timeout", "slick", "a duration", "10ms",
        "A position that a dead or stopped publisher left unfilled is skipped and counted after this time (raw topics: "
        "100ms)."},
    ConfigKey{"stall_timeout", "slick", "a duration", "1s",
              "The same for a publisher that is merely too slow; it learns that the delivery is uncertain."},
    ConfigKey{"evict_after", "slick", "a duration", "5s",
              "A reliable reader that has held publishers up for this long is evicted."},
    ConfigKey{"max_publishers", "slick", "a number", "64",
              "Publishers that can be connected at once; fewer by default where their chunks would take much memory."},
    ConfigKey{"max_subscribers", "slick", "a number", "64",
              "Subscribers that can be connected at once; fewer by default where their chunks would take much memory."},
    ConfigKey{"max_groups", "slick", "a number", "4", "Groups that subscriptions of the topic can form."},
    ConfigKey{"inline_limit", "slick", "a size in bytes", "4KiB",
              "Longer messages travel in chunks of the topic's pool, and are read where they were written."},
    ConfigKey{"chunks", "slick", "a list such as 16 x 64KiB, 4 x 8MiB", "",
              "The pool's chunks; by default as many of max_size as publishers and subscriptions can need at once."},
    ConfigKey{"max_loans", "slick", "a number", "2",
              "Chunks that a publisher may hold at once, the one included that a publication by copy needs."},
    ConfigKey{"max_views", "slick", "a number", "4",
              "Chunks that a subscription may hold at once; taking one more is an error."},
    ConfigKey{"channel", "eshm", "a shared memory name, such as robot", "", "The ESHM channel that carries the topic."},
    ConfigKey{"direction", "eshm", "master_to_slave or slave_to_master", "",
              "Which of the channel's two mailboxes the topic is."},
    ConfigKey{"stale_after", "eshm", "a duration", "100ms",
              "A peer whose heartbeat stands still for this long is stale."},
    ConfigKey{"protocol", "eshm", "2 or 3", "3",
              "Version of a channel that is created; programs of both accept 3, whose readers are woken."},
    ConfigKey{"mode", "eshm", "a file mode in octal, such as 0666", "",
              "Permissions of a channel that is created; by default the domain's."},
};

constexpr std::array<std::string_view, 3> kShippedTransports{"slick", "eshm", "inproc"};

}  // namespace

std::span<const ConfigKey> domain_keys() noexcept { return kDomainKeys; }
std::span<const ConfigKey> topic_keys() noexcept { return kTopicKeys; }

bool is_shipped_transport(std::string_view transport) noexcept {
  return std::find(kShippedTransports.begin(), kShippedTransports.end(), transport) != kShippedTransports.end();
}

}  // namespace sluice::detail
