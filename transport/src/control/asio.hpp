#pragma once

// The one way Boost.Asio comes in. Boost 1.74 uses std::exchange without including its header, which g++ 12 does not
// forgive; no co_await anywhere, so that clang builds this too.
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
