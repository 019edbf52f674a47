# find_package(slick-queue) and find_package(slick_queue), for programs written for slick_queue: this one file is the
# configuration of both packages, and each offers both targets.
#   slick::queue, slick::slick_queue   #include <slick/queue.h>; the code behind it is in sluice::core
include(CMakeFindDependencyMacro)
# The sluice that was installed with this file, and not another one that happens to be found first.
find_dependency(sluice COMPONENTS core PATHS ${CMAKE_CURRENT_LIST_DIR}/../sluice NO_DEFAULT_PATH)

foreach(_slick_target slick::queue slick::slick_queue)
  if(NOT TARGET ${_slick_target})
    add_library(${_slick_target} INTERFACE IMPORTED)
    set_target_properties(${_slick_target} PROPERTIES INTERFACE_LINK_LIBRARIES sluice::core)
  endif()
endforeach()
unset(_slick_target)
