// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/data/emoji.hpp"
#include "contrastive/data/nouns.hpp"
#include "contrastive/data/sprite.hpp"
#include "contrastive/media/image.hpp"

namespace contrastive::detail {

/// Drawings with their names, the classes of `Scenes`.
struct SpriteSet {
  std::vector<std::string> nouns;
  std::vector<std::vector<std::uint32_t>> code_points;  // of the emoji
  std::vector<Sprite> sprites;
};

/// Twelve shapes in light grey, which need no file.
inline SpriteSet shape_sprites() {
  constexpr int side = 96, samples = 4;
  const std::array<std::pair<const char*, bool (*)(double, double)>, 12> shapes = {{
      {"circle", [](double u, double v) { return u * u + v * v < 1; }},
      {"square", [](double u, double v) { return std::max(std::abs(u), std::abs(v)) < 0.8; }},
      {"triangle", [](double u, double v) { return v < 0.8 && v > 1.8 * std::abs(u) - 0.95; }},
      {"star",
       [](double u, double v) {  // five points
         const double sector = 1.2566370614359172, t = std::atan2(u, -v) / sector;
         return std::hypot(u, v) < 0.38 + 0.62 * std::pow(2 * std::abs(t - std::floor(t) - 0.5), 1.5);
       }},
      {"cross",
       [](double u, double v) {
         return std::min(std::abs(u), std::abs(v)) < 0.3 && std::max(std::abs(u), std::abs(v)) < 0.95;
       }},
      {"ring", [](double u, double v) { return std::hypot(u, v) < 1 && std::hypot(u, v) > 0.55; }},
      {"diamond", [](double u, double v) { return 1.5 * std::abs(u) + std::abs(v) < 1; }},
      {"heart",
       [](double u, double v) {
         const double x = 1.2 * u, y = 0.25 - 1.2 * v, r = x * x + y * y - 1;
         return r * r * r < x * x * y * y * y;
       }},
      {"arrow",
       [](double u, double v) {  // upwards
         return v < 0 ? v > 1.4 * std::abs(u) - 1 : v < 0.95 && std::abs(u) < 0.25;
       }},
      {"moon", [](double u, double v) { return std::hypot(u, v) < 1 && std::hypot(u - 0.45, v) > 0.75; }},
      {"hexagon",
       [](double u, double v) { return std::max(std::abs(v), 0.5 * std::abs(v) + 0.866 * std::abs(u)) < 0.85; }},
      {"drop",
       [](double u, double v) { return v > 0.3 ? u * u + (v - 0.3) * (v - 0.3) < 0.42 : std::abs(u) < 0.5 * (v + 1); }},
  }};
  SpriteSet set;
  for (const auto& [noun, inside] : shapes) {
    Image bitmap(side, side, 4);
    for (int y = 0; y < side; ++y)
      for (int x = 0; x < side; ++x) {
        int covered = 0;
        for (int s = 0; s < samples * samples; ++s)
          covered += inside((x + (s % samples + 0.5) / samples) * 2 / side - 1,
                            (y + (s / samples + 0.5) / samples) * 2 / side - 1);
        const int light = 245 - 60 * y / side;  // from above
        std::uint8_t* p = bitmap.row(y) + 4 * x;
        p[0] = p[1] = p[2] = static_cast<std::uint8_t>(light * covered / (samples * samples));
        p[3] = static_cast<std::uint8_t>(255 * covered / (samples * samples));
      }
    set.nouns.emplace_back(noun);
    set.sprites.emplace_back(bitmap);
  }
  return set;
}

/// `count` emoji (0: all) whose names are nouns (`noun_of`), of the groups Animals & Nature, Food & Drink, Travel & Places,
/// Activities and Objects, in the list's order. Which ones does not depend on what a newer list adds before them: those
/// whose names have the lowest hashes are taken.
inline SpriteSet emoji_sprites([[maybe_unused]] const EmojiOptions& options, [[maybe_unused]] std::size_t count) {
#if defined(CONTRASTIVE_WITH_FONTS)
  constexpr std::array<std::string_view, 5> groups = {"Animals & Nature", "Food & Drink", "Travel & Places",
                                                      "Activities", "Objects"};
  struct Candidate {
    std::string noun;
    std::size_t place;
    bool exact;  // the name is the noun: before "red apple"
  };
  const std::vector<EmojiEntry> entries = read_emoji_list(options);
  std::map<std::string, Candidate> found;
  for (std::size_t e = 0; e < entries.size(); ++e) {
    const std::string noun = noun_of(entries[e].name);
    if (noun.empty() || !is_one_of(entries[e].group, groups)) continue;
    const Candidate candidate{noun, e, noun == entries[e].name};
    const auto [known, fresh] = found.emplace(noun, candidate);
    if (!fresh && candidate.exact && !known->second.exact) known->second = candidate;
  }
  std::vector<Candidate> candidates;
  for (auto& [noun, candidate] : found) candidates.push_back(std::move(candidate));
  const auto hash = [](const Candidate& c) { return (Rng(0) / "scenes" / "noun" / c.noun).key(); };
  std::sort(candidates.begin(), candidates.end(), [&](const auto& a, const auto& b) { return hash(a) < hash(b); });

  ColourFont font(options.font);
  std::map<std::size_t, std::pair<std::string, Image>> drawn;
  for (const Candidate& candidate : candidates) {
    if (count > 0 && drawn.size() == count) break;
    Image bitmap = font.bitmap(entries[candidate.place].code_points);
    if (!bitmap.pixels.empty()) drawn.emplace(candidate.place, std::pair(candidate.noun, std::move(bitmap)));
  }
  require(drawn.size() >= std::max<std::size_t>(count, 2), "[scenes] ", options.font, " draws ", drawn.size(),
          " emoji whose names are nouns, expected ", std::max<std::size_t>(count, 2));
  SpriteSet set;
  for (const auto& [place, named] : drawn) {
    set.nouns.push_back(named.first);
    set.code_points.push_back(entries[place].code_points);
    set.sprites.emplace_back(named.second);
  }
  return set;
#else
  fail(
      "[scenes] this program was built without FreeType and HarfBuzz (CONTRASTIVE_WITH_FONTS, packages libfreetype-dev "
      "and "
      "libharfbuzz-dev): --sprites shapes needs neither");
#endif
}

/// The same set for all that ask for it while one of them lives.
inline std::shared_ptr<const SpriteSet> shared_sprites(const std::string& kind, const EmojiOptions& options,
                                                       std::size_t count) {
  require(kind == "emoji" || kind == "shapes", "[scenes] sprites are emoji or shapes, got ", kind, " (--sprites)");
  static std::mutex lock;
  static std::map<std::string, std::weak_ptr<const SpriteSet>> known;
  const std::lock_guard hold(lock);
  std::weak_ptr<const SpriteSet>& place = known[join(kind, '\n', options.font, '\n', options.list, '\n', count)];
  std::shared_ptr<const SpriteSet> set = place.lock();
  if (!set) {
    set = std::make_shared<const SpriteSet>(kind == "shapes" ? shape_sprites() : emoji_sprites(options, count));
    place = set;
  }
  return set;
}

}  // namespace contrastive::detail
