// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/io/report/chart.hpp"
#include "contrastive/io/report/data.hpp"
#include "contrastive/io/report/text.hpp"

namespace contrastive::detail {

/// The least rectangle around a map's finite points, and how many those are.
struct MapBounds {
  double x0 = HUGE_VAL, x1 = -HUGE_VAL, y0 = HUGE_VAL, y1 = -HUGE_VAL;
  std::size_t points = 0;

  explicit MapBounds(const EmbeddingMap& map) {
    for (const auto& point : map.points)
      if (std::isfinite(point.x) && std::isfinite(point.y)) {
        x0 = std::min(x0, point.x), x1 = std::max(x1, point.x);
        y0 = std::min(y0, point.y), y1 = std::max(y1, point.y);
        ++points;
      }
  }
};

inline std::string draw_map(const EmbeddingMap& map) {
  const auto [x0, x1, y0, y1, drawn] = MapBounds(map);
  if (drawn == 0) return {};
  // One scale for both axes, so that distances mean the same in every direction; the longer side fills 700 units.
  const double scale = 700 / std::max({x1 - x0, y1 - y0, 1e-12});
  const double width = std::max(700.0 * 0.55, (x1 - x0) * scale) + 30, height = (y1 - y0) * scale + 30;
  const double left = (width - (x1 - x0) * scale) / 2;

  const auto classes = static_cast<int>(map.classes.size());
  const auto label_of = [&](int label) { return label >= 0 && label < classes ? label : -1; };
  std::vector<std::size_t> counts(map.classes.size());
  std::string points = "[", svg;
  // Classes are drawn in turns of a few points each, so that none hides the others.
  constexpr std::size_t rounds = 8;
  std::vector<std::string> paths(rounds * (map.classes.size() + 1));
  for (std::size_t i = 0; i < map.points.size(); ++i) {
    const EmbeddingMap::Point& point = map.points[i];
    const int label = label_of(point.label);
    const bool finite = std::isfinite(point.x) && std::isfinite(point.y);
    const std::string x = finite ? format("%.1f", left + (point.x - x0) * scale) : "-99";
    const std::string y = finite ? format("%.1f", 15 + (y1 - point.y) * scale) : "-99";
    points += join(i ? "," : "", x, ",", y, ",", label);
    if (label >= 0) ++counts[static_cast<std::size_t>(label)];
    if (finite)
      paths[i * rounds / map.points.size() * (map.classes.size() + 1) + static_cast<std::size_t>(label + 1)] +=
          "M" + x + " " + y + "h0";
  }
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const int label = static_cast<int>(i % (map.classes.size() + 1)) - 1;
    if (!paths[i].empty())
      svg += join("<path data-k=", label, " stroke=\"", class_color(label, map.classes.size()), "\" d=\"", paths[i],
                  "\"/>");
  }

  const std::string method = map.method.empty() ? "two dimensions" : map.method;
  const bool seen = !map.thumbnails.picture.png.empty();
  std::string html =
      heading(
          "Map of the embeddings",
          join(format_value(static_cast<double>(drawn)), seen ? " test images by " : " of the test part by ", method,
               seen ? ". Point at a dot to see its image; choose" : ". Choose", " a class to pick it out.")) +
      join("<div class=\"card map\"><svg id=map role=img aria-label=\"Map of the embeddings\"",
           drawn > 3000 ? " class=many" : "", " viewBox=\"0 0 ", format("%.0f", width), " ", format("%.0f", height),
           "\">", svg, "</svg>");
  if (!map.classes.empty()) {
    html += "<div class=classes>";
    for (int label = 0; label < classes; ++label)
      html += join("<button><i style=\"background:", class_color(label, map.classes.size()), "\"></i>",
                   escape_html(map.classes[static_cast<std::size_t>(label)]), "<small>",
                   counts[static_cast<std::size_t>(label)], "</small></button>");
    html += "</div>";
  }
  html += "</div>";

  Json names = Json::array();
  for (const std::string& name : map.classes) names.push_back(as_utf8(name));
  std::string data = "{\"p\":" + points + "],\"names\":" + dump_json(names);
  const PictureSheet& sheet = map.thumbnails;
  if (!sheet.picture.png.empty()) {
    data += join(",\"sheet\":{\"columns\":", sheet.columns, ",\"w\":", sheet.cell_width, ",\"h\":", sheet.cell_height,
                 ",\"width\":", sheet.picture.width, "}");
    html += "<style>.sheet{background-image:url(data:image/png;base64," + sheet.picture.png + ")}</style>";
  }
  data += "}";
  // "</script>" inside a name must not end the element.
  std::string safe;
  for (char c : data) safe += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return html + "<script type=application/json id=map-data>" + safe + "</script>";
}

}  // namespace contrastive::detail
