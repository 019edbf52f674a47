#include "commands/eshm_end.hpp"

#include <signal.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include <sluice/detail/quote.hpp>
#include <sluice/error.hpp>
#include <sluice/eshm/inspect.hpp>
#include <sluice/units.hpp>

namespace sluice::commands {

namespace {

constexpr std::chrono::milliseconds kWaitSlice{100};

volatile sig_atomic_t stop_signal = 0;
shm::Deadline stop_at = shm::Deadline::never();

std::uint32_t parse_mode(const std::string& text) {
  if (text.empty() || text.size() > 4 || text.find_first_not_of("01234567") != std::string::npos ||
      std::stoul(text, nullptr, 8) > 0777) {
    throw Error("--mode must be rights in octal such as 0600 or 0666, not '" + text + "'");
  }
  return static_cast<std::uint32_t>(std::stoul(text, nullptr, 8));
}

eshm::ChannelOptions channel_options(const EshmEnd& end) {
  eshm::ChannelOptions options;
  options.role = end.role;
  options.promote = end.role == eshm::Role::automatic;
  options.max_size = max_size_of(end);
  options.protocol = eshm::Protocol{end.protocol};
  if (!end.mode.empty()) options.access.mode = parse_mode(end.mode);
  options.access.group = end.group;
  if (!end.stale_after.empty()) {
    options.stale_threshold = std::chrono::ceil<std::chrono::milliseconds>(parse_duration(end.stale_after));
  }
  options.max_reconnect_attempts = end.reconnects;
  options.reconnect_timeout = std::chrono::milliseconds{0};  // the attempts alone decide
  options.attach_timeout = kWaitSlice;
  return options;
}

/// In slices, so that Ctrl-C works at once.
std::optional<eshm::Channel> open_or_wait(const EshmEnd& end, const std::shared_ptr<EshmEvents>& events) {
  eshm::ChannelOptions options = channel_options(end);
  for (bool said = false; !should_stop();) {
    try {
      return eshm::Channel(end.name, options, events->callbacks());
    } catch (const SystemError& error) {
      if (end.role != eshm::Role::slave || error.code() != ENOENT) throw;
    }
    if (!std::exchange(said, true)) {
      std::printf("[SLAVE] Waiting for a master on %s (sluice eshm master %s); Ctrl-C ends it\n",
                  eshm::segment_path(end.name).c_str(), end.name.c_str());
    }
    // A master that came between two slices may have written already.
    options.first_read = eshm::FirstRead::current;
  }
  return std::nullopt;
}

const char* history_of(const eshm::Channel& channel) {
  if (channel.created()) return "created";
  return channel.took_over() ? "taken over from a dead master" : "attached";
}

std::uint32_t remote_pid(const eshm::Channel& channel) {
  const eshm::ChannelStats stats = channel.stats();
  return channel.side() == eshm::Side::master ? stats.slave_pid : stats.master_pid;
}

/// Said goodbye, or never came: not whoever was killed or stopped, and may come back.
bool has_left(const eshm::SideInfo& side) {
  return side.state == eshm::RemoteState::dead || (side.state == eshm::RemoteState::unknown && side.pid == 0);
}

}  // namespace

void prepare_to_stop(shm::Deadline until) {
  stop_at = until;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  struct sigaction action {};
  action.sa_handler = [](int) { stop_signal = 1; };
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction current {};
    ::sigaction(signal, nullptr, &current);
    if (signal == SIGHUP && current.sa_handler == SIG_IGN) continue;  // nohup
    ::sigaction(signal, &action, nullptr);
  }
  ::signal(SIGPIPE, SIG_IGN);
}

bool asked_to_stop() noexcept { return stop_signal != 0; }

bool should_stop() noexcept { return asked_to_stop() || stop_at.passed() || std::ferror(stdout) != 0; }

std::size_t max_size_of(const EshmEnd& end) {
  return end.max_size.empty() ? eshm::kDefaultMaxSize : parse_size(end.max_size);
}

std::string label_of(eshm::Side side) { return side == eshm::Side::master ? "MASTER" : "SLAVE"; }

std::string printable(std::span<const std::byte> message) {
  constexpr std::size_t kLongest = 256;
  std::string_view text(reinterpret_cast<const char*>(message.data()), message.size());
  const std::size_t last = text.find_last_not_of('\0');
  text = text.substr(0, last == std::string_view::npos ? 0 : last + 1);
  std::string out;
  std::size_t at = 0;
  while (at < text.size() && at < kLongest) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const std::size_t length = detail::utf8_length(text.substr(at));
    const bool c1_control = byte == 0xC2 && length == 2 && static_cast<unsigned char>(text[at + 1]) < 0xA0;
    if (length == 0 || byte < 0x20 || byte == 0x7F || c1_control) {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      out += escaped;
      ++at;
    } else {
      out += byte == '\\' ? "\\\\" : text.substr(at, length);
      at += length;
    }
  }
  return at < text.size() ? out + "..." : out;
}

eshm::ChannelCallbacks EshmEvents::callbacks() {
  return {.on_connect = [this] { add({Kind::connected}); },
          .on_stale = [this] { add({Kind::stale}); },
          .on_reconnect = [this] { add({Kind::reconnected}); },
          .on_takeover =
              [this](std::uint32_t generation) {
                add({Kind::takeover, generation});
              }};
}

std::optional<EshmEvents::Event> EshmEvents::next() {
  const std::lock_guard lock(mutex_);
  if (events_.empty()) {
    pending_.store(false, std::memory_order_release);
    return std::nullopt;
  }
  const Event event = events_.front();
  events_.pop_front();
  return event;
}

void EshmEvents::add(Event event) {
  const std::lock_guard lock(mutex_);
  events_.push_back(event);
  pending_.store(true, std::memory_order_release);
}

std::optional<OpenEnd> open_end(const EshmEnd& end, bool say_so) {
  auto events = std::make_shared<EshmEvents>();
  auto channel = open_or_wait(end, events);
  if (!channel) return std::nullopt;
  const std::string side = label_of(channel->side());
  OpenEnd open{std::move(events), std::move(*channel), "[" + side + "]"};
  if (!say_so) return open;
  std::printf("%s Initialized with role: %s\n", open.label.c_str(), side.c_str());
  std::printf("%s Channel: %s (%s), protocol %u, max_size %zu, generation %u\n", open.label.c_str(),
              open.channel.path().c_str(), history_of(open.channel), static_cast<unsigned>(open.channel.protocol()),
              open.channel.max_size(), open.channel.generation());
  return open;
}

void print_events(OpenEnd& end) {
  if (end.events->empty()) return;
  const char* label = end.label.c_str();
  const char* remote = name_of(eshm::other(end.channel.side()));
  while (const auto event = end.events->next()) {
    switch (event->kind) {
      case EshmEvents::Kind::connected:
        std::printf("%s Remote connected: the %s, pid %u\n", label, remote, remote_pid(end.channel));
        break;
      case EshmEvents::Kind::stale:
        std::printf(end.channel.remote_state() == eshm::RemoteState::dead
                        ? "%s Remote endpoint gone: the %s ended\n"
                        : "%s Remote endpoint stale: the %s's heartbeat stands still\n",
                    label, remote);
        break;
      case EshmEvents::Kind::reconnected:
        std::printf("%s Remote is back: the %s, pid %u, generation %u\n", label, remote, remote_pid(end.channel),
                    end.channel.generation());
        break;
      case EshmEvents::Kind::takeover:
        std::printf("%s Another master took the channel over: generation %u\n", label, event->generation);
        break;
    }
  }
}

void close_end(std::optional<OpenEnd>& end) {
  const std::string path = end->channel.path();
  const bool creator_was_killed = end->channel.generation() > 1;
  end.reset();
  if (!creator_was_killed) return;
  constexpr std::chrono::milliseconds kGlance{1};
  for (const eshm::ChannelInfo& info : eshm::list_channels(kGlance)) {
    if (info.path == path && info.problem.empty() && has_left(info.master) && has_left(info.slave)) {
      (void)eshm::remove_dead_channel(path);
    }
  }
}

}  // namespace sluice::commands
