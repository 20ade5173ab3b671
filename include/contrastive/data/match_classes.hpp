// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdio>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/data/dataset.hpp"
#include "contrastive/data/files.hpp"
#include "contrastive/data/subset.hpp"

namespace contrastive {

/// Some pictures of a set, labelled in a list of classes that is not the set's own.
struct RelabelledSubset : Subset {
  std::vector<int> labels;
  std::vector<std::string> classes;

  int label(std::size_t i) const { return labels.at(i); }
  const std::vector<std::string>& class_names() const { return classes; }
};

/// Two parts with labels in one list of classes, that of `train`. Every picture has a label, and every class of `test` has
/// pictures in `train`.
struct MatchedParts {
  AnyDataset train, test;
  std::string note;  // what did not match; empty when all does
};

namespace detail {

/// The labels of a set. Throws `Error` naming the set when one is not -1 and no index into its class names.
inline std::vector<int> labels_of(const AnyDataset& set) {
  const std::size_t classes = set.class_names().size();
  std::vector<int> labels(set.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] = set.label(i);
    require(labels[i] >= -1 && (labels[i] < 0 || static_cast<std::size_t>(labels[i]) < classes), "[classes] ",
            set.name(), ": picture ", i, " has label ", labels[i], ", expected -1 or an index into ", classes,
            " class names");
  }
  return labels;
}

/// Index of each name of `of` in `in`, -1 where it is not. Equal lists match by position, whatever their names; else a
/// name that is twice in one list is refused.
inline std::vector<int> places_of(const AnyDataset& of, const AnyDataset& in) {
  const std::vector<std::string> names = of.class_names(), known = in.class_names();
  std::vector<int> places(names.size());
  std::iota(places.begin(), places.end(), 0);
  if (names == known) return places;
  const auto index = [](const AnyDataset& set, const std::vector<std::string>& list) {
    std::map<std::string, int> found;
    for (std::size_t c = 0; c < list.size(); ++c)
      require(found.emplace(list[c], static_cast<int>(c)).second, "[classes] ", set.name(), ": two classes are called ",
              list[c]);
    return found;
  };
  index(of, names);
  const std::map<std::string, int> found = index(in, known);
  for (std::size_t c = 0; c < names.size(); ++c) {
    const auto at = found.find(names[c]);
    places[c] = at == found.end() ? -1 : at->second;
  }
  return places;
}

}  // namespace detail

/// Brings two labelled parts to one list of classes, by the names of the classes: their numbers depend on which classes a
/// part happens to hold. Pictures of `test` whose class has no pictures in `train`, and pictures without a label, are left
/// out; a class of `train` alone stays, as an answer that is never right. What does not match is said in one line on
/// stderr. Throws `Error` when nothing is left. Parts that match already come back as they are.
inline MatchedParts match_classes(const AnyDataset& train, const AnyDataset& test) {
  const std::vector<int> train_labels = detail::labels_of(train), test_labels = detail::labels_of(test);
  const std::vector<std::string> classes = train.class_names(), test_classes = test.class_names();
  const std::vector<int> place = detail::places_of(test, train);
  std::string note;
  const auto say = [&note](const auto&... parts) { note += (note.empty() ? "[classes] " : "; ") + join(parts...); };

  std::vector<char> taught(classes.size(), 0);
  std::vector<std::size_t> train_kept, test_kept;
  for (std::size_t i = 0; i < train.size(); ++i)
    if (train_labels[i] >= 0) taught[static_cast<std::size_t>(train_labels[i])] = 1, train_kept.push_back(i);

  std::vector<int> labels;
  std::vector<std::size_t> strangers(test_classes.size(), 0);  // pictures left out, by class
  std::size_t unlabelled = 0;
  for (std::size_t i = 0; i < test.size(); ++i) {
    const auto c = static_cast<std::size_t>(test_labels[i]);
    if (test_labels[i] < 0)
      ++unlabelled;
    else if (place[c] < 0 || !taught[static_cast<std::size_t>(place[c])])
      ++strangers[c];
    else
      test_kept.push_back(i), labels.push_back(place[c]);
  }

  std::vector<std::string> left_out, absent;
  std::size_t pictures = 0;
  for (std::size_t c = 0; c < strangers.size(); ++c)
    if (strangers[c] > 0) left_out.push_back(test_classes[c]), pictures += strangers[c];
  require(!test_kept.empty(), "[classes] ", test.name(), " has no labelled picture of a class of ", train.name(), ": ",
          left_out.empty() ? "no labels" : detail::name_list(left_out), " against ",
          classes.empty() ? "no labels" : detail::name_list(classes));
  std::vector<char> named(classes.size(), 0);
  for (const int c : place)
    if (c >= 0) named[static_cast<std::size_t>(c)] = 1;
  for (std::size_t c = 0; c < classes.size(); ++c)
    if (!named[c]) absent.push_back(classes[c]);
  if (pictures > 0)
    say(pictures, " pictures of ", test.name(), " are left out: ", train.name(), " has none of their classes (",
        detail::name_list(left_out), ")");
  if (!absent.empty()) say(test.name(), " does not have the classes ", detail::name_list(absent));
  if (const std::size_t bare = train.size() - train_kept.size(); bare > 0)
    say(bare, " pictures of ", train.name(), " have no label and are left out");
  if (unlabelled > 0) say(unlabelled, " pictures of ", test.name(), " have no label and are left out");
  if (!note.empty()) std::fprintf(stderr, "%s\n", note.c_str());

  MatchedParts matched{train, test, note};
  if (train_kept.size() < train.size()) matched.train = Subset{train, std::move(train_kept)};
  if (test_kept.size() < test.size() || test_classes != classes)
    matched.test = RelabelledSubset{{test, std::move(test_kept)}, std::move(labels), classes};
  return matched;
}

}  // namespace contrastive
