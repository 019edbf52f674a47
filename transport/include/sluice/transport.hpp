#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <sluice/error.hpp>
#include <sluice/export.hpp>
#include <sluice/message.hpp>
#include <sluice/shm/atomic.hpp>
#include <sluice/shm/segment.hpp>
#include <sluice/topic_spec.hpp>

/// The plugin interface: what carries messages.
///
///     Transport ──open_writer(spec)──▶ Writer        loan → fill → publish        (or discard)
///         │                               │
///         │                               ▼   the medium (a ring, a channel, a queue)
///         │                               │
///         └─────open_reader(spec)──▶ Reader          take → use → release
///                                                    arm → sleep on the word → take
///
/// Opening may throw sluice::Error; loan, publish, take, release and arm do not throw for what is normal.
/// A Transport is used from any thread. A Writer or a Reader is used by one thread at a time, except where noted.
namespace sluice {

/// What a transport can do. The node layer refuses, at startup, to ask for what is not declared here.
struct TransportTraits {
  bool zero_copy = false;          ///< Subscribers read the transport's own memory.
  bool reliable = false;           ///< Offers Reliability::reliable.
  bool many_publishers = false;    ///< More than one writer of a topic at a time.
  bool many_subscribers = false;   ///< More than one reader of a topic at a time.
  bool latest_value = false;       ///< Keeps the last message only.
  bool foreign_peers = false;      ///< Programs without Sluice may sit on the other side.
  bool between_processes = false;  ///< Both sides need not be the same process.
  bool transient_local = false;    ///< Offers Durability::transient_local.
};

/// The names of the traits that are there, as they are spelled above.
[[nodiscard]] SLUICE_EXPORT std::vector<std::string> trait_names(const TransportTraits& traits);

/// Something that happened to an endpoint of its own accord, so that no return value tells it.
struct TransportEvent {
  /// What kind of thing.
  enum class Kind : std::uint8_t {
    reliability_lost,    ///< A reliable topic is best_effort from now on, for good.
    liveliness_lost,     ///< Whoever is on the other side is stale or dead.
    liveliness_gained,   ///< Somebody is on the other side, for the first time or again.
    segment_replaced,    ///< The medium was made anew by another program; this endpoint has moved there.
    writer_interrupted,  ///< A publisher died or was stopped inside a write; its message is not delivered.
    second_writer,       ///< Two programs write where only one may; messages may be damaged.
    incompatible,        ///< An endpoint of another node names the topic and does not fit, or could not join.
  };
  Kind kind;            ///< For programs.
  std::string topic;    ///< Fully qualified.
  std::string message;  ///< For people: what was noticed, and what to do.
};

/// Where a transport may put files, and under which rights; and whom it tells.
struct TransportContext {
  std::string directory;  ///< The domain's directory; exists.
  shm::Access access;     ///< Of files that it makes.

  /// Called once for each event, from within a writer's or reader's function or by a thread of the transport. Must not
  /// call back into an endpoint.
  /// Empty: nobody listens.
  std::function<void(const TransportEvent&)> report = {};
};

/// Memory to write a message into.
struct LoanedBuffer {
  std::byte* data = nullptr;                  ///< Aligned for every FixedMessage (16); nullptr: no loan.
  std::size_t size = 0;                       ///< Bytes that may be written.
  std::uint64_t handle = 0;                   ///< The writer's own.
  PublishResult refused = PublishResult::ok;  ///< Without memory: why. `explain` has the sentence.
};

/// Publishes on one topic, for one publisher. Leaves the topic when destroyed.
class SLUICE_EXPORT Writer {
 public:
  Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  virtual ~Writer();

  /// Memory for a message of at most `bytes`. Reserves nothing in the medium, so keeping or discarding it costs nobody
  /// anything. Returns data == nullptr, and why in `refused`, when `bytes` exceeds the topic's max_size (too_large) or
  /// the loans or the chunks are used up (out_of_chunks). Never blocks.
  [[nodiscard]] virtual LoanedBuffer loan(std::size_t bytes) noexcept = 0;

  /// Sends the first `used` bytes and gives the loan back, whatever the result. May wait up to max_blocking_time on a
  /// reliable topic. `published_ns` goes into MessageInfo.
  virtual PublishResult publish(const LoanedBuffer& loan, std::size_t used, std::int64_t published_ns) noexcept = 0;

  /// Gives a loan back unsent.
  virtual void discard(const LoanedBuffer& loan) noexcept = 0;

  /// Sends a copy of `payload`.
  virtual PublishResult publish_copy(std::span<const std::byte> payload, std::int64_t published_ns) noexcept = 0;

  /// Sends copies of `payloads` in this order, until one cannot be sent. May wait as publish does, for each of them.
  virtual BatchResult publish_batch(std::span<const std::span<const std::byte>> payloads,
                                    std::int64_t published_ns) noexcept;

  /// Why a message of `bytes` ended with `result`, or was not lent: one sentence that names the limit and what to do,
  /// to be read after the topic's name. For people; allocates. The thread that publishes.
  [[nodiscard]] virtual std::string explain(PublishResult result, std::size_t bytes) const;

  /// Readers that would receive a message published now. Any thread.
  [[nodiscard]] virtual std::uint32_t reader_count() const = 0;

  [[nodiscard]] virtual WriterStats stats() const noexcept = 0;  ///< The thread that publishes.

  /// What readers find in MessageInfo::publisher. Never changes.
  [[nodiscard]] virtual PublisherId id() const noexcept = 0;
};

/// A received message. `data` stays readable until release.
struct TakenMessage {
  const std::byte* data = nullptr;  ///< Aligned as it was lent.
  std::size_t size = 0;             ///< Bytes that were published.
  MessageInfo info;                 ///< Who sent it, when, and what was lost before it.
  std::uint64_t handle = 0;         ///< The reader's own.
};

/// What a sleeping reader waits for.
struct WaitFor {
  const shm::SharedAtomic<std::uint32_t>* word = nullptr;  ///< A futex word; nullptr: nobody rings, poll.
  std::uint32_t expected = 0;                              ///< Sleep while the word has this value.
  std::chrono::nanoseconds at_most{};                      ///< Look again after this time even if nobody rang.

  /// `at_most` is there for messages whose publisher died, or was stopped, before it rang, and for nothing else: who
  /// hears of that otherwise may sleep longer.
  bool for_silent_deaths = false;
};

/// Receives one topic, for one subscription. Leaves the topic when destroyed.
class SLUICE_EXPORT Reader {
 public:
  Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  virtual ~Reader();

  /// The next message, or nothing. Never blocks.
  [[nodiscard]] virtual std::optional<TakenMessage> take() noexcept = 0;

  /// Takes up to `out.size()` messages that are there; how many. As take, but cheaper for each.
  [[nodiscard]] virtual std::size_t take_batch(std::span<TakenMessage> out) noexcept;

  /// Nothing was taken although a message may be there: this reader holds as many as it may (`max_views`).
  [[nodiscard]] virtual bool holds_too_many() const noexcept { return false; }

  /// Gives a message back, in any order. On a reliable topic publishers wait for this when the topic is full.
  virtual void release(const TakenMessage& message) noexcept = 0;

  /// Whether the bytes are still the message's. False after this reader was evicted while it held the message.
  [[nodiscard]] virtual bool valid(const TakenMessage& message) const noexcept = 0;

  /// Prepares to sleep: announces the sleeper, then looks again. Nothing: a message is there, take it. Also publishes
  /// the books, so that tools see them while this process sleeps.
  [[nodiscard]] virtual std::optional<WaitFor> arm() noexcept = 0;

  /// Publishers that are connected. Any thread.
  [[nodiscard]] virtual std::uint32_t writer_count() const = 0;

  [[nodiscard]] virtual ReaderStats stats() const noexcept = 0;  ///< The thread that takes.
};

/// A file in shared memory.
struct FootprintFile {
  std::string path;                           ///< Absolute, or of a file in the domain's directory.
  std::uint64_t bytes = 0;                    ///< Whole pages.
  std::uint32_t descriptors_per_process = 0;  ///< Open once in each process that uses the file.
};

/// What a topic takes from the host.
struct Footprint {
  std::vector<FootprintFile> files;          ///< Topics that share a file each name it, with the same path.
  std::uint32_t descriptors_per_writer = 0;  ///< For as long as one is open.
  std::uint32_t descriptors_per_reader = 0;  ///< Likewise.
  std::uint32_t threads_per_process = 0;     ///< Of a process with both ends; all topics of a transport share them.
  std::string detail;                        ///< For people: how the bytes come about.
};

/// How often the bytes of a message are copied on its way.
struct CopiesPerDelivery {
  std::size_t up_to = 0;           ///< Messages of at most so many bytes, longer than those of the entry before.
  std::uint32_t publish_loan = 0;  ///< By publishing a loan.
  std::uint32_t publish_copy = 0;  ///< By publishing a copy.
  std::uint32_t take = 0;          ///< By each subscription.
};

/// Who has the chunks of one size, at one moment: each is counted once.
struct ChunkUsage {
  std::uint64_t size = 0;    ///< Bytes of a chunk.
  std::uint32_t count = 0;   ///< All of them: the sum of the next four.
  std::uint32_t free = 0;    ///< To be lent.
  std::uint32_t lent = 0;    ///< To publishers.
  std::uint32_t held = 0;    ///< By subscriptions that look at them.
  std::uint32_t unread = 0;  ///< Published, and kept for subscriptions that are behind, or for late joiners.
  std::uint32_t used = 0;    ///< Those of all that have carried a message: how much of them was ever needed.
};

/// A topic as it is in a domain.
struct TopicReport {
  bool exists = false;                    ///< What carries it is there. The rest is its own, else what was asked for.
  QoS qos;                                ///< Only what belongs to the topic; the durations are of whoever opens it.
  std::size_t max_size = 0;               ///< Largest message in bytes.
  std::vector<CopiesPerDelivery> copies;  ///< By length, up to max_size; empty: the transport does not say.
  std::vector<ChunkUsage> chunks;         ///< By size; empty: no message travels in a chunk, or nothing is there.
};

/// What an observer is given.
enum class Observed : std::uint8_t {
  messages,  ///< Copies of the messages.
  headers,   ///< Their sizes and what came with them, and no data: costs the same for messages of every size.
};

/// What a plugin makes, once per process; its writers and readers are destroyed before it.
class SLUICE_EXPORT Transport {
 public:
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport();

  /// The word after `transport:` in YAML.
  [[nodiscard]] virtual std::string name() const = 0;

  /// What this transport can do for this topic (a raw topic can do less than a Sluice topic).
  [[nodiscard]] virtual TransportTraits traits(const TopicSpec& spec) const = 0;

  /// Checks the transport's own options. Throws ConfigError naming the option's place, its value and what is accepted.
  virtual void validate(const TopicSpec& spec) const = 0;

  /// Joins the topic to publish, making what does not exist yet. Throws Error when the topic exists and differs
  /// (naming both sides' values), when shared memory is full, or when there is no room for another writer.
  [[nodiscard]] virtual std::unique_ptr<Writer> open_writer(const TopicSpec& spec, const TransportContext& context) = 0;

  /// Joins the topic to receive what is published from now on. Throws as open_writer.
  [[nodiscard]] virtual std::unique_ptr<Reader> open_reader(const TopicSpec& spec, const TransportContext& context) = 0;

  /// Looks at the topic without taking part: nobody waits for the reader or knows of it, and it writes nothing, so that
  /// what it misses it merely counts. The topic need not be there yet. Throws Error when the transport cannot do that.
  [[nodiscard]] virtual std::unique_ptr<Reader> open_observer(const TopicSpec& spec, const TransportContext& context,
                                                              Observed what);

  /// What the topic of a valid `spec` takes, exactly, when nothing of it exists yet.
  [[nodiscard]] virtual Footprint footprint(const TopicSpec& spec) const;

  /// Removes what dead processes left in the domain's directory; returns how many files that were.
  virtual std::size_t remove_leftovers(const TransportContext& context);

  /// Looks at the topic of a valid `spec` from outside, as it is now. Disturbs nobody, writes nothing. Throws Error
  /// when something is there that is no topic of this transport.
  [[nodiscard]] virtual TopicReport inspect(const TopicSpec& spec, const TransportContext& context) const;
};

}  // namespace sluice
