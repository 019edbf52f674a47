#include <sluice/plugin.hpp>
#include <sluice/transport_options.hpp>

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
};

}  // namespace

}  // namespace sluice::eshm

SLUICE_PLUGIN(sluice::eshm::EshmTransport, "eshm", "0.1.0",
              "ESHM channels: the latest message, shared with programs of libeshm", sluice::eshm::kTraits);
