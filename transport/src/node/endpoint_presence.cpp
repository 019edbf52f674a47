#include "node/endpoint_presence.hpp"

#include <sluice/shm/file_lock.hpp>

namespace sluice::detail {

namespace {

/// The file that carries the topic, so that whoever looks from outside need not be configured alike.
std::string medium_of(Runtime& runtime, const TopicSpec& spec) {
  const Footprint footprint = runtime.transports().get(spec.transport).footprint(spec);
  return footprint.files.empty() ? "" : footprint.files.front().path;
}

std::shared_ptr<OwnEndpoint> own_endpoint(EntryKind kind, const EndpointOwner& owner, const TopicSpec& spec,
                                          const std::string& medium, const std::string& domain_directory) {
  if (kind == EntryKind::observer) return nullptr;
  auto own = std::make_shared<OwnEndpoint>();
  own->info.kind = kind == EntryKind::publisher ? EndpointKind::publisher : EndpointKind::subscription;
  own->info.node = owner.node_name;
  own->info.topic = spec.name;
  own->info.type = spec.type.name;
  own->info.type_size = spec.type.fixed_size;
  own->info.layout_hash = spec.type.layout_hash;
  own->info.transport = spec.transport;
  own->info.medium = medium.empty() || medium.front() == '/' ? medium : domain_directory + "/" + medium;
  own->info.qos = spec.qos;
  own->info.max_size = spec.max_size;
  own->report = [events = owner.events](const TransportEvent& event) { events->push(event); };
  own->look_again = [events = owner.events] { events->wake(); };
  return own;
}

}  // namespace

EndpointPresence::EndpointPresence(std::shared_ptr<Runtime> runtime, EntryKind kind, const EndpointOwner& owner,
                                   const TopicSpec& spec)
    : runtime_(std::move(runtime)),
      fork_generation_(shm::fork_generation()),
      kind_(kind),
      spec_(spec),
      events_(owner.events) {
  const std::string medium = medium_of(*runtime_, spec);
  own_ = own_endpoint(kind, owner, spec, medium, runtime_->context().directory);
  entry_ = runtime_->record().add_endpoint(kind, owner.record_entry, spec, medium);
  if (own_ != nullptr && spec.qos.deadline) {
    deadline_ = std::make_shared<DeadlineWatch>(runtime_->control(), spec.name, *spec.qos.deadline, statistics());
  }
}

void EndpointPresence::set_open() {
  open_->store(true);
  runtime_->record().set_open(entry_);
  if (own_ != nullptr) runtime_->add_endpoint(own_);
  if (deadline_ == nullptr) return;
  on_deadline_missed({});
  deadline_->begin();
}

void EndpointPresence::set_refused(const std::string& why) noexcept { runtime_->record().set_refused(entry_, why); }

void EndpointPresence::end() noexcept {
  if (fork_generation_ != shm::fork_generation() || !open_->exchange(false)) return;
  if (deadline_ != nullptr) deadline_->end();
  if (own_ != nullptr) runtime_->remove_endpoint(own_.get());
  runtime_->record().remove(entry_);
}

/// Empty for an empty one.
template <typename Event>
std::function<void(const Event&)> EndpointPresence::in_spinning_thread(
    std::function<void(const Event&)> callback) const {
  if (!callback) return {};
  return [events = events_, open = open_, callback = std::move(callback)](const Event& event) {
    events->call([open, callback, event] {
      if (open->load()) callback(event);
    });
  };
}

void EndpointPresence::on_liveliness(std::function<void(const LivelinessEvent&)> callback) {
  if (own_ == nullptr) throw Error("topic '" + spec_.name + "': an observer is told of nobody's liveliness");
  {
    const std::lock_guard lock(own_->mutex);
    own_->on_liveliness = in_spinning_thread(std::move(callback));
  }
  runtime_->liveliness_wanted();
}

void EndpointPresence::on_deadline_missed(std::function<void(const DeadlineEvent&)> callback) {
  if (deadline_ == nullptr) {
    throw Error("topic '" + spec_.name + "' has no deadline that could be missed; set 'deadline' in its YAML");
  }
  deadline_->set_callback(
      [events = events_, call = in_spinning_thread(std::move(callback)), kind = kind_](const DeadlineEvent& event) {
        events->missed_deadline(event, kind == EntryKind::publisher ? "published" : "received");
        if (call) call(event);
      });
}

}  // namespace sluice::detail
