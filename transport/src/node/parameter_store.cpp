#include "node/parameter_store.hpp"

#include <cmath>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include <sluice/detail/quote.hpp>

namespace sluice::detail {

namespace {

/// A list is as good as its worst element.
template <typename Test>
bool every_number(const ParameterValue& value, const Test& holds) {
  return std::visit(
      [&](const auto& held) {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::int64_t> || std::is_same_v<Held, double>) {
          return static_cast<bool>(holds(static_cast<double>(held)));
        } else if constexpr (std::is_same_v<Held, std::vector<std::int64_t>> ||
                             std::is_same_v<Held, std::vector<double>>) {
          for (const auto& one : held) {
            if (!holds(static_cast<double>(one))) return false;
          }
          return true;
        } else {
          return true;
        }
      },
      value);
}

std::string range_text(const ParameterOptions& options) {
  if (options.minimum && options.maximum) return fmt::format("from {} to {}", *options.minimum, *options.maximum);
  return options.minimum ? fmt::format("at least {}", *options.minimum) : fmt::format("at most {}", *options.maximum);
}

}  // namespace

ParameterStore::ParameterStore(std::string node, std::map<std::string, ConfiguredParameter> overrides)
    : node_(std::move(node)), overrides_(std::move(overrides)) {}

std::string ParameterStore::what(const std::string& name) const {
  return "node '" + node_ + "': parameter " + quote(name);
}

const ParameterDescription& ParameterStore::find(const std::string& name) const {
  const auto found = declared_.find(name);
  if (found != declared_.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [known, parameter] : declared_) names.push_back(known);
  throw Error(what(name) + " is not declared" + did_you_mean(name, names));
}

void ParameterStore::check(const ParameterDescription& parameter, const ParameterValue& value) const {
  if (value.index() != parameter.value.index()) {
    throw Error(what(parameter.name) + " is of type " + type_name(parameter.value) + ", but " + quote(to_text(value)) +
                " is of type " + type_name(value));
  }
  if (!every_number(value, [](double number) { return std::isfinite(number); })) {
    throw Error(what(parameter.name) + " must be a finite number, but is to become " + quote(to_text(value)));
  }
  const ParameterOptions& options = parameter.options;
  const bool in_range = every_number(value, [&](double number) {
    return (!options.minimum || number >= *options.minimum) && (!options.maximum || number <= *options.maximum);
  });
  if (!in_range) {
    throw Error(what(parameter.name) + " must be " + range_text(options) + ", but is to become " +
                quote(to_text(value)));
  }
}

ParameterValue ParameterStore::declare(const std::string& name, ParameterValue otherwise, ParameterOptions options) {
  if (name.empty()) throw Error("node '" + node_ + "': a parameter must have a name");
  ParameterDescription parameter{name, std::move(otherwise), std::move(options)};
  if (const auto written = overrides_.find(name); written != overrides_.end()) {
    claim(name);  // also if it cannot be: that is told below
    const std::string& text = written->second.text;
    const Origin& origin = written->second.origin;
    auto value = parse_parameter(parameter.value, text);
    if (!value) {
      throw ConfigError(origin, what(name) + " has the value " + quote(text) + ", which is not of its type " +
                                    type_name(parameter.value) + "; its default is " + quote(to_text(parameter.value)));
    }
    try {
      check(parameter, *value);
    } catch (const Error& error) {
      throw ConfigError(origin, error.what() + ("; its default is " + quote(to_text(parameter.value))));
    }
    parameter.value = std::move(*value);
  } else {
    check(parameter, parameter.value);
  }
  const std::lock_guard lock(mutex_);
  const auto [entry, added] = declared_.emplace(name, std::move(parameter));
  if (!added) throw Error(what(name) + " is declared already, with the value " + quote(to_text(entry->second.value)));
  return entry->second.value;
}

std::optional<std::string> ParameterStore::text(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  if (const auto found = declared_.find(name); found != declared_.end()) return to_text(found->second.value);
  const auto written = overrides_.find(name);
  if (written == overrides_.end()) return std::nullopt;
  claimed_.insert(name);
  return written->second.text;
}

void ParameterStore::claim(const std::string& name) {
  const std::lock_guard lock(mutex_);
  claimed_.insert(name);
}

std::vector<std::string> ParameterStore::unclaimed() {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, parameter] : declared_) names.push_back(name);
  std::vector<std::string> sentences;
  for (const auto& [name, written] : overrides_) {
    if (!written.for_one_node || !claimed_.insert(name).second) continue;
    sentences.push_back("parameter " + quote(name) + " (" + written.origin.text() +
                        ") is ignored: this node has none of that name" + did_you_mean(name, names));
  }
  return sentences;
}

ParameterDescription ParameterStore::describe(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return find(name);
}

std::vector<ParameterDescription> ParameterStore::describe_all() const {
  const std::lock_guard lock(mutex_);
  std::vector<ParameterDescription> all;
  for (const auto& [name, parameter] : declared_) all.push_back(parameter);
  return all;
}

void ParameterStore::set(const std::string& name, const ParameterValue& value) {
  std::shared_ptr<const ParameterCallback> callback;
  {
    const std::lock_guard lock(mutex_);
    const ParameterDescription& parameter = find(name);
    if (parameter.options.read_only) {
      throw Error(what(name) + " is read-only; it keeps " + quote(to_text(parameter.value)) +
                  " until the node is started anew with --param");
    }
    check(parameter, value);
    callback = callback_;
  }
  if (callback != nullptr) {
    if (const std::string reason = (*callback)(name, value); !reason.empty()) {
      throw Error(what(name) + ": the node refuses " + quote(to_text(value)) + ": " + reason);
    }
  }
  const std::lock_guard lock(mutex_);
  declared_.at(name).value = value;
}

void ParameterStore::set_callback(ParameterCallback callback) {
  const std::lock_guard lock(mutex_);
  callback_ = callback ? std::make_shared<const ParameterCallback>(std::move(callback)) : nullptr;
}

bool ParameterStore::has_callback() const {
  const std::lock_guard lock(mutex_);
  return callback_ != nullptr;
}

}  // namespace sluice::detail
