#include <unistd.h>

#include <sluice/plugin.hpp>
#include <sluice/shm/memory_space.hpp>
#include <sluice/transport_options.hpp>

#include "eshm/eshm_observer.hpp"
#include "eshm/eshm_reader.hpp"
#include "eshm/eshm_writer.hpp"

namespace sluice::eshm {

namespace {

constexpr TransportTraits kTraits{.zero_copy = false,
                                  .reliable = false,
                                  .many_publishers = false,
                                  .many_subscribers = true,
                                  .latest_value = true,
                                  .foreign_peers = true,
                                  .between_processes = true,
                                  .transient_local = true};

/// ESHM channels as topics: a mailbox of a channel is a topic, and programs of libeshm may sit on the other side.
class EshmTransport final : public Transport {
 public:
  [[nodiscard]] std::string name() const override { return "eshm"; }

  [[nodiscard]] TransportTraits traits(const TopicSpec& /*spec*/) const override { return kTraits; }

  void validate(const TopicSpec& spec) const override {
    OptionReader(spec).require_known({"channel", "direction", "stale_after", "protocol", "mode"}, "an eshm topic");
    (void)parse_eshm_options(spec);
  }

  [[nodiscard]] std::unique_ptr<Writer> open_writer(const TopicSpec& spec, const TransportContext& context) override {
    return std::make_unique<EshmWriter>(eshm_options(spec, context), context);
  }

  [[nodiscard]] std::unique_ptr<Reader> open_reader(const TopicSpec& spec, const TransportContext& context) override {
    return std::make_unique<EshmReader>(eshm_options(spec, context), context);
  }

  [[nodiscard]] std::unique_ptr<Reader> open_observer(const TopicSpec& spec, const TransportContext& /*context*/,
                                                      Observed what) override {
    return std::make_unique<EshmObserver>(parse_eshm_options(spec), what);
  }

  [[nodiscard]] Footprint footprint(const TopicSpec& spec) const override {
    const SegmentRequest request = parse_eshm_options(spec).request;
    Footprint footprint;
    // A process has its Link's description of the segment, and one for each endpoint's lock.
    footprint.files = {
        {segment_path(request.name), shm::whole_pages(segment_bytes(request.max_size)), kDescriptorsOfALink}};
    footprint.descriptors_per_writer = 1;
    footprint.descriptors_per_reader = 1;
    footprint.threads_per_process = 1;
    footprint.detail = "a header and two mailboxes of " + std::to_string(mailbox_bytes(request.max_size)) + " bytes";
    return footprint;
  }

  [[nodiscard]] TopicReport inspect(const TopicSpec& spec, const TransportContext& context) const override {
    TopicReport report = Transport::inspect(spec, context);
    report.exists = ::access(segment_path(parse_eshm_options(spec).request.name).c_str(), F_OK) == 0;
    report.copies = {{.up_to = spec.max_size, .publish_loan = 1, .publish_copy = 1, .take = 1}};
    return report;
  }

 private:
  static constexpr std::uint32_t kDescriptorsOfALink = 1;
};

}  // namespace

}  // namespace sluice::eshm

SLUICE_PLUGIN(sluice::eshm::EshmTransport, "eshm", "0.1.0",
              "ESHM channels: the latest message, shared with programs of libeshm", sluice::eshm::kTraits);
