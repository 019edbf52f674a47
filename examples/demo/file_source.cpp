// Streams real files over one reliable topic, in messages of many lengths, and says at the end what it sent. They are
// read from the disk into the memory that the sink reads them from.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>
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

constexpr std::size_t kLongestChunk = std::size_t{64} * 1024 - sizeof(demo::ChunkHeader);
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
    return send(demo::ChunkKind::bye, 0, bytes_of(bye));
  }

  bool send_file(const std::string& path) {
    const sluice::shm::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) {
      node_.log().warn("cannot open {}: {}; left out", path, std::generic_category().message(errno));
      return true;
    }
    const std::size_t name = std::min(path.size(), kLongestChunk);
    if (!send(demo::ChunkKind::begin, 0, std::as_bytes(std::span(path.data(), name)))) return false;
    std::uint64_t offset = 0;
    // The last file ends where the total is reached.
    while (log_.bytes < total_) {
      const std::size_t wanted = std::min<std::uint64_t>(next_length(), total_ - log_.bytes);
      const auto read = [&](std::span<std::byte> body) -> std::size_t {
        digest_with_message_ = digest_;
        const ::ssize_t got = ::pread(fd.get(), body.data(), body.size(), static_cast<::off_t>(offset));
        if (got <= 0) return 0;  // the end; or unreadable from here on, and the trailer says how long it was
        const auto bytes = body.first(static_cast<std::size_t>(got));
        digest_with_message_.add(bytes);
        if (corrupt_) bytes.front() ^= std::byte{1};
        return bytes.size();
      };
      const std::optional<std::size_t> sent = send(demo::ChunkKind::data, offset, wanted, read);
      if (!sent) return false;
      if (*sent == 0) break;
      digest_ = digest_with_message_;
      corrupt_ = false;
      offset += *sent;
    }
    if (!send(demo::ChunkKind::end, 0, bytes_of(demo::FileTrailer{offset, digest_.finish()}))) return false;
    ++log_.files;
    return true;
  }

  /// From one byte to the longest, every order of magnitude equally often.
  std::size_t next_length() {
    const double exponent = std::uniform_real_distribution<>(0.0, std::log(double{kLongestChunk}))(random_);
    return std::clamp(static_cast<std::size_t>(std::exp(exponent)), std::size_t{1}, kLongestChunk);
  }

  template <typename T>
  static std::span<const std::byte> bytes_of(const T& value) {
    return std::as_bytes(std::span(&value, 1));
  }

  /// As below, for a body that is there already; false: failed.
  bool send(demo::ChunkKind kind, std::uint64_t offset, std::span<const std::byte> body) {
    const auto copy = [&](std::span<std::byte> to) {
      std::copy(body.begin(), body.end(), to.begin());
      return body.size();
    };
    return send(kind, offset, body.size(), copy).has_value();
  }

  /// Sends a header and the body that `fill` writes, at most `wanted` bytes; how many it wrote. 0: nothing was sent,
  /// for there was no body. Nothing: failed.
  ///
  /// The body is written where it will be read: a loan of the transport. What is longer than the topic's inline_limit
  /// travels by reference, so nobody copies it on its way. A publication that times out gives the loan back; then
  /// `fill` is asked once more.
  template <typename Fill>
  std::optional<std::size_t> send(demo::ChunkKind kind, std::uint64_t offset, std::size_t wanted, const Fill& fill) {
    for (;;) {
      sluice::BytesLoan loan = publisher_.loan(sizeof(demo::ChunkHeader) + wanted);
      sluice::PublishResult result = loan.refused();
      std::size_t length = 0;
      if (loan) {
        const demo::ChunkHeader header{demo::kChunkMagic, kind, log_.files, offset};
        std::memcpy(loan.bytes().data(), &header, sizeof(header));
        length = fill(loan.bytes().subspan(sizeof(header), wanted));
        if (length == 0 && wanted != 0) return 0;
        result = publisher_.publish(std::move(loan), sizeof(header) + length);
      }
      if (result == sluice::PublishResult::ok) {
        ++log_.messages;
        if (kind == demo::ChunkKind::data) log_.bytes += length;
        return pace() ? std::optional(length) : std::nullopt;
      }
      if (!may_repeat(result, sizeof(demo::ChunkHeader) + wanted)) return std::nullopt;
    }
  }

  /// Whether the sink is merely slower than we are: then nothing was sent, and it is worth another try.
  bool may_repeat(sluice::PublishResult result, std::size_t bytes) {
    if (result == sluice::PublishResult::uncertain) {
      return fail("this process was stopped in the middle of a publication, which may be lost");
    }
    if (result != sluice::PublishResult::timeout && result != sluice::PublishResult::out_of_chunks) {
      return fail(publisher_.explain(result, bytes));
    }
    ++timeouts_;
    // A loan is refused at once, where publishing has waited: without a pause we would keep asking.
    const auto pause = result == sluice::PublishResult::out_of_chunks ? kShortestPause : 0ms;
    return look_around() && (node_.spin_for(pause) || fail("asked to end"));
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
  demo::Sha256 digest_;               ///< Of what was sent of the file.
  demo::Sha256 digest_with_message_;  ///< And of the message that may yet be refused, and read anew.
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
