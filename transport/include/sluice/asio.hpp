#pragma once

/// Subscriptions in a program whose loop is Boost.Asio's. Not part of sluice.hpp, and the library does without it: who
/// includes this has Boost (1.74 or newer, headers only).
///
///     boost::asio::io_context io;
///     sluice::AsyncSubscription imu(io, node.subscribe<Imu>("imu"));
///     imu.async_take([](boost::system::error_code error, sluice::Message<Imu> message) { ... });
///     io.run();
#include <fcntl.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>  // before Asio: Boost 1.74 uses std::exchange without including it

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <sluice/error.hpp>
#include <sluice/subscription.hpp>

namespace sluice {

namespace detail {

/// What an AsyncSubscription and its operation have in common; lives as long as either. Used under the rules of an
/// Asio I/O object: by one thread at a time, or one strand.
template <typename S>
struct AsyncTakes {
  AsyncTakes(const boost::asio::any_io_executor& executor, S taken_from)
      : subscription(std::move(taken_from)), ready(executor, duplicate(subscription.pollable_fd())) {}

  /// Asio closes its descriptor, and the subscription its own.
  static int duplicate(int fd) {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) throw SystemError("a subscription cannot be watched by Asio: there is no descriptor left", errno);
    return copy;
  }

  S subscription;
  boost::asio::posix::stream_descriptor ready;
  std::uint64_t cancellations = 0;
  bool outstanding = false;
  bool closed = false;
};

/// One async_take. Its invocations: by the initiation; by `post`, since a handler is never called from within the
/// initiation; then once for each time that the descriptor became readable; all of these on the subscription's
/// executor, for the handler's may be any thread (a future's is). The last one, with what the handler gets, is on the
/// handler's.
template <typename S>
class TakeOperation {
 public:
  using Taken = typename decltype(std::declval<S&>().take())::value_type;

  explicit TakeOperation(std::shared_ptr<AsyncTakes<S>> takes) noexcept : takes_(std::move(takes)) {}

  template <typename Self>
  void operator()(Self& self, boost::system::error_code error = {}) {
    if (step_ == Step::finished) {
      takes_.reset();
      self.complete(error_, std::move(message_));
      return;
    }
    const auto takes = takes_;  // `self` goes with each step, and this operation with it
    if (step_ == Step::begin) {
      begin();
      boost::asio::post(boost::asio::bind_executor(takes->ready.get_executor(), std::move(self)));
      return;
    }
    if (step_ == Step::waiting) {
      error_ = error;
      if (!error && !take()) {
        takes->ready.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                                boost::asio::bind_executor(takes->ready.get_executor(), std::move(self)));
        return;
      }
      takes->outstanding = false;
    }
    step_ = Step::finished;
    boost::asio::dispatch(std::move(self));
  }

 private:
  enum class Step { begin, refused, waiting, finished };

  void begin() noexcept {
    step_ = Step::refused;
    if (takes_->closed) {
      error_ = boost::asio::error::bad_descriptor;
    } else if (takes_->outstanding) {
      error_ = boost::asio::error::already_started;
    } else {
      step_ = Step::waiting;
      takes_->outstanding = true;
      cancellations_ = takes_->cancellations;
    }
  }

  /// False: the descriptor is armed, wait for it.
  [[nodiscard]] bool take() {
    if (given_up()) return true;
    try {
      do {
        if (auto taken = takes_->subscription.take()) {
          message_ = std::move(*taken);
          return true;
        }
      } while (!takes_->subscription.arm_fd());
    } catch (const Error&) {
      error_ = boost::asio::error::no_permission;  // after a fork
      return true;
    }
    return given_up();  // arming takes away what an interrupt in between had made readable
  }

  [[nodiscard]] bool given_up() noexcept {
    if (takes_->cancellations == cancellations_ && !takes_->subscription.interrupted()) return false;
    error_ = boost::asio::error::operation_aborted;
    return true;
  }

  std::shared_ptr<AsyncTakes<S>> takes_;
  std::uint64_t cancellations_ = 0;
  Step step_ = Step::begin;
  boost::system::error_code error_;
  Taken message_;
};

}  // namespace detail

/// A Subscription<T> or BytesSubscription without a callback that belongs to an Asio execution context. What waits for
/// messages is the context; the subscription costs two descriptors, and the process one thread for all of them.
///
/// Thread safety: that of an Asio socket. With several threads in run(), give it a strand as its executor. Destroy it
/// before the context; messages may outlive both.
template <typename S>
class AsyncSubscription {
 public:
  using executor_type = boost::asio::any_io_executor;      ///< Of operations whose handler has none of its own.
  using Taken = typename detail::TakeOperation<S>::Taken;  ///< Message<T> or BytesMessage.

  /// Throws Error when there are no descriptors or threads left.
  AsyncSubscription(const executor_type& executor, S subscription)
      : takes_(std::make_shared<detail::AsyncTakes<S>>(executor, std::move(subscription))) {}

  /// As above, with the context's executor.
  template <typename Context>
  requires std::is_convertible_v<Context&, boost::asio::execution_context&> AsyncSubscription(Context& context,
                                                                                              S subscription)
      : AsyncSubscription(executor_type(context.get_executor()), std::move(subscription)) {}

  AsyncSubscription(AsyncSubscription&&) noexcept = default;
  AsyncSubscription& operator=(AsyncSubscription&& other) noexcept {
    std::swap(takes_, other.takes_);
    return *this;
  }

  /// As close.
  ~AsyncSubscription() {
    if (takes_) close();
  }

  /// Takes the next message, when there is one, and calls `token`'s handler: void(boost::system::error_code, Taken). A
  /// callback, boost::asio::use_future, or boost::asio::use_awaitable where Asio knows the compiler's coroutines. The
  /// handler is never called from within this function. With an error comes an empty message, and none is lost:
  ///
  ///   operation_aborted   cancel, close or the destructor; or the subscription was interrupted
  ///   already_started     another async_take of this subscription has not completed yet
  ///   bad_descriptor      it is closed
  ///   no_permission       after a fork: the subscription is the parent's
  ///
  /// A context that is stopped keeps the operation for its next run(); one that is destroyed drops the handler, so a
  /// future says broken_promise.
  template <typename Token>
  auto async_take(Token&& token) {
    return boost::asio::async_compose<Token, void(boost::system::error_code, Taken)>(detail::TakeOperation<S>(takes_),
                                                                                     token, takes_->ready);
  }

  /// The outstanding async_take completes with operation_aborted, and takes nothing. Asio 1.74 has no cancellation of a
  /// single operation; there is one at a time.
  void cancel() {
    ++takes_->cancellations;
    boost::system::error_code ignored;
    takes_->ready.cancel(ignored);
  }

  /// As cancel, and for good. The topic is left when this object is destroyed and the outstanding operation has
  /// completed.
  void close() {
    ++takes_->cancellations;
    takes_->closed = true;
    boost::system::error_code ignored;
    takes_->ready.close(ignored);
  }

  /// Where handlers without an executor of their own are called.
  [[nodiscard]] executor_type get_executor() { return takes_->ready.get_executor(); }

  /// For its topic, books and publishers. `interrupt` is for any thread; do not take from it or arm it while a take is
  /// outstanding.
  [[nodiscard]] S& subscription() noexcept { return takes_->subscription; }

 private:
  std::shared_ptr<detail::AsyncTakes<S>> takes_;
};

}  // namespace sluice
