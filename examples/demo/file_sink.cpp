// Receives what file_source sends, compares every file's digest, and judges: exit code 0 only if all is well.

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <sluice/sluice.hpp>
#include <sluice/units.hpp>

#include "file_messages.hpp"
#include "messages.hpp"
#include "node_main.hpp"
#include "reassembly.hpp"

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

const demo::Program kProgram{
    "file_sink",
    "receives the files of /file/data and compares their digests",
    {{"patience", "30s", "how long to wait for the source"},
     {"gone_after", "2s", "how long the source may be away before the stream counts as broken off"},
     {"linger", "300ms", "how long to stay after the verdict, so that observers see the last numbers"}},
    true};

constexpr auto kTick = 200ms;
constexpr auto kReportPeriod = 5s;
constexpr double kMiB = 1024.0 * 1024.0;

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

class FileSink {
 public:
  explicit FileSink(sluice::Node& node)
      : node_(node),
        patience_(demo::duration_parameter(node, kProgram, "patience")),
        gone_after_(demo::duration_parameter(node, kProgram, "gone_after")),
        linger_(demo::duration_parameter(node, kProgram, "linger")),
        progress_(node.advertise<demo::Progress>(demo::kProgressTopic)),
        data_(node.subscribe_bytes(
            demo::kDataTopic, [this](auto bytes, auto& info) { receive(bytes, info); }, demo::kDataType)) {}

  int run() {
    node_.log().info("waiting for a publisher of {}", data_.topic());
    last_seen_ = last_report_ = Clock::now();
    sluice::Timer timer = node_.every(kTick, [this] { tick(); });
    node_.spin();
    timer.cancel();
    if (!files_.complete() && failure_.empty()) failure_ = "asked to end before the stream was complete";
    publish_progress();
    const bool good = judge(data_.stats());
    std::this_thread::sleep_for(linger_);
    return good ? 0 : 1;
  }

 private:
  void receive(std::span<const std::byte> bytes, const sluice::MessageInfo& info) {
    if (!files_.started()) {
      first_message_ = Clock::now();
      publisher_ = info.publisher;
    }
    if (info.publisher != publisher_) ++strangers_;
    files_.accept(bytes);
    last_message_ = last_seen_ = Clock::now();
    seen_ = true;  // also a source that was gone before the first tick
    if (files_.complete()) node_.shutdown();
  }

  void tick() {
    publish_progress();
    const auto now = Clock::now();
    if (data_.publisher_count() > 0) {
      seen_ = true;
      last_seen_ = now;
    } else if (seen_ && now - last_seen_ >= gone_after_) {
      stop("the source has left without saying goodbye");
    } else if (!seen_ && now - last_seen_ >= patience_) {
      stop("no publisher of " + data_.topic() + " came within " + sluice::format_duration(patience_) +
           " (start file_source)");
    }
    if (now - last_report_ >= kReportPeriod) report(now);
  }

  void report(Clock::time_point now) {
    last_report_ = now;
    if (files_.started()) {
      std::printf("%.1f MiB so far: %llu files matched, %llu mismatched\n", static_cast<double>(files_.bytes()) / kMiB,
                  static_cast<unsigned long long>(files_.files_matched()),
                  static_cast<unsigned long long>(files_.files_mismatched()));
    } else {
      std::printf("still waiting for %s\n", seen_ ? "the first message" : "a publisher");
    }
  }

  void publish_progress() {
    const auto stamp = Clock::now().time_since_epoch();
    progress_.publish(demo::Progress{static_cast<std::uint64_t>(std::chrono::nanoseconds(stamp).count()),
                                     files_.messages(), files_.bytes(), files_.files_matched(),
                                     files_.files_mismatched()});
  }

  void stop(std::string why) {
    failure_ = std::move(why);
    node_.shutdown();
  }

  /// Everything that is wrong, the most telling first.
  [[nodiscard]] std::vector<std::string> complaints(const sluice::ReaderStats& books) const {
    std::vector<std::string> found;
    const auto expect = [&](bool good, const std::string& complaint) {
      if (!good) found.push_back(complaint);
    };
    if (!failure_.empty()) found.push_back(failure_);
    const std::uint64_t bad = files_.files_mismatched();
    expect(bad == 0, std::to_string(bad) + (bad == 1 ? " file mismatches" : " files mismatch"));
    expect(books.lost == 0, std::to_string(books.lost) + " messages were lost");
    expect(books.skipped == 0, std::to_string(books.skipped) + " messages were skipped");
    expect(strangers_ == 0, std::to_string(strangers_) + " messages came from a second publisher");
    expect(files_.problems().empty() || files_.files_mismatched() > 0, "the stream was malformed");
    // `queued` is derived from the other terms, so that identity alone proves little. What can fail: the ring granted
    // as many positions as the source says it sent messages, all of them came to us, and none is left.
    const bool equation = books.received + books.lost + books.skipped + books.queued == books.reserved - books.joined;
    expect(equation && books.received == files_.messages(), "the books do not balance");
    if (const auto& source = files_.source_log()) {
      expect(
          books.queued == 0 && source->messages == books.received && source->messages == books.reserved - books.joined,
          "the books do not agree with the source's log");
      expect(source->files == files_.files_matched() + files_.files_mismatched() && source->bytes == files_.bytes(),
             "files or bytes do not agree with the source's log");
    }
    return found;
  }

  bool judge(const sluice::ReaderStats& books) const {
    const auto number = [](std::uint64_t value) { return std::to_string(value); };
    const double took = files_.started() ? seconds(last_message_ - first_message_) : 0.0;
    const double mib = static_cast<double>(files_.bytes()) / kMiB;
    for (const std::string& problem : files_.problems()) std::printf("problem: %s\n", problem.c_str());
    std::printf("files: %s matched, %s mismatched\n", number(files_.files_matched()).c_str(),
                number(files_.files_mismatched()).c_str());
    std::printf("stream: %s messages, %s bytes in %.1f s (%.1f MiB/s)\n", number(files_.messages()).c_str(),
                number(files_.bytes()).c_str(), took, took > 0 ? mib / took : 0.0);
    std::printf("books: received %s + lost %s + skipped %s + queued %s; reserved %s - joined %s = %s\n",
                number(books.received).c_str(), number(books.lost).c_str(), number(books.skipped).c_str(),
                number(books.queued).c_str(), number(books.reserved).c_str(), number(books.joined).c_str(),
                number(books.reserved - books.joined).c_str());
    if (const auto& source = files_.source_log()) {
      std::printf("source: %s files, %s messages, %s bytes by its own log\n", number(source->files).c_str(),
                  number(source->messages).c_str(), number(source->bytes).c_str());
    }
    const std::vector<std::string> wrong = complaints(books);
    std::string sentence;
    for (const std::string& complaint : wrong) sentence += (sentence.empty() ? "" : "; ") + complaint;
    std::printf("verdict: %s\n",
                wrong.empty() ? "OK, every digest matches and the books balance" : ("FAILED: " + sentence).c_str());
    return wrong.empty();
  }

  sluice::Node& node_;
  std::chrono::nanoseconds patience_;
  std::chrono::nanoseconds gone_after_;
  std::chrono::nanoseconds linger_;
  demo::Reassembly files_;
  sluice::PublisherId publisher_ = 0;
  std::uint64_t strangers_ = 0;
  bool seen_ = false;            ///< Whether a publisher was ever there.
  Clock::time_point last_seen_;  ///< A publisher, or a message of one; the beginning when there was none.
  Clock::time_point last_report_;
  Clock::time_point first_message_;
  Clock::time_point last_message_;
  std::string failure_;
  sluice::Publisher<demo::Progress> progress_;
  sluice::BytesSubscription data_;  // last: its callback uses what is above
};

}  // namespace

int main(int argc, char** argv) {
  return demo::node_main(argc, argv, kProgram, [](sluice::Node& node) { return FileSink(node).run(); });
}
