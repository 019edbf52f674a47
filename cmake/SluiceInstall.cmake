# What `cmake --install` adds to the targets' own rules: headers, CMake package, pkg-config files, YAML. Everything in
# it is relative, so that an installed prefix can be moved.
include(CMakePackageConfigHelpers)

set(SLUICE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/sluice)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/sluice-config.cmake.in
                              ${PROJECT_BINARY_DIR}/sluice-config.cmake
                              INSTALL_DESTINATION ${SLUICE_CMAKE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sluice-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sluice-config.cmake ${PROJECT_BINARY_DIR}/sluice-config-version.cmake
        DESTINATION ${SLUICE_CMAKE_DIR})
install(EXPORT sluice-core-targets NAMESPACE sluice:: DESTINATION ${SLUICE_CMAKE_DIR})
install(EXPORT sluice-targets NAMESPACE sluice:: DESTINATION ${SLUICE_CMAKE_DIR})

# For programs written for slick_queue. The version is not Sluice's but that of the interface and the segments, which
# are slick_queue's from 1.2 to 1.4: who asks for 1.2, 1.3 or 1.4 gets them, who asks for 1.5 or 2 is refused.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/slick-queue-config-version.cmake VERSION 1.4.0
                                 COMPATIBILITY SameMajorVersion)
foreach(package slick-queue slick_queue)
  set(SLICK_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/${package})
  install(FILES cmake/slick-queue-config.cmake DESTINATION ${SLICK_CMAKE_DIR} RENAME ${package}-config.cmake)
  install(FILES ${PROJECT_BINARY_DIR}/slick-queue-config-version.cmake DESTINATION ${SLICK_CMAKE_DIR}
          RENAME ${package}-config-version.cmake)
endforeach()

# For programs written for ESHM. Here as well the version is that of the interface.
set(ESHM_INTERFACE_VERSION 1.1.0)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/eshm-config-version.cmake VERSION ${ESHM_INTERFACE_VERSION}
                                 COMPATIBILITY SameMajorVersion)
install(FILES cmake/eshm-config.cmake ${PROJECT_BINARY_DIR}/eshm-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/eshm)

# How a pkg-config file finds its prefix: lib/pkgconfig and lib/x86_64-linux-gnu/pkgconfig differ in depth.
file(RELATIVE_PATH SLUICE_PREFIX_FROM_PKGCONFIG ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" SLUICE_PREFIX_FROM_PKGCONFIG ${SLUICE_PREFIX_FROM_PKGCONFIG})
foreach(package sluice-core sluice eshm)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${package}.pc.in ${PROJECT_BINARY_DIR}/${package}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${package}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

install(DIRECTORY transport/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# launch/ and config/ keep their names: launch files refer to ../config, here as in the source tree.
install(DIRECTORY launch config DESTINATION ${CMAKE_INSTALL_DATADIR}/sluice FILES_MATCHING PATTERN "*.yaml")

if(PROJECT_IS_TOP_LEVEL)
  add_custom_target(uninstall COMMENT "Removing what the last `cmake --install` of this build tree installed"
                    COMMAND ${CMAKE_COMMAND} -D MANIFEST=${PROJECT_BINARY_DIR}/install_manifest.txt
                            -P ${PROJECT_SOURCE_DIR}/cmake/uninstall.cmake)
endif()
