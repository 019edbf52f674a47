#pragma once

#include <array>
#include <cstdint>

/// What travels: the struct as it stands in memory. Both programs include this file; Sluice compares name and size.
namespace example {

struct Imu {
  std::uint64_t count;
  std::array<double, 3> accel;
  std::array<double, 3> gyro;
};

}  // namespace example
