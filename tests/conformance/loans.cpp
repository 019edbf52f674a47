#include <algorithm>
#include <set>

#include "conformance/suite.hpp"
#include "conformance/topic.hpp"

// Memory to write messages into.
namespace sluice::conformance {

namespace {

/// Loans until there is none left, at most this many.
constexpr std::size_t kMany = 1000;

void check_shape(Topic& topic) {
  auto writer = topic.writer();
  const std::size_t most = topic.spec.max_size;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, most / 2, most}) {
    const LoanedBuffer loan = writer->loan(size);
    expect(loan.data != nullptr, "a loan of " + std::to_string(size) + " bytes");
    expect(loan.size >= size, "a loan as large as was asked for");
    expect(reinterpret_cast<std::uintptr_t>(loan.data) % 16 == 0, "loans aligned to 16 bytes");
    std::fill_n(loan.data, loan.size, std::byte{0xFF});
    writer->discard(loan);
  }
}

void check_several(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  std::vector<LoanedBuffer> loans;
  for (std::uint64_t i = 0; i < 4; ++i) {
    loans.push_back(writer->loan(topic.size()));
    expect(loans.back().data != nullptr, "four loans at once");
    compose({loans[i].data, topic.size()}, i, 7);
  }
  // Whoever was loaned last is published first: the order of publications counts.
  for (std::uint64_t i = loans.size(); i-- > 0;) {
    expect_equal(writer->publish(loans[i], topic.size(), 1), PublishResult::ok, "publishing a loan");
    Receiver receiver(*reader);
    expect(receiver.receive().has_value(), "the message");
    expect(receiver.last(i).has_value(), "loans that do not overlap, in the order of their publication");
  }
}

void check_exhausted(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  std::vector<LoanedBuffer> loans;
  while (loans.size() < kMany) {
    const LoanedBuffer loan = writer->loan(topic.size());
    if (loan.data == nullptr) {
      expect_equal(loan.refused, PublishResult::out_of_chunks, "why there is no further loan");
      break;
    }
    loans.push_back(loan);
  }
  expect(!loans.empty(), "loans");
  writer->discard(loans.back());
  loans.back() = writer->loan(topic.size());
  expect(loans.back().data != nullptr, "a loan after one was given back");
  for (const LoanedBuffer& loan : loans) writer->discard(loan);
  expect_alive(topic, *writer, *reader);
}

void check_dropping(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  const ReaderStats before = reader->stats();
  for (std::uint64_t i = 0; i < 20 * std::uint64_t{topic.spec.qos.depth}; ++i) {
    const LoanedBuffer loan = writer->loan(topic.size());
    expect(loan.data != nullptr, "a loan");
    compose({loan.data, topic.size()}, 1, i);
    writer->discard(loan);
  }
  expect(!reader->take(), "nothing sent");
  expect_equal(reader->stats().reserved, before.reserved, "positions reserved");
  expect_equal(writer->stats().published, 0U, "messages published");
  expect_alive(topic, *writer, *reader);
}

void check_part(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  const std::size_t used = topic.settings().granularity;
  const LoanedBuffer loan = writer->loan(topic.spec.max_size);
  expect(loan.data != nullptr, "a loan of max_size");
  std::fill_n(loan.data, loan.size, std::byte{0x5A});
  expect_equal(writer->publish(loan, used, 1), PublishResult::ok, "publishing a part of a loan");
  const auto taken = reader->take();
  expect(taken.has_value(), "the message");
  expect_equal(taken->size, used, "the size of the message");
  reader->release(*taken);
}

/// A loan that is published belongs to the transport again whatever became of the message, so there is no end of them.
void check_given_back(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  std::set<const std::byte*> places;
  const std::size_t wrong = topic.spec.max_size + topic.settings().granularity;
  for (std::size_t i = 0; i < kMany; ++i) {
    const bool right = i % 2 == 0;
    const LoanedBuffer loan = writer->loan(topic.size());
    expect(loan.data != nullptr, "a loan, after " + std::to_string(i) + " were published");
    places.insert(loan.data);
    const PublishResult result = writer->publish(loan, right ? topic.size() : wrong, 1);
    expect_equal(result == PublishResult::ok, right, "whether a message was sent");
    if (const auto taken = reader->take()) reader->release(*taken);
  }
  expect(places.size() < kMany / 4, "the same memory again and again");
}

}  // namespace

void add_loans(Suite& suite) {
  suite.add("loan_shape", "a loan is as large as was asked for, aligned to 16 bytes, and all of it may be written", {},
            check_shape);
  suite.add("several_loans", "several loans are held at once and published in any order", {}, check_several);
  suite.add("exhausted_loans", "when the loans are used up there is none, until one is given back", {},
            check_exhausted);
  suite.add("dropped_loans", "dropping a loan costs nobody anything", {}, check_dropping);
  suite.add("part_of_a_loan", "a part of a loan is a message of that size", {}, check_part);
  suite.add("loans_given_back", "publishing gives the loan back, whatever the result", {}, check_given_back);
}

}  // namespace sluice::conformance
