# find_package(eshm), for programs written for ESHM:
#   eshm::eshm, eshm   #include <eshm.h>; C and C++
include(CMakeFindDependencyMacro)
# The sluice that was installed with this file, and not another one that happens to be found first.
find_dependency(sluice COMPONENTS core PATHS ${CMAKE_CURRENT_LIST_DIR}/../sluice NO_DEFAULT_PATH)

foreach(_eshm_target eshm::eshm eshm)
  if(NOT TARGET ${_eshm_target})
    add_library(${_eshm_target} INTERFACE IMPORTED)
    set_target_properties(${_eshm_target} PROPERTIES INTERFACE_LINK_LIBRARIES sluice::eshm)
  endif()
endforeach()
unset(_eshm_target)
