# SPDX-License-Identifier: MIT
# What `cmake --install` puts where, and how others find it afterwards: a CMake package and a pkg-config file.

function(coir_install)
  set(components fibers runtime combinators)

  # All components install below one include folder: a relative path shipped twice would silently overwrite the other.
  foreach(component IN LISTS components)
    get_target_property(files coir_${component} HEADER_SET)
    foreach(file IN LISTS files)
      string(REGEX REPLACE "^.*include/" "" path "${file}")
      if(DEFINED owner_of_${path})
        message(FATAL_ERROR "Both coir::${owner_of_${path}} and coir::${component} ship the header <${path}>")
      endif()
      set(owner_of_${path} ${component})
    endforeach()
  endforeach()

  set(targets ${components})
  list(TRANSFORM targets PREPEND coir_)
  # The libraries find each other wherever the prefix is moved.
  set_target_properties(${targets} PROPERTIES INSTALL_RPATH "$ORIGIN")
  install(TARGETS ${targets} coir EXPORT coir FILE_SET HEADERS)

  set(package ${CMAKE_INSTALL_LIBDIR}/cmake/coir)
  install(EXPORT coir NAMESPACE coir:: FILE coirTargets.cmake DESTINATION ${package})

  # Boost and spdlog are private to a shared library. A static one hands them on to whoever links it.
  get_target_property(type coir_runtime TYPE)
  set(COIR_STATIC OFF)
  set(COIR_PC_REQUIRES "")
  set(COIR_PC_LIBS "")
  if(type STREQUAL STATIC_LIBRARY)
    set(COIR_STATIC ON)
    set(COIR_PC_REQUIRES spdlog)
    set(COIR_PC_LIBS "-lboost_context -lstdc++ -lm")  # for who links with the compiler of C
    if(COIR_WITH_LIBDW)
      string(APPEND COIR_PC_LIBS " -ldw -lelf")
    endif()
  endif()

  configure_package_config_file(cmake/coirConfig.cmake.in ${PROJECT_BINARY_DIR}/package/coirConfig.cmake
    INSTALL_DESTINATION ${package} NO_SET_AND_CHECK_MACRO)
  # Before 1.0 a minor version may break users.
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/coirConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/package/coirConfig.cmake ${PROJECT_BINARY_DIR}/package/coirConfigVersion.cmake
    DESTINATION ${package})
  install(FILES cmake/hosts.cmake DESTINATION ${package} RENAME coirHosts.cmake)

  # The folder of coir.pc says where the prefix is, so the tree can be moved.
  set(package ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  file(RELATIVE_PATH COIR_PC_UP /${package} /)
  string(REGEX REPLACE "/$" "" COIR_PC_UP "${COIR_PC_UP}")
  configure_file(cmake/coir.pc.in ${PROJECT_BINARY_DIR}/package/coir.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/package/coir.pc DESTINATION ${package})
endfunction()
coir_install()
