// SPDX-License-Identifier: MIT
#include "contrastive/data/cifar.hpp"
#include "contrastive/data/stl10.hpp"

// CIFAR records and STL-10 labels; the first byte chooses.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace contrastive;
  if (size == 0) return 0;
  const std::span<const std::uint8_t> rest(data + 1, size - 1);
  try {
    if (data[0] % 3 == 2) {
      Stl10::parse_labels(rest, "fuzz", data[0]);
    } else {
      ArrayDataset set;
      set.height = set.width = 32;
      detail::append_cifar(rest, "fuzz", 1 + data[0] % 3, data[0] % 3 ? 100 : 10, set);
      for (std::size_t i = 0; i < set.size(); ++i)
        if (set.image(i).pixels.size() != 3072 || set.label(i) >= 100) std::abort();
    }
  } catch (const Error&) {
  }
  return 0;
}
