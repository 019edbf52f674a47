#pragma once

#include <cstddef>

#include <sluice/shm/segment.hpp>

namespace sluice::shm {

/// mmap of a whole file, shared; MAP_FAILED with errno.
///
/// Built with ThreadSanitizer, a process maps each file once, however many endpoints ask for it: the sanitizer knows
/// memory by its address, so threads that reach one word through two mappings would be strangers to it.
[[nodiscard]] void* map_pages(int fd, std::size_t size, MapMode mode, bool populate) noexcept;
void unmap_pages(void* data, std::size_t size) noexcept;

}  // namespace sluice::shm
