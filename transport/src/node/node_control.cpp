#include "node/node_control.hpp"

#include <unistd.h>

#include <array>
#include <utility>

#include <sluice/detail/quote.hpp>
#include <sluice/error.hpp>

#include "node/parameter_json.hpp"
#include "node/signals.hpp"

namespace sluice::detail {

namespace {

using nlohmann::json;

const std::vector<std::string>& requests() {
  static const std::vector<std::string> all{
      "info", "list_parameters", "describe_parameter", "set_parameter", "get_log_level", "set_log_level", "shutdown"};
  return all;
}

const std::vector<std::string>& levels() {
  static const std::vector<std::string> all{"trace", "debug", "info", "warning", "error", "critical", "off"};
  return all;
}

spdlog::level::level_enum level_of(const json& value) {
  const std::string word = value.is_string() ? value.get<std::string>() : std::string{};
  for (std::size_t i = 0; i < levels().size(); ++i) {
    if (word == levels()[i] || (word == "warn" && levels()[i] == "warning")) {
      return static_cast<spdlog::level::level_enum>(i);
    }
  }
  throw Error("there is no log level " + quote(word) + did_you_mean(word, levels()) +
              " (trace, debug, info, warning, error, critical, off)");
}

json level_name(const spdlog::logger& logger) { return levels().at(static_cast<std::size_t>(logger.level())); }

}  // namespace

json NodeControl::now(const ControlRequest& request) {
  if (request.request == "info")
    return {{"pid", ::getpid()}, {"node", parts_.name}, {"log_level", level_name(*parts_.logger)}};
  if (request.request == "list_parameters") {
    json all = json::array();
    for (const ParameterDescription& parameter : parts_.parameters->describe_all()) all.push_back(to_json(parameter));
    return {{"parameters", all}};
  }
  if (request.request == "describe_parameter") {
    return {{"parameter", to_json(parts_.parameters->describe(request.name))}};
  }
  if (request.request == "get_log_level") return {{"log_level", level_name(*parts_.logger)}};
  if (request.request == "set_log_level") {
    parts_.logger->set_level(level_of(request.value));
    return {{"log_level", level_name(*parts_.logger)}};
  }
  if (request.request == "shutdown") {
    if (!parts_.handles_signals) {
      throw Error("node " + quote(parts_.name) + " leaves signals to its program; send process " +
                  std::to_string(::getpid()) + " SIGTERM");
    }
    return json::object();
  }
  throw Error("there is no request " + quote(request.request) + did_you_mean(request.request, requests()));
}

void NodeControl::handle(const ControlRequest& request, const Answer& answer,
                         const std::shared_ptr<std::atomic<bool>>& taken) {
  if (request.request == "set_parameter") return set(request, answer, taken);
  answer(control_answer(now(request)));
  if (request.request == "shutdown") request_termination();  // after the answer, which nobody would send any more
}

void NodeControl::set(const ControlRequest& request, const Answer& answer,
                      const std::shared_ptr<std::atomic<bool>>& taken) {
  const ParameterDescription parameter = parts_.parameters->describe(request.name);
  const auto value = from_json(parameter.value, request.value);
  if (!value) {
    const std::string written = request.value.is_string()
                                    ? request.value.get<std::string>()
                                    : request.value.dump(-1, ' ', false, json::error_handler_t::replace);
    throw Error("node " + quote(parts_.name) + ": parameter " + quote(request.name) + " is of type " +
                type_name(parameter.value) + ", and " + quote(written) + " is not");
  }
  const auto apply = [parameters = parts_.parameters, name = request.name, value = *value, answer] {
    try {
      parameters->set(name, value);
      answer(control_answer({{"parameter", to_json(parameters->describe(name))}}));
    } catch (const std::exception& error) {
      answer(control_error(error.what()));
    }
  };
  if (!parts_.parameters->has_callback()) return apply();
  parts_.events->call([apply, taken] {
    if (!taken->exchange(true)) apply();
  });
}

}  // namespace sluice::detail
