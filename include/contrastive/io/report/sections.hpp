// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/io/report/chart.hpp"
#include "contrastive/io/report/data.hpp"
#include "contrastive/io/report/text.hpp"

namespace contrastive::detail {

inline double number_or_nan(const Json& json, std::string_view name) {
  const auto value = json.find(name);
  return value != json.end() && value->is_number() ? value->get<double>() : std::nan("");
}

inline std::string text_or_empty(const Json& json, std::string_view name) {
  const auto value = json.find(name);
  return value != json.end() && value->is_string() ? value->get<std::string>() : std::string();
}

/// `px`: the width on the page. Small pictures are enlarged with their pixels kept square.
inline std::string image_tag(const Picture& picture, int px, std::string_view description) {
  if (picture.png.empty()) return join("<div style=\"width:", px, "px;height:", px, "px\"></div>");
  const bool enlarge = picture.width * 3 / 2 < px;
  return join("<img", enlarge ? " class=px" : "", " width=", px,
              " height=", std::max(1, picture.width ? px * picture.height / picture.width : px), " alt=\"",
              escape_html(description), "\" src=\"data:image/png;base64,", picture.png, "\">");
}

inline std::string duration_text(double seconds) {
  char text[48];
  const long s = std::lround(seconds);
  if (s < 60)
    std::snprintf(text, sizeof text, "%ld s", s);
  else if (s < 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld min", s / 60, s % 60);
  else
    std::snprintf(text, sizeof text, "%ld:%02ld h", s / 3600, s / 60 % 60);
  return text;
}

/// The three ways an encoder is judged, by their names in summary.json.
struct Measure {
  const char *key, *title, *note;
};
inline constexpr Measure measures[] = {
    {"knn_top1", "kNN", "nearest training images vote"},
    {"linear_top1", "Linear probe", "a linear classifier on frozen features"},
    {"few_label_top1", "Few labels", "the same from ten labels a class"},
};
inline constexpr std::pair<const char*, const char*> representations[] = {
    {"", "Trained encoder"}, {"_random_init", "Untrained encoder"}, {"_pixels", "Raw pixels"}};

inline std::string tile(std::string_view title, std::string_view value, std::string_view below = "",
                        std::string_view tone = "") {
  return join("<div class=\"card tile\"><small>", title, "</small><b>", value, "</b><em class=\"", tone, "\">", below,
              "</em></div>");
}

inline std::string tiles(const Json& summary) {
  std::string html;
  for (const Measure& measure : measures) {
    const double score = number_or_nan(summary, measure.key);
    if (!std::isfinite(score)) continue;
    const double pixels = number_or_nan(summary, std::string(measure.key) + "_pixels");
    const double gain = 100 * (score - pixels);
    std::string below;
    if (std::isfinite(gain)) below = format("%+.1f", gain) + " against pixels";
    html += tile(measure.title, format_value(score, true), below, gain > 0 ? "up" : gain < 0 ? "down" : "");
  }
  if (const double loss = number_or_nan(summary, "loss_final"); std::isfinite(loss))
    html += tile("Loss", format_value(loss), "mean of the last epoch");
  if (const double rank = number_or_nan(summary, "effective_rank"); std::isfinite(rank)) {
    const double dims = number_or_nan(summary, "embedding_dimensions");
    html += tile("Effective rank", format("%.1f", rank),
                 std::isfinite(dims) ? "of " + format_value(dims) + " dimensions" : std::string());
  }
  const double seconds = number_or_nan(summary, "seconds"), rate = number_or_nan(summary, "images_per_second");
  if (std::isfinite(seconds))
    html += tile("Training time", duration_text(seconds),
                 std::isfinite(rate) ? format_value(std::round(rate)) + " images/s" : std::string());
  return html.empty() ? html : "<div class=tiles>" + html + "</div>";
}

inline std::string score_table(const Json& summary) {
  std::vector<const Measure*> columns;
  for (const Measure& measure : measures)
    if (std::isfinite(number_or_nan(summary, measure.key))) columns.push_back(&measure);
  if (columns.empty()) return {};
  std::string html = "<div class=card><table class=scores><tr><th>Top-1 accuracy</th>";
  for (const Measure* measure : columns) html += join("<th><b>", measure->title, "</b> · ", measure->note, "</th>");
  html += "</tr>";
  for (const auto& [suffix, title] : representations) {
    std::string row;
    bool any = false;
    for (const Measure* measure : columns) {
      const double score = number_or_nan(summary, join(measure->key, suffix));
      const double deviation = number_or_nan(summary, join(measure->key, suffix, "_std"));
      if (!std::isfinite(score)) {
        row += "<td>–</td>";
        continue;
      }
      any = true;
      double best = score;
      for (const auto& other : representations)
        if (const double s = number_or_nan(summary, join(measure->key, other.first)); s > best) best = s;
      row += join("<td", score == best ? " class=best" : "", ">", format_value(score, true));
      if (std::isfinite(deviation)) row += format(" <small>± %.1f</small>", 100 * deviation);
      row += "<div class=bar><i style=\"width:" + format("%.1f", 100 * std::clamp(score, 0.0, 1.0)) +
             "%\"></i></div></td>";
    }
    if (any) html += join("<tr", *suffix ? "" : " class=mine", "><th>", title, "</th>", row, "</tr>");
  }
  return html + "</table></div>";
}

inline std::string draw_gallery(const Gallery& gallery) {
  if (gallery.rows.empty()) return {};
  std::string html = heading(gallery.title, gallery.note) + "<div class=\"card gallery\">";
  for (const Gallery::Row& row : gallery.rows) {
    html += "<div class=strip>";
    if (!row.caption.empty()) html += "<div class=cap>" + escape_html(row.caption) + "</div>";
    html += "<div class=pics>";
    for (std::size_t i = 0; i < row.pictures.size(); ++i) {
      const std::string caption = i < gallery.columns.size() ? gallery.columns[i] : std::string();
      const int px = row.pictures[i].width <= 48 ? 60 : std::min(row.pictures[i].width, 112);
      html += join("<figure", i == 0 && row.pictures.size() > 1 ? " class=first" : "", ">",
                   image_tag(row.pictures[i], px, row.caption + " " + caption));
      if (!caption.empty()) html += "<div class=cap>" + escape_html(caption) + "</div>";
      html += "</figure>";
    }
    html += "</div></div>";
  }
  return html + "</div>";
}

inline std::string draw_neighbours(const std::vector<NeighbourRow>& rows) {
  if (rows.empty()) return {};
  std::size_t most = 0, right = 0, all = 0;
  for (const NeighbourRow& row : rows) {
    most = std::max(most, row.hits.size());
    for (const NeighbourRow::Hit& hit : row.hits)
      if (!row.label.empty()) all += 1, right += hit.label == row.label;
  }
  std::string note = "Left: a test image. Right: the training images whose embeddings are most similar (cosine below).";
  if (all) note += join(" ", right, " of ", all, " have the query's label (✓).");
  constexpr int px = 44;
  std::string html = heading("Nearest neighbours", note) +
                     join("<div class=\"card neighbours\" style=\"--row:", (most + 1) * (px + 8) + 30, "px\">");
  for (const NeighbourRow& row : rows) {
    html += join("<div class=near><figure class=q>", image_tag(row.query, px, row.label),
                 "<div class=cap style=width:", px + 12, "px title=\"", escape_html(row.label), "\">",
                 escape_html(row.label), "</div></figure>");
    for (const NeighbourRow::Hit& hit : row.hits) {
      const bool known = !row.label.empty(), match = hit.label == row.label;
      html += join("<figure class=\"hit", known ? (match ? "" : " wrong") : " plain", "\">",
                   image_tag(hit.picture, px, hit.label), known ? (match ? "<u>✓</u>" : "<u>✗</u>") : "",
                   "<div class=cap style=width:", px, "px title=\"", escape_html(hit.label), "\">",
                   known && !match ? escape_html(hit.label) : format("%.2f", hit.similarity), "</div></figure>");
    }
    html += "</div>";
  }
  return html + "</div>";
}

inline int append_settings(std::string& html, const Json& value, const std::string& name) {
  if (value.is_object()) {
    int count = 0;
    for (const auto& [member, inner] : value.items())
      count += append_settings(html, inner, name.empty() ? member : name + "." + member);
    return count;
  }
  html += "<div><dt>" + escape_html(name) + "</dt><dd>" +
          escape_html(value.is_string() ? path_from_utf8(value.get_ref<const std::string&>()) : dump_json(value)) +
          "</dd></div>";
  return 1;
}

inline std::string draw_config(const Json& config) {
  if (!config.is_object() || config.empty()) return {};
  std::string settings;
  const int count = append_settings(settings, config, "");
  return heading("Configuration", "Every setting of the run, defaults included.") +
         "<div class=card><details open><summary>" + join(count) + " settings</summary><dl>" + settings +
         "</dl></details></div>";
}

}  // namespace contrastive::detail
