// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/augment/blur.hpp"
#include "contrastive/augment/color_jitter.hpp"
#include "contrastive/augment/compose.hpp"
#include "contrastive/augment/erase.hpp"
#include "contrastive/augment/flip.hpp"
#include "contrastive/augment/lab.hpp"
#include "contrastive/augment/multi_crop.hpp"
#include "contrastive/augment/tone.hpp"

/// The published augmentations. Each is a value: take it, change what the experiment is about, train.
///
///     auto views = moco_v2(96);
///     views.first.crop_step().area.low = 0.08;
namespace contrastive {

// ---- SimCLR (Chen et al. 2020; google-research/simclr data_util.py) ----

using SimClrView = Compose<RandomResizedCrop, RandomFlip, RandomApply<ColorJitter>, RandomGrayscale,
                           RandomApply<GaussianBlur>, Normalize>;

/// Crop (0.08, 1) bicubic, flip, jitter (0.8, 0.8, 0.8, 0.2) x strength with p 0.8, grey 0.2, blur 0.5. Pixels stay in
/// [0, 1]: the official code does not normalise. Version 2 has multiplicative brightness, version 1 additive.
/// Deviations: the blur's sigma is drawn for each picture instead of each batch, borders are reflected, and each step
/// rounds to 8 bits.
inline TwoViews<SimClrView> simclr(int size = 224, double strength = 1.0, bool blur = true, bool additive = false) {
  return TwoViews(SimClrView(
      RandomResizedCrop{size, {0.08, 1.0}, Filter::bicubic}, RandomFlip{},
      RandomApply(0.8, ColorJitter{0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength, additive}),
      RandomGrayscale{0.2}, RandomApply(blur ? 0.5 : 0.0, GaussianBlur{{0.1, 2.0}, gaussian_kernel(size)}),
      Normalize{}));
}
inline TwoViews<SimClrView> simclr_v1(int size = 224, double strength = 1.0, bool blur = true) {
  return simclr(size, strength, blur, true);
}
/// Strength 0.5 and no blur.
inline TwoViews<SimClrView> simclr_cifar(int size = 32) { return simclr(size, 0.5, false); }

// ---- SimCLR for small grey pictures (digits, clothes): ours, no paper ----

using SimClrGreyView = Compose<RandomResizedCrop, RandomFlip, RandomApply<ColorJitter>, RandomApply<GaussianBlur>,
                               RandomErasing, Normalize>;

struct SimClrGrey {
  Range area{0.25, 1.0};  // of 28 pixels, 0.08 would leave eight
  double flip = 0.5;
  double jitter = 0.8, brightness = 0.6, contrast = 0.6;
  double blur = 0.2;
  Range sigma{0.1, 1.0};
  double erase = 0.0;
  Range erased_area{0.02, 0.2};
  Normalize normalize{};
};
inline TwoViews<SimClrGreyView> simclr_grey(int size = 28, const SimClrGrey& knobs = {}) {
  return TwoViews(SimClrGreyView(RandomResizedCrop{size, knobs.area, Filter::bilinear, 1}, RandomFlip{knobs.flip},
                                 RandomApply(knobs.jitter, ColorJitter{knobs.brightness, knobs.contrast}),
                                 RandomApply(knobs.blur, GaussianBlur{knobs.sigma, gaussian_kernel(size) + 2}),
                                 RandomErasing{knobs.erase, knobs.erased_area}, knobs.normalize));
}

/// Two such crops and `locals` smaller ones, for methods of many crops.
inline MultiCrop<SimClrGreyView, SimClrGreyView, SimClrGreyView> grey_multi_crop(int size, int local_size,
                                                                                 std::size_t locals) {
  const SimClrGreyView global = simclr_grey(size).first, local = simclr_grey(local_size, {.area = {0.08, 0.3}}).first;
  return MultiCrop(global, global, local, locals);
}

// ---- MoCo (He et al. 2020, Chen et al. 2020; facebookresearch/moco main_moco.py), SimSiam ----

using MocoV1View = Compose<RandomResizedCrop, RandomGrayscale, ColorJitter, RandomFlip, Normalize>;
using MocoV2View = Compose<RandomResizedCrop, RandomApply<ColorJitter>, RandomGrayscale, RandomApply<PillowBlur>,
                           RandomFlip, Normalize>;

/// Crop (0.2, 1), grey 0.2, jitter 0.4 x 4 always, flip.
inline TwoViews<MocoV1View> moco_v1(int size = 224) {
  return TwoViews(MocoV1View(RandomResizedCrop{size, {0.2, 1.0}}, RandomGrayscale{0.2}, ColorJitter{0.4, 0.4, 0.4, 0.4},
                             RandomFlip{}, imagenet_statistics));
}

/// Crop (0.2, 1), jitter (0.4, 0.4, 0.4, 0.1) p 0.8, grey 0.2, Pillow's blur 0.5, flip.
inline TwoViews<MocoV2View> moco_v2(int size = 224) {
  return TwoViews(MocoV2View(RandomResizedCrop{size, {0.2, 1.0}}, RandomApply(0.8, ColorJitter{0.4, 0.4, 0.4, 0.1}),
                             RandomGrayscale{0.2}, RandomApply(0.5, PillowBlur{}), RandomFlip{}, imagenet_statistics));
}

/// The authors' CIFAR-10 demonstration: crop (0.08, 1), no blur, CIFAR statistics.
inline TwoViews<MocoV2View> moco_v2_cifar(int size = 32) {
  auto views = moco_v2(size);
  for (MocoV2View* view : {&views.first, &views.second}) {
    view->crop_step().area = {0.08, 1.0};
    view->step<RandomApply<PillowBlur>>().p = 0.0;
    view->step<Normalize>() = cifar10_statistics;
  }
  return views;
}

/// SimSiam (Chen & He 2021) takes MoCo v2's; on CIFAR (0.2, 1) without blur.
inline TwoViews<MocoV2View> simsiam(int size = 224) { return moco_v2(size); }
inline TwoViews<MocoV2View> simsiam_cifar(int size = 32) {
  auto views = moco_v2_cifar(size);
  for (MocoV2View* view : {&views.first, &views.second}) view->crop_step().area = {0.2, 1.0};
  return views;
}

// ---- InstDisc (Wu et al. 2018; zhirongw/lemniscate.pytorch main.py, cifar.py), InvaSpread (Ye et al. 2019) ----

using InvaSpreadView = Compose<RandomResizedCrop, ColorJitter, RandomGrayscale, RandomFlip, Normalize>;

/// One view: crop (0.2, 1), grey 0.2, jitter 0.4 x 4 always, flip.
inline OneView<MocoV1View> instdisc(int size = 224) { return OneView(moco_v1(size).first); }

/// Two views: crop (0.2, 1), jitter 0.4 x 4 always, grey 0.2, flip, CIFAR statistics.
/// (mangye16/Unsupervised_Embedding_Learning demo_seen.py)
inline TwoViews<InvaSpreadView> invaspread(int size = 32) {
  return TwoViews(InvaSpreadView(RandomResizedCrop{size, {0.2, 1.0}}, ColorJitter{0.4, 0.4, 0.4, 0.4},
                                 RandomGrayscale{0.2}, RandomFlip{}, cifar10_statistics));
}

/// InstDisc on CIFAR: one such view, without the flip, which the authors commented out.
inline OneView<InvaSpreadView> instdisc_cifar(int size = 32) {
  InvaSpreadView view = invaspread(size).first;
  view.step<RandomFlip>().p = 0.0;
  return OneView(view);
}

// ---- CMC (Tian et al. 2020; HobbitLong/CMC train_CMC.py, dataset.py) ----

using CmcView = Compose<RandomResizedCrop, RandomFlip, Lab>;
using CmcYCbCrView = Compose<RandomResizedCrop, RandomFlip, YCbCr>;

/// One view: crop (0.2, 1), for ResNets (0.08, 1), and flip, in Lab. Colour stays: it is what the views are.
inline OneView<CmcView> cmc(int size = 224, double crop_low = 0.2) {
  return OneView(CmcView(RandomResizedCrop{size, {crop_low, 1.0}}, RandomFlip{}, Lab{}));
}
inline OneView<CmcYCbCrView> cmc_ycbcr(int size = 224, double crop_low = 0.2) {
  return OneView(CmcYCbCrView(RandomResizedCrop{size, {crop_low, 1.0}}, RandomFlip{}, YCbCr{}));
}

/// What evaluation encodes: the middle, in the colour space of the training.
inline OneView<Compose<CenterCrop, Lab>> cmc_center_view(int size, int resize_to = 0) {
  return OneView(Compose<CenterCrop, Lab>(CenterCrop{size, resize_to}, Lab{}));
}
inline OneView<Compose<CenterCrop, YCbCr>> cmc_ycbcr_center_view(int size, int resize_to = 0) {
  return OneView(Compose<CenterCrop, YCbCr>(CenterCrop{size, resize_to}, YCbCr{}));
}

// ---- CPC (van den Oord et al. 2018; loweX/Greedy_InfoMax vision/data/get_dataloader.py, STL-10) ----

using CpcView = Compose<RandomCrop, RandomFlip, Normalize>;

/// One view: a random window of `size` in a picture of `resize_to`, flip, grey. The paper: 256 of 300; CIFAR: 32 of 36.
inline OneView<CpcView> cpc(int size = 64, int resize_to = 96, int channels = 1) {
  const Normalize grey{{0.4120, 0.4120, 0.4120}, {0.2570, 0.2570, 0.2570}};
  return OneView(CpcView(RandomCrop{size, resize_to, Filter::bilinear, channels}, RandomFlip{}, grey));
}

// ---- BYOL (Grill et al. 2020; google-deepmind/deepmind-research byol/utils/augmentations.py) ----

using ByolView = Compose<RandomResizedCrop, RandomFlip, RandomApply<ColorJitter>, RandomGrayscale,
                         RandomApply<GaussianBlur>, RandomSolarize, Normalize>;

/// Crop (0.08, 1) bicubic, flip, jitter (0.4, 0.4, 0.2, 0.1) p 0.8 with additive brightness, grey 0.2; the first view
/// is always blurred, the second with 0.1 and solarised with 0.2. Deviation: contrast acts about the mean grey, there
/// about each channel's mean.
inline TwoViews<ByolView> byol(int size = 224) {
  const auto view = [size](double blur, double solarize) {
    return ByolView(RandomResizedCrop{size, {0.08, 1.0}, Filter::bicubic}, RandomFlip{},
                    RandomApply(0.8, ColorJitter{0.4, 0.4, 0.2, 0.1, true}), RandomGrayscale{0.2},
                    RandomApply(blur, GaussianBlur{{0.1, 2.0}, gaussian_kernel(size)}), RandomSolarize{solarize, 128},
                    imagenet_statistics);
  };
  return TwoViews(view(1.0, 0.0), view(0.1, 0.2));
}

/// The same without blur. (solo-learn's CIFAR recipe)
inline TwoViews<ByolView> byol_cifar(int size = 32) {
  auto views = byol(size);
  for (ByolView* view : {&views.first, &views.second}) {
    view->step<RandomApply<GaussianBlur>>().p = 0.0;
    view->step<Normalize>() = cifar10_statistics;
  }
  return views;
}

// ---- MoCo v3 (Chen, Xie & He 2021; facebookresearch/moco-v3 main_moco.py, CONFIG.md) ----

using MocoV3View = Compose<RandomResizedCrop, RandomApply<ColorJitter>, RandomGrayscale, RandomApply<PillowBlur>,
                           RandomSolarize, RandomFlip, Normalize>;

/// BYOL's strengths in MoCo's steps: crop (0.2, 1), for vision transformers (0.08, 1), jitter (0.4, 0.4, 0.2, 0.1) p
/// 0.8, grey 0.2; the first view is always blurred, the second with 0.1 and solarised with 0.2; flip last.
inline TwoViews<MocoV3View> moco_v3(int size = 224, double crop_low = 0.2) {
  const auto view = [=](double blur, double solarize) {
    return MocoV3View(RandomResizedCrop{size, {crop_low, 1.0}}, RandomApply(0.8, ColorJitter{0.4, 0.4, 0.2, 0.1}),
                      RandomGrayscale{0.2}, RandomApply(blur, PillowBlur{}), RandomSolarize{solarize, 128},
                      RandomFlip{}, imagenet_statistics);
  };
  return TwoViews(view(1.0, 0.0), view(0.1, 0.2));
}

// ---- SwAV (Caron et al. 2020; facebookresearch/swav src/multicropdataset.py) ----

using SwavView = Compose<RandomResizedCrop, RandomFlip, RandomApply<ColorJitter>, RandomGrayscale,
                         RandomApply<PillowBlur>, Normalize>;

/// Two crops (0.14, 1) and `locals` of 3/7 of the side (96 of 224) from (0.05, 0.14). The standard deviation 0.228 of
/// red is the official code's.
inline MultiCrop<SwavView, SwavView, SwavView> swav(int size = 224, int local_size = 96, std::size_t locals = 6) {
  const auto view = [](int side, Range area) {
    return SwavView(RandomResizedCrop{side, area}, RandomFlip{}, RandomApply(0.8, ColorJitter{0.8, 0.8, 0.8, 0.2}),
                    RandomGrayscale{0.2}, RandomApply(0.5, PillowBlur{}),
                    Normalize{{0.485, 0.456, 0.406}, {0.228, 0.224, 0.225}});
  };
  return MultiCrop(view(size, {0.14, 1.0}), view(size, {0.14, 1.0}), view(local_size, {0.05, 0.14}), locals);
}

namespace detail {
/// Crops (0.25, 1) and (0.08, 0.3), no blur, CIFAR statistics.
template <class View>
MultiCrop<View, View, View> for_small_pictures(MultiCrop<View, View, View> views) {
  for (View* view : {&views.first, &views.second, &views.local}) {
    view->crop_step().area = view == &views.local ? Range{0.08, 0.3} : Range{0.25, 1.0};
    view->template step<RandomApply<PillowBlur>>().p = 0.0;
    view->template step<Normalize>() = cifar10_statistics;
  }
  return views;
}
}  // namespace detail

/// For pictures of 32 pixels, ours: crops (0.25, 1) and (0.08, 0.3), no blur, CIFAR statistics.
inline MultiCrop<SwavView, SwavView, SwavView> swav_cifar(int size = 32, int local_size = 12, std::size_t locals = 4) {
  return detail::for_small_pictures(swav(size, local_size, locals));
}

// ---- DINO (Caron et al. 2021; facebookresearch/dino main_dino.py) ----

using DinoView = Compose<RandomResizedCrop, RandomFlip, RandomApply<ColorJitter>, RandomGrayscale,
                         RandomApply<PillowBlur>, RandomSolarize, Normalize>;

/// Two bicubic crops (0.4, 1), blurred with 1.0 and 0.1, the second solarised with 0.2, and `locals` from (0.05, 0.4),
/// blurred with 0.5.
inline MultiCrop<DinoView, DinoView, DinoView> dino(int size = 224, int local_size = 96, std::size_t locals = 8) {
  const auto view = [](int side, Range area, double blur, double solarize) {
    return DinoView(RandomResizedCrop{side, area, Filter::bicubic}, RandomFlip{},
                    RandomApply(0.8, ColorJitter{0.4, 0.4, 0.2, 0.1}), RandomGrayscale{0.2},
                    RandomApply(blur, PillowBlur{}), RandomSolarize{solarize, 128}, imagenet_statistics);
  };
  return MultiCrop(view(size, {0.4, 1.0}, 1.0, 0.0), view(size, {0.4, 1.0}, 0.1, 0.2),
                   view(local_size, {0.05, 0.4}, 0.5, 0.0), locals);
}

/// For pictures of 32 pixels, ours: crops (0.25, 1) and (0.08, 0.3), no blur, CIFAR statistics.
inline MultiCrop<DinoView, DinoView, DinoView> dino_cifar(int size = 32, int local_size = 12, std::size_t locals = 4) {
  return detail::for_small_pictures(dino(size, local_size, locals));
}

// ---- MAE (He et al. 2022; facebookresearch/mae main_pretrain.py) ----

using MaeView = Compose<RandomResizedCrop, RandomFlip, Normalize>;

/// Crop (0.2, 1) bicubic and flip; one view.
inline OneView<MaeView> mae(int size = 224) {
  return OneView(MaeView(RandomResizedCrop{size, {0.2, 1.0}, Filter::bicubic}, RandomFlip{}, imagenet_statistics));
}

// ---- Evaluation: nothing is drawn ----

using CenterView = Compose<CenterCrop, Normalize>;

/// Short side to `resize_to` (0: to `size`), middle `size` x `size`. ImageNet's convention is 256 and 224.
inline OneView<CenterView> center_view(int size, int resize_to, const Normalize& normalize, int channels = 3,
                                       Filter filter = Filter::bilinear) {
  return OneView(CenterView(CenterCrop{size, resize_to, filter, channels}, normalize));
}

// ---- CLIP (Radford et al. 2021; open_clip, src/open_clip/transform.py) ----

using ClipTrainView = Compose<RandomResizedCrop, Normalize>;

/// What CLIP learns from: a crop of 0.9 to 1 of the image and nothing else, for captions say where things are.
inline OneView<ClipTrainView> clip_train(int size = 224, const Normalize& normalize = clip_statistics) {
  return OneView(ClipTrainView(RandomResizedCrop{size, {0.9, 1.0}, Filter::bicubic}, normalize));
}
/// CLIP's preparation. (openai/CLIP clip.py)
inline OneView<CenterView> clip_view(int size = 224) {
  return center_view(size, size, clip_statistics, 3, Filter::bicubic);
}

}  // namespace contrastive
