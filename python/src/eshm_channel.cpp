#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <eshm.h>

#include <sluice/error.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/file_lock.hpp>

#include <pybind11/stl.h>

#include "bindings.hpp"
#include "buffer.hpp"
#include "interruptible_call.hpp"

namespace py = pybind11;

namespace sluice::python {

namespace {

constexpr std::uint32_t kDefaultTimeout = 1000;

/// A read that waits looks that often whether Ctrl-C was pressed.
constexpr std::chrono::milliseconds kSlice{50};

constexpr const char* kWriteDoc =
    R"(Replaces the message for the other side: bytes, or anything with a buffer in one piece; 0 to 4096 of them.

Never blocks. What the other side has not read yet is gone. Raises RuntimeError: the message is too long, the slave has
no master now, the channel is closed or was inherited through a fork. Any thread.)";

constexpr const char* kReadDoc =
    R"(The next message, as bytes, waiting for at most timeout_ms milliseconds.

timeout_ms: None is 1000, 0 does not wait, TIMEOUT_INFINITE waits for ever. What was written before the first read of
this object is not delivered. Other threads run meanwhile, and Ctrl-C ends it. Looks for 50 microseconds before it
sleeps. Raises TimeoutError when nothing came in time, or when a slave gave up looking for its master; RuntimeError
("No data available") when there is nothing and timeout_ms is 0; RuntimeError when the message is larger than
buffer_size (it stays, and can be read with a larger one), the channel is closed, also meanwhile, or was inherited
through a fork, or the other side is gone and the behaviour is IMMEDIATELY. Any thread; two readers take turns.)";

constexpr const char* kTryReadDoc =
    R"(The next message as bytes, or None: nothing new, or a slave without a master. Never waits. Raises as read.)";

constexpr const char* kStatsDoc =
    R"(A dict with the names of ESHMStats: master_heartbeat, slave_heartbeat (they move while a side lives),
master_pid, slave_pid, master_alive, slave_alive (as they said themselves, true after a crash), stale_threshold
(milliseconds), master_heartbeat_delta, slave_heartbeat_delta (since the previous call), m2s_write_count,
m2s_read_count, s2m_write_count, s2m_read_count (messages of all programs since the segment was made). Any thread.)";

constexpr const char* kBooksDoc =
    R"(What this object did, as a dict: written, received, conflated (messages that were replaced unread),
interrupted (writes of the other side found half done for 100 ms), reconnects. received + conflated is what the other
side completed since this one began to read, whenever a read has found nothing new. Any thread. Not in the original.)";

constexpr const char* kAliveDoc =
    R"(Whether the other side's heartbeat moves. True without threads, and until the stale threshold has passed once.)";

constexpr const char* kCloseDoc =
    R"(Leaves the channel; who created its segment removes it, unless auto_cleanup is False. A read that waits in
another thread ends with RuntimeError. May be called again. In a forked child it only forgets the channel.)";

/// What a read brings.
class Message {
 public:
  explicit Message(std::int64_t buffer_size) : capacity_(static_cast<std::size_t>(buffer_size)) {
    if (buffer_size < 0) throw py::value_error("buffer_size is a number of bytes, not " + std::to_string(buffer_size));
  }

  int read(ESHMHandle* handle, std::uint32_t timeout_ms) noexcept {
    return eshm_read_ex(handle, buffer_.data(), std::min(capacity_, buffer_.size()), &size_, timeout_ms);
  }
  [[nodiscard]] py::bytes bytes() const { return {buffer_.data(), size_}; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

 private:
  std::array<char, ESHM_MAX_DATA_SIZE> buffer_;
  std::size_t capacity_;
  std::size_t size_ = 0;
};

std::uint32_t checked_timeout(std::int64_t timeout_ms, const std::string& what) {
  if (timeout_ms == -1) return ESHM_TIMEOUT_INFINITE;  // what ctypes makes of -1
  if (timeout_ms >= 0 && timeout_ms <= std::int64_t{ESHM_TIMEOUT_INFINITE}) {
    return static_cast<std::uint32_t>(timeout_ms);
  }
  throw py::value_error(what + " is a number of milliseconds, or TIMEOUT_INFINITE (0xFFFFFFFF), not " +
                        std::to_string(timeout_ms));
}

/// One end of a channel.
///
/// Thread safety: `handle_` is read and written under the interpreter's lock, and libeshm's handles are safe for
/// threads. A call that may wait for another thread (a read that waits, close) gives the lock back meanwhile. Of the
/// others some take a mutex of the handle under the lock; who has one of those never asks for the lock.
class EshmChannel {
 public:
  EshmChannel(std::string name, ESHMConfig config, std::uint32_t attach_timeout_ms)
      : name_(std::move(name)), fork_generation_(shm::fork_generation()) {
    if (name_.find('\0') != std::string::npos) throw py::value_error("a channel's name has no NUL in it");
    config.shm_name = name_.c_str();
    InterruptibleCall call;
    handle_ = eshm_init_wait(&config, attach_timeout_ms);
    try {
      call.finish();
    } catch (...) {
      if (handle_ != nullptr) eshm_destroy(handle_);
      throw;
    }
    if (handle_ == nullptr) throw Error(eshm_last_error());
  }
  ~EshmChannel() {
    if (handle_ != nullptr && is_ours()) eshm_destroy(handle_);  // nobody reads: a thread that does refers to us
  }
  EshmChannel(const EshmChannel&) = delete;
  EshmChannel& operator=(const EshmChannel&) = delete;

  void write(const py::object& data) {
    const Buffer buffer(data);
    const auto bytes = buffer.bytes();
    const void* const begin = bytes.empty() ? this : static_cast<const void*>(bytes.data());  // never a null pointer
    switch (const int code = eshm_write(handle(), begin, bytes.size())) {
      case ESHM_SUCCESS: return;
      case ESHM_ERROR_BUFFER_TOO_SMALL:
        fail("a message has at most " + std::to_string(ESHM_MAX_DATA_SIZE) + " bytes, not " +
             std::to_string(bytes.size()));
      case ESHM_ERROR_TIMEOUT: fail("the slave has no master now; nothing was written");
      default: fail_with(code);
    }
  }

  py::bytes read(std::int64_t buffer_size, const std::optional<std::int64_t>& timeout_ms) {
    const std::uint32_t timeout = timeout_ms ? checked_timeout(*timeout_ms, "timeout_ms") : kDefaultTimeout;
    Message message(buffer_size);
    int code = message.read(handle(), 0);
    if (timeout != 0 && brought_nothing(code)) code = wait_for(message, timeout);
    switch (code) {
      case ESHM_SUCCESS: return message.bytes();
      case ESHM_ERROR_NO_DATA: throw std::runtime_error("No data available");
      case ESHM_ERROR_TIMEOUT: fail_in_time("no message came within " + std::to_string(timeout) + " ms");
      default: fail_to_read(code, message);
    }
  }

  py::object try_read(std::int64_t buffer_size) {
    Message message(buffer_size);
    const int code = message.read(handle(), 0);
    if (code == ESHM_SUCCESS) return message.bytes();
    if (!brought_nothing(code)) fail_to_read(code, message);
    return py::none();
  }

  py::dict get_stats() {
    ESHMStats stats;
    check(eshm_get_stats(handle(), &stats));
    py::dict found;
    found["master_heartbeat"] = stats.master_heartbeat;
    found["slave_heartbeat"] = stats.slave_heartbeat;
    found["master_pid"] = stats.master_pid;
    found["slave_pid"] = stats.slave_pid;
    found["master_alive"] = stats.master_alive;
    found["slave_alive"] = stats.slave_alive;
    found["stale_threshold"] = stats.stale_threshold;
    found["master_heartbeat_delta"] = stats.master_heartbeat_delta;
    found["slave_heartbeat_delta"] = stats.slave_heartbeat_delta;
    found["m2s_write_count"] = stats.m2s_write_count;
    found["m2s_read_count"] = stats.m2s_read_count;
    found["s2m_write_count"] = stats.s2m_write_count;
    found["s2m_read_count"] = stats.s2m_read_count;
    return found;
  }

  py::dict get_books() {
    ESHMBooks books;
    check(eshm_get_books(handle(), &books));
    py::dict found;
    found["written"] = books.written;
    found["received"] = books.received;
    found["conflated"] = books.conflated;
    found["interrupted"] = books.interrupted;
    found["reconnects"] = books.reconnects;
    return found;
  }

  int get_role() {
    ESHMRole role = ESHM_ROLE_AUTO;
    check(eshm_get_role(handle(), &role));
    return role;
  }

  bool is_remote_alive() {
    bool alive = false;
    check(eshm_check_remote_alive(handle(), &alive));
    return alive;
  }

  void update_heartbeat() { check(eshm_update_heartbeat(handle())); }

  void set_wakeup_mode(int mode) {
    if (mode != ESHM_WAKEUP_PUSH && mode != ESHM_WAKEUP_POLL) {
      throw py::value_error("a wake-up mode is ESHMWakeupMode.PUSH (0) or POLL (1), not " + std::to_string(mode));
    }
    check(eshm_set_wakeup_mode(handle(), static_cast<ESHMWakeupMode>(mode)));
  }

  int get_wakeup_mode() {
    ESHMWakeupMode mode = ESHM_WAKEUP_PUSH;
    check(eshm_get_wakeup_mode(handle(), &mode));
    return mode;
  }

  void close() {
    ESHMHandle* const handle = std::exchange(handle_, nullptr);
    if (handle != nullptr && is_ours()) without_lock([&] { return eshm_destroy(handle); });
  }

  [[nodiscard]] bool closed() const noexcept { return handle_ == nullptr; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  [[nodiscard]] bool is_ours() const noexcept { return fork_generation_ == shm::fork_generation(); }

  [[nodiscard]] ESHMHandle* handle() const {
    if (handle_ == nullptr) fail("it is closed");
    if (!is_ours()) fail("it was opened by the process that this one was forked from; open it here");
    return handle_;
  }

  /// NO_DATA does not say that a slave without a master has none; TIMEOUT does.
  static bool brought_nothing(int code) noexcept { return code == ESHM_ERROR_NO_DATA || code == ESHM_ERROR_TIMEOUT; }

  /// Looks for a while before it sleeps: a peer that answers at once is then not kept waiting by the scheduler, and
  /// does not fall asleep itself.
  static int look_around(Message& message, ESHMHandle* handle) noexcept {
    constexpr std::int64_t kWhileNs = 50'000;
    constexpr int kLooksAtOnce = 16;
    const std::int64_t until_ns = shm::monotonic_ns() + kWhileNs;
    int code = ESHM_ERROR_NO_DATA;
    do {
      for (int look = 0; look < kLooksAtOnce && brought_nothing(code); ++look) code = message.read(handle, 0);
    } while (brought_nothing(code) && shm::monotonic_ns() < until_ns);
    return code;
  }

  /// In slices, and Python's signal handlers run between them.
  int wait_for(Message& message, std::uint32_t timeout_ms) {
    const bool forever = timeout_ms == ESHM_TIMEOUT_INFINITE;
    const auto timeout = std::chrono::milliseconds(timeout_ms);
    const shm::Deadline deadline = forever ? shm::Deadline::never() : shm::Deadline::after(timeout);
    for (bool first = true;; first = false) {
      const std::int64_t begun_ns = shm::monotonic_ns();
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(std::chrono::nanoseconds(deadline.ns() - begun_ns));
      const auto slice = std::clamp(left, std::chrono::milliseconds{1}, kSlice);
      ESHMHandle* const handle = this->handle();
      const int code = without_lock([&] {
        const int found = first ? look_around(message, handle) : ESHM_ERROR_NO_DATA;
        return brought_nothing(found) ? message.read(handle, static_cast<std::uint32_t>(slice.count())) : found;
      });
      if (!brought_nothing(code)) return code;
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      if (closed()) fail("it was closed while a read waited");
      const std::chrono::nanoseconds waited{shm::monotonic_ns() - begun_ns};
      if (waited < slice) fail_in_time("the slave gave up looking for its master");
      if (deadline.passed()) return ESHM_ERROR_TIMEOUT;
    }
  }

  void check(int code) const {
    if (code != ESHM_SUCCESS) fail_with(code);
  }
  [[noreturn]] void fail(const std::string& what) const { throw Error("channel '" + name_ + "': " + what); }
  [[noreturn]] void fail_with(int code) const {
    fail(code == ESHM_ERROR_NOT_INITIALIZED ? "it is closed" : eshm_error_string(code));
  }
  [[noreturn]] void fail_to_read(int code, const Message& message) const {
    if (code == ESHM_ERROR_BUFFER_TOO_SMALL) {
      fail("the message is larger than buffer_size, " + std::to_string(message.capacity()) +
           " bytes, and can still be read with a larger one");
    }
    if (code == ESHM_ERROR_MASTER_STALE) fail("the other side is gone or stale (ESHMDisconnectBehavior.IMMEDIATELY)");
    fail_with(code);
  }
  [[noreturn]] void fail_in_time(const std::string& what) const {
    PyErr_SetString(PyExc_TimeoutError, ("channel '" + name_ + "': " + what).c_str());
    throw py::error_already_set();
  }

  std::string name_;
  std::uint32_t fork_generation_;
  ESHMHandle* handle_ = nullptr;  ///< Null: closed.
};

std::unique_ptr<EshmChannel> open(std::string name, std::uint32_t role, std::uint32_t disconnect_behavior,
                                  std::uint32_t stale_threshold_ms, std::uint32_t reconnect_wait_ms,
                                  std::uint32_t reconnect_retry_interval_ms, std::uint32_t max_reconnect_attempts,
                                  bool auto_cleanup, bool use_threads, std::int64_t attach_timeout_ms) {
  ESHMConfig config = eshm_default_config(nullptr);
  config.role = static_cast<ESHMRole>(role);  // eshm_init refuses what is none
  config.disconnect_behavior = static_cast<ESHMDisconnectBehavior>(disconnect_behavior);
  config.stale_threshold_ms = stale_threshold_ms;
  config.reconnect_wait_ms = reconnect_wait_ms;
  config.reconnect_retry_interval_ms = reconnect_retry_interval_ms;
  config.max_reconnect_attempts = max_reconnect_attempts;
  config.auto_cleanup = auto_cleanup;
  config.use_threads = use_threads;
  return std::make_unique<EshmChannel>(std::move(name), config,
                                       checked_timeout(attach_timeout_ms, "attach_timeout_ms"));
}

}  // namespace

void bind_eshm(py::module_& module) {
  module.attr("ESHM_MAX_DATA_SIZE") = ESHM_MAX_DATA_SIZE;
  module.attr("ESHM_TIMEOUT_INFINITE") = ESHM_TIMEOUT_INFINITE;
  py::class_<EshmChannel>(module, "EshmChannel", "One end of an ESHM channel; use sluice.eshm.ESHM.")
      .def(py::init(&open), py::arg("shm_name"), py::arg("role"), py::arg("disconnect_behavior"),
           py::arg("stale_threshold_ms"), py::arg("reconnect_wait_ms"), py::arg("reconnect_retry_interval_ms"),
           py::arg("max_reconnect_attempts"), py::arg("auto_cleanup"), py::arg("use_threads"),
           py::arg("attach_timeout_ms"))
      .def("write", &EshmChannel::write, py::arg("data"), kWriteDoc)
      .def("read", &EshmChannel::read, py::arg("buffer_size") = ESHM_MAX_DATA_SIZE, py::arg("timeout_ms") = py::none(),
           kReadDoc)
      .def("try_read", &EshmChannel::try_read, py::arg("buffer_size") = ESHM_MAX_DATA_SIZE, kTryReadDoc)
      .def("get_stats", &EshmChannel::get_stats, kStatsDoc)
      .def("get_books", &EshmChannel::get_books, kBooksDoc)
      .def("get_role", &EshmChannel::get_role, "ESHMRole.MASTER (0) or SLAVE (1), as a number.")
      .def("is_remote_alive", &EshmChannel::is_remote_alive, kAliveDoc)
      .def("update_heartbeat", &EshmChannel::update_heartbeat,
           "Adds 1 to this side's heartbeat: for channels opened with use_threads=False.")
      .def("set_wakeup_mode", &EshmChannel::set_wakeup_mode, py::arg("mode"),
           "How reads wait from now on: ESHMWakeupMode.PUSH (at first) sleeps until the writer wakes it, POLL looks "
           "now\n"
           "and then. Any thread. Raises ValueError for another mode.")
      .def("get_wakeup_mode", &EshmChannel::get_wakeup_mode, "What set_wakeup_mode set, as a number.")
      .def("close", &EshmChannel::close, kCloseDoc)
      .def_property_readonly("closed", &EshmChannel::closed, "Whether close() was called.")
      .def_property_readonly("shm_name", &EshmChannel::name, "The name that it was opened with.");
}

}  // namespace sluice::python
