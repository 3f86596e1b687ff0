# SPDX-License-Identifier: MIT
# cmake -DPROGRAM=... [-DARGUMENTS=...] -DEXPECTED=... -P compare_output.cmake
# Fails unless the program exits with 0 and prints exactly the expected file.
execute_process(COMMAND ${PROGRAM} ${ARGUMENTS} OUTPUT_VARIABLE printed RESULT_VARIABLE status TIMEOUT 60)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ended with '${status}' after printing:\n${printed}")
endif()
file(READ ${EXPECTED} expected)
if(NOT printed STREQUAL expected)
  message(FATAL_ERROR "${PROGRAM} printed:\n${printed}\nexpected:\n${expected}")
endif()
