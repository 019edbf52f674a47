#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <sluice/config.hpp>
#include <sluice/graph.hpp>
#include <sluice/slick/inspect.hpp>

/// `sluice doctor TOPIC`: facts are collected first (doctor_topic_facts.cpp), then judged (doctor_topic.cpp).
namespace sluice::commands {

/// What a process has mapped of the topic's file. A file that was made without a name is listed by its number alone, so
/// that of several removed ones it is not known which it is.
struct MappedFile {
  bool current = false;                ///< The one that has the name now.
  std::set<std::uint64_t> candidates;  ///< Otherwise: the inodes that it may be.
};

/// A publisher or a subscription of the topic.
struct TopicEndpoint {
  EndpointInfo info;
  ProcessInfo process;               ///< Without its own lists of endpoints.
  std::optional<MappedFile> mapped;  ///< Nothing: not known.
  std::uint64_t time_namespace = 0;  ///< Inode; 0: not known.
};

/// The programs on the far side of an ESHM channel, by state; see eshm::RemoteState.
struct ChannelSide {
  std::string role;  ///< "master" or "slave".
  std::string state;
  std::uint32_t pid = 0;
  std::uint64_t writes = 0;  ///< Completed, in its direction.
};

/// The file that carries the topic.
struct TopicMedium {
  bool exists = false;
  std::uint32_t mode = 0;
  std::uint32_t owner = 0;
  bool foreign = false;                         ///< Of a format that programs without Sluice use.
  std::string problem;                          ///< Why no program can use it.
  bool empty = false;                           ///< Nothing was ever published on it.
  std::vector<slick::Mappers::Process> others;  ///< Who has it mapped and is no process of the domain.
  std::optional<ChannelSide> publishing;        ///< ESHM, where the direction is known.
  std::optional<ChannelSide> subscribed;        ///< ESHM, where the direction is known.
};

/// All that is known of a topic.
struct TopicFacts {
  std::string topic;
  std::string domain;              ///< The domain's directory.
  std::vector<std::string> known;  ///< Every topic of the domain.
  std::vector<TopicEndpoint> publishers;
  std::vector<TopicEndpoint> subscriptions;
  std::vector<TopicEndpoint> refused;        ///< Of either kind: could not be opened.
  std::vector<TopicEndpoint> dead;           ///< Of either kind: their processes died.
  std::map<std::string, TopicMedium> media;  ///< By path.
};

enum class Severity : std::uint8_t {
  flows,     ///< Data flows.
  degraded,  ///< Data flows, but not as somebody expects.
  blocked,   ///< No data flows.
};

struct Finding {
  Severity severity{};
  std::string cause;     ///< For programs: "type_differs".
  std::string between;   ///< "/a (process 1) -> /b (process 2)", or whom it is about.
  std::string sentence;  ///< For people.
  std::string remedy;    ///< Empty: there is nothing to do.
};

[[nodiscard]] TopicFacts collect_facts(const Config& config, const std::string& topic);

/// At least one finding for each pair of publisher and subscription, and one for each endpoint that has no counterpart
/// or is none. Of several reasons why no data flows between two only the first is named.
[[nodiscard]] std::vector<Finding> diagnose(const TopicFacts& facts);

/// What holds between two endpoints.
[[nodiscard]] std::vector<Finding> diagnose_pair(const TopicFacts& facts, const TopicEndpoint& publisher,
                                                 const TopicEndpoint& subscription);

/// "/camera (process 12)".
[[nodiscard]] std::string name_of(const TopicEndpoint& endpoint);

/// The file of an endpoint; nothing: it has none, or it is not known.
[[nodiscard]] const TopicMedium* medium_of(const TopicFacts& facts, const TopicEndpoint& endpoint);

}  // namespace sluice::commands
