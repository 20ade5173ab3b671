// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "contrastive/text/unicode.hpp"

/// The signs of mojibake, text that was decoded in the wrong encoding: "cafÃ©" for "café". The characters and sequences
/// are those of ftfy 6.3.1 (badness.py; Robyn Speer, Apache-2.0), so that CLIP's tokenizer gives the same ids.
namespace contrastive::detail::mojibake {

/// Sets of characters. One character may be in several.
enum : std::uint32_t {
  common = 1 << 0,
  c1 = 1 << 1,
  bad = 1 << 2,  // hardly seen but in mojibake
  law = 1 << 3,
  currency = 1 << 4,
  opening = 1 << 5,
  closing = 1 << 6,
  numeric = 1 << 7,
  kaomoji = 1 << 8,  // letters in faces made of characters
  upper_accented = 1 << 9,
  lower_accented = 1 << 10,
  upper_common = 1 << 11,  // Greek and Cyrillic
  lower_common = 1 << 12,
  box = 1 << 13,
  a_to_z = 1 << 14,
  capital_a_to_z = 1 << 15,
  blank = 1 << 16,
  word = 1 << 17,
  not_a_to_z = 1 << 18,  // anything but a to z and A to Z
  not_newline = 1 << 19,
  accented = upper_accented | lower_accented,
  listed = (1 << 14) - 1,  // those with a list below
};

struct Listed {
  std::uint32_t set;
  std::u32string_view characters;  // a-c is a range
};
inline constexpr Listed lists[] = {
    {common, U"\u00A0\u00AD´·–\u2014―’…"},
    {c1, U"\x80-\x9F"},
    {bad, U"¤¦¨ª¬¯¸ºƒˆˇ˘˛˜†‡‰⌐◊\uFFFD"},
    {law, U"§¶"},
    {currency, U"¢£¥₧€"},
    {opening, U"¡©«¿΄΅‘‚“„•‹\uF8FF"},
    {closing, U"®»˝”›™"},
    {numeric, U"±-³µ¹¼-¾×÷⁄№∂∆∏∑√∞∩∫≈≠≡≤≥"},
    {kaomoji, U"°Ò-ÖÙ-Üò-öø-üŌŐŪŲ"},
    {upper_accented, U"À-ÑØÜÝĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŒŘŚŞŠŢŤŮŰŸŹŻŽҐ"},
    {lower_accented, U"ß-ñüāăąćčďđēėęěğģīįķĺļľłœŕśşšťźżžґﬁﬂ"},
    {upper_common, U"ÞΆΈ-ΊΌΎΏΑ-ΫЁ-Я"},
    {lower_common, U"ά-ωа-џ"},
    {box, U"│┌┐┘├┤┬┼═-╬▀▄█▌▐-▓"},
};

/// One place of a sequence: a character of these sets, or one of these.
struct Place {
  std::uint32_t sets = 0;
  std::u32string_view also = {};
};
using Sequence = std::array<Place, 7>;  // a place without sets and characters ends it

inline constexpr std::uint32_t after_arabic = common | currency | bad | numeric | opening;
inline constexpr std::uint32_t after_cyrillic = c1 | bad | opening | closing | currency;

/// Sequences that are much more likely mojibake than meant.
inline constexpr Sequence sequences[] = {
    {{{c1}}},
    {{{bad | accented | box | opening | closing | currency | numeric | law}, {bad}}},
    {{{a_to_z | capital_a_to_z}, {lower_common | upper_common}, {bad}}},
    {{{bad}, {accented | box | opening | closing | currency | numeric | law}}},
    {{{lower_accented | lower_common | box | closing | currency | numeric}, {upper_accented}}},
    {{{box | closing | currency | numeric}, {lower_accented}}},
    {{{lower_accented | box | closing}, {currency}}},
    {{{blank}, {upper_accented}, {currency}}},
    {{{upper_accented | box}, {numeric | law}}},
    {{{accented | box | currency | closing}, {opening}, {numeric}}},
    {{{accented | currency | numeric | box | law}, {closing}, {opening}}},
    {{{currency | numeric | box}, {opening}}},
    {{{a_to_z}, {upper_accented}, {opening | currency}}},
    {{{box}, {kaomoji}}},
    {{{accented | currency | numeric | opening | closing | law}, {box}}},
    {{{box}, {closing}}},
    {{{accented}, {opening | closing}, {word}}},
    {{{0, U"Œœ"}, {not_a_to_z}}},
    {{{upper_accented}, {0, U"°"}}},
    // Windows-1252, two characters; Arabic; South Asian.
    {{{0, U"ÂÃÎÐ"}, {opening | closing, U"€œŠš¢£Ÿž\u00A0\u00AD®©°·»–\u2014´"}}},
    {{{0, U"×"}, {0, U"²³"}}},
    {{{0, U"ØÙ"}, {after_arabic, U"ŸŠ®°µ»"}, {0, U"ØÙ"}, {after_arabic, U"ŸŠ®°µ»"}}},
    {{{0, U"à"}, {0, U"²µ¹¼½¾"}}},
    // MacRoman.
    {{{0, U"√"}, {0, U"±∂†≠®™´≤≥¥µø"}}},
    {{{0, U"≈"}, {0, U"°¢"}}},
    {{{0, U"‚"}, {0, U"Ä"}, {0, U"ìîïòôúùû†°¢π"}}},
    {{{0, U"‚"}, {0, U"âó"}, {0, U"àä°ê"}}},
    // Windows-1251: punctuation, Latin-1 or Cyrillic, and twice over.
    {{{0, U"в"}, {0, U"Ђ"}}},
    {{{0, U"ВГРС"}, {after_cyrillic, U"°µ"}, {0, U"ВГРС"}}},
    {{{0, U"Г"}, {0, U"ў"}, {0, U"В"}, {0, U"Ђ"}, {0, U"В"}, {not_newline}, {a_to_z | capital_a_to_z, U" "}}},
    // Windows-1252: à, á and the no-break space, and Â before what it stands for.
    {{{0, U"Ã"}, {0, U"\u00A0¡"}}},
    {{{a_to_z}, {0, U"ÃÂ"}, {0, U" "}}},
    {{{a_to_z}, {blank}, {0, U"ÃÂ"}, {0, U" "}}},
    {{{a_to_z | closing, U".,?!"}, {0, U"Â"}, {opening | closing, U" "}}},
    // Windows-1253 and 1257: punctuation; Latin-1 or Greek.
    {{{0, U"β"}, {0, U"€"}, {0, U"™\u00A0Ά\u00AD®°"}}},
    {{{0, U"ΒΓΞΟ"}, {after_cyrillic, U"°"}, {0, U"ΒΓΞΟ"}}},
    {{{0, U"ā"}, {0, U"€"}}},
};

/// The sets of `lists` that a character is in.
inline std::uint32_t listed_sets(char32_t code) {
  static const auto table = [] {
    std::array<std::uint16_t, 0x2600> sets{};
    for (const Listed& list : lists)
      for (std::size_t i = 0; i < list.characters.size(); ++i) {
        const bool range = i + 2 < list.characters.size() && list.characters[i + 1] == U'-';
        const char32_t last = list.characters[range ? i + 2 : i];
        for (char32_t c = list.characters[i]; c <= last && c < sets.size(); ++c)
          sets[c] = static_cast<std::uint16_t>(sets[c] | list.set);
        if (range) i += 2;
      }
    return sets;
  }();
  if (code < table.size()) return table[code];
  if (code == 0xFFFD) return bad;
  if (code == 0xF8FF) return opening;
  return code == 0xFB01 || code == 0xFB02 ? std::uint32_t{lower_accented} : 0;
}

inline std::uint32_t sets_of(char32_t code) {
  const bool small = code >= 'a' && code <= 'z', capital = code >= 'A' && code <= 'Z';
  const CharacterKind kind = UnicodeTables::get().kind(code);
  std::uint32_t sets = listed_sets(code);
  sets |= small ? a_to_z : capital ? capital_a_to_z : not_a_to_z;
  if (kind == CharacterKind::space || (code >= 0x1C && code <= 0x1F)) sets |= blank;
  if (kind == CharacterKind::letter || kind == CharacterKind::digit || kind == CharacterKind::number || code == '_')
    sets |= word;
  if (code != '\n') sets |= not_newline;
  return sets;
}

/// `sets` holds `sets_of` each character of `text`.
inline bool begins_with(std::u32string_view text, const std::uint32_t* sets, const Sequence& sequence) {
  for (std::size_t i = 0; i < sequence.size(); ++i) {
    const Place& place = sequence[i];
    if (place.sets == 0 && place.also.empty()) break;
    if (i == text.size() || ((sets[i] & place.sets) == 0 && place.also.find(text[i]) == place.also.npos)) return false;
  }
  return true;
}

/// Whether a text looks like mojibake.
inline bool suspicious(std::u32string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char32_t code) { return listed_sets(code) == 0; })) return false;
  if (text.size() > 1 && (text[0] == U'Ã' || text[0] == U'Â') && text[1] == U' ') return true;
  std::vector<std::uint32_t> sets(text.size() + 2);
  std::transform(text.begin(), text.end(), sets.begin(), sets_of);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (((sets[i] | sets[i + 1] | sets[i + 2]) & listed) == 0) continue;  // each sequence has one among its first three
    for (const Sequence& sequence : sequences)
      if (begins_with(text.substr(i), &sets[i], sequence)) return true;
  }
  return false;
}

}  // namespace contrastive::detail::mojibake
