#pragma once

// Boost 1.74 uses std::exchange without including <utility>, and g++ 12 no longer brings it in by chance.
#include <utility>

#include <boost/asio.hpp>

namespace sluice::launch {

namespace asio = boost::asio;

}  // namespace sluice::launch
