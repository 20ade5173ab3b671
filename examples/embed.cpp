// SPDX-License-Identifier: MIT
//
// Images to features: one row an image, as a NumPy array, and a list of what the rows are next to it (features.rows.csv).
//
//   embed runs/quickstart --out features.npy                 the run's own test set
//   embed runs/quickstart --data folder --root pictures/ --split train --out features.npy
//   embed runs/clip --texts sentences.txt --out texts.npy    a row a line, in the space of images and texts

#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/npy.hpp"

#include "support/trained.hpp"

namespace {

using namespace contrastive;

/// A field of CSV (RFC 4180), quoted where it has to be. Its bytes stay as they are: they name files.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

/// A line for each row of the features: which picture it is, its class by name (numbers depend on which classes a part
/// holds) and its file.
std::string list_of_rows(const AnyDataset& set, const FeatureSet& features) {
  const std::vector<std::string> classes = set.class_names();
  std::string list = "row,picture,class,file\n";
  for (std::size_t row = 0; row < features.samples.size(); ++row) {
    const std::int64_t label = features.labels[row];
    const auto picture = static_cast<std::size_t>(features.samples[row]);
    list += join(row, ",", picture, ",", csv_field(label < 0 ? "" : classes.at(static_cast<std::size_t>(label))), ",",
                 csv_field(set.describe(picture)), "\n");
  }
  return list;
}

/// Unit rows of a file's lines that are not empty.
int embed_texts(const ImageTextModel& model, const app::CompanionOptions& options) {
  std::vector<std::string> texts;
  for (contrastive::detail::NumberedLine& line : contrastive::detail::lines_of(options.texts))
    texts.push_back(std::move(line.text));
  require(!texts.empty(), "[embed] ", options.texts, " has no text");
  const Tensor rows = encode_texts(model, texts);
  save_npy(options.out, rows);
  std::printf("%s: %lld numbers for each of %zu texts\n", options.out.c_str(), static_cast<long long>(rows.size(1)),
              texts.size());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return app::companion_main(
      argc, argv, "Images to features (N, D), f32, as .npy",
      [](CLI::App& cli, app::CompanionOptions& options) {
        options.out = "features.npy";
        cli.add_option("--out", options.out, "file to write")->capture_default_str();
        cli.add_option("--split", options.split, "train or test")->capture_default_str();
        cli.add_option("--texts", options.texts, "a file of texts, one a line, instead of images (of a run of clip)");
      },
      [](const app::Trained& trained, const app::CompanionOptions& options) {
        if (!options.texts.empty()) return embed_texts(app::image_text_of(trained), options);
        const Settings& s = trained.settings;
        const AnyDataset set = open_dataset(s.data, s.root, options.split, app::dataset_options(s));
        const FeatureSet result = encode_set(set, trained.view(), trained);
        const std::string name =
            options.out.ends_with(".npy") ? options.out.substr(0, options.out.size() - 4) : options.out;
        const std::string rows = name + ".rows.csv";
        save_npy(options.out, result.features);
        write_file(rows, list_of_rows(set, result));
        std::printf("%s: %lld features of %lld images; %s says which\n", options.out.c_str(),
                    static_cast<long long>(result.features.size(1)), static_cast<long long>(result.features.size(0)),
                    rows.c_str());
        if (set.unreadable() > 0)
          std::fprintf(stderr, "%zu pictures could not be read and were skipped\n", set.unreadable());
        return 0;
      });
}
