#include <sluice/plugin.hpp>
#include <sluice/transport_options.hpp>
#include <sluice/units.hpp>

#include <algorithm>
#include <filesystem>

#include "slick/footprint.hpp"
#include "slick/raw_group_reader.hpp"
#include "slick/raw_observer.hpp"
#include "slick/raw_reader.hpp"
#include "slick/raw_writer.hpp"
#include "slick/topic_group_reader.hpp"
#include "slick/topic_observer.hpp"
#include "slick/topic_reader.hpp"
#include "slick/topic_report.hpp"
#include "slick/topic_writer.hpp"

namespace sluice::slick {

namespace {

constexpr TransportTraits kTopicTraits{.zero_copy = true,
                                       .reliable = true,
                                       .many_publishers = true,
                                       .many_subscribers = true,
                                       .latest_value = false,
                                       .foreign_peers = false,
                                       .between_processes = true,
                                       .transient_local = true};

constexpr TransportTraits kRawTraits{.zero_copy = false,
                                     .reliable = true,  // among Sluice nodes, while no foreign program produces
                                     .many_publishers = true,
                                     .many_subscribers = true,
                                     .latest_value = false,
                                     .foreign_peers = true,
                                     .between_processes = true,
                                     .transient_local = false};

/// The most that a slick topic of either world can do.
constexpr TransportTraits kEveryTrait = [] {
  TransportTraits traits = kTopicTraits;
  traits.foreign_peers = true;
  return traits;
}();

/// SlickQueue rings in both worlds: raw segments shared with SlickQueue programs, and Sluice's own topics.
class SlickTransport final : public Transport {
 public:
  [[nodiscard]] std::string name() const override { return "slick"; }

  [[nodiscard]] TransportTraits traits(const TopicSpec& spec) const override {
    if (is_raw(spec)) return kRawTraits;
    TransportTraits traits = kTopicTraits;
    // Short messages of best_effort topics are copied, then checked.
    traits.zero_copy =
        spec.qos.reliability == Reliability::reliable || plan_geometry(spec, parse_topic_options(spec)).has_pool();
    return traits;
  }

  void validate(const TopicSpec& spec) const override {
    const OptionReader options(spec);
    if (is_raw(spec)) {
      options.require_known({"segment", "element", "adopt", "hole_timeout", "group", "mode", "stall_timeout",
                             "evict_after", "max_publishers", "max_subscribers"},
                            "a raw slick topic (one with 'segment')");
      (void)parse_raw_options(spec);
    } else {
      options.require_known(topic_option_names(), "a slick topic without 'segment'");
      (void)plan_geometry(spec, parse_topic_options(spec));
    }
  }

  [[nodiscard]] std::unique_ptr<Writer> open_writer(const TopicSpec& spec, const TransportContext& context) override {
    if (is_raw(spec)) return std::make_unique<RawWriter>(spec, raw_options(spec, context), context);
    return std::make_unique<TopicWriter>(spec, parse_topic_options(spec), context);
  }

  [[nodiscard]] std::unique_ptr<Reader> open_reader(const TopicSpec& spec, const TransportContext& context) override {
    if (is_raw(spec)) {
      const RawOptions options = raw_options(spec, context);
      if (!options.group.empty()) return std::make_unique<RawGroupReader>(spec, options, context);
      return std::make_unique<RawReader>(spec, options, context);
    }
    const TopicOptions options = parse_topic_options(spec);
    if (!options.group.empty()) return std::make_unique<TopicGroupReader>(spec, options, context);
    return std::make_unique<TopicReader>(spec, options, context);
  }

  [[nodiscard]] std::unique_ptr<Reader> open_observer(const TopicSpec& spec, const TransportContext& context,
                                                      Observed what) override {
    if (is_raw(spec)) return std::make_unique<RawObserver>(parse_raw_options(spec), context, what);
    return std::make_unique<TopicObserver>(spec, parse_topic_options(spec), context, what);
  }

  [[nodiscard]] Footprint footprint(const TopicSpec& spec) const override {
    return is_raw(spec) ? raw_footprint(spec) : topic_footprint(spec);
  }

  [[nodiscard]] TopicReport inspect(const TopicSpec& spec, const TransportContext& context) const override {
    return is_raw(spec) ? report_raw(spec) : report_topic(spec, context.directory);
  }

  std::size_t remove_leftovers(const TransportContext& context) override {
    std::size_t removed = 0;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(context.directory, error)) {
      if (entry.path().extension() == ".topic" && remove_dead_topic(entry.path().string())) ++removed;
    }
    return removed;
  }

 private:
  static RawOptions raw_options(const TopicSpec& spec, const TransportContext& context) {
    RawOptions options = parse_raw_options(spec);
    options.request.access = context.access;
    if (options.mode) options.request.access.mode = *options.mode;
    return options;
  }
};

}  // namespace

}  // namespace sluice::slick

SLUICE_PLUGIN(sluice::slick::SlickTransport, "slick", "0.1.0",
              "shared-memory rings: Sluice topics, and segments shared with SlickQueue programs",
              sluice::slick::kEveryTrait);
