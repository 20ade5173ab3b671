// SPDX-License-Identifier: MIT
#include "support/sets.hpp"

#include "contrastive/data/image_folder.hpp"
#include "contrastive/data/match_classes.hpp"
#include "contrastive/data/sound_folder.hpp"
#include "contrastive/data/split_folders.hpp"
#include "contrastive/data/subset.hpp"
#include "contrastive/data/voices.hpp"

namespace app {

namespace {

/// A folder may well have no test part.
bool has_test_folder(const std::string& root) {
  const auto parts = contrastive::detail::split_folders(root, contrastive::detail::picture_files());
  return !parts.test.empty() || !parts.val.empty();
}

/// Sets of the user's files may lack a test part.
bool may_lack_test(const std::string& data) {
  return data == "folder" || data == "captions" || data == "phrases" || data == "webdataset";
}

void open_images(const Settings& s, bool to_learn, Sets& sets) {
  const DatasetOptions options = dataset_options(s);
  sets.bank = open_dataset(s.data, s.root, "train", options);
  sets.train = to_learn && s.data == "stl10" ? open_dataset(s.data, s.root, "unlabeled", options) : sets.bank;
  try {
    if (s.data != "folder" || has_test_folder(s.root)) sets.test = open_dataset(s.data, s.root, "test", options);
  } catch (const Error& error) {  // an empty part: no reason not to train
    if (!may_lack_test(s.data)) throw;
    sets.unusable = error.what();
  }
}

/// A folder without train and test inside is split: every fifth recording tests.
void open_sounds(const Settings& s, Sets& sets) {
  require(s.data == "voices" || s.data == "folder", "[settings] --data must be voices or folder, got ", s.data);
  if (s.data == "voices") {
    sets.train = sets.bank = Voices(1024, 16);
    sets.test = Voices(256, 16, 0, "test");
    return;
  }
  using contrastive::detail::folder_part;
  const auto& kind = contrastive::detail::sound_files();
  const std::string train = folder_part(s.root, "train", kind);
  const AnyDataset all = SoundFolder(train);
  if (train != s.root) {
    sets.train = sets.bank = all;
    sets.test = SoundFolder(folder_part(s.root, "test", kind));
    return;
  }
  Subset parts[2] = {{all, {}}, {all, {}}};
  for (std::size_t i = 0; i < all.size(); ++i) parts[i % 5 == 4].indices.push_back(i);
  sets.train = sets.bank = parts[0];
  sets.test = parts[1];
}

}  // namespace

DatasetOptions dataset_options(const Settings& s) {
  DatasetOptions options{.label = s.label, .image_size = static_cast<int>(s.image_size)};
  options.captions = s.captions, options.strict = s.strict;
  options.train_size = static_cast<std::size_t>(s.samples);
  if (s.texts) options.language = s.language;
  return options;
}

const char* noun_of(const AnyDataset& set) {
  return set.parts().contains(Part::image) ? "pictures" : set.parts().contains(Part::sound) ? "recordings" : "samples";
}

Sets open_sets(const Settings& s, bool to_learn) {
  Sets sets;
  if (s.images)
    open_images(s, to_learn, sets);
  else
    open_sounds(s, sets);
  if (!sets.no_scores().empty()) return sets;
  try {
    MatchedParts matched = match_classes(sets.bank, sets.test);
    sets.bank = std::move(matched.train);
    sets.test = std::move(matched.test);
  } catch (const Error& error) {  // other classes
    if (!may_lack_test(s.data)) throw;
    sets.unusable = error.what();
    sets.test = {};
  }
  return sets;
}

std::string Sets::no_scores() const {
  if (!unusable.empty()) return join("the test part cannot be used: ", unusable);
  if (!test.defined())
    return join("evaluation needs a test part with labels (a folder for each class): ", train.name(), " has none");
  for (const AnyDataset* part : {&bank, &test})
    if (!part->has_labels() || part->label(0) < 0)  // sets of masks name the classes of pixels, not of images
      return join("evaluation needs labels (a folder for each class): ", part->name(), " has none");
  return {};
}

}  // namespace app
