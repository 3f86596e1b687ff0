# SPDX-License-Identifier: MIT
# cmake -DPROGRAM=... [-DARGUMENTS=...] -DEXPECTED=... -P compare_output.cmake
# Fails unless the program exits with 0 and prints exactly the expected file. Exit status 77: it has said why it could
# not show anything; a script cannot end with 77 itself, so ctest looks for the "skipped: " (SKIP_REGULAR_EXPRESSION).
execute_process(COMMAND ${PROGRAM} ${ARGUMENTS} OUTPUT_VARIABLE printed RESULT_VARIABLE status TIMEOUT 60)
if(status EQUAL 77 AND printed MATCHES "^skipped: ")
  message("${printed}")
  return()
endif()
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ended with '${status}' after printing:\n${printed}")
endif()
file(READ ${EXPECTED} expected)
if(NOT printed STREQUAL expected)
  message(FATAL_ERROR "${PROGRAM} printed:\n${printed}\nexpected:\n${expected}")
endif()
