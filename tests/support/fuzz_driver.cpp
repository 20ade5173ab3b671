// SPDX-License-Identifier: MIT

// Stands in for libFuzzer where there is none (g++): runs a fuzz target on the files named on the command line, on
// the empty input, and on a fixed number of seeded mutations of each.
//   fuzz_png [-mutations=N] FILE_OR_FOLDER...

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "contrastive/core/rng.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

void mutate(Bytes& bytes, contrastive::Stream& random) {
  constexpr std::uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '"', '{', '[', '\n'};
  for (std::uint64_t edits = 1 + random.below(6); edits > 0 && !bytes.empty(); --edits) {
    const std::size_t at = random.below(bytes.size());
    switch (random.below(6)) {
      case 0: bytes[at] = static_cast<std::uint8_t>(random.bits()); break;
      case 1: bytes[at] ^= static_cast<std::uint8_t>(1u << random.below(8)); break;
      case 2: bytes[at] = edges[random.below(std::size(edges))]; break;
      case 3: bytes.resize(at); break;  // truncated
      case 4:
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), 1 + random.below(8), edges[random.below(5)]);
        break;
      default: {  // a run of bytes from elsewhere, or of one value: lengths and offsets that lie
        const std::size_t length = std::min<std::size_t>(1 + random.below(8), bytes.size() - at);
        std::memset(bytes.data() + at, edges[random.below(5)], length);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  long mutations = 200;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind("-mutations=", 0) == 0) {
      mutations = std::atol(argument.c_str() + 11);
    } else if (std::filesystem::is_directory(argument)) {
      for (const auto& entry : std::filesystem::directory_iterator(argument))
        if (entry.is_regular_file()) files.push_back(entry.path().string());
    } else if (std::filesystem::is_regular_file(argument)) {
      files.push_back(argument);
    }
  }
  std::sort(files.begin(), files.end());

  long runs = 1;
  LLVMFuzzerTestOneInput(nullptr, 0);
  const contrastive::Rng rng(2026);
  for (std::size_t f = 0; f < files.size(); ++f) {
    std::ifstream in(files[f], std::ios::binary);
    const Bytes original{std::istreambuf_iterator<char>(in), {}};
    LLVMFuzzerTestOneInput(original.data(), original.size());
    for (long m = 0; m < mutations; ++m) {
      contrastive::Stream random(rng / f / static_cast<std::uint64_t>(m));
      Bytes bytes = original;
      mutate(bytes, random);
      LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    runs += 1 + mutations;
  }
  std::printf("%ld inputs from %zu files\n", runs, files.size());
  return 0;
}
