#include "rows/links.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

namespace sluice::bench {

Workplace::Workplace() : raw_prefix_("/sluice-bench-" + std::to_string(::getpid()) + "-") {
  directory_ = "/dev/shm/sluice-bench-XXXXXX";
  if (::mkdtemp(directory_.data()) == nullptr) throw RunFailed("cannot make a directory in /dev/shm");
}

Workplace::~Workplace() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
  for (const char* topic : {"ping", "pong"}) std::filesystem::remove("/dev/shm" + raw_name(topic), ignored);
  std::filesystem::remove("/dev/shm/eshm_" + channel_name(), ignored);
}

std::string Workplace::raw_name(const std::string& topic) const { return raw_prefix_ + topic; }

Topics::Topics(const Workplace& place, Kind kind, std::size_t max_size, std::uint32_t depth)
    : place_(place), kind_(kind), max_size_(max_size), depth_(depth) {}

TransportRegistry& Topics::registry() {
  static TransportRegistry made;
  return made;
}

TopicSpec Topics::spec(const std::string& name) const {
  TopicSpec spec;
  spec.name = "/" + name;
  spec.transport = kind_ == Kind::inproc ? "inproc" : kind_ == Kind::eshm ? "eshm" : "slick";
  spec.max_size = max_size_;
  spec.qos.depth = depth_;
  const bool raw = kind_ == Kind::raw || kind_ == Kind::raw_reliable;
  const bool reliable = is_complete(kind_);
  spec.qos.reliability = reliable ? Reliability::reliable : Reliability::best_effort;
  spec.qos.max_blocking_time = std::chrono::seconds{20};
  if (raw) {
    spec.options["segment"] = {place_.raw_name(name), {}};
    spec.options["element"] = {std::to_string(max_size_), {}};
  }
  if (kind_ == Kind::eshm) {
    spec.options["channel"] = {place_.channel_name(), {}};
    spec.options["direction"] = {name == "ping" ? "master_to_slave" : "slave_to_master", {}};
  }
  return spec;
}

std::unique_ptr<Writer> Topics::writer(const std::string& name) const {
  const TopicSpec topic = spec(name);
  return registry().get(topic.transport).open_writer(topic, {place_.directory(), {}});
}

std::unique_ptr<Reader> Topics::reader(const std::string& name) const {
  const TopicSpec topic = spec(name);
  return registry().get(topic.transport).open_reader(topic, {place_.directory(), {}});
}

bool is_complete(Topics::Kind kind) noexcept {
  return kind != Topics::Kind::best_effort && kind != Topics::Kind::raw && kind != Topics::Kind::eshm;
}

const char* text(Topics::Kind kind) noexcept {
  switch (kind) {
    case Topics::Kind::reliable: return "slick reliable";
    case Topics::Kind::best_effort: return "slick best_effort";
    case Topics::Kind::raw: return "slick raw";
    case Topics::Kind::raw_reliable: return "slick raw, reliable";
    case Topics::Kind::eshm: return "eshm";
    case Topics::Kind::inproc: return "inproc";
  }
  return "";
}

}  // namespace sluice::bench
