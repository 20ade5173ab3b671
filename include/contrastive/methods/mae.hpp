// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/augment/recipes.hpp"
#include "contrastive/core/setting.hpp"
#include "contrastive/encoders/image_encoder.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/objectives/masked_reconstruction.hpp"

namespace contrastive {

/// Two views: a picture, and the noise that masks its patches, from the picture's own stream. The noise of a patch is
/// the three base-256 digits of a uniform number, which every dtype that trains holds exactly.
template <ViewTransform P>
struct MaskedView {
  P picture;
  int patch = 16;

  MaskedView(P view, int patch_size) : picture(std::move(view)), patch(patch_size) {
    require(patch >= 1 && picture.view().size() % patch == 0, "[mae] a patch of ", patch,
            " pixels does not divide a picture of ", picture.view().size());
  }
  std::vector<ViewSpec> views() const {
    const std::int64_t side = picture.view().size() / patch;
    return {picture.view(), {{side, side, 3}, ViewKind::numbers}};
  }
  std::size_t globals() const { return 1; }
  CropBox crop(std::size_t, ImageSize full, Rng rng) const { return picture.crop(full, rng / std::size_t{0}); }

  void operator()(const Image& image, Rng rng, std::span<float* const> out, std::span<Drawn> drawn) const {
    (*this)(image, {image.height, image.width}, rng, out, drawn);
  }
  void operator()(const Image& image, ImageSize full, Rng rng, std::span<float* const> out,
                  std::span<Drawn> drawn) const {
    picture(image, full, rng / std::size_t{0}, out[0], drawn.empty() ? nullptr : &drawn[0]);
    const std::int64_t side = picture.view().size() / patch;
    Stream stream(rng / std::size_t{1});
    for (std::int64_t i = 0; i < side * side * 3; ++i) out[1][i] = static_cast<float>(stream.below(256));
  }
};

/// The noise (N, patches) of such a view (N, side, side, 3), in [0, 1).
inline Tensor mask_noise(const Tensor& view) {
  require(view.rank() == 4 && view.size(3) == 3, "[mae] expected the noise view (N, side, side, 3), got ",
          view.shape());
  const Tensor digits = view.detach().to(Device::cpu).to(DType::f64);
  const Tensor noise({view.size(0), view.size(1) * view.size(2)}, DType::f64);
  const double* d = digits.data<double>();
  for (double& value : noise.span<double>()) {
    value = d[0] / 256 + d[1] / 65536 + d[2] / 16777216;
    d += 3;
  }
  return noise;
}

using MaeView = Compose<RandomResizedCrop, RandomFlip, Normalize>;

/// Crop (0.2, 1) bicubic and flip (facebookresearch/mae, main_pretrain.py).
inline MaskedView<MaeView> mae_views(int size = 224, int patch = 16, int channels = 3,
                                     const Normalize& normalize = imagenet_statistics) {
  return {MaeView(RandomResizedCrop{size, {0.2, 1.0}, Filter::bicubic, channels}, RandomFlip{}, normalize), patch};
}

struct MaeConfig {
  double mask_ratio = 0.75;
  bool normalised = true;  // norm_pix_loss
  std::int64_t width = 512;
  int depth = 8;
  int heads = 16;

  /// For ViTs of 28 to 64 pixels.
  static MaeConfig small() { return {.width = 96, .depth = 2, .heads = 3}; }

  void settings(SettingList& list) {
    list.number("mask-ratio", mask_ratio, 1e-6, 0.999999, "share of the patches that are hidden");
    list.number("decoder-width", width, 1, 4096, "width of the decoder");
    list.number("decoder-depth", depth, 1, 64, "blocks of the decoder");
  }
};

namespace detail {
inline const ViT& vit_of(const ViT& net) { return net; }
inline const ViT& vit_of(const ImageEncoder& net) { return net.vit(); }
}  // namespace detail

/// MAE's decoder (models_mae.py): the seen rows in the decoder's width, mask tokens in the other places, fixed
/// positions, a few blocks, and the pixels of every patch.
class MaeDecoder {
 public:
  MaeDecoder() = default;
  MaeDecoder(const ViTConfig& encoder, const MaeConfig& config, Rng rng)
      : decoder_embed(encoder.width, config.width, rng / "embed"),
        mask_token(init::normal({1, 1, config.width}, 0.02, rng / "mask_token")),
        decoder_norm(config.width),
        decoder_pred(config.width, std::int64_t{encoder.patch} * encoder.patch * encoder.channels, rng / "pred"),
        mask_ratio(config.mask_ratio) {
    const std::int64_t patches = std::int64_t{encoder.grid()} * encoder.grid();
    decoder_pos_embed = Parameter(Tensor::zeros({1, patches + 1, config.width}));
    decoder_pos_embed.detach()
        .reshape({patches + 1, config.width})
        .slice(1, patches + 1)
        .copy_from(sincos_positions(encoder.grid(), encoder.grid(), config.width, SinCosOrder::mae));
    decoder_pos_embed.set_requires_grad(false);
    for (int i = 0; i < config.depth; ++i)
      decoder_blocks.emplace_back(config.width, config.heads, 4 * config.width,
                                  rng / "blocks" / static_cast<std::uint64_t>(i));
    std::uint64_t layer = 0;
    each_module<Linear>(*this, [&](Linear& linear) {
      linear.weight.copy_from(init::xavier_uniform(linear.weight.shape(), rng / "start" / layer++));
      linear.bias.kernels().fill(linear.bias.view_to_write(), 0);
    });
  }

  /// The pixels of all patches, a row a picture: (N, patches p p C). View v is the picture, v + 1 its noise.
  template <class Encoder>
  Tensor through(const Encoder& encoder, const Views& views, std::size_t v) const {
    const ViT& vit = detail::vit_of(encoder);
    require(v + 1 < views.view.size(), "[mae] expected a picture and its noise (mae_views)");
    const Tensor prediction = predict(vit, views.view[v], random_masking(mask_noise(views.view[v + 1]), mask_ratio));
    return prediction.reshape({prediction.size(0), -1});
  }
  /// The same, (N, patches, p p C), for a given mask.
  Tensor predict(const ViT& encoder, const Tensor& pictures, const PatchMask& mask) const {
    const Tensor patches = encoder.patches(pictures);
    require(mask.restore.shape() == Shape{patches.size(0), patches.size(1)} &&
                decoder_pos_embed.size(1) == patches.size(1) + 1,
            "[mae] a mask of ", mask.restore.shape(), " and a decoder of ", decoder_pos_embed.size(1) - 1,
            " patches meet pictures of ", patches.size(1), " patches");
    const Tensor seen = encoder.norm(encoder.through_blocks(encoder.with_class(take_seen(patches, mask))));
    const Tensor rows = decoder_embed(seen);
    Tensor x = concat({narrow(rows, 1, 0, 1), restore_patches(narrow(rows, 1, 1, rows.size(1)), mask_token, mask)}, 1);
    x = x + cast(decoder_pos_embed, x.dtype());
    for (const TransformerBlock& block : decoder_blocks) x = block(x);
    return decoder_pred(decoder_norm(narrow(x, 1, 1, x.size(1))));
  }
  /// Not used: a picture's features say nothing of what was hidden.
  Tensor operator()(const Tensor& features) const { return features; }

  template <class F>
  void members(F&& f) {
    f("decoder_embed", decoder_embed);
    f("mask_token", mask_token);
    f("decoder_pos_embed", decoder_pos_embed);
    f("decoder_blocks", decoder_blocks);
    f("decoder_norm", decoder_norm);
    f("decoder_pred", decoder_pred);
  }

  Linear decoder_embed;
  Parameter mask_token, decoder_pos_embed;
  std::vector<TransformerBlock> decoder_blocks;
  LayerNorm decoder_norm;
  Linear decoder_pred;
  double mask_ratio = 0.75;
};

/// MAE's objective over view 0 and its noise, view 1.
struct MaskedPixels {
  double mask_ratio = 0.75;
  bool normalised = true;
  std::int64_t patch = 16;

  static bool wants_online(std::size_t view) { return view == 0; }

  Tensor operator()(const Embeddings& z) const {
    require(!z.online.empty() && z.view.size() == 2, "[mae] expected a picture and its noise (mae_views)");
    const Tensor &prediction = z.online[0], &pictures = z.view[0];
    const Tensor hides = hidden(random_masking(mask_noise(z.view[1]), mask_ratio), prediction.dtype());
    return masked_reconstruction(prediction.reshape({hides.size(0), hides.size(1), -1}),
                                 pictures.to(prediction.dtype()), hides.to(prediction.device()), patch, normalised);
  }
};

/// What a ViT of MAE starts from, besides its size.
inline ViTConfig mae_vit(ViTConfig with = {}) {
  with.positions = ViTPositions::sincos_mae;
  with.init = ViTInit::mae;
  return with;
}

/// Masked autoencoder (He et al. 2022, arXiv:2111.06377; facebookresearch/mae, models_mae.py): the encoder sees a quarter
/// of the patches, a small decoder predicts the pixels of the others. `encoder` is a ViT (or an `ImageEncoder` that holds
/// one) made by `mae_vit`; `augment` is `mae_views` with its patch. AdamW with betas (0.9, 0.95), decay 0.05 not on biases
/// and norms, 1.5e-4 x batch / 256, 40 epochs of warm-up. The first step's loss is about
/// 1 + 2 w / (w + p p C) for a decoder of width w: the targets' variance, and that of Xavier's last layer.
template <class Encoder, class Augmentation>
auto mae(Encoder encoder, Augmentation augment, const MaeConfig& config, Rng rng) {
  const ViTConfig vit = detail::vit_of(encoder).config();
  return Method(std::move(encoder), MaeDecoder(vit, config, rng / "projector"), Identity{},
                MaskedPixels{config.mask_ratio, config.normalised, vit.patch}, std::move(augment));
}

/// Pictures (N, H, W, C) beside what the method makes of them, in the range of the input.
struct MaePictures {
  Tensor masked;          // hidden patches in the mean of all pictures
  Tensor reconstruction;  // the seen patches, and the predictions in place of the others
  Tensor original;
};

/// With normalised targets a prediction is scaled back by its patch's own mean and spread, as the official
/// visualisation of such models cannot do without the picture either.
template <class Method>
MaePictures mae_pictures(const Method& method, const Tensor& pictures, const Tensor& noise) {
  const NoGrad no_grad;
  const Eval eval;
  const ViT& vit = detail::vit_of(method.encoder());
  const std::int64_t p = vit.config().patch, height = pictures.size(1) / p;
  const PatchMask mask = random_masking(noise, method.objective.mask_ratio);
  Tensor prediction = method.online.projector.predict(vit, pictures, mask);
  const Tensor patches = patchify(pictures, p);
  if (method.objective.normalised) {
    const PatchStatistics of = patch_statistics(patches);
    prediction = prediction * of.spread + of.mean;
  }
  const Tensor hides =
      hidden(mask, pictures.dtype()).to(pictures.device()).reshape({patches.size(0), patches.size(1), 1});
  const Tensor seen = patches * (1 - hides);
  return {unpatchify(seen + hides * mean(pictures).item(), p, height), unpatchify(seen + prediction * hides, p, height),
          pictures};
}

}  // namespace contrastive
