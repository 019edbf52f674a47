#include "topic_table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace demo {

namespace {

/// "749", "12.3k", "4.19M"
std::string scaled(double value) {
  const char* unit = "";
  for (const char* next : {"k", "M", "G", "T"}) {
    if (value < 999.5) break;
    value /= 1000.0;
    unit = next;
  }
  std::array<char, 32> text{};
  const int digits = *unit == '\0' || value >= 99.95 ? 0 : (value >= 9.995 ? 1 : 2);
  std::snprintf(text.data(), text.size(), "%.*f%s", digits, value, unit);
  return text.data();
}

/// "850ns", "12us", "1.4ms"
std::string short_time(std::int64_t ns) {
  if (ns == 0) return "-";
  double value = static_cast<double>(ns);
  const char* unit = "ns";
  for (const char* next : {"us", "ms", "s"}) {
    if (value < 999.5) break;
    value /= 1000.0;
    unit = next;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f%s", value < 9.95 && *unit != 'n' ? 1 : 0, value, unit);
  return text.data();
}

std::string cut(const std::string& text, std::size_t width) {
  return text.size() <= width ? text : text.substr(0, width - 2) + "..";
}

/// A column's width and what stands in it, right-aligned.
struct Cell {
  int width;
  std::string text;
};

std::string row(const std::string& name, std::size_t name_width, const std::vector<Cell>& cells) {
  std::string line = cut(name, name_width);
  line.resize(name_width, ' ');
  for (const Cell& cell : cells) {
    const auto width = static_cast<std::size_t>(cell.width);
    const std::string text = cut(cell.text, width);
    line += ' ' + std::string(width - text.size(), ' ') + text;
  }
  return line;
}

std::size_t name_width(std::size_t width, const std::vector<Cell>& cells) {
  std::size_t used = 0;
  for (const Cell& cell : cells) used += static_cast<std::size_t>(cell.width) + 1;
  constexpr std::size_t kLeast = 14;
  constexpr std::size_t kMost = 40;
  return std::clamp(width > used ? width - used : 0, kLeast, kMost);
}

std::string count(std::uint64_t value) { return scaled(static_cast<double>(value)); }

}  // namespace

void TopicTable::update(const sluice::GraphSnapshot& graph, double now_s) {
  if (first_look_) first_s_ = before_s_ = now_s;
  last_s_ = now_s;
  processes_ = graph.processes.size();
  for (auto& [key, endpoint] : endpoints_) endpoint.alive = false;
  for (const sluice::ProcessInfo& process : graph.processes) {
    std::map<Key, std::uint32_t> numbers;
    for (const sluice::EndpointInfo& info : process.endpoints) {
      Key key{process.pid, info.node, info.topic, info.kind, 0};
      key.number = numbers[key]++;
      look_at(key, info);
    }
  }
  first_look_ = false;
}

void TopicTable::look_at(const Key& key, const sluice::EndpointInfo& info) {
  const auto [found, fresh] = endpoints_.try_emplace(key);
  Endpoint& endpoint = found->second;
  if (fresh && first_look_) endpoint.base = info.latency;
  if (!fresh && info.messages < endpoint.last.messages) {  // another one that looks the same: a new count began
    add(gone_[key.topic], endpoint);
    endpoint.base = {};
  }
  endpoint.last = info;
  endpoint.alive = true;
}

void TopicTable::add(Sums& sums, const Endpoint& endpoint) {
  const sluice::EndpointInfo& info = endpoint.last;
  sums.transport = info.transport;
  sums.timeouts += info.timeouts;
  if (info.kind == sluice::EndpointKind::publisher) {
    ++sums.publishers;
    sums.published += info.messages;
    sums.published_bytes += info.bytes;
    return;
  }
  sums.received += info.messages;
  sums.received_bytes += info.bytes;
  sums.lost += info.lost;
  const sluice::LatencyHistogram latency = info.latency.since(endpoint.base);
  for (std::size_t b = 0; b < sluice::LatencyHistogram::kBuckets; ++b) sums.latency.counts[b] += latency.counts[b];
}

std::map<std::string, TopicTable::Sums> TopicTable::sums() const {
  std::map<std::string, Sums> topics = gone_;
  for (const auto& [key, endpoint] : endpoints_) {
    Sums& sums = topics[key.topic];
    add(sums, endpoint);
    if (endpoint.alive) ++sums.alive;
  }
  return topics;
}

std::vector<std::string> TopicTable::live(std::size_t width, double now_s) {
  const std::vector<Cell> heads{{6, "via"}, {6, "msg/s"}, {6, "B/s"}, {6, "p50"}, {6, "p99"}, {5, "lost"}};
  const std::size_t names = name_width(width, heads);
  const std::map<std::string, Sums> now = sums();
  const double time = std::max(now_s - before_s_, 1e-3);
  std::vector<std::string> lines{row("topic", names, heads)};
  for (const auto& [topic, sums] : now) {
    const Sums& before = before_[topic];
    std::string rate = "gone";
    std::string bandwidth = "-";
    if (sums.alive > 0) {
      // A first publisher that comes later changes what is counted; no negative rate may come of it.
      const auto rate_of = [&](std::uint64_t then, std::uint64_t count_now) {
        return scaled(count_now < then ? 0.0 : static_cast<double>(count_now - then) / time);
      };
      rate = rate_of(before.messages(), sums.messages());
      bandwidth = rate_of(before.bytes(), sums.bytes());
    }
    lines.push_back(row(topic, names,
                        {{6, sums.transport},
                         {6, rate},
                         {6, bandwidth},
                         {6, short_time(sums.latency.percentile(0.50))},
                         {6, short_time(sums.latency.percentile(0.99))},
                         {5, count(sums.lost)}}));
  }
  lines.push_back(std::to_string(processes_) + " processes, " + std::to_string(now.size()) + " topics");
  before_ = now;
  before_s_ = now_s;
  return lines;
}

std::vector<std::string> TopicTable::summary(std::size_t width) const {
  const std::vector<Cell> heads{{8, "sent"},  {8, "received"}, {4, "lost"}, {7, "timeout"},
                                {6, "bytes"}, {6, "p50"},      {6, "p99"}};
  const std::size_t names = name_width(width, heads);
  std::array<char, 64> title{};
  std::snprintf(title.data(), title.size(), "totals after %.1f s", last_s_ - first_s_);
  std::vector<std::string> lines{title.data(), row("topic", names, heads)};
  Sums all;
  const auto cells = [](const Sums& sums) {
    return std::vector<Cell>{{8, std::to_string(sums.published)},
                             {8, std::to_string(sums.received)},
                             {4, count(sums.lost)},
                             {7, count(sums.timeouts)},
                             {6, count(sums.bytes())},
                             {6, short_time(sums.latency.percentile(0.50))},
                             {6, short_time(sums.latency.percentile(0.99))}};
  };
  for (const auto& [topic, sums] : sums()) {
    lines.push_back(row(topic, names, cells(sums)));
    all.publishers += sums.publishers;
    all.published += sums.published;
    all.published_bytes += sums.bytes();
    all.received += sums.received;
    all.lost += sums.lost;
    all.timeouts += sums.timeouts;
    for (std::size_t b = 0; b < all.latency.counts.size(); ++b) all.latency.counts[b] += sums.latency.counts[b];
  }
  all.publishers = 1;  // its bytes are the topics' bytes, whoever counted them
  lines.push_back(row("all", names, cells(all)));
  return lines;
}

}  // namespace demo
