#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include <sluice/transport.hpp>

#include "conformance/settings.hpp"

namespace sluice::conformance {

class Topic;

/// What a promise presupposes. A transport that lacks it has not made the promise.
enum class Need {
  many_publishers,  // traits that are there ...
  many_subscribers,
  latest_value,
  between_processes,
  zero_copy,
  transient_local,
  either_reliability,
  one_publisher,  // ... and that are not
  one_subscriber,
  queue,
  own_format,
  reliable_topic,  // the QoS in which the suite runs
  best_effort_topic,
  any_size,  // and what the command line says
  sized_elements,
  evict_after_given,
  wrong_option_given,
};

/// Something that a transport promises by what it declares.
struct Promise {
  std::string name;      ///< For the command line.
  std::string sentence;  ///< What is promised.
  std::vector<Need> needs;
  std::function<void(Topic&)> check;  ///< Throws Broken or whatever else the transport throws.
};

/// Every promise there is, in the order in which they are checked.
class Suite {
 public:
  Suite();

  [[nodiscard]] const std::vector<Promise>& promises() const noexcept { return promises_; }
  [[nodiscard]] const Promise* find(const std::string& name) const noexcept;

  void add(std::string name, std::string sentence, std::vector<Need> needs, std::function<void(Topic&)> check);

 private:
  std::vector<Promise> promises_;
};

[[nodiscard]] bool needs(const Promise& promise, Need need) noexcept;

/// Why the promise was not made, such as "needs the trait many_publishers"; empty when it was.
[[nodiscard]] std::string excluded_by(const Promise& promise, const TransportTraits& traits, Reliability reliability,
                                      const Settings& settings);

// One function a chapter.
void add_opening(Suite& suite);
void add_agreement(Suite& suite);
void add_delivery(Suite& suite);
void add_loans(Suite& suite);
void add_taking(Suite& suite);
void add_batches(Suite& suite);
void add_books(Suite& suite);
void add_reliability(Suite& suite);
void add_waiting(Suite& suite);
void add_processes(Suite& suite);
void add_deaths(Suite& suite);
void add_hot_path(Suite& suite);

}  // namespace sluice::conformance
