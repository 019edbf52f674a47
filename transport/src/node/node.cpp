#include <sluice/node.hpp>

#include "control/log.hpp"
#include "node/node_impl.hpp"
#include "node/signals.hpp"

namespace sluice {

namespace {

/// Fills in what the program knows about a topic, and refuses where it contradicts the configuration.
TopicSpec complete_spec(TopicSpec spec, const MessageType& type, const std::string& node) {
  if (!type.name.empty()) {
    if (!spec.type.name.empty() && spec.type.name != type.name) {
      throw ConfigError(spec.origin("type"), "topic '" + spec.name + "': type is '" + spec.type.name +
                                                 "' in the configuration, but node '" + node + "' uses '" + type.name +
                                                 "'; change one of them");
    }
    spec.type.name = type.name;
  }
  spec.type.fixed_size = type.fixed_size;
  spec.type.layout_hash = type.layout_hash;
  if (type.fixed_size == 0) return spec;
  if (spec.origins.count("max_size") == 0) {
    spec.max_size = type.fixed_size;
  } else if (spec.max_size < type.fixed_size) {
    throw ConfigError(spec.origin("max_size"),
                      "topic '" + spec.name + "': max_size is " + std::to_string(spec.max_size) + " bytes, but type '" +
                          type.name + "' has " + std::to_string(type.fixed_size) + " bytes; raise max_size");
  }
  return spec;
}

/// The command line wins over the files.
std::map<std::string, ConfiguredParameter> overrides_of(const NodeOptions& options, const std::string& node) {
  auto overrides = options.config.parameters(node);
  for (const auto& [name, text] : options.parameters) {
    overrides.insert_or_assign(name, ConfiguredParameter{text, Origin{"--param " + name, 0, 0}});
  }
  return overrides;
}

}  // namespace

void Timer::cancel() noexcept { state_->cancelled = true; }

Node::Node(std::string name, NodeOptions options) : impl_(std::make_unique<detail::NodeImpl>()) {
  impl_->name = options.name.empty() ? std::move(name) : options.name;
  check_node_name(impl_->name);
  impl_->ns = normalize_namespace(options.ns);
  impl_->fully_qualified_name = fully_qualified_node_name(impl_->ns, impl_->name);
  impl_->options = std::move(options);
  // From here on there is something to leave in order, also when the signal comes before spin.
  if (impl_->options.handle_signals) detail::handle_termination_signals();
  impl_->logger = detail::make_logger(impl_->fully_qualified_name, impl_->options.config.domain());
  impl_->events = std::make_shared<detail::NodeEvents>(impl_->logger);
  impl_->events->set_wake([impl = impl_.get()] { impl->notify(); });
  impl_->runtime = detail::Runtime::join(impl_->options.config);
  impl_->parameters = std::make_shared<detail::ParameterStore>(
      impl_->fully_qualified_name, overrides_of(impl_->options, impl_->fully_qualified_name));
  impl_->control = std::make_shared<detail::NodeControl>(detail::NodeControl::Parts{
      impl_->fully_qualified_name, impl_->logger, impl_->events, impl_->parameters, impl_->options.handle_signals});
  impl_->runtime->add_control_target(impl_->control);
  impl_->record_entry = impl_->runtime->record().add_node(impl_->fully_qualified_name);
}

Node::~Node() {
  impl_->events->set_wake({});
  Executor* executor = nullptr;
  {
    const std::lock_guard lock(impl_->mutex);
    executor = impl_->executor;
  }
  if (executor != nullptr) executor->remove(*this);
  impl_->warn_of_ignored_parameters();  // of a node that never spun
  impl_->runtime->record().remove(impl_->record_entry);
}

const std::string& Node::name() const noexcept { return impl_->name; }
const std::string& Node::fully_qualified_name() const noexcept { return impl_->fully_qualified_name; }
const NodeOptions& Node::options() const noexcept { return impl_->options; }
spdlog::logger& Node::log() const noexcept { return *impl_->logger; }

void detail::NodeImpl::notify() {
  const std::lock_guard lock(mutex);
  if (executor == nullptr) return;
  executor->impl_->changed = true;
  executor->impl_->wait_set.interrupt();
}

void detail::NodeImpl::warn_of_ignored_parameters() const {
  for (const std::string& sentence : parameters->unclaimed()) logger->warn("{}", sentence);
}

namespace {

TopicSpec resolve(detail::NodeImpl& node, std::string_view topic, const MessageType& type) {
  const std::string name = resolve_topic_name(topic, node.ns, node.name, node.options.remaps);
  TopicSpec spec = complete_spec(node.options.config.topic(name), type, node.fully_qualified_name);
  node.runtime->transports().check(spec);
  if (!node.options.config.mentions(name) && node.runtime->first_mention(name)) {
    node.logger->info("topic '{}' is not configured: transport {}, depth {}, best_effort", name, spec.transport,
                      spec.qos.depth);
  }
  return spec;
}

TransportContext context_of(const detail::NodeImpl& node) {
  TransportContext context = node.runtime->context();
  context.report = [events = node.events](const TransportEvent& event) { events->push(event); };
  return context;
}

detail::EndpointOwner owner_of(const detail::NodeImpl& node) {
  return {node.fully_qualified_name, node.record_entry, node.events};
}

}  // namespace

void Node::on_graph_change(std::function<void(const GraphEvent&)> callback) {
  if (!callback) {
    impl_->graph_listener.reset();
    return;
  }
  impl_->graph_listener = std::make_shared<detail::GraphListener>();
  *impl_->graph_listener = [events = impl_->events, listener = std::weak_ptr(impl_->graph_listener),
                            call = std::move(callback)](const GraphEvent& event) {
    events->call([listener, call, event] {
      if (!listener.expired()) call(event);  // it may have been replaced since
    });
  };
  impl_->runtime->add_listener(impl_->graph_listener);
}

GraphSnapshot Node::graph() const { return read_graph(impl_->options.config.domain()); }

void Node::on_event(std::function<void(const TransportEvent&)> callback) {
  impl_->events->set_handler(std::move(callback));
}

std::shared_ptr<detail::PublisherCore> Node::open_publisher(std::string_view topic, const MessageType& type) {
  return std::make_shared<detail::PublisherCore>(impl_->runtime, context_of(*impl_), resolve(*impl_, topic, type),
                                                 owner_of(*impl_));
}

std::shared_ptr<detail::SubscriptionCore> Node::open_subscription(std::string_view topic, const MessageType& type,
                                                                  detail::SubscriptionCore::Callback callback,
                                                                  detail::SubscriptionCore::Role role) {
  const bool driven = static_cast<bool>(callback);
  auto core = std::make_shared<detail::SubscriptionCore>(
      impl_->runtime, context_of(*impl_), resolve(*impl_, topic, type), owner_of(*impl_), std::move(callback), role);
  if (driven) {
    {
      const std::lock_guard lock(impl_->mutex);
      impl_->subscriptions.push_back(core);
    }
    impl_->notify();
  }
  return core;
}

Timer Node::every(std::chrono::nanoseconds period, std::function<void()> callback) {
  if (period.count() <= 0) throw Error("node '" + impl_->fully_qualified_name + "': a timer's period must be positive");
  auto state = std::make_shared<detail::TimerState>();
  state->period = period;
  state->callback = std::move(callback);
  state->due_ns = shm::monotonic_ns() + period.count();
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->timers.push_back(state);
  }
  impl_->notify();
  return Timer(std::move(state));
}

void Node::report_size(std::size_t found, std::size_t expected) const noexcept {
  // One line a second: a publisher of the wrong type can be fast.
  const std::int64_t now = shm::monotonic_ns();
  if (now - impl_->last_size_report_ns < 1'000'000'000) return;
  impl_->last_size_report_ns = now;
  impl_->logger->error(
      "dropped a message of {} bytes on a topic whose type has {} bytes; another program publishes "
      "something else there",
      found, expected);
}

ParameterValue Node::declare_parameter_value(const std::string& parameter_name, ParameterValue otherwise,
                                             ParameterOptions options) {
  return impl_->parameters->declare(parameter_name, std::move(otherwise), std::move(options));
}

void Node::set_parameter_value(const std::string& parameter_name, const ParameterValue& value) {
  impl_->parameters->set(parameter_name, value);
}

void Node::on_set_parameter(ParameterCallback callback) { impl_->parameters->set_callback(std::move(callback)); }

std::optional<std::string> Node::parameter_text(const std::string& parameter_name) const {
  return impl_->parameters->text(parameter_name);
}

void Node::refuse_parameter(const std::string& parameter_name, const std::string& value) const {
  throw Error("node '" + impl_->fully_qualified_name + "': parameter '" + parameter_name + "' has the value '" + value +
              "', which is not of its type");
}

Executor& Node::own_executor() {
  // Whoever ends the spinning from another thread may be here at the same time as the thread that begins it.
  std::call_once(impl_->own_executor_made, [this] {
    auto executor = std::make_unique<Executor>();
    executor->add(*this);
    impl_->own_executor = std::move(executor);
  });
  return *impl_->own_executor;
}

void Node::spin() { own_executor().spin(); }
bool Node::spin_for(std::chrono::nanoseconds duration) { return own_executor().spin_for(duration); }

void Node::shutdown() noexcept {
  try {
    Executor* executor = nullptr;
    {
      const std::lock_guard lock(impl_->mutex);
      executor = impl_->executor;
    }
    if (executor == nullptr) executor = &own_executor();  // a spin that comes later returns at once
    executor->shutdown();
  } catch (...) {
    // Out of memory or a broken mutex: nothing sensible is left to do in a noexcept function.
  }
}

}  // namespace sluice
