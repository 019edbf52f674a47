#include "slick_queue.hpp"

#include <bit>
#include <stdexcept>
#include <utility>

#include <sluice/shm/access.hpp>

namespace py = pybind11;

namespace sluice::python {

namespace {

constexpr std::uint32_t kPythonMode = 0600;  // as slick_queue_py creates its segments

/// A queue in this process, with its elements.
struct OwnMemory {
  OwnMemory(std::uint32_t capacity, std::uint32_t element_size, const slick::QueueOptions& options)
      : elements(new std::byte[std::size_t{capacity} * element_size]{}),
        queue(capacity, element_size, elements.get(), options) {}
  std::unique_ptr<std::byte[]> elements;
  slick::UntypedQueue queue;
};

void check_size(std::uint32_t size) {
  if (!std::has_single_bit(size)) {
    throw std::invalid_argument("a queue's size must be a power of two, not " + std::to_string(size));
  }
}

}  // namespace

SlickQueue::SlickQueue(const SlickQueueRequest& request) {
  if (request.size) check_size(*request.size);
  slick::QueueOptions options;
  options.hole_timeout = request.hole_timeout;
  if (request.name) {
    attach(request, options);
  } else {
    allocate(request, options);
  }
  size_ = queue_->size();
  element_size_ = queue_->element_size();
}

void SlickQueue::attach(const SlickQueueRequest& request, const slick::QueueOptions& options) {
  slick::SegmentRequest wanted;
  wanted.name = *request.name;
  wanted.element_size = request.element_size;
  wanted.capacity = request.size.value_or(0);
  wanted.capacity_required = request.size.has_value();
  wanted.access = shm::umask_access(kPythonMode);
  slick::Segment segment = request.size ? slick::open_segment(wanted) : slick::attach_segment(wanted);
  created_ = segment.created;
  file_.path = segment.path;
  file_.device = segment.device;
  file_.inode = segment.inode;
  name_ = segment.path.substr(segment.path.rfind('/'));
  // Over a segment that is there already, an UntypedQueue never removes the name.
  queue_ = std::make_shared<slick::UntypedQueue>(std::move(segment), options);
}

void SlickQueue::allocate(const SlickQueueRequest& request, const slick::QueueOptions& options) {
  auto memory = std::make_shared<OwnMemory>(request.size.value(), request.element_size, options);
  queue_ = {memory, &memory->queue};
}

slick::UntypedQueue& SlickQueue::queue() const {
  if (queue_ == nullptr) throw py::value_error("the queue" + (name_ ? " '" + *name_ + "'" : "") + " is closed");
  return *queue_;
}

std::shared_ptr<slick::UntypedQueue> SlickQueue::share() const {
  (void)queue();
  return queue_;
}

bool SlickQueue::unlink() noexcept { return name_ && slick::remove_segment(file_); }

}  // namespace sluice::python
