// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/io/report/data.hpp"
#include "contrastive/io/report/text.hpp"

namespace contrastive::detail {

/// A chart of one or more lines over a common x axis.
struct Chart {
  std::string title, x_label;
  std::vector<Curve> lines;
  bool percent = false, log_y = false;
};

/// Round steps 1, 2 or 5 times a power of ten, about `wanted` of them; the first and last enclose [low, high].
inline std::vector<double> ticks(double low, double high, int wanted) {
  const double rough = (high - low) / wanted, power = std::pow(10, std::floor(std::log10(rough)));
  const double part = rough / power, step = power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
  std::vector<double> out;
  const double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
  for (double i = first; i <= last + 0.5 && out.size() < 64; ++i) out.push_back(i * step);
  return out;
}

/// Powers of ten that enclose [low, high], with 2 and 5 between when there are few.
inline std::vector<double> log_ticks(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9));
  const int last = static_cast<int>(std::ceil(std::log10(high) - 1e-9));
  const int stride = std::max(1, (last - first) / 6);
  std::vector<double> out;
  for (int decade = first; decade <= last; decade += stride)
    for (int part : {1, 2, 5})
      if (part == 1 || (last - first <= 2 && decade < last)) out.push_back(part * std::pow(10, decade));
  if (out.size() < 2) out.push_back(10 * out.back());
  return out;
}

/// A line thinned to what the page can show: mean, least and greatest of the points in each of at most 160 columns.
struct Thinned {
  std::vector<double> x, mean, low, high;
  double first = 0, last = 0;  // of x, before thinning
};

inline Thinned thin(const Curve& curve) {
  Thinned out;
  std::vector<std::pair<double, double>> points;
  for (const auto& point : curve.points)
    if (std::isfinite(point.first) && std::isfinite(point.second)) points.push_back(point);
  std::stable_sort(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  if (!points.empty()) out.first = points.front().first, out.last = points.back().first;
  const std::size_t buckets = std::min<std::size_t>(points.size(), 160);
  for (std::size_t b = 0; b < buckets; ++b) {
    const std::size_t begin = b * points.size() / buckets, end = (b + 1) * points.size() / buckets;
    double x = 0, y = 0, low = points[begin].second, high = low;
    for (std::size_t i = begin; i < end; ++i) {
      x += points[i].first;
      y += points[i].second;
      low = std::min(low, points[i].second);
      high = std::max(high, points[i].second);
    }
    const auto n = static_cast<double>(end - begin);
    out.x.push_back(x / n);
    out.mean.push_back(y / n);
    out.low.push_back(low);
    out.high.push_back(high);
  }
  return out;
}

/// Ten colours that differ in lightness as well; beyond ten, hues by the golden angle.
inline std::string class_color(int label, std::size_t classes) {
  constexpr const char* ten[] = {"#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951",
                                 "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e", "#9498a0"};
  if (label < 0) return "#9498a0";
  if (classes <= 10) return ten[label];
  return join("hsl(", static_cast<int>(std::fmod(label * 137.508, 360)), " 65% ", 45 + label % 3 * 10, "%)");
}

/// Maps data to the drawing's units and back; holds the ticks of both axes.
struct Axes {
  static constexpr double left = 52, right = 508, top = 14, bottom = 206;
  double x0 = 0, x1 = 1, y0 = 0, y1 = 1;
  bool log_y = false;
  std::vector<double> x_ticks, y_ticks;

  Axes(const std::vector<Thinned>& lines, const Chart& chart) : log_y(chart.log_y) {
    double low = HUGE_VAL, high = -HUGE_VAL;
    x0 = HUGE_VAL, x1 = -HUGE_VAL;
    for (const Thinned& line : lines) {
      x0 = std::min(x0, line.first), x1 = std::max(x1, line.last);
      for (std::size_t i = 0; i < line.x.size(); ++i)
        low = std::min(low, line.low[i]), high = std::max(high, line.high[i]);
    }
    if (x0 > 0 && x0 < 0.2 * x1) x0 = 0;  // a run that begins near zero is shown from zero
    if (x0 == x1) x0 -= 0.5, x1 += 0.5;
    log_y = log_y && low > 0;
    if (low == high) {
      const double room = low == 0 ? 1 : std::fabs(low) * 0.1;
      low -= room, high += room;
    }
    y_ticks = log_y ? log_ticks(low, high) : ticks(low, high, 5);
    y0 = y_ticks.front(), y1 = y_ticks.back();
    const bool whole = x0 == std::floor(x0) && x1 == std::floor(x1);  // epochs, steps: no ticks between them
    for (double tick : ticks(x0, x1, whole ? static_cast<int>(std::min(7.0, x1 - x0)) : 7))
      if (tick >= x0 - 1e-9 * (x1 - x0) && tick <= x1 + 1e-9 * (x1 - x0)) x_ticks.push_back(tick);
  }

  double x(double value) const { return left + (value - x0) / (x1 - x0) * (right - left); }
  double y(double value) const {
    const double share = log_y ? std::log(value / y0) / std::log(y1 / y0) : (value - y0) / (y1 - y0);
    return bottom - share * (bottom - top);
  }
  std::string point(double u, double v) const { return format("%.1f,", x(u)) + format("%.1f ", y(v)); }
};

inline std::string tick_label(double value, bool percent) {
  if (percent) return format("%g %%", 100 * value);
  if (std::fabs(value) >= 10000) return format_value(value);
  return format("%g", std::fabs(value) < 1e-12 ? 0 : value);
}

inline std::string chart_frame(const Chart& chart, const Axes& axes) {
  std::string svg;
  for (double tick : axes.y_ticks) {
    const std::string y = format("%.1f", axes.y(tick));
    svg += "<line class=grid x1=52 x2=508 y1=" + y + " y2=" + y + " /><text class=tick x=46 y=" + y +
           " dy=.32em text-anchor=end>" + tick_label(tick, chart.percent) + "</text>";
  }
  for (double tick : axes.x_ticks) {
    const std::string x = format("%.1f", axes.x(tick));
    svg += "<line class=axis y1=206 y2=210 x1=" + x + " x2=" + x +
           " /><text class=tick y=223 text-anchor=middle x=" + x + ">" + tick_label(tick, false) + "</text>";
  }
  return svg + "<line class=axis x1=52 x2=508 y1=206 y2=206 /><text class=label x=280 y=243 text-anchor=middle>" +
         escape_html(chart.x_label) + "</text>";
}

/// Six colours that suit light and dark pages; more lines than that take the classes' ones.
inline std::string line_color(std::size_t number, std::size_t lines) {
  return lines <= 6 ? join("var(--line", number, ")") : class_color(static_cast<int>(number), lines);
}

inline std::string draw_line(const Thinned& line, const Axes& axes, const std::string& line_color, bool percent) {
  const std::string color = " style=\"--c:" + line_color + "\"";
  std::string band, points, values, svg;
  bool spread = false;
  for (std::size_t i = 0; i < line.x.size(); ++i) {
    points += axes.point(line.x[i], line.mean[i]);
    values += (i ? "|" : "") + format_value(line.mean[i], percent);
    band += axes.point(line.x[i], line.high[i]);
    spread = spread || line.low[i] < line.high[i];
  }
  for (std::size_t i = line.x.size(); i-- > 0;) band += axes.point(line.x[i], line.low[i]);
  if (spread) svg += "<polygon class=band" + color + " points=\"" + band + "\"/>";
  svg += "<polyline class=line" + color + " points=\"" + points + "\" data-v=\"" + values + "\"/>";
  constexpr std::size_t few = 8;  // measurements that should be seen as such, not as a trend
  for (std::size_t i = 0; line.x.size() <= few && i < line.x.size(); ++i)
    svg += "<circle class=dot r=3.5" + color + " cx=" + format("%.1f", axes.x(line.x[i])) +
           " cy=" + format("%.1f", axes.y(line.mean[i])) + "></circle>";
  return svg;
}

/// The chart as a `<figure>`; empty when no line has a finite point. A line without one is left out, and its colour too.
inline std::string draw_chart(const Chart& chart) {
  std::vector<Thinned> lines;
  std::vector<std::size_t> place;  // in the chart
  for (std::size_t i = 0; i < chart.lines.size(); ++i)
    if (Thinned line = thin(chart.lines[i]); !line.x.empty()) {
      lines.push_back(std::move(line));
      place.push_back(i);
    }
  if (lines.empty()) return {};
  const Axes axes(lines, chart);

  std::string html = "<figure class=chart><figcaption><b>" + escape_html(chart.title) + "</b>";
  if (lines.size() == 1) html += "<span class=last>" + format_value(lines[0].mean.back(), chart.percent) + "</span>";
  html += "</figcaption>";
  std::string svg = chart_frame(chart, axes);
  std::string swatches;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string color = line_color(place[i], chart.lines.size());
    svg += draw_line(lines[i], axes, color, chart.percent);
    swatches +=
        "<span><i style=\"background:" + color + "\"></i>" + escape_html(chart.lines[place[i]].name) + "</span>";
  }
  if (lines.size() > 1) html += "<div class=legend>" + swatches + "</div>";
  html += "<svg viewBox=\"0 0 520 250\" role=img aria-label=\"" + escape_html(chart.title) +
          "\" data-x0=" + format("%.6g", axes.x0) + " data-x1=" + format("%.6g", axes.x1) + " data-x=\"" +
          escape_html(chart.x_label) + "\">" + svg + "</svg>";
  if (axes.log_y) html += "<div class=note>logarithmic</div>";
  return html + "</figure>";
}

/// "images_per_second" -> "Images per second"; the names a trainer uses have better words.
inline std::string chart_title(const std::string& name) {
  constexpr std::pair<std::string_view, std::string_view> known[] = {
      {"loss", "Loss"},
      {"knn", "kNN accuracy while training, on a part of the set"},
      {"knn_top1", "kNN accuracy while training, on a part of the set"},
      {"lr", "Learning rate"},
      {"learning_rate", "Learning rate"},
      {"effective_rank", "Effective rank of the embeddings"},
      {"images_per_second", "Images per second"},
      {"spread", "Spread per dimension"}};
  for (const auto& [key, title] : known)
    if (key == name) return std::string(title);
  std::string title = name;
  for (char& c : title)
    if (c == '_') c = ' ';
  if (!title.empty() && title[0] >= 'a' && title[0] <= 'z') title[0] = static_cast<char>(title[0] - 32);
  return title;
}

/// Curves gathered into charts by the part of their name before '/', in order of appearance.
inline std::vector<Chart> make_charts(const ReportData& data) {
  std::vector<Chart> charts;
  std::vector<std::string> keys;
  for (const Curve& curve : data.curves) {
    const std::size_t slash = curve.name.find('/');
    const std::string key = curve.name.substr(0, slash);
    const auto found = std::find(keys.begin(), keys.end(), key);
    const auto at = static_cast<std::size_t>(found - keys.begin());
    if (found == keys.end()) {
      keys.push_back(key);
      Chart chart;
      chart.title = chart_title(key);
      chart.x_label = data.x_label;
      chart.percent = key.substr(0, 3) == "knn" || key.find("top1") != key.npos || key.find("accuracy") != key.npos;
      charts.push_back(std::move(chart));
    }
    Curve line = curve;
    line.name = slash == curve.name.npos ? (key.substr(0, 3) == "knn" ? "trained" : key) : curve.name.substr(slash + 1);
    charts[at].lines.push_back(std::move(line));
  }
  for (Chart& chart : charts) {
    double low = HUGE_VAL, high = 0;
    for (const Curve& line : chart.lines)
      for (const auto& [x, y] : line.points)
        if (std::isfinite(y)) low = std::min(low, y), high = std::max(high, y);
    // A learning rate that warms up from nothing and decays to nothing is read better on a linear scale.
    chart.log_y = low > 0 && high / low > 100 && chart.title != "Learning rate";
  }
  return charts;
}

}  // namespace contrastive::detail
