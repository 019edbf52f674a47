#include <sluice/transport.hpp>

namespace sluice {

Writer::~Writer() = default;
Reader::~Reader() = default;
Transport::~Transport() = default;

std::size_t Transport::remove_leftovers(const TransportContext& /*context*/) { return 0; }

}  // namespace sluice
