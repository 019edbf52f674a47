#include <chrono>
#include <cstdio>
#include <exception>

#include <sluice/sluice.hpp>

namespace {

struct Command {
  std::uint64_t number;
};

/// Publishes twenty messages into a topic that keeps four, while nobody takes; then takes what is there.
void overfill(sluice::Node& node, const char* topic) {
  auto out = node.advertise<Command>(topic);
  auto in = node.subscribe<Command>(topic);  // no callback: messages wait until they are taken

  for (std::uint64_t number = 1; number <= 20; ++number) {
    const sluice::PublishResult result = out.publish(Command{number});
    switch (result) {
      case sluice::PublishResult::ok: break;
      case sluice::PublishResult::timeout: break;  // reliable and no room: nothing was sent; a real program tries again
      case sluice::PublishResult::uncertain: break;  // this process was stopped in the middle, see message.hpp
      case sluice::PublishResult::own_subscription_full: break;  // as timeout, but nobody waited: we would take it
      case sluice::PublishResult::out_of_chunks:                 // these are mistakes in the program or its YAML
      case sluice::PublishResult::too_large:
      case sluice::PublishResult::wrong_size: throw sluice::Error(out.explain(result, sizeof(Command)));
    }
  }
  const sluice::WriterStats sent = out.stats();
  std::printf("%s: published %llu, timed out %llu\n", topic, static_cast<unsigned long long>(sent.published),
              static_cast<unsigned long long>(sent.timeouts));

  while (const auto message = in.take()) {
    if (message->info().lost > 0) {
      std::printf("  %llu lost before number %llu\n", static_cast<unsigned long long>(message->info().lost),
                  static_cast<unsigned long long>((*message)->number));
    }
  }
  const sluice::ReaderStats books = in.stats();
  std::printf("  %llu positions = received %llu + lost %llu + skipped %llu + queued %llu\n",
              static_cast<unsigned long long>(books.reserved - books.joined),
              static_cast<unsigned long long>(books.received), static_cast<unsigned long long>(books.lost),
              static_cast<unsigned long long>(books.skipped), static_cast<unsigned long long>(books.queued));
}

}  // namespace

int main(int argc, char** argv) try {
  sluice::Node node{"books", sluice::NodeOptions::from_args(argc, argv)};
  overfill(node, "commands");
  overfill(node, "samples");
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "books: %s\n", error.what());
  return 2;
}
