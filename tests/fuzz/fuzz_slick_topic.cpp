/// A Sluice topic in whose file other processes store nonsense: a real file with real endpoints on it, then words that
/// the input names are changed, then endpoints old and new take, publish, wait, and look. Whatever lies there, nobody
/// may reach outside of the mapping, be given more than a message can be, or go on for ever.
#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <sluice/error.hpp>

#include "fuzz/input.hpp"
#include "fuzz/topic_words.hpp"
#include "slick/topic_group_reader.hpp"
#include "slick/topic_observer.hpp"
#include "slick/topic_reader.hpp"
#include "slick/topic_writer.hpp"

namespace sluice::fuzz {
namespace {

/// A directory of this process. A fuzzer that dies of a finding leaves it behind; the campaign removes it then.
class Directory {
 public:
  Directory() { std::filesystem::create_directories(path_); }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/dev/shm/sluice-fuzz-" + std::to_string(::getpid());
};

TopicSpec make_spec(Input& input) {
  TopicSpec spec;
  const std::uint32_t kind = input.below(8);
  spec.name = "/fuzz";
  spec.qos.reliability = (kind & 1U) != 0 ? Reliability::reliable : Reliability::best_effort;
  spec.qos.depth = 4;
  spec.qos.max_blocking_time = std::chrono::nanoseconds{0};
  spec.max_size = (kind & 2U) != 0 ? 300 : 48;
  if ((kind & 4U) != 0) spec.qos.durability = Durability::transient_local;
  if ((kind & 4U) != 0) spec.qos.history = 3;
  const auto set = [&](const char* key, const char* value) { spec.options[key] = {value, {}}; };
  set("inline_limit", "48B");
  if ((kind & 2U) != 0) set("chunks", "6 x 128B, 4 x 320B");
  set("hole_timeout", "1us");
  set("stall_timeout", "2us");
  set("evict_after", "1ms");
  set("max_publishers", "4");
  set("max_subscribers", "6");
  set("max_views", "2");
  set("max_groups", "2");
  return spec;
}

/// Endpoints of ours on the topic.
class Players {
 public:
  Players(Input& input, const std::string& directory)
      : input_(input),
        spec_(make_spec(input)),
        context_{directory, shm::Access{}, {}},
        keeper_(slick::TopicFile::open(spec_, slick::parse_topic_options(spec_), context_)),
        words_(keeper_, input) {
    for (std::uint32_t kind = 0; kind < 3; ++kind) open_reader(kind);
    for (int k = 0; k < 2; ++k) open_writer();
    for (std::uint32_t k = 0; k < 3; ++k) publish(k);
    take(0);
  }

  ~Players() {
    while (!taken_.empty()) give_back(0);
    std::error_code ignored;  // its header may say anything by now
    std::filesystem::remove(slick::topic_path(context_.directory, spec_.name), ignored);
  }
  Players(const Players&) = delete;
  Players& operator=(const Players&) = delete;

  void step() {
    switch (input_.below(12)) {
      case 0:
      case 1:
      case 2: words_.store(); break;
      case 3: open_reader(input_.below(3)); break;
      case 4: open_writer(); break;
      case 5:
      case 6: take(input_.below(256)); break;
      case 7:
      case 8: publish(input_.below(256)); break;
      case 9: look(); break;
      case 10: leave(); break;
      case 11:
        if (!taken_.empty()) give_back(input_.below(taken_.size()));
        break;
    }
  }

  /// Everybody once more, so that what was stored last is seen.
  void end() {
    for (std::uint32_t k = 0; k < readers_.size(); ++k) take(k);
    for (std::uint32_t k = 0; k < 4; ++k) publish(k);
    for (std::uint32_t k = 0; k < readers_.size(); ++k) take(k);
    look();
  }

 private:
  static constexpr std::size_t kMost = 5;  ///< Of readers and of writers.
  static constexpr int kTakes = 100;       ///< At a time: a nonsensical file may be full of messages.

  struct Taken {
    std::shared_ptr<Reader> reader;
    TakenMessage message;
  };

  void open_reader(std::uint32_t kind) try {
    if (readers_.size() == kMost) return;
    TopicSpec spec = spec_;
    if (kind == 1) spec.options["group"] = {"workers", {}};
    const slick::TopicOptions options = slick::parse_topic_options(spec);
    if (kind == 0) readers_.push_back(std::make_shared<slick::TopicReader>(spec, options, context_));
    if (kind == 1) readers_.push_back(std::make_shared<slick::TopicGroupReader>(spec, options, context_));
    if (kind == 2)
      readers_.push_back(std::make_shared<slick::TopicObserver>(spec, options, context_, Observed::messages));
  } catch (const Error&) {
  }

  void open_writer() try {
    if (writers_.size() == kMost) return;
    writers_.push_back(std::make_unique<slick::TopicWriter>(spec_, slick::parse_topic_options(spec_), context_));
  } catch (const Error&) {
  }

  /// Takes, reads every byte, and gives back, or keeps for a while.
  void take(std::uint32_t choice) {
    if (readers_.empty()) return;
    const std::shared_ptr<Reader> reader = readers_[choice % readers_.size()];
    for (int k = 0; k < kTakes; ++k) {
      const auto message = reader->take();
      if (!message) break;
      demand(message->size <= spec_.max_size, "no message is longer than max_size");
      touch(message->data, message->size);
      (void)reader->valid(*message);
      taken_.push_back({reader, *message});
      if (taken_.size() > 4 || choice % 2 == 0) give_back(0);
    }
    (void)reader->arm();
    (void)reader->holds_too_many();
  }

  void give_back(std::size_t k) {
    const Taken one = taken_[k];
    taken_.erase(taken_.begin() + static_cast<std::ptrdiff_t>(k));
    touch(one.message.data, one.message.size);
    one.reader->release(one.message);
  }

  void publish(std::uint32_t choice) {
    if (writers_.empty()) return;
    Writer& writer = *writers_[choice % writers_.size()];
    static constexpr std::array<std::byte, 300> kBytes{};
    const std::size_t length = std::min<std::size_t>(spec_.max_size, choice % 4 == 0   ? 20
                                                                     : choice % 2 == 0 ? 100
                                                                                       : 300);
    const auto payload = std::span(kBytes).first(length);
    if (choice % 3 == 0) (void)writer.publish_copy(payload, 1);
    if (choice % 3 == 1) publish_loan(writer, length);
    const std::array<std::span<const std::byte>, 3> batch{payload.first(10), payload, payload.first(0)};
    if (choice % 3 == 2) (void)writer.publish_batch(batch, 1);
  }

  void publish_loan(Writer& writer, std::size_t length) {
    const LoanedBuffer loan = writer.loan(length);
    if (loan.data == nullptr) {
      (void)writer.explain(loan.refused, length);
      return;
    }
    demand(loan.size >= length, "a loan is as large as asked for");
    std::memset(loan.data, 0x5A, loan.size);
    (void)writer.publish(loan, length, 1);
  }

  void look() {
    for (const auto& writer : writers_) (void)writer->reader_count();
    for (const auto& writer : writers_) (void)writer->explain(PublishResult::out_of_chunks, spec_.max_size);
    for (const auto& reader : readers_) (void)reader->writer_count();
    for (const auto& reader : readers_) (void)reader->stats();
  }

  /// An endpoint leaves; what was taken stays until it is given back, as it does for users.
  void leave() {
    const std::uint32_t which = input_.below(2 * kMost);
    if (which < readers_.size()) readers_.erase(readers_.begin() + which);
    if (which >= kMost && which - kMost < writers_.size()) writers_.erase(writers_.begin() + which - kMost);
  }

  Input& input_;
  const TopicSpec spec_;
  const TransportContext context_;
  slick::TopicFile keeper_;  ///< Keeps the file alive, and is what words are found by.
  TopicWords words_;
  std::vector<std::shared_ptr<Reader>> readers_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::vector<Taken> taken_;
};

}  // namespace
}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::fuzz;
  static const Directory directory;
  if (size > 600) return 0;  // more steps only take longer
  Input input(data, size);
  Players players(input, directory.path());
  while (!input.empty()) players.step();
  players.end();
  return 0;
}
