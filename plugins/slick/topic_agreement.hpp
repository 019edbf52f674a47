#pragma once

#include <cstddef>
#include <string>

#include <sluice/topic_spec.hpp>

#include "slick/topic_file.hpp"
#include "slick/topic_layout.hpp"

namespace sluice::slick {

/// Fills what is constant about a new topic.
void write_topic_header(TopicHeader& header, const TopicSpec& spec, const TopicGeometry& geometry);

/// Checks that every offset and size in a header somebody else wrote stays inside a file of `file_size` bytes.
/// Throws Error naming the file.
void check_topic_header(const TopicHeader& header, std::size_t file_size, const std::string& what,
                        const std::string& path);

/// The geometry of a checked header.
[[nodiscard]] TopicGeometry read_geometry(const TopicHeader& header);

/// The first who declares a type writes it down; everybody after that must declare the same, or none. The caller holds
/// kTypeByte exclusively, or the file has no name yet. Throws ConfigError naming both types.
void agree_on_type(TopicHeader& header, const TopicSpec& spec);

/// Compares what this process asks for with what the topic is. A setting that nobody wrote down takes the topic's
/// value; one that was written down and differs is an error that names both parties and both values. Throws
/// ConfigError.
void check_agreement(const TopicHeader& header, const TopicSpec& spec);

}  // namespace sluice::slick
