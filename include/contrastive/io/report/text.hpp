// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include "contrastive/io/utf8.hpp"

/// Words and numbers of the page.
namespace contrastive::detail {

/// For text and attributes, in UTF-8 whatever the text is.
inline std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : as_utf8(text)) switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  return out;
}

inline std::string format(const char* pattern, double value) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

/// "0.0312", "1.2e-05", "12,345", "81.4 %".
inline std::string format_value(double value, bool percent = false) {
  if (!std::isfinite(value)) return std::isnan(value) ? "NaN" : value > 0 ? "∞" : "-∞";
  if (percent) return format("%.1f %%", 100 * value);
  const double size = std::fabs(value);
  if (size >= 10000 && size < 1e15) {
    std::string text = format("%.0f", value);
    for (int at = static_cast<int>(text.size()) - 3; at > (value < 0 ? 1 : 0); at -= 3)
      text.insert(static_cast<std::size_t>(at), ",");
    return text;
  }
  return format("%.4g", value);
}

inline std::string heading(std::string_view title, std::string_view note) {
  std::string html = "<h2>" + escape_html(title) + "</h2>";
  if (!note.empty()) html += "<p class=sub>" + escape_html(note) + "</p>";
  return html;
}

}  // namespace contrastive::detail
