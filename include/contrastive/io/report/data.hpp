// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/io/json.hpp"
#include "contrastive/io/png.hpp"
#include "contrastive/media/image.hpp"
#include "contrastive/media/thumbnail.hpp"

namespace contrastive {

/// A picture ready for the page: a PNG in base64.
struct Picture {
  std::string png;
  int width = 0, height = 0;

  Picture() = default;
  /// Larger pictures are shrunk to `side` pixels.
  Picture(const Image& image, int side = 192) {
    const Image small = thumbnail(image, side);
    png = base64(encode_png(small));
    width = small.width;
    height = small.height;
  }
};

/// Pictures of about equal size in one, `columns` to a row, each cell as large as the largest: the small pictures
/// that the map shows under the pointer.
struct PictureSheet {
  Picture picture;
  int columns = 0, cell_width = 0, cell_height = 0;

  PictureSheet() = default;
  explicit PictureSheet(const std::vector<Image>& images, int side = 48) {
    if (images.empty()) return;
    std::vector<Image> small;
    int channels = 1;
    for (const Image& image : images) {
      small.push_back(thumbnail(image, side));
      cell_width = std::max(cell_width, small.back().width);
      cell_height = std::max(cell_height, small.back().height);
      channels = std::max(channels, image.channels);
    }
    columns = static_cast<int>(std::ceil(std::sqrt(static_cast<double>(small.size()))));
    const int rows = (static_cast<int>(small.size()) + columns - 1) / columns;
    Image sheet(rows * cell_height, columns * cell_width, channels);
    for (int i = 0; i < static_cast<int>(small.size()); ++i) {
      const Image& from = small[static_cast<std::size_t>(i)];
      const int top = i / columns * cell_height + (cell_height - from.height) / 2;
      const int left = i % columns * cell_width + (cell_width - from.width) / 2;
      for (int y = 0; y < from.height; ++y)
        for (int x = 0; x < from.width; ++x)
          for (int c = 0; c < channels; ++c)
            sheet.row(top + y)[(left + x) * channels + c] = c < from.channels ? from.row(y)[x * from.channels + c]
                                                            : c == 3          ? 255
                                                                              : from.row(y)[x * from.channels];
    }
    picture = Picture(sheet, 1 << 14);
  }
};

/// A line of a chart. "loss" has a chart of its own; "knn/train" and "knn/test" share the chart "knn".
struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x (epoch or step), y
};

/// Rows of pictures below a heading: augmented views, attention maps. `columns` are their captions (may be empty).
struct Gallery {
  struct Row {
    std::string caption;
    std::vector<Picture> pictures;
  };
  std::string title;
  std::string note;
  std::vector<std::string> columns;
  std::vector<Row> rows;
};

/// A picture and those whose embeddings lie nearest, nearest first. Labels may be empty (a data set without them).
struct NeighbourRow {
  struct Hit {
    Picture picture;
    std::string label;
    double similarity = 0;  // cosine
  };
  Picture query;
  std::string label;
  std::vector<Hit> hits;
};

/// Embeddings brought to two dimensions.
struct EmbeddingMap {
  struct Point {
    double x = 0, y = 0;
    int label = -1;  // index into `classes`; -1 for none
  };
  std::string method;  // "t-SNE", "PCA"
  std::vector<Point> points;
  std::vector<std::string> classes;
  PictureSheet thumbnails;  // one a point, in order; may be empty
};

/// What a page shows. Every piece is optional: an empty one is left out.
struct ReportData {
  std::string title;              // default: "METHOD on DATASET" from the summary
  std::string x_label = "epoch";  // of the curves
  std::vector<Curve> curves;
  std::vector<Gallery> galleries;
  std::vector<NeighbourRow> neighbours;
  EmbeddingMap map;
  Json summary;  // as in summary.json: knn_top1, knn_top1_random_init, knn_top1_pixels, ...
  Json config;   // the resolved configuration
};

}  // namespace contrastive
