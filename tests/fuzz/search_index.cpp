// SPDX-License-Identifier: MIT
#include <cstdlib>
#include <memory>

#include "contrastive/search/index_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace contrastive;
  const std::unique_ptr<std::byte, void (*)(void*)> copy(
      static_cast<std::byte*>(std::aligned_alloc(64, (size + 64) / 64 * 64)), &std::free);
  if (size > 0) std::memcpy(copy.get(), data, size);
  try {
    const IndexFile index = IndexFile::parse({copy.get(), size}, "fuzz");
    for (std::size_t i = 0; i < index.size(); ++i)
      if (index.find(index.path(i)) != i) std::abort();
    // Everything that is promised lies in the file.
    for (const IndexedModel& model : index.models()) {
      const std::vector<float> query(static_cast<std::size_t>(model.table.dimension), 0.5f);
      search_rows(model.table, query, 3, model.states);
      search_rows(model.neutral, query, 3);
    }
  } catch (const Error&) {
  }
  return 0;
}
