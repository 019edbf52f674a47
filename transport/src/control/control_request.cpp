#include "control/control_request.hpp"

#include <utility>

#include <sluice/detail/quote.hpp>
#include <sluice/error.hpp>

namespace sluice::detail {

namespace {

using nlohmann::json;

constexpr std::size_t kLengthBytes = 4;
constexpr int kDeepestNesting = 8;

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

json parse_bounded(std::string_view body) {
  bool too_deep = false;
  json parsed = json::parse(
      body,
      [&](int depth, json::parse_event_t, const json&) {
        too_deep = too_deep || depth > kDeepestNesting;
        return !too_deep;
      },
      false);
  if (too_deep) {
    throw Error("the request is nested more deeply than " + std::to_string(kDeepestNesting) + " levels");
  }
  if (!parsed.is_object()) throw Error("the request is not a JSON object");
  return parsed;
}

std::string text_field(const json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end()) return {};
  if (!found->is_string()) throw Error("the request's field '" + std::string(field) + "' must be a string");
  return found->get<std::string>();
}

}  // namespace

std::optional<std::string> FrameDecoder::next() {
  if (buffer_.size() < kLengthBytes) return std::nullopt;
  std::size_t length = 0;
  for (std::size_t i = kLengthBytes; i > 0; --i) length = length << 8U | static_cast<unsigned char>(buffer_[i - 1]);
  if (length == 0 || length > most_bytes_) {
    throw Error("a message of " + std::to_string(length) + " bytes is announced; 1 to " + std::to_string(most_bytes_) +
                " are allowed");
  }
  if (buffer_.size() < kLengthBytes + length) return std::nullopt;
  std::string body = buffer_.substr(kLengthBytes, length);
  buffer_.erase(0, kLengthBytes + length);
  return body;
}

std::string frame(std::string_view body) {
  std::string bytes;
  for (std::size_t i = 0; i < kLengthBytes; ++i) bytes += static_cast<char>(body.size() >> (8 * i) & 0xFFU);
  return bytes.append(body);
}

ControlRequest parse_control_request(std::string_view body) {
  const json object = parse_bounded(body);
  const auto version = object.find("version");
  if (version == object.end() || !version->is_number_integer() || *version != kControlVersion) {
    throw Error("the request's version is " + (version == object.end() ? "missing" : quote(dump(*version))) +
                "; this process speaks version " + std::to_string(kControlVersion));
  }
  ControlRequest request{text_field(object, "request"), text_field(object, "node"), text_field(object, "name"), {}};
  if (request.request.empty()) throw Error("the field 'request' is missing");
  if (const auto value = object.find("value"); value != object.end()) request.value = *value;
  return request;
}

std::string control_answer(json answer) {
  answer["version"] = kControlVersion;
  answer["ok"] = true;
  std::string body = dump(answer);
  if (body.size() <= kMostAnswerBytes) return frame(body);
  return control_error("the answer has " + std::to_string(body.size()) + " bytes; " + std::to_string(kMostAnswerBytes) +
                       " are allowed; ask for less");
}

std::string control_error(const std::string& sentence) {
  return frame(dump({{"version", kControlVersion}, {"ok", false}, {"error", sentence}}));
}

}  // namespace sluice::detail
