// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/data/boxed_images.hpp"
#include "contrastive/io/utf8.hpp"

#if defined(CONTRASTIVE_WITH_JSON)
#include "contrastive/data/coco.hpp"
#include "contrastive/io/json.hpp"
#endif

namespace contrastive {

/// An image with a caption, some phrases of it, and the boxes of each. A phrase is known by its place in the list, so that
/// equal words in two places of a caption stay two phrases.
struct PhrasedImage {
  BoxedImage boxed;  // the label of a box is the place of its phrase
  std::string caption;
  std::vector<std::string> phrases;
  std::string split;  // empty where the file does not say
};

namespace detail {

inline constexpr std::size_t most_phrases = 1024;  // of an image

/// Characters [begin, end) of a caption in UTF-8, without blanks around. Offsets count characters, as Python's do, not bytes.
/// Throws `Error` that begins with `place` where they are no part of the caption, or hold blanks alone.
inline std::string part_of_caption(const std::string& caption, std::int64_t begin, std::int64_t end,
                                   const std::string& place) {
  std::vector<std::size_t> starts;  // of characters, and the end
  for (std::size_t at = 0; at < caption.size();
       at += std::max<std::size_t>(1, utf8_length(std::string_view(caption).substr(at))))
    starts.push_back(at);
  starts.push_back(caption.size());
  require(begin >= 0 && begin < end && end < std::ssize(starts), place, ": the span [", begin, ", ", end,
          ") is no part of a caption of ", starts.size() - 1, " characters");
  const std::size_t from = starts[static_cast<std::size_t>(begin)], to = starts[static_cast<std::size_t>(end)];
  const std::string_view text = trimmed(std::string_view(caption).substr(from, to - from));
  require(!text.empty(), place, ": the span [", begin, ", ", end, ") of the caption holds blanks alone");
  return std::string(text);
}

}  // namespace detail

#if defined(CONTRASTIVE_WITH_JSON)

namespace detail {

/// A list [x, y, width, height].
inline TrueBox box_of_phrase(const Json& list, const BoxedImage& image, const std::string& place) {
  require(list.is_array() && list.size() == 4, place, ": expected a box [x, y, width, height]");
  double at[4];
  for (std::size_t k = 0; k < 4; ++k) {
    require(list[k].is_number(), place, ": a box has something that is no number");
    at[k] = list[k].get<double>();
  }
  return {box_of_file(at[0], at[1], at[0] + at[2], at[1] + at[3], image.width, image.height, place)};
}

/// The sides of an image, where the object has them.
inline void read_sides(const Json& object, BoxedImage& image, const std::string& place) {
  require(object.contains("width") == object.contains("height"), place, ": expected width and height, or neither");
  if (!object.contains("width")) return;
  for (const auto& [key, side] : {std::pair{"width", &image.width}, std::pair{"height", &image.height}}) {
    const std::int64_t pixels = coco_number(object, key, place);
    require(pixels >= 1 && pixels <= 1 << 20, place, ": the image has a ", key, " of ", pixels);
    *side = static_cast<int>(pixels);
  }
}

inline PhrasedImage phrased_line(const Json& line, const std::string& place) {
  require(line.is_object(), place, ": expected an object with image, caption and phrases");
  PhrasedImage one;
  one.boxed.file = coco_text(line, "image", place), one.boxed.place = place;
  one.caption = coco_text(line, "caption", place);
  if (line.contains("split")) one.split = coco_text(line, "split", place);
  read_sides(line, one.boxed, place);
  require(line.contains("phrases") && line["phrases"].is_array() && !line["phrases"].empty(), place,
          ": expected a list of phrases, one or more");
  require(line["phrases"].size() <= most_phrases, place, ": expected at most ", most_phrases, " phrases, got ",
          line["phrases"].size());
  for (const Json& phrase : line["phrases"]) {
    const std::string here = join(place, ": phrases[", one.phrases.size(), "]");
    const std::int64_t begin = coco_number(phrase, "start", here), end = coco_number(phrase, "end", here);
    require(phrase.contains("boxes") && phrase["boxes"].is_array(), here, ": expected a list of boxes");
    for (const Json& box : phrase["boxes"]) {
      one.boxed.boxes.push_back(box_of_phrase(box, one.boxed, here));
      one.boxed.boxes.back().box.label = static_cast<int>(one.phrases.size());
    }
    one.phrases.push_back(part_of_caption(one.caption, begin, end, here));
  }
  return one;
}

}  // namespace detail

/// Reads a line for each image: {"image": "a.jpg", "caption": "a dog and a dog", "phrases": [{"start": 0, "end": 5, "boxes":
/// [[x, y, width, height], ...]}, ...]}, with width, height and split where they are known. A phrase is the characters
/// [start, end) of the caption. Throws `Error` naming the file and the line.
inline std::vector<PhrasedImage> parse_phrase_lines(std::string_view text, std::string_view name) {
  text = detail::without_mark(text);
  std::vector<PhrasedImage> images;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = detail::trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    const std::string place = join("[phrases] ", name, ":", number);
    images.push_back(detail::phrased_line(parse_json(line, join(name, ":", number)), place));
  }
  return images;
}

/// Reads COCO's form with a caption an image and `tokens_positive` a box, lists [begin, end) of the caption's characters, as
/// MDETR and GLIP prepare Flickr30k Entities (ashkamath/mdetr, pre-processing; microsoft/GLIP,
/// final_flickr_separateGT_train.json). Boxes with the same spans are of one phrase; of several spans the phrase has the
/// words of all. Phrases stand in the order of the caption. Throws `Error` naming the file and the entry.
inline std::vector<PhrasedImage> parse_phrase_json(std::string_view text, std::string_view name) {
  using Spans = std::vector<std::pair<std::int64_t, std::int64_t>>;
  const Json root = parse_json(text, name);
  for (const char* key : {"images", "annotations"})
    require(root.is_object() && root.contains(key) && root[key].is_array(), "[phrases] ", name,
            ": expected an object with the lists images, which have captions, and annotations, which have "
            "tokens_positive; there is no list ",
            key);
  std::vector<PhrasedImage> images;
  std::map<std::int64_t, std::size_t> numbered;
  std::vector<std::map<Spans, std::vector<TrueBox>>> found;
  for (std::size_t i = 0; i < root["images"].size(); ++i) {
    const Json& one = root["images"][i];
    const std::string place = join("[phrases] ", name, ": images[", i, "]");
    const std::int64_t id = detail::coco_number(one, "id", place);
    require(numbered.emplace(id, i).second, place, ": a second image with the id ", id);
    PhrasedImage image;
    image.boxed.file = detail::coco_text(one, "file_name", place);
    image.boxed.place = join("image ", id, " of ", name);
    image.caption = detail::coco_text(one, "caption", place);
    if (one.contains("split")) image.split = detail::coco_text(one, "split", place);
    detail::read_sides(one, image.boxed, place);
    images.push_back(std::move(image));
  }
  found.resize(images.size());
  for (std::size_t a = 0; a < root["annotations"].size(); ++a) {
    const Json& one = root["annotations"][a];
    const std::string place = join("[phrases] ", name, ": annotations[", a, "]");
    const std::int64_t image_id = detail::coco_number(one, "image_id", place);
    const auto image = numbered.find(image_id);
    require(image != numbered.end(), place, ": image_id ", image_id, " is the id of no image");
    require(one.contains("tokens_positive") && one["tokens_positive"].is_array() && !one["tokens_positive"].empty(),
            place, ": expected tokens_positive, a list of [begin, end)");
    Spans spans;
    for (const Json& span : one["tokens_positive"]) {
      require(
          span.is_array() && span.size() == 2 && detail::is_whole_number(span[0]) && detail::is_whole_number(span[1]),
          place, ": tokens_positive has something that is no [begin, end)");
      spans.emplace_back(span[0].get<std::int64_t>(), span[1].get<std::int64_t>());
      detail::part_of_caption(images[image->second].caption, spans.back().first, spans.back().second, place);
    }
    std::ranges::sort(spans);
    require(one.contains("bbox"), place, ": no bbox");
    found[image->second][spans].push_back(detail::box_of_phrase(one["bbox"], images[image->second].boxed, place));
  }
  for (std::size_t i = 0; i < images.size(); ++i) {
    PhrasedImage& image = images[i];
    require(found[i].size() <= detail::most_phrases, "[phrases] ", image.boxed.place, ": expected at most ",
            detail::most_phrases, " phrases, got ", found[i].size());
    for (auto& [spans, boxes] : found[i]) {
      std::string words;
      for (const auto& [begin, end] : spans)
        words += (words.empty() ? "" : " ") + detail::part_of_caption(image.caption, begin, end, image.boxed.place);
      for (TrueBox& box : boxes) {
        box.box.label = static_cast<int>(image.phrases.size());
        image.boxed.boxes.push_back(box);
      }
      image.phrases.push_back(std::move(words));
    }
  }
  return images;
}

#else

inline std::vector<PhrasedImage> parse_phrase_lines(std::string_view, std::string_view name) {
  fail("[phrases] ", name,
       ": this program was built without nlohmann-json (CONTRASTIVE_WITH_JSON, package nlohmann-json3-dev)");
}
inline std::vector<PhrasedImage> parse_phrase_json(std::string_view text, std::string_view name) {
  return parse_phrase_lines(text, name);
}

#endif

/// Images with phrases of their captions and the boxes of each; `texts` of a sample are its phrases, and the label of a box
/// the place of its phrase there. Parts are those of `Captions`: by the file's split, else about every 20th image tests.
/// Images that are missing, or have no phrase, and boxes without an area are left out, counted, and told of in one line;
/// `strict` refuses them.
class PhrasedImages {
 public:
  /// `file`: .jsonl or .json; paths in it begin at `root`.
  PhrasedImages(const std::string& root, const std::string& file, const std::string& split, bool strict = false)
      : title_("phrases " + split) {
    detail::require_folder("phrases", root);
    require(!file.empty(), "[phrases] expected a .jsonl or .json file of captions with boxes (--captions)");
    const std::string suffix = detail::lower(detail::fs::path(file).extension().string()), text = read_text(file);
    std::vector<PhrasedImage> all = suffix == ".json" ? parse_phrase_json(text, file) : parse_phrase_lines(text, file);
    const bool parts = std::ranges::any_of(all, [](const PhrasedImage& one) { return !one.split.empty(); });
    const auto part_of = [&](const PhrasedImage& one) {
      if (parts) return detail::part_named(one.split, one.boxed.place);
      return std::string(detail::tests_by_name(one.boxed.file, 20) ? "test" : "train");
    };
    const bool tests = std::ranges::any_of(all, [&](const PhrasedImage& one) { return part_of(one) == "test"; });
    const std::string wanted = split == "test" && !tests ? "val" : split;
    detail::LeftOut missing, bare, flat;
    std::size_t images = 0, boxes = 0;
    for (PhrasedImage& one : all) {
      if (part_of(one) != wanted) continue;
      ++images, boxes += one.boxed.boxes.size();
      std::erase_if(one.boxed.boxes, [&](const TrueBox& box) {
        const bool gone = !(box.box.area() > 0);
        if (gone) flat.add(one.boxed.place);
        return gone;
      });
      const std::string path = (detail::fs::path(root) / one.boxed.file).string();
      if (!detail::is_file(path))
        missing.add(join(path, " (", one.boxed.place, ")"));
      else if (one.boxed.boxes.empty())
        bare.add(one.boxed.place);
      else
        images_.push_back(std::move(one)), images_.back().boxed.file = path;
    }
    require(!images_.empty(), "[phrases] ", file, ": no image of the split ", split, " that is there and has boxes",
            missing.count() > 0 ? join(", first ", missing.first()) : std::string());
    missing.say(title_, images, "images are missing", strict);
    bare.say(title_, images, "images have no boxes", strict);
    flat.say(title_, boxes, "boxes have no area", strict);
  }

  std::size_t size() const { return images_.size(); }
  const std::string& name() const { return title_; }
  std::vector<std::string> class_names() const { return {}; }
  int label(std::size_t) const { return -1; }
  std::string describe(std::size_t i) const { return images_.at(i).boxed.file; }
  const PhrasedImage& at(std::size_t i) const { return images_.at(i); }

  Parts parts() const { return Part::image | Part::texts | Part::boxes; }
  /// Throws `Error` where the image has another size than its boxes are for.
  Sample sample(std::size_t i, Parts wanted, const CropPlan&) const {
    const PhrasedImage& one = images_.at(i);
    Sample sample;
    if (wanted.contains(Part::texts)) sample.texts = one.phrases;
    if (wanted.contains(Part::image)) sample.image = read_image(one.boxed.file);
    sample.full = {sample.image.height, sample.image.width};
    if (!wanted.contains(Part::boxes)) return sample;
    require(!wanted.contains(Part::image) || one.boxed.width == 0 ||
                (sample.image.width == one.boxed.width && sample.image.height == one.boxed.height),
            "[", title_, "] ", one.boxed.file, ": the image is ", sample.image.width, " x ", sample.image.height,
            ", its boxes are for ", one.boxed.width, " x ", one.boxed.height, " (", one.boxed.place, ")");
    for (const TrueBox& box : one.boxed.boxes) sample.boxes.push_back(box.box);
    return sample;
  }

 private:
  std::string title_;
  std::vector<PhrasedImage> images_;
};

}  // namespace contrastive
