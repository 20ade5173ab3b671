// SPDX-License-Identifier: MIT
#include "support/dense_clip.hpp"

#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <utility>

#include "contrastive/encoders/clip_vision.hpp"
#include "contrastive/encoders/vit.hpp"
#include "contrastive/eval/dense_clip.hpp"
#include "contrastive/eval/group_segmentation.hpp"
#include "contrastive/methods/clip.hpp"
#include "contrastive/text/templates.hpp"
#include "contrastive/train/image_text.hpp"
#include "support/sides.hpp"
#include "support/word_rows.hpp"

namespace app {

namespace {

using Tensors = std::map<std::string, Tensor>;

/// CLIP's own transformer with the sizes of its tensors.
ClipVision clip_vision_of(const Settings& s, const Tensors& tensors) {
  const Tensor positions = tensors.at("0.encoder.positional_embedding");
  ClipVisionConfig config{.image_size = static_cast<int>(s.image_size),
                          .width = positions.size(1),
                          .layers = 0,
                          .activation = Activation::gelu,
                          .patch_dropout = s.own.as<ClipConfig>().patch_dropout};
  config.patch = config.image_size / static_cast<int>(std::lround(std::sqrt(positions.size(0) - 1)));
  while (tensors.contains(join("0.encoder.transformer.resblocks.", config.layers, ".ln_1.weight"))) ++config.layers;
  config.heads = static_cast<int>(s.heads > 0 ? s.heads : config.width / 64);
  ClipVision net(config, Rng(0));
  const LoadReport report = load_state(handles(net), tensors, "0.encoder.");
  require(report.ok(), "[settings] the image tower of this run is not CLIP's transformer: ", to_string(report));
  return net;
}

/// `numbers` as one run prepares images, as another does.
Tensor prepared_as(const Tensor& images, const Normalize& from, const Normalize& to) {
  const Tensor out = images.to(Device::cpu).to(DType::f32).clone();
  const std::int64_t C = out.size(3);
  for (std::int64_t i = 0; i < out.count(); ++i) {
    const auto c = static_cast<std::size_t>(i % C);
    float& x = out.data<float>()[i];
    x = static_cast<float>((x * from.std[c] + from.mean[c] - to.mean[c]) / to.std[c]);
  }
  return out;
}

template <class Net>
DenseClip dense(std::shared_ptr<const Net> net, const UnitProjection& projection, int patch, const Trained& trained,
                const std::string& proxy) {
  const auto projected = [projection](const Tensor& rows, std::int64_t down) {
    const std::int64_t N = rows.size(0), P = rows.size(1);
    const Tensor unit = projection(rows.reshape({N * P, rows.size(2)}));
    return DenseRows{unit.detach().reshape({N, P, unit.size(1)}).to(DType::f32), down};
  };
  DenseClip made;
  made.plain = [net, projected, patch](const Tensor& images) {
    return projected(patch_rows(*net, images), images.size(1) / patch);
  };
  made.values = [net, projected, patch](const Tensor& images) {
    return projected(rows_of_values(*net, patch_values(*net, images)), images.size(1) / patch);
  };
  const auto model = std::make_shared<const ImageTextModel>(image_text_of(trained));
  made.whole = [model](const Tensor& images) {
    const NoGrad no_grad;
    const Eval eval;
    return model->image_rows(images).to(DType::f32).to(Device::cpu);
  };
  made.words = remembered([model](const std::vector<std::string>& list) {
    return zero_shot_classifier(*model, list, load_templates("simple"));
  });
  if (proxy.empty()) return made;
  require(is_run(proxy), "[settings] --proxy expected a run whose encoder is a vision transformer (dino), got ", proxy);
  const Normalize theirs = normalization_of(load_trained(proxy).settings);
  const auto other = std::make_shared<const ViT>(load_start_image(proxy).encoder.vit());
  made.by_proxy = [net, projected, patch, other, theirs](const Tensor& images) {
    const std::int64_t down = images.size(1) / other->config().patch;
    const Tensor weights = patch_affinities(patch_rows(*other, prepared_as(images, clip_statistics, theirs)));
    const Tensor shared = shared_values(patch_values(*net, images), images.size(1) / patch, weights, down);
    return projected(rows_of_values(*net, shared), down);
  };
  return made;
}

Tensor labels_of(const DenseRows& dense, const Tensor& words, const Tensor& images) {
  return nearest_words(dense.rows, words, dense.down, images.size(1), images.size(2));
}

}  // namespace

Tensor DenseClip::segment(const Tensor& images, const std::vector<std::string>& list) const {
  return labels_of(by_proxy ? by_proxy(images) : values(images), words(list), images);
}

DenseClip dense_clip_of(const Trained& trained, const std::string& run, const std::string& proxy) {
  require(trained.settings.method == "clip",
          "[settings] this needs a run that gives pixels words (lseg, group_vit, clip), got one of ",
          trained.settings.method);
  const Settings& s = trained.settings;
  require(s.encoder.starts_with("clip_vit_") || s.encoder.starts_with("vit_"),
          "[settings] words of patches need a run of clip with a vision transformer (--encoder clip_vit_micro, "
          "vit_micro, ...), got ",
          s.encoder);
  Tensors tensors;
  for (const auto& [name, tensor] : state_of(trained.composition.method.state())) tensors[name] = tensor;
  require(tensors.contains("0.projector.proj") && !tensors.contains("0.projector.bias"),
          "[settings] words of patches need a run of clip with --projection linear");
  UnitProjection projection;
  projection.proj = Parameter(tensors.at("0.projector.proj").clone());
  if (s.encoder.starts_with("clip_vit_")) {
    require(tensors.contains("0.encoder.positional_embedding"),
            "[settings] words of patches need a run of clip that trained its image tower");
    const auto net = std::make_shared<const ClipVision>(clip_vision_of(s, tensors));
    return dense(net, projection, net->config().patch, trained, proxy);
  }
  const auto net = std::make_shared<const ViT>(load_start_image(run).encoder.vit());
  return dense(net, projection, net->config().patch, trained, proxy);
}

void evaluate_dense_clip(const DenseClip& dense, const Trained& trained) {
  const Settings& s = trained.settings;
  require(contrastive::detail::is_scenes(s.data),
          "[settings] without --picture pixels are scored, on --data scenes or shape_scenes, got ", s.data);
  const ScenePhrases scenes = scenes_of(s, "test");
  const AnyDataset test = as_labelled(s, scenes);
  const int size = static_cast<int>(s.image_size);
  const Segmenter segmenter{
      CenterView(CenterCrop{size, size, Filter::bicubic}, clip_statistics), test.class_names(), -1,
      [&dense](const Tensor& images, const std::vector<std::string>& list) { return dense.segment(images, list); }};
  const auto V = static_cast<std::int64_t>(segmenter.words.size());
  using Way = std::function<Tensor(const Tensor&)>;
  const Tensor words = dense.words(segmenter.words);
  const auto by = [&words](const std::function<DenseRows(const Tensor&)>& rows) -> Way {
    return [&words, rows](const Tensor& images) { return labels_of(rows(images), words, images); };
  };
  Stream draw(Rng(s.seed) / "chance");
  std::vector<std::pair<std::string, Way>> ways{{"all of the last block", by(dense.plain)},
                                                {"values alone", by(dense.values)}};
  if (dense.by_proxy) ways.emplace_back("values, by the proxy", by(dense.by_proxy));
  ways.emplace_back("one word for the image", [&](const Tensor& images) {
    const Tensor found({images.size(0), images.size(1), images.size(2)}, DType::i64);
    const Tensor nearest = argmax(matmul(dense.whole(images), words, false, true), 1);
    for (std::int64_t i = 0; i < found.count(); ++i)
      found.data<std::int64_t>()[i] = nearest.data<std::int64_t>()[i / (images.size(1) * images.size(2))];
    return found;
  });
  ways.emplace_back("chance", [&](const Tensor& images) {
    const Tensor found({images.size(0), images.size(1), images.size(2)}, DType::i64);
    for (std::int64_t& one : found.span<std::int64_t>())
      one = static_cast<std::int64_t>(draw.below(static_cast<std::uint64_t>(V)));
    return found;
  });
  std::vector<std::pair<SegmentationCounts, SegmentationCounts>> counts(ways.size(),
                                                                        {SegmentationCounts(V), SegmentationCounts(V)});
  for_each_masked_batch(
      segmenter, test, {}, [&](const Tensor& images, const Tensor& truth, const std::vector<std::int64_t>&) {
        for (std::size_t w = 0; w < ways.size(); ++w) {
          const Tensor found = ways[w].second(images);
          counts[w].first.add(found, truth);
          for (std::int64_t n = 0; n < images.size(0); ++n)
            counts[w].second.add(named_by_truth(found.slice(n, n + 1), truth.slice(n, n + 1)), truth.slice(n, n + 1));
        }
      });
  std::vector<std::int64_t> classes;
  for (std::int64_t c = 0; c < V; ++c)
    if (counts[0].first.shown(c)) classes.push_back(c);
  std::printf("  %-28s %10s %10s %16s\n", "pixels of the test part", "mIoU", "accuracy", "named by truth");
  for (std::size_t w = 0; w < ways.size(); ++w)
    std::printf("  %-28s %8.1f %% %8.1f %% %14.1f %%\n", ways[w].first.c_str(), 100 * counts[w].first.mean_iou(classes),
                100 * counts[w].first.pixel_accuracy(), 100 * counts[w].second.mean_iou(classes));
  std::fflush(stdout);

  const Sets sets;
  Json summary;
  ReportData report;
  evaluate_segmentation(segmenter, shown_classes(s, test), {s, sets, summary, report, [] {}});
}

}  // namespace app
