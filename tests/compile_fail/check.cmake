# SPDX-License-Identifier: MIT
#
# A file of this folder compiles as it is, does not compile with -DFAIL, and the compiler then says every sentence
# that the file names in a line `// expect: <sentence>`.
#   cmake -DCOMPILER=... -DFLAGS=<response file> -DSOURCE=... -P check.cmake

file(STRINGS ${SOURCE} sentences REGEX "^// expect: ")
if(NOT sentences)
  message(FATAL_ERROR "${SOURCE} has no line '// expect: <sentence>'")
endif()

execute_process(COMMAND ${COMPILER} @${FLAGS} -fsyntax-only ${SOURCE} RESULT_VARIABLE result ERROR_VARIABLE said)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the passing twin does not compile:\n${said}")
endif()

set(ENV{LC_ALL} C)
execute_process(COMMAND ${COMPILER} @${FLAGS} -fsyntax-only -DFAIL ${SOURCE} RESULT_VARIABLE result ERROR_VARIABLE said)
if(result EQUAL 0)
  message(FATAL_ERROR "compiles, and should not")
endif()
foreach(line IN LISTS sentences)
  string(REPLACE "// expect: " "" sentence "${line}")
  string(FIND "${said}" "${sentence}" place)
  if(place EQUAL -1)
    message(FATAL_ERROR "the compiler does not say: ${sentence}\n${said}")
  endif()
endforeach()
