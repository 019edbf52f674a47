#pragma once

#ifdef SLUICE_ICEORYX

#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>

#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "harness/two_sides.hpp"
#include "limits/payload.hpp"

/// Eclipse iceoryx, where it is installed, as harness/traffic.hpp wants it. Its daemon runs from the first use to the
/// end of the bench.
namespace sluice::bench {

class IceoryxSender {
 public:
  IceoryxSender(const iox::capro::ServiceDescription& service, std::size_t size);
  void send_copy(std::span<const std::byte> payload) {
    send([&](std::byte* data) { std::memcpy(data, payload.data(), payload.size()); });
  }
  template <typename Fill>
  void send(Fill fill) {
    auto loan = publisher_->loan(static_cast<std::uint32_t>(size_), 8);
    if (loan.has_error()) throw RunFailed("iceoryx: no loan to be had");
    fill(static_cast<std::byte*>(loan.value()));
    publisher_->publish(loan.value());
  }

 private:
  std::size_t size_;
  std::unique_ptr<iox::popo::UntypedPublisher> publisher_;
};

class IceoryxReceiver {
 public:
  IceoryxReceiver(const iox::capro::ServiceDescription& service, std::size_t size);
  template <typename Use>
  void receive(Use use) {
    while (!look(use)) {
    }
  }
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    std::optional<std::uint64_t> first;
    (void)look([&](std::span<const std::byte> message) { first = read_every_line(message.data(), message.size()); });
    return first;
  }

 private:
  template <typename Use>
  [[nodiscard]] bool look(Use use) {
    auto message = subscriber_->take();
    if (message.has_error()) return false;
    use(std::span(static_cast<const std::byte*>(message.value()), size_));
    subscriber_->release(message.value());
    return true;
  }

  std::size_t size_;
  std::unique_ptr<iox::popo::UntypedSubscriber> subscriber_;
};

/// Two services of one run.
class IceoryxTopics {
 public:
  explicit IceoryxTopics(std::size_t size);
  [[nodiscard]] IceoryxSender sender(const char* name) const { return {service(name), size_}; }
  [[nodiscard]] IceoryxReceiver receiver(const char* name) const { return {service(name), size_}; }

 private:
  [[nodiscard]] iox::capro::ServiceDescription service(const char* name) const;
  std::size_t size_;
  std::string run_;
};

}  // namespace sluice::bench

#endif
