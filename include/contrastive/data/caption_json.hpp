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

#include "contrastive/core/error.hpp"
#include "contrastive/data/caption_files.hpp"

#if defined(CONTRASTIVE_WITH_JSON)
#include "contrastive/io/json.hpp"
#endif

namespace contrastive {

#if defined(CONTRASTIVE_WITH_JSON)

namespace detail {

/// The text under a name; `place` is for messages.
inline const std::string& text_at(const Json& value, const std::string& place) {
  require(value.is_string(), "[captions] ", place, ": expected a text, got ", dump_json(value).substr(0, 60));
  return value.get_ref<const std::string&>();
}

/// The first of the members that an object has, or nothing.
template <class Names>
const Json* member_of(const Json& object, const Names& names) {
  for (const std::string_view name : names)
    if (const auto found = object.find(std::string(name)); found != object.end()) return &*found;
  return nullptr;
}

/// A caption, or a list of them.
inline std::vector<std::string> captions_in(const Json& value, const std::string& place) {
  if (!value.is_array()) return {text_at(value, place)};
  std::vector<std::string> captions;
  for (const Json& one : value) captions.push_back(text_at(one, place));
  return captions;
}

/// {"image": "a.jpg", "caption": "a dog"}, with "captions": [...] for several, and "split" where there is one.
inline CaptionRecord record_of(const Json& object, std::string place) {
  require(object.is_object(), "[captions] ", place, ": expected an object with image and caption, got ",
          dump_json(object).substr(0, 60));
  const Json *image = member_of(object, image_names), *captions = member_of(object, caption_names);
  require(image != nullptr, "[captions] ", place, ": no member image, filepath or filename");
  require(captions != nullptr, "[captions] ", place, ": no member caption, captions, title or text");
  const auto split = object.find("split");
  CaptionRecord record{text_at(*image, place), captions_in(*captions, place), {}, {}};
  if (split != object.end()) record.split = text_at(*split, place);
  record.place = std::move(place);
  return record;
}

/// COCO's captions: images with numbers, and annotations that name them.
inline std::vector<CaptionRecord> coco_records(const Json& images, const Json& annotations, std::string_view name) {
  require(annotations.is_array(), "[captions] ", name, ": expected a list under annotations");
  const auto number_at = [](const Json& object, const char* key, const std::string& place) {
    require(object.is_object() && object.contains(key) && is_whole_number(object[key]), "[captions] ", place,
            ": no whole number ", key);
    return object[key].get<std::int64_t>();
  };
  std::vector<CaptionRecord> records;
  std::map<std::int64_t, std::size_t> numbered;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::string place = join(name, ": images[", i, "]");
    const std::int64_t id = number_at(images[i], "id", place);
    require(images[i].contains("file_name"), "[captions] ", place, ": no member file_name");
    require(numbered.emplace(id, i).second, "[captions] ", place, ": a second image with the id ", id);
    records.push_back({text_at(images[i]["file_name"], place), {}, {}, place});
  }
  for (std::size_t a = 0; a < annotations.size(); ++a) {
    const std::string place = join(name, ": annotations[", a, "]");
    const auto image = numbered.find(number_at(annotations[a], "image_id", place));
    require(image != numbered.end(), "[captions] ", place, ": image_id ",
            annotations[a]["image_id"].get<std::int64_t>(), " is the id of no image");
    require(annotations[a].contains("caption"), "[captions] ", place, ": no member caption");
    records[image->second].captions.push_back(text_at(annotations[a]["caption"], place));
  }
  return records;
}

/// Karpathy's splits: images with sentences and a part ("restval" is more of training); "filepath" is their folder.
inline std::vector<CaptionRecord> karpathy_records(const Json& images, std::string_view name) {
  std::vector<CaptionRecord> records;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::string place = join(name, ": images[", i, "]");
    const Json& image = images[i];
    require(
        image.is_object() && image.contains("filename") && image.contains("sentences") && image["sentences"].is_array(),
        "[captions] ", place,
        ": expected filename and sentences (Karpathy), or beside images a list annotations (COCO)");
    CaptionRecord record{text_at(image["filename"], place), {}, {}, place};
    if (image.contains("filepath")) record.image = text_at(image["filepath"], place) + "/" + record.image;
    if (image.contains("split")) record.split = text_at(image["split"], place);
    for (const Json& sentence : image["sentences"]) {
      require(sentence.is_object() && sentence.contains("raw"), "[captions] ", place, ": a sentence without raw");
      record.captions.push_back(text_at(sentence["raw"], place));
    }
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace detail

/// Reads one JSON object a line: an image (image, filepath or filename), its captions (caption, title or text, or a list of
/// them), and split where there is one. Throws `Error` naming the file and the line.
inline std::vector<CaptionRecord> parse_caption_lines(std::string_view text, std::string_view name) {
  text = detail::without_mark(text);
  std::vector<CaptionRecord> records;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = detail::trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    const std::string place = join(name, ":", number);
    records.push_back(detail::record_of(parse_json(line, place), place));
  }
  return records;
}

/// The captions of the JSON object that describes one image. Throws `Error` naming it.
inline std::vector<std::string> parse_captions_of_one(std::string_view text, const std::string& name) {
  const Json object = parse_json(text, name);
  require(object.is_object(), "[captions] ", name, ": expected an object");
  const Json* captions = detail::member_of(object, detail::caption_names);
  require(captions != nullptr, "[captions] ", name, ": no member caption, captions, title or text");
  return detail::captions_in(*captions, name);
}

/// Reads a JSON file of captions: COCO's (images and annotations), Karpathy's (images with sentences), or a list of objects
/// as in `parse_caption_lines`. Throws `Error` naming the file and the entry.
inline std::vector<CaptionRecord> parse_caption_json(std::string_view text, std::string_view name) {
  const Json root = parse_json(text, name);
  if (root.is_array()) {
    std::vector<CaptionRecord> records;
    for (std::size_t i = 0; i < root.size(); ++i)
      records.push_back(detail::record_of(root[i], join(name, ": [", i, "]")));
    return records;
  }
  require(root.is_object() && root.contains("images") && root["images"].is_array(), "[captions] ", name,
          ": expected COCO's captions, Karpathy's, or a list of objects with image and caption");
  if (root.contains("annotations")) return detail::coco_records(root["images"], root["annotations"], name);
  return detail::karpathy_records(root["images"], name);
}

#else

inline std::vector<CaptionRecord> parse_caption_lines(std::string_view, std::string_view name) {
  fail("[captions] ", name,
       ": this program was built without nlohmann-json (CONTRASTIVE_WITH_JSON, package nlohmann-json3-dev)");
}
inline std::vector<CaptionRecord> parse_caption_json(std::string_view text, std::string_view name) {
  return parse_caption_lines(text, name);
}
inline std::vector<std::string> parse_captions_of_one(std::string_view text, const std::string& name) {
  return parse_caption_lines(text, name)[0].captions;
}

#endif

}  // namespace contrastive
