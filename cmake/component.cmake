# SPDX-License-Identifier: MIT
# What the three components have in common.

add_library(coir_warnings INTERFACE)
target_compile_options(coir_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wold-style-cast -Woverloaded-virtual
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>  # gcc.gnu.org/PR105651: false alarms on "text" + std::string
  $<$<BOOL:${COIR_WERROR}>:-Werror>)

if(COIR_SANITIZE)
  # Everything, tests and examples included: a sanitizer sees only what is compiled with it. Its reports show
  # functions and lines; variables and types are a quarter of the time that a test takes GCC. Clang saves little, and without
  # types it leaves out namespaces, by which call graphs know coir's own functions.
  add_compile_options(-fsanitize=${COIR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    $<IF:$<STREQUAL:${CMAKE_CXX_COMPILER_ID},GNU>,-g1,-g>)
  add_link_options(-fsanitize=${COIR_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Tests ask for the macros of GCC; Clang has __has_feature() in their place.
    if(COIR_SANITIZE MATCHES "address")
      add_compile_definitions(__SANITIZE_ADDRESS__=1)
    elseif(COIR_SANITIZE MATCHES "thread")
      add_compile_definitions(__SANITIZE_THREAD__=1)
    endif()
  endif()
endif()

# coir_component(NAME HEADERS <header>... SOURCES <source>...)
# Makes target coir_NAME (alias and export coir::NAME) with its own include root, so that an include which goes against
# the layers does not compile.
function(coir_component name)
  cmake_parse_arguments(ARG "" "" "HEADERS;SOURCES" ${ARGN})
  add_library(coir_${name})
  add_library(coir::${name} ALIAS coir_${name})
  list(TRANSFORM ARG_HEADERS PREPEND include/coir/)
  list(TRANSFORM ARG_SOURCES PREPEND src/)
  target_sources(coir_${name} PRIVATE ${ARG_SOURCES}
    PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${ARG_HEADERS})
  target_compile_features(coir_${name} PUBLIC cxx_std_20)
  # Frame pointers: fibers are walked by debuggers and profilers that know no better. No PLT: a call less per switch.
  # No interposition: without that promise GCC neither inlines nor calls directly what the library exports.
  target_compile_options(coir_${name} PRIVATE -fno-omit-frame-pointer -fno-plt -fno-semantic-interposition)
  target_link_libraries(coir_${name} PRIVATE $<BUILD_INTERFACE:coir_warnings>)
  set_target_properties(coir_${name} PROPERTIES
    EXPORT_NAME ${name}
    DEFINE_SYMBOL ""
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    VERIFY_INTERFACE_HEADER_SETS ${PROJECT_IS_TOP_LEVEL})
endfunction()
