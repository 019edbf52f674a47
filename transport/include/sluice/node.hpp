#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include <spdlog/logger.h>

#include <sluice/executor.hpp>
#include <sluice/export.hpp>
#include <sluice/graph.hpp>
#include <sluice/node_options.hpp>
#include <sluice/parameter.hpp>
#include <sluice/publisher.hpp>
#include <sluice/subscription.hpp>

namespace sluice {

namespace detail {
struct NodeImpl;
struct TimerState;
}  // namespace detail

/// A timer of a node. Dropping the handle changes nothing; cancel ends it.
class SLUICE_EXPORT Timer {
 public:
  /// No further call begins. Any thread, also from the callback; does not wait for one that is running.
  void cancel() noexcept;

 private:
  friend class Node;
  explicit Timer(std::shared_ptr<detail::TimerState> state) : state_(std::move(state)) {}
  std::shared_ptr<detail::TimerState> state_;
};

/// A participant of the graph: publishes and subscribes under one name.
///
/// Everything that opens something may throw Error. Use one thread per node, except where noted; several nodes share a
/// thread through one Executor.
class SLUICE_EXPORT Node {
 public:
  /// Joins the domain. Throws Error for a bad name, an unusable runtime directory, full shared memory.
  explicit Node(std::string name, NodeOptions options = {});
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  [[nodiscard]] const std::string& name() const noexcept;                  ///< "imu_filter"
  [[nodiscard]] const std::string& fully_qualified_name() const noexcept;  ///< "/robot/imu_filter"
  /// What the node was made with.
  [[nodiscard]] const NodeOptions& options() const noexcept;

  /// Opens a topic for publishing messages of type T. Transport and QoS come from the configuration.
  template <FixedMessage T>
  [[nodiscard]] Publisher<T> advertise(std::string_view topic) {
    return Publisher<T>(open_publisher(topic, {TypeName<T>::value(), sizeof(T), layout_hash<T>()}));
  }

  /// Opens a topic for publishing messages of variable size; `type` says what the bytes mean, if anything.
  [[nodiscard]] BytesPublisher advertise_bytes(std::string_view topic, std::string type = "") {
    return advertise_bytes(topic, MessageType{std::move(type), 0});
  }

  /// As above; with a fixed_size, for those who know a type's layout at run time only. Publish exactly so many bytes.
  [[nodiscard]] BytesPublisher advertise_bytes(std::string_view topic, const MessageType& type) {
    return BytesPublisher(open_publisher(topic, type));
  }

  /// Calls `callback(const T&)` or `callback(const T&, const MessageInfo&)` in the thread that spins.
  template <FixedMessage T, typename Callback>
  [[nodiscard]] Subscription<T> subscribe(std::string_view topic, Callback callback) {
    return Subscription<T>(
        open_subscription(topic, {TypeName<T>::value(), sizeof(T), layout_hash<T>()},
                          [this, call = std::move(callback)](detail::Delivery& delivery) mutable {
                            const TakenMessage& message = delivery.message();
                            if (message.size != sizeof(T)) return report_size(message.size, sizeof(T));
                            const T& value = *reinterpret_cast<const T*>(message.data);
                            if constexpr (std::is_invocable_v<Callback&, const T&, const MessageInfo&>) {
                              call(value, message.info);
                            } else {
                              call(value);
                            }
                          }));
  }

  /// A subscription to take from.
  template <FixedMessage T>
  [[nodiscard]] Subscription<T> subscribe(std::string_view topic) {
    return Subscription<T>(open_subscription(topic, {TypeName<T>::value(), sizeof(T), layout_hash<T>()}, {}));
  }

  /// Calls `callback(std::span<const std::byte>)`, or with a MessageInfo as second argument, or
  /// `callback(BytesMessage)`, which may keep the message.
  template <typename Callback>
  [[nodiscard]] BytesSubscription subscribe_bytes(std::string_view topic, Callback callback, std::string type = "") {
    return subscribe_bytes(topic, std::move(callback), MessageType{std::move(type), 0});
  }

  /// As above, for those who know a type's layout at run time only. Messages of another size than a fixed one arrive,
  /// too.
  template <typename Callback>
  [[nodiscard]] BytesSubscription subscribe_bytes(std::string_view topic, Callback callback, const MessageType& type) {
    return BytesSubscription(
        open_subscription(topic, type, [call = std::move(callback)](detail::Delivery& delivery) mutable {
          const TakenMessage& message = delivery.message();
          const std::span<const std::byte> bytes{message.data, message.size};
          if constexpr (std::is_invocable_v<Callback&, std::span<const std::byte>, const MessageInfo&>) {
            call(bytes, message.info);
          } else if constexpr (std::is_invocable_v<Callback&, std::span<const std::byte>>) {
            call(bytes);
          } else {
            call(BytesMessage(delivery.keep()));
          }
        }));
  }

  /// A subscription over bytes to take from.
  [[nodiscard]] BytesSubscription subscribe_bytes(std::string_view topic, const MessageType& type = {}) {
    return BytesSubscription(open_subscription(topic, type, {}));
  }

  /// Looks at a topic without taking part in it: publishers neither wait for it nor count it, and nothing is written.
  /// What it is too slow for it counts as lost. The topic need not be there yet. To take from; it polls. Throws Error
  /// when the topic's transport cannot be observed.
  [[nodiscard]] BytesSubscription observe_bytes(std::string_view topic, const MessageType& type = {}) {
    return BytesSubscription(open_subscription(topic, type, {}, detail::SubscriptionCore::Role::observer));
  }

  /// As observe_bytes, for messages of a fixed type.
  template <FixedMessage T>
  [[nodiscard]] Subscription<T> observe(std::string_view topic) {
    return Subscription<T>(open_subscription(topic, {TypeName<T>::value(), sizeof(T), layout_hash<T>()}, {},
                                             detail::SubscriptionCore::Role::observer));
  }

  /// Calls `callback` every `period`, first after one period. A callback that runs late does not make up for missed
  /// calls.
  Timer every(std::chrono::nanoseconds period, std::function<void()> callback);

  /// Calls `callback` in the thread that spins for whatever happens to this node's endpoints of its own accord, such as
  /// a reliable topic that is reliable no more. Each event is logged as well. One callback; an empty one ends it. Any
  /// thread.
  void on_event(std::function<void(const TransportEvent&)> callback);

  /// Calls `callback` in the thread that spins: first, as `joined`, for each other process that is in the domain, then
  /// for what happens to them. Also while they hang. One callback; an empty one ends it. One thread at a time.
  void on_graph_change(std::function<void(const GraphEvent&)> callback);

  /// What is in the domain now, read from shared memory: complete, also right after the node was made. Any thread.
  [[nodiscard]] GraphSnapshot graph() const;

  /// Makes a parameter that `sluice param` can read and set. Its value is that from --param, or that from `nodes` of
  /// the configuration, or `otherwise`; it is returned. T: bool, std::int64_t, double, std::string, or a std::vector of
  /// the last three. Throws Error: declared twice, wrong type, out of range. Any thread.
  template <typename T>
  T declare_parameter(const std::string& name, T otherwise, ParameterOptions options = {}) {
    return std::get<T>(declare_parameter_value(name, ParameterValue(std::move(otherwise)), std::move(options)));
  }

  /// Asks the callback and sets a declared parameter. Throws Error: unknown, read only, wrong type, out of range,
  /// refused. Any thread.
  template <typename T>
  void set_parameter(const std::string& name, T value) {
    set_parameter_value(name, ParameterValue(std::move(value)));
  }

  /// Calls `callback` before a parameter is set: for requests from outside in the thread that spins, for set_parameter
  /// in the calling thread. One callback; an empty one ends it. Any thread.
  void on_set_parameter(ParameterCallback callback);

  /// A declared parameter's value now, else that from --param or the configuration, else `otherwise`. Throws Error when
  /// the text is no T.
  template <typename T>
  [[nodiscard]] T parameter(const std::string& name, T otherwise) const {
    const std::optional<std::string> found = parameter_text(name);
    if (!found) return otherwise;
    if constexpr (std::is_same_v<T, std::string>) {
      return *found;
    } else {
      T value{};
      std::istringstream text(*found);
      if (!(text >> std::boolalpha >> value) || !(text >> std::ws).eof()) refuse_parameter(name, *found);
      return value;
    }
  }

  /// Logs to stderr with the node's name. Any thread.
  [[nodiscard]] spdlog::logger& log() const noexcept;

  /// Spins this node alone until shutdown(), SIGINT or SIGTERM. Not for nodes that were added to an Executor.
  void spin();

  /// As spin, at most for `duration`; false when it ended earlier.
  bool spin_for(std::chrono::nanoseconds duration);

  /// Ends spin, of the executor that this node was added to as well. Any thread; also from a callback.
  void shutdown() noexcept;

 private:
  friend class Executor;

  [[nodiscard]] std::shared_ptr<detail::PublisherCore> open_publisher(std::string_view topic, const MessageType& type);
  [[nodiscard]] std::shared_ptr<detail::SubscriptionCore> open_subscription(
      std::string_view topic, const MessageType& type, detail::SubscriptionCore::Callback callback,
      detail::SubscriptionCore::Role role = detail::SubscriptionCore::Role::subscriber);
  void report_size(std::size_t found, std::size_t expected) const noexcept;
  ParameterValue declare_parameter_value(const std::string& name, ParameterValue otherwise, ParameterOptions options);
  void set_parameter_value(const std::string& name, const ParameterValue& value);
  [[nodiscard]] std::optional<std::string> parameter_text(const std::string& name) const;
  [[noreturn]] void refuse_parameter(const std::string& name, const std::string& value) const;
  [[nodiscard]] Executor& own_executor();

  std::unique_ptr<detail::NodeImpl> impl_;
};

}  // namespace sluice
