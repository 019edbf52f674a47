#include "budgets/subject.hpp"

#include <unistd.h>

#include <sluice/sluice.hpp>
#include <sluice/transport_registry.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace sluice::budgets {

void fail(const std::string& reason) {
  std::fprintf(stderr, "hot_path: %s\n", reason.c_str());
  std::exit(1);
}

namespace {

TopicSpec spec_for(const std::string& transport, Reliability reliability) {
  TopicSpec spec;
  spec.name = "/data";
  spec.transport = transport;
  spec.max_size = kMessageSize;
  spec.qos.depth = kDepth;
  spec.qos.reliability = reliability;
  return spec;
}

class PluginSubject final : public Subject {
 public:
  PluginSubject(const TopicSpec& spec, const std::string& directory, std::string raw_file = {})
      : raw_file_(std::move(raw_file)),
        writer_(registry_.get(spec.transport).open_writer(spec, {directory, {}})),
        reader_(registry_.get(spec.transport).open_reader(spec, {directory, {}})) {
    if (!raw_file_.empty()) ::unlink(raw_file_.c_str());  // both are in: nothing is left behind, whatever happens
  }

  void publish() override { check(writer_->publish_copy(payload_, 0)); }
  void publish_loan() override {
    const LoanedBuffer loan = writer_->loan(kMessageSize);
    if (loan.data == nullptr) fail("no loan to be had");
    std::memcpy(loan.data, payload_.data(), kMessageSize);
    check(writer_->publish(loan, kMessageSize, 0));
  }
  void take() override {
    const auto message = reader_->take();
    if (!message) fail("nothing to take");
    reader_->release(*message);
  }

 private:
  static void check(PublishResult result) {
    if (result != PublishResult::ok) fail("a publication was refused");
  }

  std::string raw_file_;
  TransportRegistry registry_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Reader> reader_;
  Payload payload_{};
};

}  // namespace

namespace {

/// Further readers beside the one of PluginSubject; they never take.
class CrowdedSubject final : public Subject {
 public:
  CrowdedSubject(const TopicSpec& spec, const std::string& directory, int others) : first_(spec, directory) {
    for (int i = 0; i < others; ++i) {
      others_.push_back(registry_.get(spec.transport).open_reader(spec, {directory, {}}));
    }
  }

  void publish() override { first_.publish(); }
  void publish_loan() override { first_.publish_loan(); }
  void take() override { first_.take(); }

 private:
  TransportRegistry registry_;
  PluginSubject first_;
  std::vector<std::unique_ptr<Reader>> others_;
};

/// Beside the reader of PluginSubject, tools look on: `sluice topic echo` and `hz`.
class WatchedSubject final : public Subject {
 public:
  WatchedSubject(const TopicSpec& spec, const std::string& directory, int observers) : first_(spec, directory) {
    for (int i = 0; i < observers; ++i) {
      const Observed what = i % 2 == 0 ? Observed::messages : Observed::headers;
      observers_.push_back(registry_.get(spec.transport).open_observer(spec, {directory, {}}, what));
    }
    for (int i = 0; i < 2 * kDepth; ++i) {  // observers map what they look at, when they look at it
      WatchedSubject::publish();
      WatchedSubject::take();
    }
  }

  void publish() override { first_.publish(); }
  void publish_loan() override { first_.publish_loan(); }
  void take() override {
    first_.take();
    for (const auto& observer : observers_) {
      const auto message = observer->take();
      if (!message) fail("an observer has nothing to take");
      observer->release(*message);
      (void)observer->arm();
    }
  }

 private:
  TransportRegistry registry_;
  PluginSubject first_;
  std::vector<std::unique_ptr<Reader>> observers_;
};

}  // namespace

struct NodeMessage {
  Payload bytes;
};

namespace {

NodeOptions options_for(const std::string& directory) {
  NodeOptions options;
  options.config = Config::parse(
      "runtime_dir: " + directory + "\ntopics: {/data: {depth: 256, reliability: reliable, max_size: 64}}\n",
      "budgets");
  options.handle_signals = false;
  return options;
}

class NodeSubject final : public Subject {
 public:
  explicit NodeSubject(const std::string& directory)
      : node_("budgets", options_for(directory)),
        publisher_(node_.advertise<NodeMessage>("/data")),
        subscription_(node_.subscribe<NodeMessage>("/data")) {}

  void publish() override { check(publisher_.publish(message_)); }
  void publish_loan() override {
    auto loan = publisher_.loan();
    if (!loan) fail("no loan to be had");
    *loan = message_;
    check(publisher_.publish(std::move(loan)));
  }
  void take() override {
    if (!subscription_.take()) fail("nothing to take");
  }

 private:
  static void check(PublishResult result) {
    if (result != PublishResult::ok) fail("a publication was refused");
  }

  Node node_;
  Publisher<NodeMessage> publisher_;
  Subscription<NodeMessage> subscription_;
  NodeMessage message_{};
};

std::unique_ptr<Subject> open_raw(const std::string& directory) {
  TopicSpec spec = spec_for("slick", Reliability::best_effort);
  const std::string name = "/sluice-budget-" + std::to_string(::getpid());
  spec.options["segment"] = {name, {}};
  spec.options["element"] = {std::to_string(kMessageSize), {}};
  return std::make_unique<PluginSubject>(spec, directory, "/dev/shm" + name);
}

std::function<std::unique_ptr<Subject>(const std::string&)> plugin(const char* transport, Reliability reliability) {
  return [=](const std::string& directory) {
    return std::make_unique<PluginSubject>(spec_for(transport, reliability), directory);
  };
}

}  // namespace

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      {"slick_reliable", plugin("slick", Reliability::reliable)},
      {"slick_best_effort", plugin("slick", Reliability::best_effort)},
      {"slick_best_effort_16",
       [](const std::string& directory) {
         return std::make_unique<CrowdedSubject>(spec_for("slick", Reliability::best_effort), directory, 15);
       }},
      {"slick_reliable_watched_by_5",
       [](const std::string& directory) {
         return std::make_unique<WatchedSubject>(spec_for("slick", Reliability::reliable), directory, 5);
       }},
      {"slick_raw", open_raw},
      {"inproc", plugin("inproc", Reliability::reliable)},
      {"node", [](const std::string& directory) { return std::make_unique<NodeSubject>(directory); }},
  };
  return all;
}

}  // namespace sluice::budgets
