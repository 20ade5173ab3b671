// SPDX-License-Identifier: MIT

// CLDR's names of emoji.

#include "contrastive/data/annotations.hpp"
#include "contrastive/data/emoji.hpp"
#include "contrastive/data/open.hpp"
#include "data/support.hpp"
#include "support/captured_errors.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

using Texts = std::vector<std::string>;

std::string annotation(const std::string& key, const std::string& name, const std::string& keywords) {
  return "<annotation cp=\"" + key + "\">" + keywords + "</annotation>\n<annotation cp=\"" + key + "\" type=\"tts\">" +
         name + "</annotation>\n";
}

}  // namespace

TEST_CASE("annotations of CLDR", "[data]") {
  Annotations known;
  parse_annotations(
      "<?xml version=\"1.0\"?>\n<!DOCTYPE ldml SYSTEM \"x\">\n<ldml><annotations>\n"
      "<!-- <annotation cp=\"!\">commented out</annotation> -->\n"
      "<annotation cp='\xF0\x9F\x90\xB6'>dog | face |  pet </annotation>\n"
      "<annotation type=\"tts\" draft=\"contributed\" cp=\"\xF0\x9F\x90\xB6\">dog face</annotation>\n"
      "<annotation cp=\"&amp;\" type=\"tts\">and &lt;&#x26;&#38;&gt; &nope; &</annotation>\n"
      "<annotation cp=\"x\"/><annotation cp=\"y\" "
      "type=\"tts\">\xE2\x86\x91\xE2\x86\x91\xE2\x86\x91</annotation></annotations></ldml>",
      "en.xml", known);
  REQUIRE(known.size() == 2);
  CHECK(known["\xF0\x9F\x90\xB6"].name == "dog face");
  CHECK(known["\xF0\x9F\x90\xB6"].keywords == Texts{"dog", "face", "pet"});
  CHECK(known["&"].name == "and <&&> &nope; &");
  parse_annotations(annotation("\xF0\x9F\x90\xB6", "hound", "hound"), "en_XX.xml", known);
  CHECK(known["\xF0\x9F\x90\xB6"].name == "hound");
  for (const char* broken : {"<ldml>\n<annotation cp=\"a\">open", "x\n<annotation cp=\"a\"", "x\n<!-- x",
                             "x\n<annotation cp=\"a\">b</annotation"})
    CHECK_THROWS_WITH(parse_annotations(broken, "a.xml", known),
                      Contains("a.xml:2") && Contains("before the end of the file"));
  // Unqualified and qualified sequences are one.
  CHECK(detail::annotation_key({0x263A, 0xFE0F}) == detail::annotation_key({0x263A}));
  CHECK(detail::annotation_key({0x41, 0xE4, 0x20AC, 0x1F436, 0xD800}) ==
        "A\xC3\xA4\xE2\x82\xAC\xF0\x9F\x90\xB6\xEF\xBF\xBD");
}

TEST_CASE("a language inherits from the one above it", "[data]") {
  TemporaryFolder folder;
  folder.write("annotations/root.xml", "<ldml/>");
  folder.write("annotations/de.xml", annotation("a", "Tüte", "x") + annotation("b", "Schrank", "y"));
  folder.write("annotations/de_AT.xml", annotation("b", "Kasten", "y"));
  folder.write("annotationsDerived/de.xml", annotation("c", "Paar", "z"));
  folder.write("annotations/zh.xml", annotation("a", "simple", "x"));
  folder.write("annotations/zh_Hant.xml", annotation("b", "full", "x"));
  folder.write("annotations/es.xml", annotation("a", "coche", "x"));
  folder.write("annotations/es_419.xml", annotation("a", "carro", "x"));
  folder.write("annotations/es_MX.xml", annotation("b", "b", "x"));
  Annotations austrian = read_annotations("de_AT", folder.path());
  CHECK(austrian["a"].name == "Tüte");
  CHECK(austrian["b"].name == "Kasten");
  CHECK(austrian["c"].name == "Paar");
  CHECK(read_annotations("es_MX", folder.path()).at("a").name == "carro");
  CHECK_FALSE(read_annotations("zh_Hant", folder.path()).contains("a"));  // another script
  for (const char* wrong : {"xx", "root", "", "../annotations/de", "de.xml"})
    CHECK_THROWS_WITH(read_annotations(wrong, folder.path()),
                      Contains(std::string("no language ") + wrong) && Contains("one of the 7"));
  CHECK_THROWS_WITH(read_annotations("de", "/nowhere"), Contains("/nowhere") && Contains("unicode-cldr-core"));
}

#if defined(CONTRASTIVE_WITH_FONTS)
TEST_CASE("emoji have names and keywords in the languages asked for", "[data]") {
  const EmojiOptions files;
  if (!detail::is_file(files.font) || !detail::is_file(files.list)) {
    WARN("SKIPPED: emoji are not here; install the packages fonts-noto-color-emoji and unicode-data to run this test");
    return;
  }
  TemporaryFolder folder;
  folder.write("emoji-test.txt",
               "# group: G\n# subgroup: s\n1F436 ; fully-qualified # x E0.6 dog face\n263A FE0F ; fully-qualified # x "
               "E0.6 smiling face\n"
               "1F431 ; fully-qualified # x E0.6 cat face\n");
  folder.write("annotations/de.xml", annotation("\xF0\x9F\x90\xB6", "Hundegesicht", "Gesicht | Hund") +
                                         annotation("\xE2\x98\xBA", "lächelndes Gesicht", "lächelndes Gesicht"));
  folder.write("annotations/en.xml", annotation("\xF0\x9F\x90\xB6", "dog face", "dog | face | pet"));
  EmojiOptions options;
  options.list = folder.path("emoji-test.txt"), options.cldr = folder.path();
  const EmojiSet plain = read_emoji("all", options);
  REQUIRE(plain.size() == 3);
  CHECK(plain.texts(0) == Texts{"dog face"});
  CHECK(AnyDataset(plain).parts() == (Part::image | Part::texts));

  const CapturedErrors errors;
  options.language = "de, en";
  const EmojiSet both = read_emoji("all", options);
  REQUIRE(both.size() == 3);
  CHECK(both.texts(0) == Texts{"Hundegesicht", "Gesicht, Hund", "dog face", "dog, face, pet"});
  CHECK(both.texts(1) ==
        Texts{"lächelndes Gesicht", "smiling face"});  // as CLDR has it without U+FE0F, and as the list has it
  CHECK(both.texts(2) == Texts{"cat face"});
  options.language = "de";
  CHECK(read_emoji("all", options).size() == 2);
  CHECK_THAT(errors.text(), Contains("emoji all: 1 emoji without a name in de are left out"));
  options.language = "de,xx";
  CHECK_THROWS_WITH(read_emoji("all", options), Contains("no language xx") && Contains("--language"));
}
#endif

TEST_CASE("CLDR from its package", "[data]") {
  const std::string cldr = EmojiOptions{}.cldr;
  if (!detail::is_folder(cldr)) {
    WARN("SKIPPED: CLDR is not here; install the package unicode-cldr-core to run this test");
    return;
  }
  CHECK(read_annotations("de", cldr).at("\xF0\x9F\x90\xB6").name == "Hundegesicht");
  CHECK(read_annotations("ja", cldr).size() > 3000);
  CHECK(read_annotations("nb", cldr).size() > 3000);
  CHECK(read_annotations("en_AU", cldr).size() > 3000);
}
