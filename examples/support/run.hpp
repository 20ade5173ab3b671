// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/augment/recipes.hpp"
#include "contrastive/encoders/image_encoder.hpp"
#include "contrastive/media/detection.hpp"
#include "contrastive/objectives/state/memory_bank.hpp"
#include "contrastive/train/any_method.hpp"
#include "contrastive/train/held_out.hpp"
#include "contrastive/train/picture_rows.hpp"
#include "contrastive/train/settings.hpp"

namespace contrastive {
struct ImageTextModel;
struct ReportData;
}  // namespace contrastive

/// What the trainers share around the method itself: flags, data, encoder, run folder, scores and report. The bodies
/// are in run.cpp, compiled once for all programs.
namespace app {

using namespace contrastive;

/// The name of a type without its namespace, as the compiler writes it.
template <class T>
std::string type_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("T = ") + 4);
  std::string name(text.substr(0, text.find_first_of(";]")));
  for (std::size_t at; (at = name.find("contrastive::")) != std::string::npos;) name.erase(at, 13);
  return name;
}

/// Features to score beside those that evaluation looks at: `encode` maps the evaluation view.
struct MoreFeatures {
  std::string name;  // "features": of the row in the table and of the keys in summary.json
  std::function<Tensor(const Tensor&)> encode;
};

struct Sets;

/// What a method measures of itself after training, beside what is measured of every encoder.
struct OwnEvaluation {
  const Settings& settings;
  const Sets& sets;
  Json& summary;
  ReportData& report;
  std::function<void()> alive;  // to be called between batches
};

/// Finds the boxes that words or phrases name.
struct BoxFinder {
  AnyAugment view;  // of the whole image
  /// Views (N, H, W, C) and a list of phrases to the boxes of each image in pixels of the view; a label is a place in the
  /// list.
  std::function<std::vector<std::vector<Detection>>(const Tensor& images, const std::vector<std::string>& phrases)>
      find;
};

/// A method with the view that evaluation takes of a sample.
struct Composition {
  AnyMethod method;
  HeldOutCheck held_out;  // instead of the kNN checks; none of most
  std::function<void(const OwnEvaluation&)> evaluate_own;
  std::function<void()> after_training;  // changes the weights that are evaluated, saved as kept.safetensors
  std::shared_ptr<const ImageTextModel> image_text;  // of methods of images and texts, for those who ask with words
  /// Of methods that give each pixel a word: views (N, H, W, C) and a list of words to i64 (N, H, W), the place in the list
  /// of each pixel's word; -1 where it has none.
  std::function<Tensor(const Tensor& images, const std::vector<std::string>& words)> segment;
  std::optional<BoxFinder> boxes;  // of methods that find boxes
  AnyAugment evaluation;
  std::vector<MoreFeatures> more;
  std::size_t evaluation_batch = 256;
  std::vector<std::string> parts;  // types of encoder, projector, predictor, objective and target
  std::function<PictureRows(const Views&)> pictures;
  /// Of an objective with one bank, whose row i is of training picture i; and pictures (N, H, W, C) to embeddings (N, D)
  /// such as its rows are made of. Null and empty of others.
  const MemoryBank* bank = nullptr;
  std::function<Tensor(const Tensor&)> embed;

  template <class W, class Q, class O, class A, class T>
  Composition(Method<W, Q, O, A, T> composed, AnyAugment view)
      : Composition(std::make_shared<Method<W, Q, O, A, T>>(std::move(composed)), std::move(view)) {}
  /// `show(method, views)` makes the pictures.
  template <class W, class Q, class O, class A, class T, class Show>
  Composition(Method<W, Q, O, A, T> composed, AnyAugment view, Show show)
      : Composition(std::make_shared<Method<W, Q, O, A, T>>(std::move(composed)), std::move(view), show) {}

  template <class W, class Q, class O, class A, class T>
  Composition(std::shared_ptr<Method<W, Q, O, A, T>> shared, AnyAugment view)
      : method(AnyMethod::share(shared)),
        evaluation(std::move(view)),
        parts(names_of(static_cast<const W*>(nullptr), {type_name<Q>(), type_name<O>(), type_name<T>()})) {
    if constexpr (requires { shared->objective.bank; }) {
      bank = &shared->objective.bank;
      embed = [shared](const Tensor& pictures) { return shared->predictor(shared->online(pictures)); };
    }
  }

 private:
  template <class E, class P>
  static std::vector<std::string> names_of(const Tower<E, P>*, std::vector<std::string> rest) {
    rest.insert(rest.begin(), {type_name<E>(), type_name<P>()});
    return rest;
  }
  template <class W>
  static std::vector<std::string> names_of(const W*, std::vector<std::string> rest) {
    rest.insert(rest.begin(), {type_name<W>(), "-"});
    return rest;
  }

  template <class W, class Q, class O, class A, class T, class Show>
  Composition(std::shared_ptr<Method<W, Q, O, A, T>> shared, AnyAugment view, Show show)
      : Composition(shared, std::move(view)) {
    pictures = [shared, show](const Views& views) { return show(*shared, views); };
  }
};

/// A method of the command line. examples/NAME.cpp defines `extern const Program NAME`, by which the build finds it.
struct Program {
  const char* title;  // "SimCLR"
  const char* paper;  // "Chen et al. 2020"
  const char* arxiv;
  const char* compares;
  const char* against_collapse;
  Settings recipe;  // its `method` is NAME, its `own` the method's configuration
  /// Puts the method together for a training set of so many samples.
  Composition (*compose)(const Settings& settings, std::int64_t samples, Rng rng);
  /// Where the recipe stands on a file: settings that need none, from which the tables of methods are made.
  Settings without_files = {};
};

/// `main` of a trainer: flags, then the run; one clear sentence and a status for whatever goes wrong.
int run_program(int argc, char** argv, const Program& program);

/// 1 for the grey sets, else 3.
int channels_of(const Settings& s);
bool is_vit(const Settings& s);

/// The small crops of multi-crop methods.
struct LocalCrops {
  std::int64_t locals = 0, local_size = 0;

  void settings(SettingList& list) {
    list.number("locals", locals, 0, 60, "small crops beside the two large ones");
    list.number("local-size", local_size, 0, 4096, "side of a small crop in pixels; 0: 3/7 of --image-size");
  }
  /// The side, or 3/7 of the image (96 of 224) in whole fours.
  int size(const Settings& s) const {
    return static_cast<int>(local_size > 0 ? local_size : std::max<std::int64_t>(4, s.image_size * 3 / 7 / 4 * 4));
  }
};

/// Throws unless a queue holds a whole number of batches, each of so many rows.
void require_queue(const Settings& s, std::int64_t queue, std::int64_t rows);
/// Throws unless split batch norm divides each chunk of the batch.
void require_groups(const Settings& s, std::int64_t groups);

EncoderOptions encoder_options(const Settings& s, int channels);
/// `zero_last`: the last gain of each residual block starts at 0.
ImageEncoder encoder_for(const Settings& s, Rng rng, bool zero_last = false);

/// Evaluation sees the middle of a picture, in the range that training does.
AnyAugment evaluation_view(const Settings& s, const Normalize& normalize = {});

/// What the recipes other than SimCLR's normalise with.
Normalize normalization_of(const Settings& s);

/// The paper's views at the size of the run; small grey pictures take a recipe of their own.
template <class Views>
AnyAugment training_views(const Settings& s, Views&& colour) {
  if (channels_of(s) == 1) return simclr_grey(static_cast<int>(s.image_size));
  return colour(static_cast<int>(s.image_size));
}

/// Throws unless small crops fit into the image and into whole patches of a vision transformer.
void check_local_size(const Settings& s, const LocalCrops& crops);

/// The same for methods of many crops: `small` below 96 pixels, else `paper`, each (size, local size, locals).
template <class Small, class Paper>
AnyAugment multi_crop_views(const Settings& s, const LocalCrops& crops, Small&& small, Paper&& paper) {
  const int size = static_cast<int>(s.image_size), local = crops.size(s);
  const auto locals = static_cast<std::size_t>(crops.locals);
  check_local_size(s, crops);
  if (channels_of(s) == 1) return grey_multi_crop(size, local, locals);
  if (size < 96) return small(size, local, locals);
  return paper(size, local, locals);
}

}  // namespace app
