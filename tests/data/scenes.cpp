// SPDX-License-Identifier: MIT

// Drawn scenes: pictures, maps, boxes and captions say the same; what is held out is never shown.

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <thread>

#include "contrastive/data/emoji.hpp"
#include "contrastive/data/open.hpp"
#include "contrastive/data/scene_objects.hpp"
#include "contrastive/data/scene_phrases.hpp"
#include "data/support.hpp"
#include "support/captured_errors.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

SceneOptions shapes(const std::string& split = "train", std::size_t count = 100000) {
  SceneOptions options;
  options.sprites = "shapes", options.split = split, options.count = count;
  return options;
}

bool have_emoji() {
#if defined(CONTRASTIVE_WITH_FONTS)
  const EmojiOptions files;
  if (detail::is_file(files.font) && detail::is_file(files.list)) return true;
#endif
  WARN("SKIPPED: emoji are not here; install the packages fonts-noto-color-emoji and unicode-data to run this test");
  return false;
}

double centre_x(const Box& box) { return (box.left + box.right) / 2; }
double centre_y(const Box& box) { return (box.top + box.bottom) / 2; }

/// Of the sprites of a scene: nouns, pairs of colour and noun, and orders (this noun left of that one).
struct Shown {
  std::set<int> nouns;
  std::set<std::pair<int, int>> colours, orders;

  void add(const Scene& scene) {
    for (std::size_t a = 0; a < scene.sprites.size(); ++a) {
      nouns.insert(scene.sprites[a].noun);
      if (scene.sprites[a].colour >= 0) colours.emplace(scene.sprites[a].colour, scene.sprites[a].noun);
      for (std::size_t b = 0; b < scene.sprites.size(); ++b)
        if (centre_x(scene.boxes[a]) < centre_x(scene.boxes[b]))
          orders.emplace(scene.sprites[a].noun, scene.sprites[b].noun);
    }
  }
};

/// What is held out, found anew from scenes alone: in `split` and never in 20,000 scenes of training.
void check_splits(SceneOptions options) {
  options.split = "train";
  const Scenes train(options);
  Shown trained, tested;
  for (std::size_t i = 0; i < 20000; ++i) trained.add(train.scene(i));
  options.split = "test";
  const Scenes test(options);
  for (std::size_t i = 0; i < 2000; ++i) tested.add(test.scene(i));

  const detail::SceneSplits splits(train.class_names());
  const auto none_held = [&](const Shown& shown) {
    for (const int noun : shown.nouns) CHECK_FALSE(splits.holds_name(noun));
    for (const auto& [colour, noun] : shown.colours) CHECK_FALSE(splits.holds_colour(colour, noun));
    for (const auto& [left, right] : shown.orders) CHECK_FALSE(splits.holds_order(left, right));
  };
  none_held(trained);
  none_held(tested);

  for (const char* split : {"combinations", "orders", "names"}) {
    options.split = split;
    const Scenes set(options);
    for (std::size_t i = 0; i < 500; ++i) {
      const Scene scene = set.scene(i);
      const SceneSprite& main = scene.sprites[0];
      const bool new_name = !trained.nouns.contains(main.noun);
      const bool new_colour = main.colour >= 0 && !new_name && !trained.colours.contains({main.colour, main.noun});
      bool new_order = false;
      for (std::size_t a = 0; a < scene.sprites.size(); ++a)
        for (std::size_t b = 0; b < scene.sprites.size(); ++b)
          if (centre_x(scene.boxes[a]) < centre_x(scene.boxes[b]))
            new_order |= splits.holds_order(scene.sprites[a].noun, scene.sprites[b].noun);
      INFO(split << " " << set.describe(i));
      CHECK(new_name == (set.name() == "scenes names"));
      CHECK(set.seen(main.noun) == !new_name);
      CHECK(splits.holds_colour(main.colour, main.noun) == (set.name() == "scenes combinations"));
      if (set.name() == "scenes combinations") CHECK(new_colour);
      CHECK(new_order == (set.name() == "scenes orders"));
      for (const SceneSprite& sprite : scene.sprites)
        if (sprite.group > 0) CHECK(trained.nouns.contains(sprite.noun));
    }
  }
}

}  // namespace

TEST_CASE("a scene's mask, boxes, distances and picture agree", "[data]") {
  for (const int size : {16, 64, 97}) {
    SceneOptions options = shapes();
    options.image_size = size;
    const Scenes set(options);
    for (std::size_t i = 0; i < 60; ++i) {
      const Scene scene = set.scene(i);
      const LabelMap mask = set.mask(i);
      const DepthMap depth = set.depth(i);
      const std::vector<Box> boxes = set.boxes(i);
      REQUIRE(boxes.size() == scene.sprites.size());
      REQUIRE((mask.height == size && mask.width == size && depth.height == size && depth.width == size));

      // The bounds of what is seen of each sprite, by hand from the owners.
      std::vector<Box> bounds(boxes.size(), Box{1e9F, 1e9F, -1, -1, -1});
      for (int y = 0; y < size; ++y)
        for (int x = 0; x < size; ++x) {
          const std::size_t p = static_cast<std::size_t>(y) * size + x;
          const std::uint8_t s = scene.owner[p];
          if (s == detail::no_sprite) {
            CHECK(mask.labels[p] == LabelMap::nothing);
            CHECK(depth.metres[p] == 10.0F);
            continue;
          }
          CHECK(mask.labels[p] == scene.sprites[s].noun);
          CHECK(depth.metres[p] == static_cast<float>(scene.sprites[s].distance));
          CHECK((depth.metres[p] > 0.5F && depth.metres[p] < 10));
          Box& box = bounds[s];
          box.left = std::min(box.left, static_cast<float>(x)),
          box.right = std::max(box.right, static_cast<float>(x + 1));
          box.top = std::min(box.top, static_cast<float>(y)),
          box.bottom = std::max(box.bottom, static_cast<float>(y + 1));
        }
      for (std::size_t s = 0; s < boxes.size(); ++s) {
        CHECK((boxes[s].left == bounds[s].left && boxes[s].right == bounds[s].right));
        CHECK((boxes[s].top == bounds[s].top && boxes[s].bottom == bounds[s].bottom));
        CHECK(boxes[s].label == scene.sprites[s].noun);
      }
      CHECK(set.label(i) == scene.sprites[0].noun);
      for (const SceneSprite& sprite : scene.sprites)  // the largest is one of the main group
        if (sprite.group > 0) {
          double largest = 0;
          for (const SceneSprite& one : scene.sprites)
            if (one.group == 0) largest = std::max(largest, one.pose.size);
          CHECK(sprite.pose.size <= largest);
        }
    }
  }
}

TEST_CASE("the nearer sprite hides the farther one, and the picture shows the owner's colour", "[data]") {
  const Scenes set(shapes());
  std::size_t hidden = 0, looked_at = 0;
  for (std::size_t i = 0; i < 400; ++i) {
    const Scene scene = set.scene(i);
    const Image image = set.image(i);
    // Where a sprite alone would be seen and another is, the other is nearer.
    for (std::size_t s = 0; s < scene.sprites.size(); ++s) {
      const auto sprites = detail::shared_sprites("shapes", {}, 160);
      const detail::Patch patch =
          sprites->sprites[static_cast<std::size_t>(scene.sprites[s].noun)].draw(scene.sprites[s].pose, 64);
      for (int y = 0; y < patch.height; ++y)
        for (int x = 0; x < patch.width; ++x) {
          if (detail::channel(patch.pixels[static_cast<std::size_t>(y * patch.width + x)], 3) < 128) continue;
          const std::uint8_t owner = scene.owner[static_cast<std::size_t>((patch.top + y) * 64 + patch.left + x)];
          REQUIRE(owner != detail::no_sprite);
          if (owner == s) continue;
          CHECK(scene.sprites[owner].distance < scene.sprites[s].distance);
          ++hidden;
        }
    }
    // In the middle of a tinted sprite the picture has its hue.
    for (int y = 1; y < 63; ++y)
      for (int x = 1; x < 63; ++x) {
        const std::uint8_t s = scene.owner[static_cast<std::size_t>(y * 64 + x)];
        bool inner = s != detail::no_sprite && scene.sprites[s].colour >= 0;
        for (int dy = -1; dy <= 1 && inner; ++dy)
          for (int dx = -1; dx <= 1; ++dx) inner &= scene.owner[static_cast<std::size_t>((y + dy) * 64 + x + dx)] == s;
        if (!inner) continue;
        const auto& rgb = detail::tints[static_cast<std::size_t>(scene.sprites[s].colour)].rgb;
        const int high = static_cast<int>(std::max_element(rgb.begin(), rgb.end()) - rgb.begin());
        const int low = static_cast<int>(std::min_element(rgb.begin(), rgb.end()) - rgb.begin());
        looked_at += 1;
        CHECK(image.row(y)[3 * x + high] > image.row(y)[3 * x + low]);
      }
  }
  CHECK(hidden > 1000);
  CHECK(looked_at > 10000);
}

TEST_CASE("a scene's captions are true of its boxes", "[data]") {
  const Scenes set(shapes());
  const std::vector<std::string> nouns = set.class_names();
  std::map<std::string, int> said;
  for (std::size_t i = 0; i < 3000; ++i) {
    const Scene scene = set.scene(i);
    const std::vector<std::string> texts = set.texts(i);
    INFO(set.describe(i));
    REQUIRE_FALSE(texts.empty());
    std::map<std::pair<int, int>, std::pair<int, int>> groups;  // by noun and colour: how many, and their size
    for (const SceneSprite& sprite : scene.sprites) {
      auto& [count, size] = groups[{sprite.noun, sprite.colour}];
      ++count, size = sprite.size;
    }
    for (const auto& [key, value] : groups) {  // counted together, with their words
      SpriteGroup group{value.first,
                        value.second == 0   ? "small"
                        : value.second == 2 ? "large"
                                            : "",
                        key.second < 0 ? "" : detail::tints[static_cast<std::size_t>(key.second)].word,
                        nouns[static_cast<std::size_t>(key.first)]};
      CHECK_THAT(texts[0], Contains(detail::phrase_of(group)));
    }
    for (const SceneSprite& sprite : scene.sprites) {
      CHECK((sprite.size == 0 ? sprite.pose.size <= 0.30 : sprite.size == 2 ? sprite.pose.size >= 0.50 : true));
    }
    const std::string& full = texts[0];
    const std::pair<const char*, const char*> words[] = {
        {" left of ", " right of "}, {" right of ", " left of "}, {" above ", " below "}, {" below ", " above "}};
    bool related = false;
    for (int w = 0; w < 4; ++w) {
      const std::size_t at = full.find(words[w].first);
      if (at == std::string::npos) continue;
      related = true;
      ++said[words[w].first];
      // All sprites of the first phrase lie on that side of all of the second, by a fifth of the picture.
      const std::string first = full.substr(0, at), second = full.substr(at + std::string(words[w].first).size());
      for (std::size_t a = 0; a < scene.sprites.size(); ++a)
        for (std::size_t b = 0; b < scene.sprites.size(); ++b) {
          if (scene.sprites[a].group != 0 || scene.sprites[b].group != scene.partner) continue;
          const Box &p = scene.boxes[a], &q = scene.boxes[b];
          const double dx = centre_x(q) - centre_x(p), dy = centre_y(q) - centre_y(p);
          CHECK((w == 0 ? dx : w == 1 ? -dx : w == 2 ? dy : -dy) >= 0.2 * 64);
          CHECK_THAT(first, Contains(nouns[static_cast<std::size_t>(scene.sprites[a].noun)].substr(0, 4)));
          CHECK_THAT(second, Contains(nouns[static_cast<std::size_t>(scene.sprites[b].noun)].substr(0, 4)));
        }
      // The inverse says the same the other way round; the swapped one does not.
      const std::string rest = second.find(", with ") == std::string::npos ? "" : second.substr(second.find(", with "));
      const std::string other = second.substr(0, second.size() - rest.size());
      CHECK(texts[1] == other + words[w].second + first + rest);
      CHECK(set.swapped(i) == other + words[w].first + first + rest);
    }
    if (!related) {
      ++said["none"];
      CHECK(set.swapped(i).empty());
    }
  }
  for (const char* word : {" left of ", " right of ", " above ", " below ", "none"}) CHECK(said[word] > 200);
}

TEST_CASE("what is held out is never in 20,000 scenes of training", "[data]") {
  check_splits(shapes());

  // The control: the same look at scenes of the other splits does find what is held out.
  const Scenes train(shapes());
  const detail::SceneSplits splits(train.class_names());
  Shown shown;
  for (const char* split : {"combinations", "orders", "names"}) {
    const Scenes set(shapes(split));
    for (std::size_t i = 0; i < 100; ++i) shown.add(set.scene(i));
  }
  CHECK(std::any_of(shown.nouns.begin(), shown.nouns.end(), [&](int noun) { return splits.holds_name(noun); }));
  CHECK(std::any_of(shown.colours.begin(), shown.colours.end(),
                    [&](auto p) { return splits.holds_colour(p.first, p.second); }));
  CHECK(std::any_of(shown.orders.begin(), shown.orders.end(),
                    [&](auto p) { return splits.holds_order(p.first, p.second); }));
}

TEST_CASE("hold-outs have the shares that are promised", "[data]") {
  std::vector<std::string> nouns;
  for (int n = 0; n < 400; ++n) nouns.push_back("noun" + std::to_string(n));
  const detail::SceneSplits splits(nouns);
  // Binomial deviations: 6.6 of 50 names, 17 of 320 colours, 120 of 15960 orders.
  CHECK(std::abs(static_cast<int>(splits.unseen().size()) - 50) < 27);
  CHECK(splits.seen().size() + splits.unseen().size() == nouns.size());
  int colours = 0, orders = 0;
  for (int a = 0; a < 400; ++a) {
    for (int c = 0; c < 8; ++c) colours += splits.holds_colour(c, a);
    CHECK_FALSE(splits.holds_colour(-1, a));
    for (int b = 0; b < 400; ++b) {
      orders += splits.holds_order(a, b);
      CHECK_FALSE((splits.holds_order(a, b) && splits.holds_order(b, a)));
    }
  }
  CHECK(std::abs(colours - 320) < 68);
  CHECK(std::abs(orders - 15960) < 480);
}

TEST_CASE("a scene depends on seed, split and index alone", "[data]") {
  const Scenes set(shapes());
  SceneOptions other = shapes();
  other.count = 50;
  CHECK(set.image(17).pixels == Scenes(other).image(17).pixels);
  other.seed = 1;
  CHECK(set.image(17).pixels != Scenes(other).image(17).pixels);
  CHECK(set.image(17).pixels != Scenes(shapes("test")).image(17).pixels);
  CHECK_THROWS_WITH(Scenes(other).image(50), Contains("scene 50 of 50"));

  std::vector<std::vector<std::uint8_t>> pictures(64);
  std::vector<std::vector<std::string>> texts(64);
  std::vector<std::thread> crew;
  for (std::size_t t = 0; t < 4; ++t)
    crew.emplace_back([&, t] {
      for (std::size_t i = t; i < 64; i += 4) pictures[i] = set.image(i).pixels, texts[i] = set.texts(i);
    });
  for (std::thread& thread : crew) thread.join();
  for (std::size_t i = 64; i-- > 0;) {
    CHECK(pictures[i] == set.image(i).pixels);
    CHECK(texts[i] == set.texts(i));
  }
  // One scene is the same whether its parts are asked for together or one by one.
  const AnyDataset any = set;
  const Sample sample = any.sample(5, set.parts());
  CHECK(sample.image.pixels == set.image(5).pixels);
  CHECK(sample.texts == set.texts(5));
  CHECK(sample.mask.labels == set.mask(5).labels);
  CHECK(sample.depth.metres == set.depth(5).metres);
  CHECK(sample.boxes.size() == set.boxes(5).size());
  CHECK(sample.label == set.label(5));
  CHECK(any.sample(5, Part::texts).image.pixels.empty());
}

TEST_CASE("moving scenes", "[data]") {
  SceneOptions options = shapes();
  options.moving = true, options.frames = 5;
  const Scenes set(options);
  CHECK(set.parts().contains(Part::clip));
  CHECK_FALSE(Scenes(shapes()).parts().contains(Part::clip));
  CHECK_THROWS_WITH(AnyDataset(Scenes(shapes())).sample(0, Part::clip), Contains("but no clip"));
  std::map<Motion, int> ways;
  for (std::size_t i = 0; i < 200; ++i) {
    const Scene scene = set.scene(i);
    const Clip clip = set.clip(i);
    REQUIRE(clip.frames.size() == 5);
    CHECK(clip.rate == 5);
    CHECK(clip.frames[0].pixels == set.image(i).pixels);
    CHECK(clip.frames[0].pixels != clip.frames[4].pixels);
    ++ways[scene.motion];
    // What differs between the first and the last frame lies where the sprite was and where it is now.
    double first[2] = {0, 0}, last[2] = {0, 0}, weight[2] = {0, 0};
    const Image ground = [&] {
      Scene empty = scene;
      return detail::draw_ground(Rng(0) / "scenes" / "train" / i / "ground", 64);
    }();
    if (scene.sprites.size() == 1)
      for (int y = 0; y < 64; ++y)
        for (int x = 0; x < 64; ++x)
          for (int f : {0, 1}) {
            const std::uint8_t* p = clip.frames[f == 0 ? 0 : 4].row(y) + 3 * x;
            const double off = std::abs(p[0] - ground.row(y)[3 * x]) + std::abs(p[1] - ground.row(y)[3 * x + 1]);
            double* at = f == 0 ? first : last;
            at[0] += off * x, at[1] += off * y, weight[f] += off;
          }
    if (scene.sprites.size() == 1 && weight[0] > 0 && weight[1] > 0) {
      const double dx = last[0] / weight[1] - first[0] / weight[0], dy = last[1] / weight[1] - first[1] / weight[0];
      const double along = scene.motion == Motion::left    ? -dx
                           : scene.motion == Motion::right ? dx
                           : scene.motion == Motion::up    ? -dy
                                                           : dy;
      CHECK(along > 0.9 * scene.path * 64);
    }
    const char* words[] = {"", " moving left", " moving right", " moving up", " moving down"};
    CHECK_THAT(set.texts(i)[0], Contains(words[static_cast<int>(scene.motion)]));
  }
  for (const Motion motion : {Motion::left, Motion::right, Motion::up, Motion::down}) CHECK(ways[motion] > 20);
}

TEST_CASE("captions of scenes in English", "[data]") {
  using Texts = std::vector<std::string>;
  const SpriteGroup apple{1, "small", "red", "apple"}, dogs{2, "", "", "dog"}, cat{1, "", "orange", "cat"};
  CHECK(SceneCaptions({apple, dogs}, Relation::left).texts() ==
        Texts{"a small red apple left of two dogs", "two dogs right of a small red apple", "an apple and two dogs"});
  CHECK(SceneCaptions({apple, dogs}, Relation::left).swapped() == "two dogs left of a small red apple");
  CHECK(SceneCaptions({dogs, cat, apple}, Relation::above).texts() ==
        Texts{"two dogs above an orange cat, with a small red apple",
              "an orange cat below two dogs, with a small red apple", "two dogs, a cat and an apple"});
  CHECK(SceneCaptions({apple, cat, dogs}, Relation::none).texts() ==
        Texts{"a small red apple, an orange cat and two dogs", "two dogs, an orange cat and a small red apple",
              "an apple, a cat and two dogs"});
  CHECK(SceneCaptions({apple, cat, dogs}, Relation::none).swapped().empty());
  CHECK(SceneCaptions({{1, "", "", "owl"}}, Relation::none).texts() == Texts{"an owl"});
  CHECK(SceneCaptions({{1, "", "", "owl"}}, Relation::none).swapped().empty());
  CHECK(SceneCaptions({{1, "", "red", "key"}, {2, "", "blue", "key"}}, Relation::below).texts() ==
        Texts{"a red key below two blue keys", "two blue keys above a red key", "three keys"});
  CHECK(SceneCaptions({apple, dogs, cat}, Relation::none, Motion::up).texts() ==
        Texts{"a small red apple moving up, with two dogs and an orange cat",
              "two dogs and an orange cat, with a small red apple moving up", "an apple moving up"});
  CHECK(SceneCaptions({apple, dogs}, Relation::none, Motion::up).swapped() ==
        "two dogs moving up, with a small red apple");
  CHECK(SceneCaptions({apple}, Relation::none, Motion::left).swapped().empty());
}

TEST_CASE("articles, plurals and nouns", "[data]") {
  for (const char* word : {"an apple", "an owl", "an umbrella", "an eggplant", "an hourglass", "an orange dog",
                           "an ant", "a unicorn", "a ewe", "a dog", "a horse", "a uniform", "a UFO"})
    CHECK(detail::with_article(std::string(word).substr(std::string(word).find(' ') + 1)) == word);
  const std::pair<const char*, const char*> plurals[] = {{"dog", "dogs"},
                                                         {"mouse", "mice"},
                                                         {"goose", "geese"},
                                                         {"ox", "oxen"},
                                                         {"fox", "foxes"},
                                                         {"fly", "flies"},
                                                         {"key", "keys"},
                                                         {"fish", "fish"},
                                                         {"jellyfish", "jellyfish"},
                                                         {"deer", "deer"},
                                                         {"wolf", "wolves"},
                                                         {"giraffe", "giraffes"},
                                                         {"potato", "potatoes"},
                                                         {"avocado", "avocados"},
                                                         {"octopus", "octopuses"},
                                                         {"peach", "peaches"},
                                                         {"bus", "buses"},
                                                         {"dress", "dresses"},
                                                         {"toothbrush", "toothbrushes"},
                                                         {"strawberry", "strawberries"},
                                                         {"teddy bear", "teddy bears"},
                                                         {"computer mouse", "computer mice"},
                                                         {"radio", "radios"}};
  for (const auto& [one, many] : plurals) CHECK(detail::plural_of(one) == many);
  CHECK(detail::noun_of("red apple") == "apple");
  CHECK(detail::noun_of("dog") == "dog");
  CHECK(detail::noun_of("compass") == "compass");
  CHECK(detail::noun_of("octopus") == "octopus");
  for (const char* none :
       {"", "red", "dog face", "grapes", "garlic", "one o’clock", "T-Rex", "piñata", "four-thirty", "french fries"})
    CHECK(detail::noun_of(none).empty());
}

TEST_CASE("scenes are opened by name", "[data]") {
  DatasetOptions options{.image_size = 48, .sprites = "shapes"};
  const AnyDataset train = open_dataset("scenes", "", "train", options);
  CHECK(train.size() == 100000);
  CHECK(train.image(0).width == 48);
  CHECK(train.has_labels());
  CHECK(train.parts().contains(Part::image | Part::texts | Part::boxes | Part::mask | Part::depth));
  options.train_size = 20, options.test_size = 30;
  CHECK(open_dataset("scenes", "", "train", options).size() == 20);
  for (const char* split : {"test", "combinations", "orders", "names"}) {
    const AnyDataset set = open_dataset("scenes", "", split, options);
    CHECK(set.size() == 30);
    CHECK(set.class_names() == train.class_names());
  }
  CHECK_THROWS_WITH(open_dataset("scenes", "", "val", options), Contains("orders") && Contains("val"));
  options.label = "colour";
  CHECK_THROWS_WITH(open_dataset("scenes", "", "train", options), Contains("--label colour"));
  options.label.clear(), options.sprites = "stickers";
  CHECK_THROWS_WITH(open_dataset("scenes", "", "train", options), Contains("stickers") && Contains("--sprites"));
  options.sprites = "shapes", options.language = "de";
  CHECK_THROWS_WITH(open_dataset("scenes", "", "train", options),
                    Contains("English names only") && Contains("--language"));

  SceneOptions wrong = shapes();
  wrong.most = 6;
  CHECK_THROWS_WITH(Scenes(wrong), Contains("1 to 5"));
  wrong.most = 1, wrong.split = "orders";
  CHECK_THROWS_WITH(Scenes(wrong), Contains("two sprites"));
  wrong = shapes("orders"), wrong.moving = true;
  CHECK_THROWS_WITH(Scenes(wrong), Contains("tell no order"));
  wrong = shapes(), wrong.image_size = 8;
  CHECK_THROWS_WITH(Scenes(wrong), Contains("image size"));
  for (const int count : {1, 2, 3, 4, 5}) {
    SceneOptions exactly = shapes();
    exactly.least = exactly.most = count;
    const Scenes set(exactly);
    for (std::size_t i = 0; i < 200; ++i) CHECK(static_cast<int>(set.scene(i).sprites.size()) == count);
  }
}

TEST_CASE("scenes by phrase, and scenes that hold nothing out", "[data]") {
  DatasetOptions options{.label = "phrase", .image_size = 32, .train_size = 200, .test_size = 50};
  const AnyDataset set = open_dataset("shape_scenes", "", "train", options);
  const ScenePhrases phrases(Scenes({.count = 200, .image_size = 32, .sprites = "shapes"}));
  REQUIRE(set.class_names().size() == 12 * 9);
  CHECK(set.class_names()[0] == "circle");
  CHECK(set.class_names()[12] == "red circle");
  const std::vector<std::string> names = set.class_names();
  for (std::size_t i = 0; i < 200; ++i) {
    const Scene scene = phrases.scenes().scene(i);
    const Sample sample = set.sample(i, Part::mask | Part::boxes | Part::texts);
    REQUIRE(sample.boxes.size() == scene.sprites.size());
    for (std::size_t b = 0; b < sample.boxes.size(); ++b) {
      const SceneSprite& sprite = scene.sprites[b];
      const std::string noun = phrases.scenes().class_names()[static_cast<std::size_t>(sprite.noun)];
      const std::string want =
          sprite.colour < 0 ? noun : detail::tints[static_cast<std::size_t>(sprite.colour)].word + (" " + noun);
      CHECK(names[static_cast<std::size_t>(sample.boxes[b].label)] == want);
      CHECK(phrases.seen(sample.boxes[b].label));
    }
    for (std::size_t p = 0; p < scene.owner.size(); ++p)
      REQUIRE(sample.mask.labels[p] ==
              (scene.owner[p] == detail::no_sprite ? LabelMap::nothing : sample.boxes[scene.owner[p]].label));
    CHECK(set.label(i) == sample.boxes[0].label);
  }
  const ScenePhrases held(Scenes({.count = 50, .image_size = 32, .split = "combinations", .sprites = "shapes"}));
  for (std::size_t i = 0; i < 50; ++i) CHECK_FALSE(held.seen(held.label(i)));

  // Of the ceilings' training every name is seen, in the colours too.
  options.label.clear(), options.train_size = 600;
  const AnyDataset whole = open_dataset("shape_scenes_whole", "", "train", options);
  CHECK(whole.class_names() == open_dataset("shape_scenes", "", "train", options).class_names());
  std::vector<int> count(12, 0);
  for (std::size_t i = 0; i < 600; ++i) ++count[static_cast<std::size_t>(whole.label(i))];
  CHECK(std::ranges::count(count, 0) == 0);
  CHECK_THROWS_WITH(open_dataset("scenes_whole", "", "names", options), Contains("where nothing is held out"));
}

TEST_CASE("objects cut out of scenes", "[data]") {
  DatasetOptions options;
  options.image_size = 48, options.train_size = 2000, options.seed = 3;
  const AnyDataset set = open_dataset("shape_scene_objects", "", "train", options);
  REQUIRE(set.size() == 2000);
  std::vector<int> count(12, 0);
  int coloured = 0;
  std::set<int> sides;
  for (std::size_t i = 0; i < set.size(); ++i) {
    const int noun = set.label(i);
    ++count[static_cast<std::size_t>(noun)];
    const Sample sample = set.sample(i, Part::image | Part::texts, {});
    REQUIRE(sample.texts.size() >= 2);
    // The shortest text is the noun, and the fullest begins with an article and ends with the noun.
    const std::string name = set.class_names()[static_cast<std::size_t>(noun)];
    CHECK(sample.texts.back() == name);
    CHECK(sample.texts[0].starts_with("a"));
    CHECK(sample.texts[0].ends_with(" " + name));
    coloured += sample.texts.size() == 3;
    REQUIRE(sample.image.height == sample.image.width);
    REQUIRE(sample.image.height <= 48);
    sides.insert(sample.image.height);
    if (i < 20) CHECK(set.sample(i, Part::image, {}).image.pixels == sample.image.pixels);
  }
  CHECK(std::ranges::count(count, 0) == 0);
  CHECK(coloured > 1000);
  CHECK(sides.size() > 15);
  CHECK_THROWS_WITH(open_dataset("scene_objects", "", "names", options), Contains("where nothing is held out"));
}

TEST_CASE("an object's region holds its sprite", "[data]") {
  // A region is a part of its scene, and the middle of a box with the sample's label lies in it.
  SceneOptions options = shapes("train", 200);
  options.hold_out = false;
  const Scenes scenes(options);
  const SceneObjects objects(options);
  for (std::size_t i = 0; i < 200; ++i) {
    const Image image = scenes.image(i), region = objects.sample(i, Part::image, {}).image;
    bool found = false;
    for (const Box& box : scenes.boxes(i)) {
      if (box.label != objects.label(i)) continue;
      for (int top = 0; !found && top + region.height <= image.height; ++top)
        for (int left = 0; !found && left + region.width <= image.width; ++left) {
          bool same = true;
          for (int y = 0; same && y < region.height; ++y)
            same = std::equal(region.row(y), region.row(y) + region.width * 3, image.row(top + y) + left * 3);
          found = same && left <= centre_x(box) && centre_x(box) <= left + region.width && top <= centre_y(box) &&
                  centre_y(box) <= top + region.height;
        }
    }
    INFO(objects.describe(i));
    CHECK(found);
  }
}

TEST_CASE("scenes of emoji", "[data]") {
  if (!have_emoji()) return;
  SceneOptions options;
  options.count = 100000;
  const Scenes set(options);
  const std::vector<std::string> nouns = set.class_names();
  CHECK(nouns.size() == 160);
  CHECK(std::set<std::string>(nouns.begin(), nouns.end()).size() == nouns.size());
  int seen = 0;
  std::vector<int> counts(nouns.size(), 0);
  for (std::size_t n = 0; n < nouns.size(); ++n) seen += set.seen(static_cast<int>(n));
  CHECK((seen > 120 && seen < 155));
  for (std::size_t i = 0; i < 20000; ++i) ++counts[static_cast<std::size_t>(set.label(i))];
  for (std::size_t n = 0; n < nouns.size(); ++n) CHECK((counts[n] > 0) == set.seen(static_cast<int>(n)));
  options.nouns = 0;
  CHECK(Scenes(options).class_names().size() > 300);
  options.nouns = 100000;
  CHECK_THROWS_WITH(Scenes(options), Contains("whose names are nouns"));
  options.nouns = 160;
  check_splits(options);
}

TEST_CASE("scenes of emoji in other languages have their names", "[data]") {
  if (!have_emoji()) return;
  SceneOptions options;
  if (!detail::is_folder(options.emoji.cldr)) {
    WARN("SKIPPED: CLDR is not here; install the package unicode-cldr-core to run this test");
    return;
  }
  options.emoji.language = "en,de";
  const CapturedErrors errors;
  const Scenes both(options), english{SceneOptions{}};
  for (std::size_t i = 0; i < 50; ++i) {
    const std::vector<std::string> texts = both.texts(i), first = english.texts(i);
    REQUIRE(texts.size() == first.size() + 1);
    CHECK(std::equal(first.begin(), first.end(), texts.begin()));
    const auto sprites = both.scene(i).sprites;
    CHECK(std::count(texts.back().begin(), texts.back().end(), ',') == static_cast<long>(sprites.size()) - 1);
    for (const SceneSprite& sprite : sprites)
      if (both.class_names()[static_cast<std::size_t>(sprite.noun)] == "guitar")
        CHECK_THAT(texts.back(), Contains("Gitarre"));
  }
  options.emoji.language = "xx";
  CHECK_THROWS_WITH(Scenes(options), Contains("no language xx"));
}
