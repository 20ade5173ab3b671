// SPDX-License-Identifier: MIT
#include "contrastive/text/clean.hpp"

#include "text/support.hpp"

using namespace contrastive;
using namespace contrastive::detail;

namespace {

std::string unescaped(std::string_view text) { return to_utf8(unescape_html(from_utf8(text))); }
std::string repaired(std::string_view text) { return to_utf8(repair_text(from_utf8(text))); }

}  // namespace

TEST_CASE("character references as Python's html.unescape", "[text]") {
  CHECK(unescaped("a&amp;b &lt;i&gt; caf&eacute; &#39;&#x27;&#X27;") == "a&b <i> café '''");
  CHECK(unescaped("&copy 2024 &notit; &notin; &ampx AT&T & &;") == "© 2024 ¬it; ∉ &x AT&T & &;");
  CHECK(unescaped("&#128;&#133;&#x9f;&#129;") == "€…Ÿ\xC2\x81");
  CHECK(unescaped("&#0;&#xD800;&#1114112;&#99999999999999999999;") == "\uFFFD\uFFFD\uFFFD\uFFFD");
  CHECK(unescaped("a&#1;b&#11;c&#x1FFFE;d&#xFDD0;e") == "abcde");
  CHECK(unescaped("&#13;&#12;&#9;") == "\r\f\t");
  CHECK(unescaped("&#; &#x; &#xg; &#65") == "&#; &#x; &#xg; A");
  CHECK(unescaped("&amp;amp;") == "&amp;");                      // what was put in is not looked at again
  CHECK(unescaped("&NotEqualTilde; &bne;") == "≂̸ =⃥");            // two characters
  CHECK(unescaped("&CounterClockwiseContourIntegral;") == "∳");  // the longest name
  CHECK(unescaped("&éacute;&eacuté;") == "&éacute;&eacuté;");
}

TEST_CASE("texts are repaired as by ftfy", "[text]") {
  CHECK(repaired("schÃ¶n cafÃ©") == "schön café");
  CHECK(repaired("âœ” No problems") == "✔ No problems");
  CHECK(repaired("&macr;\\_(ã\xC2\x83\xC2\x84)_/&macr;") == "¯\\_(ツ)_/¯");
  CHECK(repaired("Broken text&hellip; it&#x2019;s ﬂubberiﬁc!") == "Broken text… it's flubberific!");
  CHECK(repaired("ＬＯＵＤ　ＮＯＩＳＥＳ ﾊﾟ") == "LOUD NOISES パ");
  CHECK(repaired("voilÃ le travail") == "voilà le travail");
  CHECK(repaired("\u201Cquoted\u201D it\u2019s") == "\"quoted\" it's");
  CHECK(repaired("\x1B[36;44mI'm blue\x1B[0m") == "I'm blue");
  CHECK(repaired("a\r\nb\rc\u2028d\u2029e") == "a\nb\nc\nd\ne");
  CHECK(repaired(std::string("\uFEFFn\0u\x0Bl\x7Fl", 10)) == "null");
  CHECK(repaired("P&EACUTE;REZ &nTILDE; this&not that") == "PÉREZ &nTILDE; this&not that");
  CHECK(repaired("<b>&lt;</b>") == "<b>&lt;</b>");   // text with < is HTML: its references stay
  CHECK(repaired("&lt;\n<\n&lt;") == "<\n<\n&lt;");  // from there on
  CHECK(repaired("nel\xC2\x85here") == "nel…here");  // a C1 control as in Windows-1252
  CHECK(repaired("l’humanitÃ©") == "l'humanité");    // mojibake beside what is right
  CHECK(repaired("ÃƒÂ©") == "é");                    // twice
  CHECK(repaired("Ångström naïve £5 «ça» 10 °C") == "Ångström naïve £5 «ça» 10 °C");  // and what is right stays
}

TEST_CASE("a text that is escaped over and over takes no time", "[text]") {
  std::string text = "&";
  for (int i = 0; i < 200000; ++i) text += i % 2 == 0 ? "amp;" : "#38;";
  CHECK(repaired(text + "lt;b") == "<b");
}

TEST_CASE("repairs and references of random texts are those of ftfy and Python", "[text]") {
  const Json texts = golden_json("random_texts.json").at("texts");
  std::size_t changed = 0;
  for (const Json& each : texts) {
    const auto text = each.at("text").get<std::string>();
    INFO(each.at("text"));
    CHECK(repaired(text) == each.at("repaired").get<std::string>());
    CHECK(unescaped(text) == each.at("unescaped").get<std::string>());
    changed += each.at("repaired") != each.at("text");
  }
  CHECK(texts.size() == 200);
  CHECK(changed > 100);
}

TEST_CASE("cleaned texts are those of CLIP", "[text]") {
  for (const Json& each : golden_json("tokenizer_ids.json").at("strings")) {
    INFO(each.at("text"));
    CHECK(clean_text(each.at("text").get<std::string>(), ClipDialect::openai) == each.at("cleaned").get<std::string>());
  }
  CHECK(clean_text("  A\t\n \u3000B\u00A0", ClipDialect::hugging_face) == "a b");
  CHECK(clean_text("\xFFx\xC3", ClipDialect::hugging_face) == "\uFFFDx\uFFFD");
}

TEST_CASE("text for SigLIP has no punctuation", "[text]") {
  CHECK(canonicalize_text("A_photo, of (a) DOG's  <ball>!") == "a photo of a dogs ball");
  CHECK(canonicalize_text(" \t\u201CTwo\u201D caf\u00E9s \u2014 10% ") == "two cafés — 10");
  CHECK(canonicalize_text("...") == "");
}
