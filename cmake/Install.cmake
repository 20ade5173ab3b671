# SPDX-License-Identifier: MIT

include(CMakePackageConfigHelpers)
set(CONTRASTIVE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/contrastive)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/contrastive DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/share/contrastive DESTINATION ${CMAKE_INSTALL_DATADIR})
install(TARGETS contrastive contrastive_compiled contrastive_losses EXPORT contrastive-targets)
if(CONTRASTIVE_ENABLE_CUDA)
  install(TARGETS contrastive_cuda EXPORT contrastive-targets)
endif()
install(EXPORT contrastive-targets NAMESPACE contrastive:: DESTINATION ${CONTRASTIVE_CMAKE_DIR})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/contrastive-config.cmake.in
                              ${PROJECT_BINARY_DIR}/contrastive-config.cmake INSTALL_DESTINATION ${CONTRASTIVE_CMAKE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/contrastive-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/contrastive-config.cmake ${PROJECT_BINARY_DIR}/contrastive-config-version.cmake
              ${PROJECT_SOURCE_DIR}/cmake/ContrastiveParts.cmake DESTINATION ${CONTRASTIVE_CMAKE_DIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/contrastive)
