// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/io/report.hpp"

/// Runs side by side on one page: scores, curves, neighbours of the same pictures, maps, and each run's own pictures.
namespace contrastive {

/// A run with the name it has on the page; of runs that differ in the seed alone the first, with the scores of all.
struct NamedRun {
  std::string name;
  ReportData data;
  std::vector<Json> summaries;  // one a seed
};

namespace detail {

/// The resolved configuration without what two seeds of one experiment differ in.
inline std::string without_seed(const Json& config) {
  Json rest = config;
  for (const char* name : {"seed", "threads"}) rest.erase(name);
  return rest.empty() ? "" : dump_json(rest);
}

}  // namespace detail

/// Loads the folders; a run is named by its method, and by its folder too where two are of one method. `completed` makes
/// configurations of different versions alike.
inline std::vector<NamedRun> load_runs(
    const std::vector<std::string>& folders,
    const std::function<Json(const Json& config)>& completed = [](const Json& config) { return config; }) {
  std::vector<NamedRun> runs;
  std::vector<std::string> experiments, first_folders;
  for (const std::string& folder : folders) {
    ReportData data = load_report_data(folder);
    const std::string config = data.config.is_object() ? detail::without_seed(completed(data.config)) : "";
    const auto same = config.empty() ? experiments.end() : std::find(experiments.begin(), experiments.end(), config);
    if (same != experiments.end()) {
      runs[static_cast<std::size_t>(same - experiments.begin())].summaries.push_back(std::move(data.summary));
      continue;
    }
    const std::string method = detail::text_or_empty(data.summary, "method");
    runs.push_back({method.empty() ? folder : method, std::move(data), {}});
    runs.back().summaries.push_back(runs.back().data.summary);
    experiments.push_back(config);
    first_folders.push_back(folder);
  }
  const auto named = [&](const std::string& name) {
    return std::count_if(runs.begin(), runs.end(), [&](const NamedRun& run) { return run.name == name; });
  };
  std::vector<std::string> names;
  for (std::size_t i = 0; i < runs.size(); ++i)
    names.push_back(named(runs[i].name) > 1 ? join(runs[i].name, " (", first_folders[i], ")") : runs[i].name);
  for (std::size_t i = 0; i < runs.size(); ++i) runs[i].name = names[i];
  return runs;
}

namespace detail {

/// The columns of the table: a member of summary.json, its heading, whether it is a share.
struct ComparedColumn {
  const char *key, *title;
  bool percent;
};
inline constexpr ComparedColumn compared_columns[] = {
    {"knn_top1", "kNN", true},         {"linear_top1", "linear", true},          {"few_label_top1", "10 labels", true},
    {"effective_rank", "rank", false}, {"images_per_second", "images/s", false}, {"peak_memory_mb", "MB", false},
};

inline constexpr std::pair<const char*, const char*> baselines[] = {{"_random_init", "untrained, mean"},
                                                                    {"_pixels", "raw pixels"}};

inline std::string compared_value(double value, bool percent) {
  if (!std::isfinite(value)) return "–";
  return percent ? format("%.1f", 100 * value) : value >= 100 ? format("%.0f", value) : format("%.1f", value);
}

/// A summary's member over seeds or runs, those that have it. `deviation`: of the sample, NaN for one.
struct OverSeeds {
  double mean = std::nan(""), deviation = std::nan("");

  OverSeeds(const std::vector<Json>& summaries, const std::string& key) {
    std::vector<double> values;
    for (const Json& summary : summaries)
      if (const double value = number_or_nan(summary, key); std::isfinite(value)) values.push_back(value);
    const double count = static_cast<double>(values.size());
    if (values.empty()) return;
    double sum = 0, squares = 0;
    for (const double value : values) sum += value;
    mean = sum / count;
    for (const double value : values) squares += (value - mean) * (value - mean);
    if (values.size() > 1) deviation = std::sqrt(squares / (count - 1));
  }

  /// "85.2", over seeds "85.2 ± 0.3"; a speed or a size without its deviation.
  std::string text(bool percent) const {
    return compared_value(mean, percent) +
           (percent && std::isfinite(deviation) ? " ± " + compared_value(deviation, true) : "");
  }
};

/// The same over the seeds of all runs.
inline double mean_of(const std::vector<NamedRun>& runs, const std::string& key) {
  std::vector<Json> all;
  for (const NamedRun& run : runs) all.insert(all.end(), run.summaries.begin(), run.summaries.end());
  return OverSeeds(all, key).mean;
}

inline std::string comparison_table(const std::vector<NamedRun>& runs) {
  std::string html = "<div class=card><table class=scores><tr><th></th>";
  for (const ComparedColumn& column : compared_columns)
    html += join("<th><b>", column.title, "</b>", column.percent ? " · %" : "", "</th>");
  html += "</tr>";
  for (const NamedRun& run : runs) {
    html += "<tr class=mine><th>" + escape_html(run.name) + "</th>";
    for (const ComparedColumn& column : compared_columns) {
      const OverSeeds seeds(run.summaries, column.key);
      const double value = seeds.mean;
      double best = value;
      for (const NamedRun& other : runs)
        if (const double v = OverSeeds(other.summaries, column.key).mean; v > best) best = v;
      html += join("<td", column.percent && value == best ? " class=best" : "", ">", seeds.text(column.percent));
      if (column.percent && std::isfinite(value))
        html +=
            "<div class=bar><i style=\"width:" + format("%.1f", 100 * std::clamp(value, 0.0, 1.0)) + "%\"></i></div>";
      html += "</td>";
    }
    html += "</tr>";
  }
  for (const auto& [suffix, title] : baselines) {
    html += join("<tr><th>", title, "</th>");
    for (const ComparedColumn& column : compared_columns)
      html +=
          join("<td>", column.percent ? compared_value(mean_of(runs, join(column.key, suffix)), true) : "–", "</td>");
    html += "</tr>";
  }
  return html + "</table></div>";
}

/// A chart for each curve that two runs share, a line a run. Losses are left to the runs' own pages: they are of
/// different equations. What was looked at once is in the table, or no curve.
inline std::string comparison_charts(const std::vector<NamedRun>& runs) {
  std::vector<std::string> keys;
  for (const NamedRun& run : runs)
    for (const Curve& curve : run.data.curves)
      if (curve.name != "loss" && curve.name != "learning_rate" && curve.name != "images_per_second" &&
          curve.points.size() > 1 && std::find(keys.begin(), keys.end(), curve.name) == keys.end())
        keys.push_back(curve.name);
  std::string html;
  for (const std::string& key : keys) {
    Chart chart;
    chart.title = chart_title(key);
    chart.x_label = runs[0].data.x_label;
    chart.percent = key.find("top1") != key.npos;
    std::size_t shared = 0;
    for (const NamedRun& run : runs) {  // one without the curve keeps its place: a run has one colour in all charts
      chart.lines.push_back({run.name, {}});
      for (const Curve& curve : run.data.curves)
        if (curve.name == key) chart.lines.back().points = curve.points, ++shared;
    }
    if (shared > 1) html += draw_chart(chart);
  }
  return html.empty() ? html : heading("Training", "A line a run.") + "<div class=charts>" + html + "</div>";
}

/// For each of the first queries that all runs share, what each finds.
inline std::string comparison_neighbours(const std::vector<NamedRun>& runs, std::size_t queries = 6) {
  constexpr int px = 36;
  std::string html;
  const std::vector<NeighbourRow>& first = runs[0].data.neighbours;
  for (std::size_t q = 0; q < std::min(queries, first.size()); ++q) {
    html += join("<div class=same><figure>", image_tag(first[q].query, 64, first[q].label), "<div class=cap>",
                 escape_html(first[q].label), "</div></figure><div>");
    for (const NamedRun& run : runs) {
      const std::vector<NeighbourRow>& rows = run.data.neighbours;
      if (q >= rows.size() || rows[q].query.png != first[q].query.png) continue;
      html += "<div class=near><span>" + escape_html(run.name) + "</span>";
      for (const NeighbourRow::Hit& hit : rows[q].hits)
        html += join("<figure class=\"hit", hit.label == rows[q].label ? "" : " wrong", "\" title=\"",
                     escape_html(hit.label), "\">", image_tag(hit.picture, px, hit.label), "</figure>");
      html += "</div>";
    }
    html += "</div></div>";
  }
  if (html.empty()) return html;
  return heading("Nearest neighbours",
                 "The same test pictures, and the training pictures each run finds most similar. "
                 "Dashed: of another class.") +
         "<div class=\"card neighbours compared\">" + html + "</div>";
}

/// A map without its controls.
inline std::string small_map(const NamedRun& run) {
  const EmbeddingMap& map = run.data.map;
  const auto [x0, x1, y0, y1, drawn] = MapBounds(map);
  if (drawn == 0 || !(x1 > x0) || !(y1 > y0)) return {};
  const double scale = 280 / std::max(x1 - x0, y1 - y0);
  std::vector<std::string> paths(map.classes.size() + 1);
  for (const auto& point : map.points) {
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) continue;
    const bool known = point.label >= 0 && point.label < static_cast<int>(map.classes.size());
    paths[known ? static_cast<std::size_t>(point.label) + 1 : 0] +=
        "M" + format("%.1f", 150 + (point.x - (x0 + x1) / 2) * scale) + " " +
        format("%.1f", 150 - (point.y - (y0 + y1) / 2) * scale) + "h0";
  }
  std::string svg;
  for (std::size_t i = 0; i < paths.size(); ++i)
    if (!paths[i].empty())
      svg += join("<path stroke=\"", class_color(static_cast<int>(i) - 1, map.classes.size()), "\" d=\"", paths[i],
                  "\"/>");
  return "<figure class=\"chart tiny\"><figcaption><b>" + escape_html(run.name) +
         "</b></figcaption><svg viewBox=\"0 0 300 300\">" + svg + "</svg></figure>";
}

inline std::string comparison_maps(const std::vector<NamedRun>& runs) {
  std::string html;
  for (const NamedRun& run : runs) html += small_map(run);
  if (html.empty()) return html;
  std::string legend;
  const std::vector<std::string>& classes = runs[0].data.map.classes;
  if (classes.size() <= 12)
    for (std::size_t i = 0; i < classes.size(); ++i)
      legend += "<span><i style=\"background:" + class_color(static_cast<int>(i), classes.size()) + "\"></i>" +
                escape_html(classes[i]) + "</span>";
  return heading("Maps of the embeddings", "Test images by t-SNE, coloured by class.") + "<div class=legend>" + legend +
         "</div><div class=maps>" + html + "</div>";
}

/// What a run shows of itself beside its views: attention maps, reconstructions. Once for each kind of picture.
inline std::string comparison_galleries(const std::vector<NamedRun>& runs) {
  std::string html;
  std::set<std::string> seen;
  for (const NamedRun& run : runs)
    for (Gallery gallery : run.data.galleries) {
      if (gallery.title == "Augmented views" || !seen.insert(run.name + gallery.title).second) continue;
      gallery.title += " (" + run.name + ")";
      html += draw_gallery(gallery);
    }
  return html;
}

inline constexpr std::string_view comparison_css =
    ".compared{grid-template-columns:repeat(auto-fill,minmax(min(100%,490px),1fr));gap:0 30px}"
    ".compared .near{padding:2px 0;border:0;align-items:center;gap:5px}.compared .near span{width:96px;font-size:13px;"
    "color:var(--soft);overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.same{display:flex;gap:12px;padding:"
    "14px 0;border-bottom:1px solid var(--rule);break-inside:avoid}.same>figure{width:64px;flex:none}"
    ".maps{display:grid;grid-template-columns:repeat(auto-fill,minmax(200px,1fr));gap:12px;margin-top:10px}"
    ".tiny path{fill:none;stroke-linecap:round;stroke-width:3.4;stroke-opacity:.75}"
    ".legend i{height:9px;width:9px;border-radius:50%}";

}  // namespace detail

/// The scores as a Markdown table, a row a run, and what the untrained encoder and raw pixels reach.
inline std::string comparison_markdown(const std::vector<NamedRun>& runs) {
  using namespace detail;
  std::string head = "| run |", rule = "|---|", rows;
  for (const ComparedColumn& column : compared_columns) {
    head += join(" ", column.title, " |");
    rule += "---|";
  }
  for (const NamedRun& run : runs) {
    rows += "\n| " + run.name + " |";
    for (const ComparedColumn& column : compared_columns)
      rows += " " + OverSeeds(run.summaries, column.key).text(column.percent) + " |";
  }
  for (const auto& [suffix, title] : baselines) {
    rows += join("\n| ", title, " |");
    for (const ComparedColumn& column : compared_columns)
      rows += " " + (column.percent ? compared_value(mean_of(runs, join(column.key, suffix)), true) : "–") + " |";
  }
  return head + "\n" + rule + rows + "\n";
}

/// The page as one text. Throws without runs.
inline std::string render_comparison(const std::vector<NamedRun>& runs) {
  using namespace detail;
  require(!runs.empty(), "[compare] no runs");
  std::set<std::string> sets, encoders;
  std::size_t all = 0;
  for (const NamedRun& run : runs) {
    all += run.summaries.size();
    sets.insert(text_or_empty(run.data.summary, "dataset"));
    encoders.insert(text_or_empty(run.data.summary, "encoder"));
  }
  const auto list = [](const std::set<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() || name.empty() ? "" : ", ") + name;
    return escape_html(text);
  };
  const std::string facts =
      join("<span>data <b>", list(sets), "</b></span><span>encoder <b>", list(encoders), "</b></span><span>methods <b>",
           runs.size(), "</b></span><span>runs <b>", all, "</b></span>");
  return html_page("Methods side by side",
                   join("<style>", comparison_css, "</style><h1>Methods side by side</h1><div class=facts>", facts,
                        "</div><p>&nbsp;</p>", comparison_table(runs), comparison_charts(runs),
                        comparison_neighbours(runs), comparison_maps(runs), comparison_galleries(runs)));
}

}  // namespace contrastive
