// SPDX-License-Identifier: MIT
#pragma once

// report.html: a run on one page that needs no network, and the files it can be rebuilt from.
//
// A run's folder RUN holds
//   metrics.csv               first column `step`; a column `epoch`, where there is one, is the x axis; each other
//                             column is a curve ("knn/train" and "knn/test" share a chart); empty cells are skipped
//   summary.json              flat: method, encoder, dataset, epochs, seconds, images_per_second, loss_final,
//                             effective_rank, and knn_top1, linear_top1, few_label_top1 (0 to 1), each also with
//                             _random_init and _pixels (and, where it is a mean of draws, _std)
//   config.json               the resolved configuration
//   report_data/pictures.json {"title", "galleries": [{"title", "note", "columns", "rows": [{"caption", "pictures"}]}],
//                             "neighbours": [{"query", "label", "hits": [{"picture", "label", "similarity"}]}],
//                             "map": {"method", "classes", "sheet"}}; a picture is {"png": base64, "width", "height"}
//   report_data/map.csv       x,y,label: a point of the map a row, label an index into the classes or -1
// The trainer writes the first three; `save_report_data` the last two. Each may be missing: the page leaves that out.

#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/io/metrics.hpp"
#include "contrastive/io/report/data.hpp"
#include "contrastive/io/report/map.hpp"
#include "contrastive/io/report/sections.hpp"
#include "contrastive/io/report/style.hpp"

namespace contrastive {

namespace detail {

inline Json picture_to_json(const Picture& picture) {
  return {{"png", picture.png}, {"width", picture.width}, {"height", picture.height}};
}

inline int read_size(const Json& json, std::string_view name) {
  const Json& value = json.at(name);
  const std::int64_t size = is_whole_number(value) ? value.get<std::int64_t>() : -1;
  require(size >= 0 && size <= 1 << 16, "\"", name, "\" is ", dump_json(value), ", expected 0 to 65536");
  return static_cast<int>(size);
}

inline Picture picture_from_json(const Json& json) {
  Picture picture;
  picture.png = json.at("png").get<std::string>();
  for (char c : picture.png)  // it goes into the page as it is
    require(
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=',
        "a picture is not base64");
  picture.width = read_size(json, "width");
  picture.height = read_size(json, "height");
  return picture;
}

inline Json pictures_to_json(const ReportData& data) {
  Json json = Json::object();
  json["title"] = as_utf8(data.title);
  json["galleries"] = Json::array();
  for (const Gallery& gallery : data.galleries) {
    Json columns = Json::array(), rows = Json::array();
    for (const std::string& column : gallery.columns) columns.push_back(as_utf8(column));
    for (const Gallery::Row& row : gallery.rows) {
      Json pictures = Json::array();
      for (const Picture& picture : row.pictures) pictures.push_back(picture_to_json(picture));
      rows.push_back({{"caption", as_utf8(row.caption)}, {"pictures", std::move(pictures)}});
    }
    json["galleries"].push_back({{"title", as_utf8(gallery.title)},
                                 {"note", as_utf8(gallery.note)},
                                 {"columns", std::move(columns)},
                                 {"rows", std::move(rows)}});
  }
  json["neighbours"] = Json::array();
  for (const NeighbourRow& row : data.neighbours) {
    Json hits = Json::array();
    for (const NeighbourRow::Hit& hit : row.hits)
      hits.push_back(
          {{"picture", picture_to_json(hit.picture)}, {"label", as_utf8(hit.label)}, {"similarity", hit.similarity}});
    json["neighbours"].push_back(
        {{"query", picture_to_json(row.query)}, {"label", as_utf8(row.label)}, {"hits", std::move(hits)}});
  }
  Json classes = Json::array();
  for (const std::string& name : data.map.classes) classes.push_back(as_utf8(name));
  const PictureSheet& sheet = data.map.thumbnails;
  json["map"] = {{"method", as_utf8(data.map.method)},
                 {"classes", std::move(classes)},
                 {"sheet",
                  {{"picture", picture_to_json(sheet.picture)},
                   {"columns", sheet.columns},
                   {"cell_width", sheet.cell_width},
                   {"cell_height", sheet.cell_height}}}};
  return json;
}

inline void pictures_from_json(const Json& json, ReportData& data) {
  const auto text = [](const Json& value) { return value.get<std::string>(); };
  data.title = text(json.at("title"));
  for (const Json& from : json.at("galleries")) {
    Gallery gallery{text(from.at("title")), text(from.at("note")), {}, {}};
    for (const Json& column : from.at("columns")) gallery.columns.push_back(text(column));
    for (const Json& row : from.at("rows")) {
      gallery.rows.push_back({text(row.at("caption")), {}});
      for (const Json& picture : row.at("pictures")) gallery.rows.back().pictures.push_back(picture_from_json(picture));
    }
    data.galleries.push_back(std::move(gallery));
  }
  for (const Json& from : json.at("neighbours")) {
    NeighbourRow row;
    row.query = picture_from_json(from.at("query"));
    row.label = text(from.at("label"));
    for (const Json& hit : from.at("hits"))  // a similarity that is no number was written as null
      row.hits.push_back(
          {picture_from_json(hit.at("picture")), text(hit.at("label")), number_or_nan(hit, "similarity")});
    data.neighbours.push_back(std::move(row));
  }
  const Json& map = json.at("map");
  data.map.method = text(map.at("method"));
  for (const Json& name : map.at("classes")) data.map.classes.push_back(text(name));
  const Json& sheet = map.at("sheet");
  data.map.thumbnails.picture = picture_from_json(sheet.at("picture"));
  data.map.thumbnails.columns = read_size(sheet, "columns");
  data.map.thumbnails.cell_width = read_size(sheet, "cell_width");
  data.map.thumbnails.cell_height = read_size(sheet, "cell_height");
}

/// The curves of `metrics.csv`.
inline void curves_from_metrics(const std::string& path, ReportData& data) {
  const MetricsTable table = load_metrics(path);
  const std::vector<double>*epoch = table.find("epoch"), *x = epoch ? epoch : table.find("step");
  require(x != nullptr, "[report] ", path, " has neither a column step nor epoch");
  data.x_label = epoch ? "epoch" : "step";
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    if (table.columns[c] == "step" || table.columns[c] == "epoch") continue;
    Curve curve{table.columns[c], {}};
    for (std::size_t row = 0; row < x->size(); ++row)
      if (std::isfinite(table.values[c][row])) curve.points.emplace_back((*x)[row], table.values[c][row]);
    if (!curve.points.empty()) data.curves.push_back(std::move(curve));
  }
}

inline bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace detail

namespace detail {

/// A whole page around `body`, styles and script within: no network.
inline std::string html_page(const std::string& title, const std::string& body) {
  return join(
      "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport "
      "content=\"width=device-width,initial-scale=1\"><title>",
      escape_html(title), "</title><style>", report_css, "</style></head>\n<body><main>", body,
      "<footer>Made by contrastive.</footer></main><div id=tip></div><script>", report_js, "</script></body></html>\n");
}

}  // namespace detail

/// The page as one text.
inline std::string render_report(const ReportData& data) {
  using namespace detail;
  const std::string method = text_or_empty(data.summary, "method"), dataset = text_or_empty(data.summary, "dataset");
  std::string title = data.title;
  if (title.empty()) title = method.empty() ? "Training report" : dataset.empty() ? method : method + " on " + dataset;

  std::string facts;
  const auto fact = [&](const char* name, const std::string& value) {
    if (!value.empty()) facts += join("<span>", name, " <b>", escape_html(value), "</b></span>");
  };
  fact("method", method);
  fact("encoder", text_or_empty(data.summary, "encoder"));
  fact("data", dataset);
  if (const double epochs = number_or_nan(data.summary, "epochs"); std::isfinite(epochs))
    fact("epochs", format_value(epochs));
  fact("precision", text_or_empty(data.summary, "precision"));

  std::string charts;
  for (const Chart& chart : make_charts(data)) charts += draw_chart(chart);
  std::string body = "<h1>" + escape_html(title) + "</h1><div class=facts>" + facts + "</div>";
  body += tiles(data.summary) + score_table(data.summary);
  if (!charts.empty())
    body += heading("Training", "Bold: the mean. Shaded: the range of the steps behind each point.") +
            "<div class=charts>" + charts + "</div>";
  for (const Gallery& gallery : data.galleries) body += draw_gallery(gallery);
  body += draw_neighbours(data.neighbours) + draw_map(data.map) + draw_config(data.config);

  return html_page(title, body);
}

/// Writes the page, atomically: one file, no network.
inline void write_report(const std::string& path, const ReportData& data) { write_file(path, render_report(data)); }

/// Leaves what the page needs besides metrics.csv, summary.json and config.json in RUN/report_data.
inline void save_report_data(const std::string& run, const ReportData& data) {
  const std::string folder = run + "/report_data";
  make_folders(folder);
  write_file(folder + "/pictures.json", dump_json(detail::pictures_to_json(data), 1) + "\n");
  std::string map = "x,y,label\n";
  for (const EmbeddingMap::Point& point : data.map.points)
    map += detail::shortest(point.x) + "," + detail::shortest(point.y) + "," + std::to_string(point.label) + "\n";
  write_file(folder + "/map.csv", map);
}

/// Gathers what a run's folder holds. Throws one sentence when the folder is none or a file in it is broken.
inline ReportData load_report_data(const std::string& run) {
  require(detail::exists(run), "[report] there is no folder ", run);
  const auto file = [&](const char* name) { return run + "/" + name; };
  require(detail::exists(file("metrics.csv")) || detail::exists(file("summary.json")), "[report] ", run,
          " is not the folder of a run: it holds neither metrics.csv nor summary.json");
  ReportData data;
  if (detail::exists(file("metrics.csv"))) detail::curves_from_metrics(file("metrics.csv"), data);
  for (const auto& [name, json] : {std::pair("summary.json", &data.summary), std::pair("config.json", &data.config)})
    if (detail::exists(file(name))) *json = parse_json(read_text(file(name)), file(name));
  if (const std::string path = file("report_data/pictures.json"); detail::exists(path)) {
    const Json pictures = parse_json(read_text(path), path);
    try {
      detail::pictures_from_json(pictures, data);
    } catch (const Error& error) {
      fail("[report] ", path, ": ", error.what());
    } catch (const Json::exception& error) {
      fail("[report] ", path, ": ", detail::sentence_of(error));
    }
  }
  if (const std::string path = file("report_data/map.csv"); detail::exists(path)) {
    const MetricsTable table = load_metrics(path);
    const auto *x = table.find("x"), *y = table.find("y"), *label = table.find("label");
    require(x && y && label, "[report] ", path, " lacks the columns x, y and label");
    for (std::size_t i = 0; i < x->size(); ++i) {
      const double l = (*label)[i];
      data.map.points.push_back({(*x)[i], (*y)[i], l >= 0 && l < 1e9 ? static_cast<int>(l) : -1});
    }
  }
  return data;
}

/// Rebuilds RUN/report.html from the folder alone; returns its path.
inline std::string report_from_run(const std::string& run) {
  const std::string path = run + "/report.html";
  write_report(path, load_report_data(run));
  return path;
}

}  // namespace contrastive
