# A cross build with Debian's g++-aarch64-linux-gnu. Programs run under qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)

# Libraries of the upper layers are looked for at configuration, but nothing that is built this way links them: the
# host's own will do. What is used of other packages (Catch2, nlohmann-json) is headers.
foreach(package spdlog fmt yaml-cpp)
  set(${package}_DIR /usr/lib/${CMAKE_HOST_SYSTEM_PROCESSOR}-linux-gnu/cmake/${package})
endforeach()
