# SPDX-License-Identifier: MIT
# Projects that use coir, each configured, built and run as its user would.

set(prefix ${CMAKE_CURRENT_BINARY_DIR}/prefix)
set(options -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} -DCMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER}
  -DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE} --no-warn-unused-cli)

# coir_consumer(NAME SOURCE <folder> [OPTIONS <cmake option>...] [PROPERTIES <test property>...])
function(coir_consumer name)
  cmake_parse_arguments(ARG "" "SOURCE" "OPTIONS;PROPERTIES" ${ARGN})
  coir_packaging_test(${name} PROPERTIES PROCESSORS 2 ${ARG_PROPERTIES} COMMAND
    ${CMAKE_CTEST_COMMAND} --build-and-test ${ARG_SOURCE} ${CMAKE_CURRENT_BINARY_DIR}/${name}
    --build-generator ${CMAKE_GENERATOR} --build-options ${options} ${ARG_OPTIONS}
    --test-command ${CMAKE_CTEST_COMMAND} --no-tests=error --output-on-failure)
endfunction()

# Installed.
set(consumer ${CMAKE_CURRENT_SOURCE_DIR}/consumer)
set(installed FIXTURES_REQUIRED coir_prefix)
coir_packaging_test(install PROPERTIES FIXTURES_SETUP coir_prefix
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/install.sh ${PROJECT_BINARY_DIR} ${prefix})
coir_consumer(find_package SOURCE ${consumer} PROPERTIES ${installed} OPTIONS -DCMAKE_PREFIX_PATH=${prefix})
coir_consumer(components SOURCE ${consumer} PROPERTIES ${installed}
  OPTIONS -DCMAKE_PREFIX_PATH=${prefix} "-DCOMPONENTS=fibers,runtime")
coir_consumer(c_alone SOURCE ${CMAKE_CURRENT_SOURCE_DIR}/c_consumer PROPERTIES ${installed}
  OPTIONS -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_C_COMPILER=${CMAKE_C_COMPILER})
foreach(host IN ITEMS asio glib libevent libuv qt sd_event)
  if(TARGET coir_host_${host})
    list(APPEND coir_present_hosts host_${host})
  endif()
endforeach()
list(JOIN coir_present_hosts "," coir_present_hosts)
if(coir_present_hosts)
  coir_consumer(hosts SOURCE ${consumer} PROPERTIES ${installed}
    OPTIONS -DCMAKE_PREFIX_PATH=${prefix} "-DCOMPONENTS=${coir_present_hosts}"
      -DEXAMPLES=${PROJECT_SOURCE_DIR}/examples)
endif()
coir_consumer(unknown_host SOURCE ${consumer}
  PROPERTIES ${installed} PASS_REGULAR_EXPRESSION "coir has no component host_windows, only .*host_sd_event"
  OPTIONS -DCMAKE_PREFIX_PATH=${prefix} "-DCOMPONENTS=runtime,host_windows")
coir_consumer(unknown_component SOURCE ${consumer}
  PROPERTIES ${installed} PASS_REGULAR_EXPRESSION "coir has no component windows"
  OPTIONS -DCMAKE_PREFIX_PATH=${prefix} "-DCOMPONENTS=runtime,windows")
coir_packaging_test(pkg_config PROPERTIES ${installed} ENVIRONMENT CC=${CMAKE_C_COMPILER}
  COMMAND ${consumer}/pkg_config.sh ${CMAKE_CXX_COMPILER} ${prefix}/${CMAKE_INSTALL_LIBDIR}
    ${CMAKE_CURRENT_BINARY_DIR}/pkg_config)
coir_packaging_test(foreign_sanitizer PROPERTIES ${installed}
  COMMAND ${consumer}/foreign_sanitizer.sh ${CMAKE_CXX_COMPILER} ${prefix}/${CMAKE_INSTALL_LIBDIR}
    ${CMAKE_CURRENT_BINARY_DIR}/foreign_sanitizer)

# Installed as static libraries.
coir_packaging_test(static PROPERTIES ENVIRONMENT CC=${CMAKE_C_COMPILER}
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/static.sh ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_BINARY_DIR}/static
    ${CMAKE_CXX_COMPILER} ${CMAKE_INSTALL_LIBDIR} ${options} -DCOIR_WERROR=${COIR_WERROR})

# As part of another project.
coir_consumer(subdirectory SOURCE ${CMAKE_CURRENT_SOURCE_DIR}/subdirectory PROPERTIES ENVIRONMENT CXXFLAGS=
  OPTIONS -DCOIR_SOURCE_DIR=${PROJECT_SOURCE_DIR} -DCOIR_WERROR=${COIR_WERROR})

# These build all of coir, with as many jobs as there are processors: not beside tests that look at the clock.
set_tests_properties(packaging.static packaging.subdirectory PROPERTIES RUN_SERIAL ON)
