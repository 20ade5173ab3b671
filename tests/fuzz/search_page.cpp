// SPDX-License-Identifier: MIT
#include <cstdlib>

#include "contrastive/search/page_request.hpp"
#include "contrastive/search/printable.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace contrastive;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const PageRequest request = parse_page_request(text, 100);
    for (const auto* marked : {&request.like, &request.unlike})
      for (const std::int64_t n : *marked)
        if (n < 0 || n >= 100) std::abort();
    if (request.from >= most_page_hits || request.count > most_page_count) std::abort();
  } catch (const Error&) {
  }
  try {
    for (const QueryTerm& term : parse_page_query(text))
      if (term.kind != QueryTerm::Kind::words || term.text.empty()) std::abort();
  } catch (const Error&) {
  }
  if (const auto number = image_number(text, "/thumb/", 100); number && (*number < 0 || *number >= 100)) std::abort();
  // Whatever the bytes are, what is shown is UTF-8 without controls.
  const std::string shown = printable(text);
  detail::each_utf8(
      shown,
      [](std::string_view character) {
        if (static_cast<unsigned char>(character[0]) < 0x20) std::abort();
      },
      [](unsigned char) { std::abort(); });
  return 0;
}
