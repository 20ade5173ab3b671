// SPDX-License-Identifier: MIT
#include "contrastive/text/unicode.hpp"

#include "contrastive/text/normalize.hpp"
#include "text/support.hpp"

using namespace contrastive;
using namespace contrastive::detail;

namespace {

std::u32string python_lower(std::u32string_view text) { return lower_case(text, true); }

}  // namespace

TEST_CASE("every character goes to UTF-8 and back", "[text]") {
  std::size_t wrong = 0;
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string bytes;
    append_utf8(bytes, code);
    const Utf8Character back = first_character(bytes + "\x80");
    wrong += !back.valid || back.code != code || back.length != bytes.size();
  }
  CHECK(wrong == 0);
}

TEST_CASE("bytes that are not UTF-8 are as many U+FFFD as Python makes of them", "[text]") {
  struct Case {
    std::string bytes;
    std::u32string text;
  };
  const std::vector<Case> cases = {{"\x80", U"\uFFFD"},
                                   {"a\xC3", U"a\uFFFD"},
                                   {"\xF0\x9F\x98", U"\uFFFD"},  // cut off: one
                                   {"\xF0\x9F\x98x", U"\uFFFDx"},
                                   {"\xE2\x82\xE2\x82\xAC", U"\uFFFD€"},
                                   {"\xC0\x80", U"\uFFFD\uFFFD"},  // overlong: one each
                                   {"\xE0\x80\x80", U"\uFFFD\uFFFD\uFFFD"},
                                   {"\xED\xA0\x80", U"\uFFFD\uFFFD\uFFFD"},  // a surrogate
                                   {"\xF4\x90\x80\x80", U"\uFFFD\uFFFD\uFFFD\uFFFD"},
                                   {"\xFF\xFE", U"\uFFFD\uFFFD"},
                                   {std::string("\0x", 2), std::u32string(U"\0x", 2)}};
  for (const Case& each : cases) {
    INFO(each.bytes);
    CHECK(from_utf8(each.bytes) == each.text);
  }
}

TEST_CASE("kinds of characters", "[text]") {
  const auto kind = [](char32_t code) { return UnicodeTables::get().kind(code); };
  for (const char32_t letter : std::u32string_view(U"aZéßǅʰªяא日한ー𝔘ſ")) CHECK(kind(letter) == CharacterKind::letter);
  for (const char32_t digit : std::u32string_view(U"07٣९１")) CHECK(kind(digit) == CharacterKind::digit);
  for (const char32_t number : std::u32string_view(U"½²Ⅷ①")) CHECK(kind(number) == CharacterKind::number);
  for (const char32_t space : std::u32string_view(U" \t\n\v\f\r\x85\u00A0\u1680\u2003\u2028\u2029\u202F\u205F\u3000"))
    CHECK(kind(space) == CharacterKind::space);
  for (const char32_t mark : std::u32string_view(U"\u0301\uFE0F\U000E0100"))
    CHECK(kind(mark) == CharacterKind::nonspacing);
  CHECK(kind(0x903) == CharacterKind::mark);
  for (const char32_t sign : std::u32string_view(U"!_«“—。")) CHECK(kind(sign) == CharacterKind::punctuation);
  for (const char32_t sign : std::u32string_view(U"$+^€°👍🏽")) CHECK(kind(sign) == CharacterKind::symbol);
  for (const char32_t control : std::u32string_view(U"\x01\x1C\x7F\u00AD\u200D\uFEFF\uE000"))
    CHECK(kind(control) == CharacterKind::control);
  CHECK(kind(0x378) == CharacterKind::unassigned);
  CHECK(kind(0x110000) == CharacterKind::unassigned);
  CHECK(kind(0x1E4D0) == CharacterKind::letter);      // Nag Mundari, since Unicode 15.0
  CHECK(kind(0x2EBF0) == CharacterKind::unassigned);  // CJK extension I, since 15.1
}

TEST_CASE("small letters as in Python", "[text]") {
  CHECK(python_lower(U"HELLO ÄÖÜ ŁÓDŹ Москва") == U"hello äöü łódź москва");
  CHECK(python_lower(U"İI") == U"i\u0307i");
  CHECK(python_lower(U"ẞ K ǅ Ⅷ Ⓐ") == U"ß k ǆ ⅷ ⓐ");
  CHECK(python_lower(U"ΟΔΟΣ ΣΑΣ Σ ΑΣ. ΑΣΑ") == U"οδος σας σ ας. ασα");
  CHECK(python_lower(U"ΑΣ'Α ΑΣ\u0301 ΑΣ\u0301Α") == U"ασ'α ας\u0301 ασ\u0301α");
  CHECK(lower_case(U"ΟΔΟΣ", false) == U"οδοσ");
  CHECK(python_lower(U"\U00010400\U0001E921") == U"\U00010428\U0001E943");
}

TEST_CASE("normal forms", "[text]") {
  CHECK(compose(U"e\u0301 A\u030A o\u0308") == U"é Å ö");
  CHECK(decompose(U"é Å ế") == U"e\u0301 A\u030A e\u0302\u0301");
  CHECK(compose(U"\u212B \u2126 \uF900") == U"\u00C5 \u03A9 \u8C48");    // singletons
  CHECK(compose(U"\u0958") == U"\u0915\u093C");                          // excluded from composition
  CHECK(compose(U"a\u0323\u0307 a\u0307\u0323") == U"ạ\u0307 ạ\u0307");  // marks in order
  CHECK(compose(U"q\u0307\u0323") == U"q\u0323\u0307");
  CHECK(decompose(U"한") == U"\u1112\u1161\u11AB");
  CHECK(compose(U"\u1112\u1161\u11AB \u1112\u1161 \uD558\u11AB") == U"한 하 한");
  CHECK(compose(U"\u0301a") == U"\u0301a");
  CHECK(compose(U"a\u200D\u0301") == U"a\u200D\u0301");  // something stands between
}

TEST_CASE("normal forms agree with each other on every character", "[text]") {
  std::size_t wrong = 0, changed = 0;
  for (char32_t code = 0; code < 0x110000; ++code) {
    const std::u32string one(1, code), apart = decompose(one), together = compose(one);
    wrong += decompose(together) != apart || compose(apart) != together || compose(together) != together ||
             decompose(apart) != apart;
    changed += apart != one;
  }
  CHECK(wrong == 0);
  CHECK(changed == 13233);  // 11,172 syllables and 2,061 others, as in Python's unicodedata
}
