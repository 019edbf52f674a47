#include "rows/iceoryx.hpp"

#ifdef SLUICE_ICEORYX

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>

#include "rows/links.hpp"

namespace sluice::bench {

namespace {

/// iox-roudi, with memory for what the rows send.
class Daemon {
 public:
  Daemon() {
    const std::string config = place_.directory() + "/roudi.toml";
    std::ofstream(config) << "[general]\nversion = 1\n[[segment]]\n"
                             "[[segment.mempool]]\nsize = 128\ncount = 4096\n"
                             "[[segment.mempool]]\nsize = 4194304\ncount = 24\n";
    pid_ = ::fork();
    if (pid_ < 0) throw RunFailed("cannot fork");
    if (pid_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::signal(SIGINT, SIG_IGN);
    const int nothing = ::open("/dev/null", O_RDWR);
    ::dup2(nothing, STDOUT_FILENO);
    ::dup2(nothing, STDERR_FILENO);
    ::execl(SLUICE_ICEORYX, SLUICE_ICEORYX, "-c", config.c_str(), "-l", "off", nullptr);
    ::_exit(127);
  }
  ~Daemon() {
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    if (WIFEXITED(status)) return;
    // It aborts when many of its clients are gone without a word, as our children are, and leaves its segments behind:
    // its own, and that of the payloads, which is named after the group that may write.
    ::shm_unlink("/iceoryx_mgmt");
    if (const group* own = ::getgrgid(::getegid())) ::shm_unlink((std::string("/") + own->gr_name).c_str());
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

 private:
  Workplace place_;
  pid_t pid_ = -1;
};

/// Once a process.
void start_runtime() {
  iox::log::LogManager::GetLogManager().SetDefaultLogLevel(iox::log::LogLevel::kError,
                                                           iox::log::LogLevelOutput::kHideLogLevel);
  const std::string name = "sluice-bench-" + std::to_string(::getpid());
  iox::runtime::PoshRuntime::initRuntime(iox::RuntimeName_t(iox::cxx::TruncateToCapacity, name));
}

template <typename Connected>
void wait_until(Connected connected, const char* what) {
  const shm::Deadline patience = shm::Deadline::after(std::chrono::seconds{20});
  while (!connected()) {
    if (patience.passed()) throw RunFailed(std::string("iceoryx: no ") + what + " came");
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
}

}  // namespace

IceoryxTopics::IceoryxTopics(std::size_t size) : size_(size) {
  static const Daemon daemon;
  static int runs = 0;
  run_ = std::to_string(::getpid()) + "-" + std::to_string(++runs);
}

iox::capro::ServiceDescription IceoryxTopics::service(const char* name) const {
  start_runtime();
  return {"bench", iox::capro::IdString_t(iox::cxx::TruncateToCapacity, run_),
          iox::capro::IdString_t(iox::cxx::TruncateToCapacity, std::string(name))};
}

IceoryxSender::IceoryxSender(const iox::capro::ServiceDescription& service, std::size_t size)
    : size_(size), publisher_(std::make_unique<iox::popo::UntypedPublisher>(service)) {
  wait_until([&] { return publisher_->hasSubscribers(); }, "subscriber");
}

IceoryxReceiver::IceoryxReceiver(const iox::capro::ServiceDescription& service, std::size_t size)
    : size_(size), subscriber_(std::make_unique<iox::popo::UntypedSubscriber>(service)) {}

}  // namespace sluice::bench

#endif
