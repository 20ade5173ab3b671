# SPDX-License-Identifier: MIT
#
# The CUDA kernels: one .cu through nvcc. Needs no GPU to build.

if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(CONTRASTIVE_NVCC nvcc HINTS /usr/local/cuda/bin /opt/cuda/bin)
  mark_as_advanced(CONTRASTIVE_NVCC)
  if(NOT CONTRASTIVE_NVCC)
    message(FATAL_ERROR "contrastive: CONTRASTIVE_ENABLE_CUDA is ON and nvcc is not found; put it on PATH or set "
                        "CMAKE_CUDA_COMPILER")
  endif()
  set(CMAKE_CUDA_COMPILER ${CONTRASTIVE_NVCC})
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80 90-real CACHE STRING "GPU generations to compile for")
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
contrastive_find_library(contrastive::cudnn cudnn.h cudnn SUFFIXES include)
if(NOT TARGET contrastive::cudnn)
  find_path(CONTRASTIVE_CUDNN_INCLUDE_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  find_library(CONTRASTIVE_CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_LIBRARY_ROOT}/lib64)
  mark_as_advanced(CONTRASTIVE_CUDNN_INCLUDE_DIR CONTRASTIVE_CUDNN_LIBRARY)
  if(CONTRASTIVE_CUDNN_INCLUDE_DIR AND CONTRASTIVE_CUDNN_LIBRARY)
    add_library(contrastive::cudnn INTERFACE IMPORTED GLOBAL)
    target_include_directories(contrastive::cudnn SYSTEM INTERFACE ${CONTRASTIVE_CUDNN_INCLUDE_DIR})
    target_link_libraries(contrastive::cudnn INTERFACE ${CONTRASTIVE_CUDNN_LIBRARY})
  endif()
endif()

add_library(contrastive_cuda STATIC ${PROJECT_SOURCE_DIR}/src/cuda.cu)
add_library(contrastive::cuda ALIAS contrastive_cuda)
set_target_properties(contrastive_cuda PROPERTIES EXPORT_NAME cuda
                                                  POSITION_INDEPENDENT_CODE ON)
# nvcc sees kernels/ and core/ only: no Eigen, no OpenMP flags.
target_include_directories(contrastive_cuda PRIVATE ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(contrastive_cuda INTERFACE CONTRASTIVE_WITH_CUDA)
# The standard as a flag: CMake 3.25 does not know the dialects of the newest nvcc.
target_compile_options(contrastive_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 --expt-relaxed-constexpr
                                                -Xcompiler=-Wall>)
target_link_libraries(contrastive_cuda PUBLIC CUDA::cudart CUDA::cublasLt)
if(TARGET contrastive::cudnn)
  target_link_libraries(contrastive_cuda PUBLIC contrastive::cudnn)
  target_compile_definitions(contrastive_cuda PRIVATE CONTRASTIVE_WITH_CUDNN)
  message(STATUS "contrastive: CUDA ${CUDAToolkit_VERSION} with cuDNN: found")
else()
  message(STATUS "contrastive: CUDA ${CUDAToolkit_VERSION}: found; cuDNN: not found. Convolution on the GPU unrolls windows and multiplies.")
endif()
target_link_libraries(contrastive_program INTERFACE contrastive_cuda)
