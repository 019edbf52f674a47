#include <filesystem>

#include <sluice/plugin.hpp>

#include "slick/entries.hpp"
#include "slick/topic_options.hpp"
#include "stress/topic_soak.hpp"

extern "C" const sluice::PluginDescriptor sluice_plugin_descriptor;

namespace sluice::stress {

namespace {

constexpr std::size_t kMostSlots = 16;
constexpr std::chrono::seconds kWatchdog{120};

TopicSpec make_soaked_spec(const SoakedKind& kind) {
  TopicSpec spec;
  spec.name = "/" + kind.name;
  spec.qos.reliability = kind.reliable ? Reliability::reliable : Reliability::best_effort;
  spec.qos.depth = 16;
  spec.qos.durability = kind.history > 0 ? Durability::transient_local : Durability::volatile_;
  spec.qos.history = kind.history;
  spec.qos.max_blocking_time = std::chrono::milliseconds{100};
  spec.max_size = kind.chunks ? 256U << 10U : 600;
  const auto set = [&](const char* key, const char* value) { spec.options[key] = {value, {}}; };
  set("stall_timeout", "300ms");
  set("evict_after", "1s");  // shorter than some stops
  set("max_publishers", "40");
  set("max_subscribers", "40");
  if (kind.chunks) set("inline_limit", "512B");
  if (kind.chunks) set("chunks", "24 x 4KiB, 16 x 64KiB, 16 x 256KiB");
  return spec;
}

}  // namespace

SoakedTopic::SoakedTopic(const SoakedKind& kind, const std::string& directory, Count* go_and_faults, std::uint64_t seed)
    : kind_(kind),
      traffic_{make_soaked_spec(kind), directory, TopicLog(kPublishers, kMessages), seed},
      alone_(kPublishers, kMessages),
      together_(kPublishers, kMessages),
      others_(kPublishers, kMessages),
      logs_(share<ProcessLog>(kMostSlots)) {
  traffic_.go = go_and_faults;
  traffic_.faults = go_and_faults + 1;
  traffic_.nobody_dies = false;
  traffic_.pause_us = 4000;
  slots_.reserve(kMostSlots);
  add(Role::subscription, true);  // the first of all, so that every message concerns it
  if (kind.group) add(Role::member, true);
  const auto alive = [&] {
    return std::all_of(slots_.begin(), slots_.end(),
                       [](const Slot& slot) { return slot.log->alive.load_acquire() != 0; });
  };
  if (!test::eventually(alive)) throw std::runtime_error("the subscriptions of " + name() + " do not start");
  add(Role::publisher, true);
  add(Role::publisher, false);
  add(Role::publisher, false);
  add(Role::subscription, false);
  add(kind.group ? Role::member : Role::subscription, false);
  if (kind.group) add(Role::member, false);
}

void SoakedTopic::add(Role role, bool survives) {
  slots_.push_back({role, survives, logs_ + slots_.size()});
  start(slots_.back());
}

std::string SoakedTopic::label(const Slot& slot) const {
  static constexpr const char* kRoles[] = {"publisher", "subscription", "member"};
  return name() + ": " + kRoles[static_cast<std::size_t>(slot.role)] + " " + std::to_string(&slot - slots_.data());
}

void SoakedTopic::start(Slot& slot) {
  ::new (slot.log) ProcessLog{};
  slot.killed = false;
  slot.stopped_until.reset();
  slot.progress = UINT64_MAX;  // a life that has just begun got on
  const std::uint64_t seed = traffic_.seed * 1'000'003 + ++lives_;
  slot.child = std::make_unique<Child>(0, [this, &slot, seed] {
    if (slot.role == Role::publisher) return publish_messages(traffic_, *slot.log, kMessages, seed);
    Subscriber subscriber{slot.survives ? alone_ : others_, {}, !slot.survives};
    if (slot.role == Role::member) subscriber = {together_, "workers"};
    return receive_messages(traffic_, *slot.log, subscriber, seed);
  });
}

void SoakedTopic::act(std::mt19937_64& random, Misfortunes& misfortunes) {
  Slot& slot = slots_[random() % slots_.size()];
  if (slot.survives) return;
  if (!slot.child) {
    ++misfortunes.starts;
    return start(slot);
  }
  const std::uint64_t what = random() % 10;
  if (what < 4) {
    ++misfortunes.kills;
    slot.killed = true;
    return slot.child->signal(SIGKILL);
  }
  if (slot.stopped_until) return;
  if (what < 7) {
    ++misfortunes.stops;
    // Mostly short; one in four for longer than evict_after.
    const std::uint64_t length = random() % 4 == 0 ? 1000 + random() % 2000 : random() % 300;
    slot.stopped_until = Clock::now() + std::chrono::milliseconds{length};
    return slot.child->signal(SIGSTOP);
  }
  ++misfortunes.leaves;
  slot.log->stop.store_release(1);
}

void SoakedTopic::resume(Slot& slot) {
  slot.stopped_until.reset();
  if (slot.child) slot.child->signal(SIGCONT);
}

/// Whether its process is gone.
bool SoakedTopic::reap(Slot& slot, Verdict& verdict) {
  if (!slot.child) return true;
  if (!slot.child->ended()) return false;
  const int code = slot.child->code;
  verdict.require(code == 0 || (slot.killed && code == 128 + SIGKILL),
                  label(slot) + " ended with " + std::to_string(code));
  slot.child.reset();
  return true;
}

void SoakedTopic::tend(Verdict& verdict, Misfortunes& misfortunes) {
  for (Slot& slot : slots_) {
    if (slot.stopped_until && Clock::now() >= *slot.stopped_until) resume(slot);
    const bool told = slot.killed || slot.log->stop.load_acquire() != 0;
    if (reap(slot, verdict) && !told) {  // a publisher has sent what one life may send
      ++misfortunes.starts;
      start(slot);
    }
  }
}

bool SoakedTopic::got_on() {
  bool all = true;
  for (Slot& slot : slots_) {
    if (!slot.survives) continue;
    const std::uint64_t progress = slot.log->progress.load_acquire();
    if (progress == slot.progress)
      std::printf("%s does not get on (%llu)\n", label(slot).c_str(), static_cast<unsigned long long>(progress));
    all = progress != slot.progress && all;
    slot.progress = progress;
  }
  return all;
}

bool SoakedTopic::end(Verdict& verdict, bool publishers) {
  const auto concerns = [&](const Slot& slot) { return (slot.role == Role::publisher) == publishers; };
  for (Slot& slot : slots_) {
    if (concerns(slot)) slot.log->stop.store_release(1);
  }
  return test::eventually(
      [&] {
        bool all = true;
        for (Slot& slot : slots_) all = (!concerns(slot) || reap(slot, verdict)) && all;
        return all;
      },
      kWatchdog);
}

bool SoakedTopic::end(Verdict& verdict) {
  for (Slot& slot : slots_) resume(slot);
  if (!end(verdict, true)) return false;
  // One more that has the topic open, so that the file is there when all have left.
  file_.emplace(slick::TopicFile::open(traffic_.spec, slick::parse_topic_options(traffic_.spec), traffic_.context()));
  return end(verdict, false);
}

void SoakedTopic::check(Verdict& verdict) const {
  for (const Slot& slot : slots_) {
    if (!slot.survives || slot.role == Role::publisher) continue;
    const ProcessLog& log = *slot.log;
    const bool alone = slot.role == Role::subscription;
    const MessageSet& got = alone ? alone_ : together_;
    const std::uint64_t received = log.received.load_acquire();
    const std::uint64_t lost = log.lost.load_acquire() + log.skipped.load_acquire();
    const std::uint64_t evictions = log.evictions.load_acquire();
    const std::uint64_t positions = log.reserved.load_acquire() - log.joined.load_acquire();
    const std::uint64_t missing = traffic_.log.sent.size_without(kPublishers, &got);
    std::printf("%s: %llu positions, %llu received, %llu lost or skipped, %llu evictions; %llu sent, %llu missing\n",
                label(slot).c_str(), static_cast<unsigned long long>(positions),
                static_cast<unsigned long long>(received), static_cast<unsigned long long>(lost),
                static_cast<unsigned long long>(evictions), static_cast<unsigned long long>(sent()),
                static_cast<unsigned long long>(missing));
    verdict.require(log.ended.load_acquire() == 1, label(slot) + " has no books");
    if (kind_.reliable && evictions == 0) verdict.require(missing == 0, label(slot) + " misses what was sent");
    if (!alone) continue;
    verdict.require(log.joined.load_acquire() == 0, label(slot) + " joined late");
    verdict.require(received + lost == positions, label(slot) + ": the parts do not add up to the positions");
    verdict.require(evictions > 0 || received == got.size(kPublishers),
                    label(slot) + ": its books are not what it has");
    verdict.require(missing <= lost + evictions * traffic_.spec.qos.depth,
                    label(slot) + ": what it misses is in no book");
    verdict.require(sent() <= positions, label(slot) + ": more sent than there were positions");
  }
}

void SoakedTopic::check_pool(Verdict& verdict, slick::TopicFile& file) {
  const std::unique_ptr<Transport> transport(sluice_plugin_descriptor.create());
  std::vector<std::unique_ptr<Writer>> writers;
  std::vector<std::pair<Writer*, LoanedBuffer>> loans;
  std::size_t refused = 0;
  writers.push_back(transport->open_writer(traffic_.spec, traffic_.context()));
  // What the next late joiner would be given is none of the chunks.
  for (std::uint32_t k = 0; k < kind_.history; ++k) (void)writers.front()->publish_copy({}, 1);
  while (refused == 0 && writers.size() <= 40) {
    if (loans.size() / traffic_.max_loans >= writers.size()) {
      writers.push_back(transport->open_writer(traffic_.spec, traffic_.context()));
    }
    const LoanedBuffer loan = writers.back()->loan(1000);
    if (loan.data == nullptr) ++refused;
    if (loan.data != nullptr) loans.emplace_back(writers.back().get(), loan);
  }
  verdict.require(loans.size() == file.geometry().chunk_count,
                  name() + ": " + std::to_string(loans.size()) + " of " + std::to_string(file.geometry().chunk_count) +
                      " chunks can be had: " + writers.back()->explain(PublishResult::out_of_chunks, 1000));
  for (const auto& [writer, loan] : loans) writer->discard(loan);
}

void SoakedTopic::check_leftovers(Verdict& verdict) {
  slick::TopicFile& file = *file_;
  if (kind_.chunks) check_pool(verdict, file);
  std::uint64_t lent = 0;
  std::uint64_t held = 0;
  for (std::uint32_t k = 0; k < file.geometry().chunk_count; ++k) {
    lent += slick::chunk_is_lent(file.chunk_state(k).word.load_acquire()) ? 1 : 0;
  }
  for (std::uint32_t k = 0; kind_.chunks && k < file.geometry().max_readers; ++k) {
    for (const auto& hold : file.holds(k)) held += hold.load_acquire() != 0 ? 1 : 0;
  }
  verdict.require(lent == 0 && held == 0,
                  name() + ": " + std::to_string(lent) + " chunks lent, " + std::to_string(held) + " held");
  verdict.require(slick::count_live_readers(file) == 0 && slick::count_live_writers(file) == 0,
                  name() + ": somebody is left");
  file_.reset();
  const std::string path = slick::topic_path(traffic_.directory, name());
  verdict.require(!std::filesystem::exists(path), name() + ": its file is left");
}

}  // namespace sluice::stress
