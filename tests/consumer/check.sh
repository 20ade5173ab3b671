#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds and runs train.cpp as a stranger's project would.
#   check.sh find_package|add_subdirectory|prefix|bare|silent|unaided SOURCE_DIR BUILD_DIR COMPILER EIGEN_DIR LIBRARY_DIR
# BUILD_DIR is the library's build folder; find_package and prefix use what it installs. silent compiles the README's
# program with every compiler that is found, and nothing but -I; it and bare fail on any word of a compiler. unaided looks
# whether the layers that compose a method ask for any package, and whether the others say which they miss.
#   CONTRASTIVE_OPTIMISED=1 check.sh silent ...   at -O2 too, 40 s a compiler
set -euo pipefail
way=$1 source=$2 build=$3 compiler=$4 eigen=$5 libdir=$6

work=$build/tests/consumer/$way
prefix=$build/tests/consumer/prefix_installed
rm -rf "$work"
mkdir -p "$work"

project() {
  cmake -S "$source/tests/consumer/$way" -B "$work" -DCMAKE_CXX_COMPILER="$compiler" "$@"
  cmake --build "$work"
  "$work/train"
}

# compile COMPILER [OPTION...]: with warnings, none of which may come.
compile() {
  echo "$@"
  "$@" -std=c++20 -Wall -Wextra 2>&1 | tee "$work/said"
  if [[ -s $work/said ]]; then
    echo "check.sh: the compiler has something to say" >&2
    exit 1
  fi
}

case $way in
  install)
    rm -rf "$prefix"
    cmake --install "$build" --prefix "$prefix" >/dev/null
    ls "$prefix/include/contrastive" "$prefix/$libdir"
    ;;
  find_package) project -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" ;;
  add_subdirectory) project -DCMAKE_BUILD_TYPE=Debug -DCONTRASTIVE_SOURCE_DIR="$source" ;;
  prefix)  # no CMake on the consumer's side: the compiled library and the flags it needs
    flags=()
    grep -q ONEDNN "$prefix/$libdir/cmake/contrastive/contrastive-config.cmake" && flags+=(-DCONTRASTIVE_WITH_ONEDNN -ldnnl)
    grep -q OPENMP "$prefix/$libdir/cmake/contrastive/contrastive-config.cmake" && flags+=(-fopenmp)
    "$compiler" -std=c++20 -O2 -DCONTRASTIVE_COMPILED -I"$prefix/include" -isystem "$eigen" \
      "$source/tests/consumer/train.cpp" "$prefix/$libdir/libcontrastive_compiled.a" "${flags[@]}" -pthread -o "$work/train"
    "$work/train"
    ;;
  bare)  # the headers and Eigen, nothing else
    compile "$compiler" -O2 -I"$source/include" -isystem "$eigen" "$source/tests/consumer/train.cpp" -o "$work/train"
    "$work/train"
    ;;
  silent)
    levels=(-O0)
    [[ -n ${CONTRASTIVE_OPTIMISED:-} ]] && levels+=(-O2)
    for each in g++ g++-{12..16} clang++ clang++-{14..21}; do
      found=$(readlink -f "$(command -v "$each")") || continue
      [[ -z $found || " ${seen[*]-} " == *" $found "* ]] && continue
      seen+=("$found")
      for level in "${levels[@]}"; do
        compile "$each" "$level" -I"$source/include" -c "$source/examples/twenty_lines.cpp" -o "$work/twenty_lines.o"
      done
    done
    [[ -n ${seen[*]-} ]]
    ;;
  unaided)
    headers() { (cd "$source/include" && find "$@" -name '*.hpp' | grep -v /cuda/ | sed 's/.*/#include "&"/'); }
    headers contrastive/{core,media,text,kernels,tensor,ops,nn,encoders,augment,data,optim,dist,objectives,methods} >"$work/layers.cpp"
    "$compiler" -std=c++20 -I"$source/include" -M "$work/layers.cpp" | tr ' ' '\n' >"$work/read"
    grep -q objectives/info_nce.hpp "$work/read"
    if grep -iE '/(eigen3?|nlohmann|stb|xtensor)/' "$work/read"; then
      echo "check.sh: these come from a package" >&2
      exit 1
    fi
    # A machine without the packages: the system's headers but theirs.
    mkdir "$work/system"
    system=(-nostdinc -nostdinc++)
    while read -r folder; do
      if [[ -e $folder/nlohmann || -e $folder/Eigen ]]; then
        ln -s "$folder"/* "$work/system"
        rm -f "$work"/system/{nlohmann,Eigen}
        folder=$work/system
      fi
      system+=(-isystem "$folder")
    done < <("$compiler" -x c++ -E -v /dev/null 2>&1 | sed -n '/^#include </,/^End/s/^ //p')
    missed() {  # missed HEADER SENTENCE: what the first error says
      echo "#include \"contrastive/$1\"" >"$work/missed.cpp"
      "$compiler" -std=c++20 "${system[@]}" -I"$source/include" -fsyntax-only "$work/missed.cpp" 2>"$work/said" &&
        { echo "check.sh: $1 compiles without its package" >&2; exit 1; }
      grep -m1 'error' "$work/said" | grep -F "$2" || { cat "$work/said" >&2; exit 1; }
    }
    missed io/safetensors.hpp 'io/ and train/ need nlohmann-json (Debian and Ubuntu: nlohmann-json3-dev)'
    missed train/settings.hpp 'io/ and train/ need nlohmann-json (Debian and Ubuntu: nlohmann-json3-dev)'
    missed eval/spectrum.hpp 'eval/ and train/ need Eigen 3.4 (Debian and Ubuntu: libeigen3-dev, -I/usr/include/eigen3)'
    ;;
  *) echo "check.sh: unknown way $way" >&2; exit 2 ;;
esac
