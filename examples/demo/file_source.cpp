// Streams real files over one reliable topic, in messages of many lengths, and says at the end what it sent.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sluice/shm/unique_fd.hpp>
#include <sluice/sluice.hpp>
#include <sluice/units.hpp>

#include "file_list.hpp"
#include "file_messages.hpp"
#include "node_main.hpp"
#include "sha256.hpp"

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

const demo::Program kProgram{"file_source",
                             "streams files over the reliable topic /file/data",
                             {{"path", "/usr/bin:/usr/lib", "files and directories to read, separated by colons"},
                              {"total", "64MiB", "how much to send; files are repeated until then"},
                              {"rate", "4MiB", "bytes per second; 0: as fast as possible"},
                              {"seed", "1", "of the message lengths"},
                              {"patience", "30s", "how long to wait for the sink"},
                              {"corrupt", "false", "for tests: flip one byte after hashing"}},
                             true};

constexpr std::size_t kLongestMessage = 64 * 1024;
constexpr std::size_t kLongestChunk = kLongestMessage - sizeof(demo::ChunkHeader);
constexpr auto kLookPeriod = 100ms;   // between two looks at whether the sink is still there
constexpr auto kShortestPause = 2ms;  // below this a pause is not worth a sleep

class FileSource {
 public:
  explicit FileSource(sluice::Node& node)
      : node_(node),
        path_(demo::text_parameter(node, kProgram, "path")),
        total_(demo::size_parameter(node, kProgram, "total")),
        rate_(demo::size_parameter(node, kProgram, "rate")),
        patience_(demo::duration_parameter(node, kProgram, "patience")),
        corrupt_(node.parameter("corrupt", false)),
        random_(node.parameter<std::uint64_t>("seed", 1)),
        message_(kLongestMessage),
        publisher_(node.advertise_bytes(demo::kDataTopic, demo::kDataType)) {}

  int run() {
    const std::vector<demo::ListedFile> files = demo::list_files(path_, total_);
    if (wait_for_sink() && send_all(files)) {
      node_.log().info("sent {} files, {} bytes in {} messages; {} publications waited too long and were repeated",
                       log_.files, log_.bytes, log_.messages, timeouts_);
      stay_until_read();
      return 0;
    }
    node_.log().error("{} after {} of {} bytes", failure_, log_.bytes, total_);
    return 1;
  }

 private:
  bool fail(std::string why) {
    failure_ = std::move(why);
    return false;
  }

  /// A volatile topic gives a subscriber what is published after it came, so the stream begins when one is there.
  bool wait_for_sink() {
    node_.log().info("waiting for a subscriber of {}", publisher_.topic());
    if (publisher_.wait_for_subscribers(1, patience_)) return true;
    if (sluice::signal_received()) return fail("asked to end");
    return fail("nobody subscribed to " + publisher_.topic() + " within " + sluice::format_duration(patience_) +
                " (start file_sink)");
  }

  bool send_all(const std::vector<demo::ListedFile>& files) {
    node_.log().info("streaming {} from {} files at {}", sluice::format_size(total_), files.size(),
                     rate_ == 0 ? "full speed" : sluice::format_size(rate_) + "/s");
    started_ = last_look_ = Clock::now();
    for (std::size_t next = 0; log_.bytes < total_; next = (next + 1) % files.size()) {
      const std::uint64_t before = log_.bytes;
      if (!send_file(files[next].path)) return false;
      // Files may shrink or vanish while we run; a whole round without a byte would never end.
      barren_ = log_.bytes == before ? barren_ + 1 : 0;
      if (barren_ == files.size()) return fail("none of the files can be read any more");
    }
    const demo::StreamTrailer bye{log_.files, log_.messages + 1, log_.bytes};
    return send(demo::ChunkKind::bye, 0, put(bye));
  }

  bool send_file(const std::string& path) {
    const sluice::shm::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) {
      node_.log().warn("cannot open {}: {}; left out", path, std::generic_category().message(errno));
      return true;
    }
    const std::size_t name = std::min(path.size(), kLongestChunk);
    std::memcpy(body(), path.data(), name);
    if (!send(demo::ChunkKind::begin, 0, name)) return false;
    std::uint64_t offset = 0;
    // The last file ends where the total is reached.
    while (log_.bytes < total_) {
      const std::size_t wanted = std::min<std::uint64_t>(next_length(), total_ - log_.bytes);
      const ::ssize_t got = ::pread(fd.get(), body(), wanted, static_cast<::off_t>(offset));
      if (got <= 0) break;  // the end; or unreadable from here on, and the trailer says how long it was
      const auto length = static_cast<std::size_t>(got);
      digest_.add({body(), length});
      if (std::exchange(corrupt_, false)) *body() ^= std::byte{1};
      log_.bytes += length;
      if (!send(demo::ChunkKind::data, offset, length)) return false;
      offset += length;
    }
    if (!send(demo::ChunkKind::end, 0, put(demo::FileTrailer{offset, digest_.finish()}))) return false;
    ++log_.files;
    return true;
  }

  /// From one byte to the longest, every order of magnitude equally often.
  std::size_t next_length() {
    const double exponent = std::uniform_real_distribution<>(0.0, std::log(double{kLongestChunk}))(random_);
    return std::clamp(static_cast<std::size_t>(std::exp(exponent)), std::size_t{1}, kLongestChunk);
  }

  [[nodiscard]] std::byte* body() { return message_.data() + sizeof(demo::ChunkHeader); }

  template <typename T>
  std::size_t put(const T& trailer) {
    std::memcpy(body(), &trailer, sizeof(T));
    return sizeof(T);
  }

  /// Sends the header and `length` bytes that are in body() already.
  bool send(demo::ChunkKind kind, std::uint64_t offset, std::size_t length) {
    const demo::ChunkHeader header{demo::kChunkMagic, kind, log_.files, offset};
    std::memcpy(message_.data(), &header, sizeof(header));
    const std::span<const std::byte> bytes{message_.data(), sizeof(header) + length};
    for (;;) {
      switch (publisher_.publish(bytes)) {
        case sluice::PublishResult::ok: ++log_.messages; return pace();
        case sluice::PublishResult::timeout:  // the sink is slower than we are, and nothing was sent: once more
          ++timeouts_;
          if (!look_around()) return false;
          break;
        case sluice::PublishResult::uncertain:
          return fail("this process was stopped in the middle of a publication, which may be lost");
        case sluice::PublishResult::too_large:
        case sluice::PublishResult::wrong_size:
          return fail("messages of " + std::to_string(bytes.size()) + " bytes do not fit into " + publisher_.topic() +
                      " (raise its max_size to " + sluice::format_size(kLongestMessage) + ")");
      }
    }
  }

  /// Sleeps as long as we are ahead of the rate, and looks at the world now and then.
  bool pace() {
    const auto now = Clock::now();
    if (now - last_look_ >= kLookPeriod && !look_around()) return false;
    if (rate_ == 0) return true;
    const std::chrono::duration<double> due(static_cast<double>(log_.bytes) / static_cast<double>(rate_));
    const auto ahead = std::chrono::duration_cast<std::chrono::nanoseconds>(due - (now - started_));
    // Spinning is sleeping that a signal ends.
    return ahead < kShortestPause || node_.spin_for(ahead) || fail("asked to end");
  }

  bool look_around() {
    last_look_ = Clock::now();
    if (!node_.spin_for(0s)) return fail("asked to end");
    if (publisher_.subscriber_count() == 0) return fail("the subscriber of " + publisher_.topic() + " has left");
    return true;
  }

  /// What was published stays readable without us; but observers see a publisher's numbers only while it lives.
  void stay_until_read() {
    const auto until = Clock::now() + patience_;
    while (publisher_.subscriber_count() > 0 && Clock::now() < until && node_.spin_for(20ms)) {
    }
  }

  sluice::Node& node_;
  std::string path_;
  std::uint64_t total_;
  std::uint64_t rate_;
  std::chrono::nanoseconds patience_;
  bool corrupt_;
  std::mt19937_64 random_;
  std::vector<std::byte> message_;  ///< Kept until it was sent: a publication that times out gives nothing back.
  demo::Sha256 digest_;
  demo::StreamTrailer log_{};
  std::uint64_t timeouts_ = 0;
  std::size_t barren_ = 0;
  Clock::time_point started_;
  Clock::time_point last_look_;
  std::string failure_;
  sluice::BytesPublisher publisher_;
};

}  // namespace

int main(int argc, char** argv) {
  return demo::node_main(argc, argv, kProgram, [](sluice::Node& node) { return FileSource(node).run(); });
}
