#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>

#include <openssl/evp.h>

#include "file_messages.hpp"

namespace demo {

/// SHA-256 of what was added since the beginning or the last finish.
class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    if (!context_) throw std::bad_alloc();
    restart();
  }
  Sha256(const Sha256&) = delete;
  ~Sha256() = default;

  /// Has seen what `other` has seen.
  Sha256& operator=(const Sha256& other) {
    check(EVP_MD_CTX_copy_ex(context_.get(), other.context_.get()));
    return *this;
  }

  void add(std::span<const std::byte> bytes) { check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size())); }

  [[nodiscard]] Digest finish() {
    Digest digest{};
    unsigned int size = 0;
    check(EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()), &size));
    restart();
    return digest;
  }

 private:
  void restart() { check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr)); }

  static void check(int result) {
    if (result != 1) throw std::runtime_error("libcrypto cannot compute SHA-256 here");
  }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace demo
