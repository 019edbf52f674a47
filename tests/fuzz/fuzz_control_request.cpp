/// What a client may write into a control socket, in pieces of any size: it is cut into messages, parsed, and applied
/// to parameters. Nothing but an Error may come of it.
#include <algorithm>
#include <cstdint>
#include <string>

#include "control/control_request.hpp"
#include "fuzz/input.hpp"
#include "node/parameter_json.hpp"
#include "node/parameter_store.hpp"

namespace sluice::fuzz {
namespace {

void apply(detail::ParameterStore& parameters, const std::string& body) {
  const detail::ControlRequest request = detail::parse_control_request(body);
  const ParameterDescription before = parameters.describe(request.name);
  const auto value = detail::from_json(before.value, request.value);
  if (!value) return;
  parameters.set(request.name, *value);
  const ParameterDescription after = parameters.describe(request.name);
  demand(after.value.index() == before.value.index(), "a parameter keeps its type");
  (void)detail::control_answer({{"parameter", detail::to_json(after)}});
}

void run(const char* data, std::size_t size) {
  if (size == 0) return;
  detail::ParameterStore parameters("/n", {});
  parameters.declare("b", true, {});
  parameters.declare("i", std::int64_t{1}, {"", 0, 10, false});
  parameters.declare("d", 0.5, {});
  parameters.declare("s", std::string{}, {});
  parameters.declare("l", std::vector<std::int64_t>{}, {});
  parameters.declare("x", std::vector<double>{}, {});
  parameters.declare("t", std::vector<std::string>{}, {});
  detail::FrameDecoder decoder(detail::kMostRequestBytes);
  const std::size_t piece = static_cast<unsigned char>(data[0]) + std::size_t{1};
  for (std::size_t at = 1; at < size; at += piece) {
    decoder.feed({data + at, std::min(piece, size - at)});
    try {
      while (const auto body = decoder.next()) {
        demand(body->size() <= detail::kMostRequestBytes, "no message is larger than allowed");
        try {
          apply(parameters, *body);
        } catch (const Error& error) {
          demand(!detail::control_error(error.what()).empty(), "an error is sent");
        }
      }
    } catch (const Error&) {
      return;  // the connection ends
    }
  }
}

}  // namespace
}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sluice::fuzz::run(reinterpret_cast<const char*>(data), size);
  return 0;
}
