#include "reassembly.hpp"

#include <algorithm>
#include <utility>

namespace demo {

namespace {

constexpr std::size_t kMostProblems = 10;

}  // namespace

void Reassembly::accept(std::span<const std::byte> message) {
  ++messages_;
  const auto header = read_exactly<ChunkHeader>(message.first(std::min(message.size(), sizeof(ChunkHeader))));
  if (!header || header->magic != kChunkMagic) {
    note("message " + std::to_string(messages_) + " is no chunk of a file");
    return;
  }
  const auto body = message.subspan(sizeof(ChunkHeader));
  switch (header->kind) {
    case ChunkKind::begin: return begin(*header, body);
    case ChunkKind::data: return data(*header, body);
    case ChunkKind::end: return end(*header, body);
    case ChunkKind::bye: return bye(body);
  }
  note("message " + std::to_string(messages_) + " is a chunk of an unknown kind");
}

void Reassembly::begin(const ChunkHeader& header, std::span<const std::byte> body) {
  give_up_open_file("has no end");
  file_ = OpenFile{header.file, std::string(reinterpret_cast<const char*>(body.data()), body.size())};
}

void Reassembly::data(const ChunkHeader& header, std::span<const std::byte> body) {
  bytes_ += body.size();
  if (!file_ || file_->number != header.file) {
    give_up_open_file("has no end");
    note("data of file " + std::to_string(header.file) + " came without its beginning");
    return;
  }
  if (header.offset != file_->length && file_->intact) {
    file_->intact = false;
    note(file_->path + ": " + std::to_string(file_->length) + " bytes came, then the next chunk began at " +
         std::to_string(header.offset));
  }
  file_->length += body.size();
  digest_.add(body);
}

void Reassembly::end(const ChunkHeader& header, std::span<const std::byte> body) {
  const auto trailer = read_exactly<FileTrailer>(body);
  if (!file_ || file_->number != header.file || !trailer) {
    give_up_open_file("has no usable end");
    note("the end of file " + std::to_string(header.file) + " does not fit what came before");
    return;
  }
  const bool same = digest_.finish() == trailer->sha256;
  if (file_->intact && same && file_->length == trailer->length) {
    ++matched_;
  } else {
    ++mismatched_;
    note(file_->path + ": SHA-256 mismatch (" + std::to_string(file_->length) + " of " +
         std::to_string(trailer->length) + " bytes came)");
  }
  file_.reset();
}

void Reassembly::bye(std::span<const std::byte> body) {
  give_up_open_file("has no end");
  source_log_ = read_exactly<StreamTrailer>(body);
  if (!source_log_) note("the last message has the wrong size");
}

void Reassembly::give_up_open_file(const std::string& why) {
  if (!file_) return;
  note(file_->path + " " + why);
  ++mismatched_;
  (void)digest_.finish();
  file_.reset();
}

void Reassembly::note(std::string problem) {
  if (problems_.size() < kMostProblems) problems_.push_back(std::move(problem));
}

}  // namespace demo
