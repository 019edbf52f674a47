#pragma once

#include <sluice/error.hpp>

/// What a publication ends with that is neither normal nor a wrong argument. C++ has results instead.
namespace sluice::python {

/// PublishResult::out_of_chunks, of a publication or a loan.
class OutOfChunksError : public Error {
 public:
  using Error::Error;
};

/// PublishResult::own_subscription_full.
class OwnSubscriptionFullError : public Error {
 public:
  using Error::Error;
};

}  // namespace sluice::python
