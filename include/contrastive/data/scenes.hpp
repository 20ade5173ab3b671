// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/data/scene_layout.hpp"
#include "contrastive/data/scene_picture.hpp"
#include "contrastive/data/sprites.hpp"
#include "contrastive/media/crop_plan.hpp"
#include "contrastive/media/sample.hpp"

namespace contrastive {

struct SceneOptions {
  std::size_t count = 1000;
  int image_size = 64;
  std::uint64_t seed = 0;
  std::string split = "train";    // test, combinations, orders, names
  std::string sprites = "emoji";  // or shapes, which need no files
  std::size_t nouns = 160;        // emoji to draw with, 0: all whose names are nouns
  int least = 1, most = 5;        // sprites in a scene
  bool moving = false;            // the first sprite moves, and the captions say where
  int frames = 8;                 // of a clip
  bool hold_out = true;           // false: training shows every name, colour and order, for ceilings
  EmojiOptions emoji = {};        // files; `language` as for emoji, see `texts`
};

/// Drawn scenes with everything that can be known of them: a ground with one to five sprites, emoji or shapes, as drawn or
/// in one of eight colours; captions, boxes, a label and a distance for each pixel, and a motion. Scene i depends on (seed,
/// split, i) alone, and is made when it is asked for.
///
/// The class of a scene is the noun of its main group, in which its largest sprite is. What the splits show:
///   train, test   names, colours of names and orders of two names that are not held out (`SceneSplits`)
///   combinations  a main group in a colour that its noun never has in training
///   orders        a main group left or right of another, as these two never are in training
///   names         a main group whose noun is never seen in training
/// Apart from that one thing, the last three are made of what training shows.
class Scenes {
 public:
  explicit Scenes(SceneOptions options)
      : options_(checked(std::move(options))),
        rng_(Rng(options_.seed) / "scenes" / options_.split),
        set_(detail::shared_sprites(options_.sprites, options_.emoji, options_.nouns)),
        layout_(set_->sprites, set_->nouns, options_.split, options_.image_size, options_.least, options_.most,
                options_.moving, options_.hold_out),
        title_("scenes " + options_.split) {
    for (const std::string& language : detail::split_list(options_.emoji.language, ','))
      languages_.push_back(language == "en" ? Language{true, {}} : names_in(language));
    if (languages_.empty()) languages_.push_back({true, {}});
  }

  std::size_t size() const { return options_.count; }
  const std::string& name() const { return title_; }
  const std::vector<std::string>& class_names() const { return set_->nouns; }
  std::string describe(std::size_t i) const {
    return join("scene ", i, " of ", title_, " (", captions(scene(i)).texts()[0], ")");
  }
  /// Whether training shows the class.
  bool seen(int label) const { return !layout_.splits().holds_name(label); }
  /// And in that colour, an index into the eight; -1: as it is drawn.
  bool seen(int label, int colour) const { return seen(label) && !layout_.splits().holds_colour(colour, label); }

  int label(std::size_t i) const { return layout_.start(place(i)).main.noun; }
  Scene scene(std::size_t i) const { return layout_.scene(place(i)); }

  Image image(std::size_t i) const { return image_of(i, scene(i)); }
  /// True sentences from the fullest to the shortest; in other languages than English, for which there is no grammar, the
  /// names alone, joined by commas. Several languages follow one another.
  std::vector<std::string> texts(std::size_t i) const { return texts_of(scene(i)); }
  /// A false sentence: the fullest with its first two groups exchanged. Empty where it would be true or there is none.
  std::string swapped(std::size_t i) const { return captions(scene(i)).swapped(); }
  /// Of the visible part of each sprite; the label is its noun.
  std::vector<Box> boxes(std::size_t i) const { return scene(i).boxes; }
  LabelMap mask(std::size_t i) const { return mask_of(scene(i)); }
  DepthMap depth(std::size_t i) const { return depth_of(scene(i)); }
  /// One second, of which `image` is the first frame. Of moving scenes only.
  Clip clip(std::size_t i) const { return clip_of(i, scene(i)); }

  Parts parts() const {
    const Parts all = Part::image | Part::texts | Part::boxes | Part::mask | Part::depth;
    return options_.moving ? all | Part::clip : all;
  }
  Sample sample(std::size_t i, Parts wanted, const CropPlan&) const {
    const Scene scene = this->scene(i);
    Sample sample;
    sample.full = {options_.image_size, options_.image_size};
    if (wanted.contains(Part::image)) sample.image = image_of(i, scene);
    if (wanted.contains(Part::texts)) sample.texts = texts_of(scene);
    if (wanted.contains(Part::boxes)) sample.boxes = scene.boxes;
    if (wanted.contains(Part::mask)) sample.mask = mask_of(scene);
    if (wanted.contains(Part::depth)) sample.depth = depth_of(scene);
    if (wanted.contains(Part::clip)) sample.clip = clip_of(i, scene);
    return sample;
  }

 private:
  struct Language {
    bool english;
    std::vector<std::string> nouns;  // of the others
  };

  /// The nouns in another language than English, which are used where CLDR does not have one yet.
  Language names_in(const std::string& language) const {
    require(options_.sprites == "emoji", "[scenes] shapes have English names only, got ", language, " (--language)");
    const Annotations known = read_annotations(language, options_.emoji.cldr);
    Language names{false, set_->nouns};
    std::vector<std::string> missing;
    for (std::size_t n = 0; n < names.nouns.size(); ++n) {
      const auto found = known.find(detail::annotation_key(set_->code_points[n]));
      if (found != known.end() && !found->second.name.empty())
        names.nouns[n] = found->second.name;
      else
        missing.push_back(names.nouns[n]);
    }
    require(2 * missing.size() < names.nouns.size(), "[scenes] CLDR names ", names.nouns.size() - missing.size(),
            " of ", names.nouns.size(), " nouns in the language ", language, " (--language)");
    if (!missing.empty())
      std::fprintf(stderr, "[scenes] CLDR has no name in %s for %s: the English names are used\n", language.c_str(),
                   detail::name_list(missing).c_str());
    return names;
  }

  static SceneOptions checked(SceneOptions o) {
    constexpr std::array<std::string_view, 5> splits = {"train", "test", "combinations", "orders", "names"};
    require(detail::is_one_of(o.split, splits), "[scenes] split is train, test, combinations, orders or names, got ",
            o.split);
    require(o.image_size >= 16 && o.image_size <= 1024, "[scenes] image size must be 16 to 1024, got ", o.image_size);
    require(o.least >= 1 && o.least <= o.most && o.most <= 5, "[scenes] sprites in a scene must be 1 to 5, got ",
            o.least, " to ", o.most);
    require(o.hold_out || o.split == "train" || o.split == "test", "[scenes] there is no split ", o.split,
            " where nothing is held out");
    require(o.split != "orders" || o.most >= 2, "[scenes] an order needs two sprites, got at most ", o.most);
    require(o.split != "orders" || !o.moving,
            "[scenes] captions of moving scenes tell no order: there is no split orders of them");
    require(o.frames >= 2 && o.frames <= 256, "[scenes] frames must be 2 to 256, got ", o.frames);
    return o;
  }

  Rng place(std::size_t i) const {
    require(i < options_.count, "[scenes] scene ", i, " of ", options_.count);
    return rng_ / i;
  }

  SceneCaptions captions(const Scene& scene) const {
    std::vector<SpriteGroup> groups;
    int last = -1;
    for (const SceneSprite& sprite : scene.sprites) {
      if (sprite.group == last) {
        ++groups.back().count;
        continue;
      }
      last = sprite.group;
      groups.push_back({1, detail::size_words[static_cast<std::size_t>(sprite.size)],
                        sprite.colour < 0 ? "" : detail::tints[static_cast<std::size_t>(sprite.colour)].word,
                        set_->nouns[static_cast<std::size_t>(sprite.noun)]});
    }
    if (scene.partner > 1)
      std::rotate(groups.begin() + 1, groups.begin() + scene.partner, groups.begin() + scene.partner + 1);
    return {std::move(groups), scene.relation, scene.motion};
  }

  std::vector<std::string> texts_of(const Scene& scene) const {
    std::vector<std::string> texts;
    for (const Language& language : languages_) {
      if (language.english) {
        for (std::string& text : captions(scene).texts()) texts.push_back(std::move(text));
        continue;
      }
      std::string names;
      for (const SceneSprite& sprite : scene.sprites)
        names += (names.empty() ? "" : ", ") + language.nouns[static_cast<std::size_t>(sprite.noun)];
      texts.push_back(std::move(names));
    }
    return texts;
  }

  LabelMap mask_of(const Scene& scene) const {
    LabelMap mask(options_.image_size, options_.image_size);
    for (std::size_t p = 0; p < mask.labels.size(); ++p)
      if (scene.owner[p] != detail::no_sprite)
        mask.labels[p] = static_cast<std::uint16_t>(scene.sprites[scene.owner[p]].noun);
    return mask;
  }
  DepthMap depth_of(const Scene& scene) const {
    DepthMap depth(options_.image_size, options_.image_size);
    for (std::size_t p = 0; p < depth.metres.size(); ++p)
      depth.metres[p] = static_cast<float>(
          scene.owner[p] == detail::no_sprite ? detail::ground_distance : scene.sprites[scene.owner[p]].distance);
    return depth;
  }

  Image image_of(std::size_t i, const Scene& scene) const {
    Image image = detail::draw_ground(rng_ / i / "ground", options_.image_size);
    detail::draw_sprites(scene, set_->sprites, image);
    return image;
  }
  Clip clip_of(std::size_t i, Scene scene) const {
    require(options_.moving, "[scenes] these scenes do not move");
    constexpr std::array<std::array<int, 2>, 5> ways = {{{0, 0}, {-1, 0}, {1, 0}, {0, -1}, {0, 1}}};
    const auto [right, down] = ways[static_cast<std::size_t>(scene.motion)];
    const Image behind = detail::draw_ground(rng_ / i / "ground", options_.image_size);
    const detail::Pose from = scene.sprites[0].pose;
    Clip clip{static_cast<double>(options_.frames), {}};
    for (int f = 0; f < options_.frames; ++f) {
      const double way = scene.path * f / (options_.frames - 1);
      scene.sprites[0].pose.x = from.x + right * way, scene.sprites[0].pose.y = from.y + down * way;
      clip.frames.push_back(behind);
      detail::draw_sprites(scene, set_->sprites, clip.frames.back());
    }
    return clip;
  }

  SceneOptions options_;
  Rng rng_;
  std::shared_ptr<const detail::SpriteSet> set_;
  detail::SceneLayout layout_;
  std::string title_;
  std::vector<Language> languages_;
};

}  // namespace contrastive
