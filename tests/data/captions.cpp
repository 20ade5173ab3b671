// SPDX-License-Identifier: MIT

// Images with captions: the files that hold them, and drawings whose names are inside or beside their files.

#include <set>

#include "contrastive/data/captions.hpp"
#include "contrastive/data/decode.hpp"
#include "contrastive/data/drawings.hpp"
#include "contrastive/data/open.hpp"
#include "contrastive/io/png.hpp"
#include "data/support.hpp"
#include "support/captured_errors.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

using Texts = std::vector<std::string>;

/// "a.jpg: a dog / a cat [train]" of each record.
Texts shown(const std::vector<CaptionRecord>& records) {
  Texts lines;
  for (const CaptionRecord& record : records) {
    std::string line = record.image + ":";
    for (std::size_t c = 0; c < record.captions.size(); ++c) line += (c == 0 ? " " : " / ") + record.captions[c];
    if (!record.split.empty()) line += " [" + record.split + "]";
    lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::uint8_t> one_pixel() { return bmp_file(1, 1, 10, 20, 30); }

/// A folder with images a.bmp, b.bmp, ...
void write_images(const TemporaryFolder& folder, int count) {
  for (int i = 0; i < count; ++i) folder.write(std::string(1, static_cast<char>('a' + i)) + ".bmp", one_pixel());
}

/// The file with a chunk of text behind its header.
std::vector<std::uint8_t> with_text(const std::string& png, const std::string& keyword, const std::string& text) {
  std::string chunk = "tEXt" + keyword + '\0' + text;
  const auto number = [](std::uint32_t n) {
    std::string bytes;
    for (int shift : {24, 16, 8, 0}) bytes += static_cast<char>(n >> shift);
    return bytes;
  };
  const std::uint32_t crc = detail::crc32_of({reinterpret_cast<const std::uint8_t*>(chunk.data()), chunk.size()});
  chunk = number(static_cast<std::uint32_t>(chunk.size() - 4)) + chunk + number(crc);
  const std::string whole = png.substr(0, 33) + chunk + png.substr(33);
  return {whole.begin(), whole.end()};
}

}  // namespace

TEST_CASE("captions in separated values", "[data]") {
  CHECK(shown(parse_caption_table("filepath,title\na.jpg,a dog\nb.jpg,a cat\n", "f.csv")) ==
        Texts{"a.jpg: a dog", "b.jpg: a cat"});
  CHECK(shown(parse_caption_table("filepath\ttitle\na.jpg\ta dog, running\n", "f.csv")) ==
        Texts{"a.jpg: a dog, running"});
  // RFC 4180: quotes around separators, line ends and doubled quotes; CRLF; no line end at the end; a byte-order mark.
  const auto records = parse_caption_table(
      "\xEF\xBB\xBFid,Image,Caption,split\r\n1,a.jpg,\"a \"\"big\"\" dog,\r\nrunning\",train\r\n\r\n2,b.jpg,it's 5\" "
      "long,test",
      "f.csv");
  CHECK(shown(records) == Texts{"a.jpg: a \"big\" dog,\r\nrunning [train]", "b.jpg: it's 5\" long [test]"});
  CHECK(records[0].place == "f.csv:2");
  CHECK(records[1].place == "f.csv:5");
  CHECK(shown(parse_caption_table("text,filename\n\"\",a.jpg\n", "f.csv")) == Texts{"a.jpg: "});

  const auto refused = [](const char* text, const char* why) {
    CHECK_THROWS_WITH(parse_caption_table(text, "f.csv"), Contains(why));
  };
  refused("", "f.csv: the file is empty");
  refused("a.jpg,a dog\n", "f.csv:1: expected a header");
  refused("filepath,title\na.jpg,a dog, running\n", "f.csv:2: 3 fields, expected 2");
  refused("filepath,title\na.jpg,a dog\nb.jpg\n", "f.csv:3: 1 fields, expected 2");
  refused("filepath,title\na.jpg,\"a dog\nb.jpg,a cat\n", "f.csv:2: a quote is opened here and never closed");
  refused("filepath,title\na.jpg,\"a\ndog\" b\n", "f.csv:3: text follows a closing quote");
  refused("filepath,title\n ,a dog\n", "f.csv:2: the column filepath is empty");
}

TEST_CASE("captions in lines of JSON", "[data]") {
  CHECK(shown(parse_caption_lines(
            "{\"image\": \"a.jpg\", \"caption\": \"a dog\"}\n\n"
            "{\"filename\": \"b.jpg\", \"captions\": [\"a cat\", \"an animal\"], \"split\": \"val\"}\r\n",
            "f.jsonl")) == Texts{"a.jpg: a dog", "b.jpg: a cat / an animal [val]"});
  const auto refused = [](const char* text, const char* why) {
    CHECK_THROWS_WITH(parse_caption_lines(text, "f.jsonl"), Contains(why));
  };
  refused("{\"image\": \"a.jpg\", \"caption\": \"a dog\"}\n{\"image\": \"b.jpg\"\n", "f.jsonl:2");
  refused("\n[1]\n", "f.jsonl:2: expected an object");
  refused("{\"caption\": \"a dog\"}", "f.jsonl:1: no member image");
  refused("{\"image\": \"a.jpg\"}", "f.jsonl:1: no member caption");
  refused("{\"image\": 5, \"caption\": \"a dog\"}", "f.jsonl:1: expected a text, got 5");
  refused("{\"image\": \"a.jpg\", \"caption\": [\"a dog\", 7]}", "f.jsonl:1: expected a text, got 7");
}

TEST_CASE("captions in COCO's and Karpathy's JSON", "[data]") {
  const std::string coco =
      R"({"info": {}, "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 3, "file_name": "b.jpg"}],
          "annotations": [{"image_id": 3, "id": 1, "caption": "a cat"}, {"image_id": 7, "id": 2, "caption": "a dog"},
                          {"image_id": 3, "id": 3, "caption": "an animal"}]})";
  CHECK(shown(parse_caption_json(coco, "f.json")) == Texts{"a.jpg: a dog", "b.jpg: a cat / an animal"});
  const std::string karpathy =
      R"({"dataset": "coco", "images": [{"filepath": "val2014", "filename": "a.jpg", "split": "restval",
          "sentences": [{"raw": "A dog.", "tokens": ["a", "dog"]}, {"raw": "It runs."}]},
          {"filename": "b.jpg", "split": "test", "sentences": [{"raw": "A cat."}]}]})";
  CHECK(shown(parse_caption_json(karpathy, "f.json")) ==
        Texts{"val2014/a.jpg: A dog. / It runs. [restval]", "b.jpg: A cat. [test]"});
  CHECK(shown(parse_caption_json(R"([{"image": "a.jpg", "caption": "a dog"}])", "f.json")) == Texts{"a.jpg: a dog"});

  const auto refused = [](const char* text, const char* why) {
    CHECK_THROWS_WITH(parse_caption_json(text, "f.json"), Contains("f.json") && Contains(why));
  };
  refused("{", "");
  refused("{}", "expected COCO's captions, Karpathy's");
  refused(R"({"images": [{"id": 1}], "annotations": []})", "images[0]: no member file_name");
  refused(R"({"images": [{"file_name": "a"}], "annotations": []})", "images[0]: no whole number id");
  refused(R"({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}], "annotations": []})",
          "images[1]: a second image with the id 1");
  refused(R"({"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 2, "caption": "x"}]})",
          "annotations[0]: image_id 2 is the id of no image");
  refused(R"({"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 1}]})",
          "annotations[0]: no member caption");
  refused(R"({"images": [{"filename": "a.jpg"}]})", "images[0]: expected filename and sentences");
  refused(R"({"images": [{"filename": "a.jpg", "sentences": [{"text": "x"}]}]})", "images[0]: a sentence without raw");
}

TEST_CASE("a folder of images with a file of captions", "[data]") {
  TemporaryFolder folder;
  write_images(folder, 3);
  folder.write("captions.csv",
               "image,caption,split\na.bmp,a dog,train\nb.bmp,a cat,val\na.bmp,an animal,train\nc.bmp,a cow,test\n");
  const AnyDataset train = open_dataset("captions", folder.path(), "train");
  REQUIRE(train.size() == 1);
  CHECK(train.parts() == (Part::image | Part::texts));
  CHECK(train.sample(0, Part::image | Part::texts).texts == Texts{"a dog", "an animal"});
  CHECK(train.image(0).pixels == std::vector<std::uint8_t>{10, 20, 30});
  CHECK(train.label(0) == -1);
  CHECK_THAT(train.describe(0), Contains("a.bmp"));
  CHECK(open_dataset("captions", folder.path(), "val").sample(0, Part::texts).texts == Texts{"a cat"});
  CHECK(open_dataset("captions", folder.path(), "test").sample(0, Part::texts).texts == Texts{"a cow"});

  SECTION("without a test part, val tests") {
    folder.write("captions.csv", "image,caption,split\na.bmp,a dog,train\nb.bmp,a cat,val\n");
    CHECK(open_dataset("captions", folder.path(), "test").sample(0, Part::texts).texts == Texts{"a cat"});
  }
  SECTION("parts that contradict each other, or are named otherwise") {
    folder.write("captions.csv", "image,caption,split\na.bmp,a dog,train\na.bmp,a cat,test\n");
    CHECK_THROWS_WITH(open_dataset("captions", folder.path(), "train"),
                      Contains("captions.csv:3: a.bmp is in the split test"));
    folder.write("captions.csv", "image,caption,split\na.bmp,a dog,fold1\n");
    CHECK_THROWS_WITH(open_dataset("captions", folder.path(), "train"),
                      Contains("captions.csv:2: split is train, val or test, got fold1"));
    folder.write("captions.csv", "image,caption,split\na.bmp,a dog,train\nb.bmp,a cat,\n");
    CHECK_THROWS_WITH(open_dataset("captions", folder.path(), "train"), Contains("no split is given for b.bmp"));
  }
  SECTION("the file is chosen by its name") {
    folder.write("other.jsonl", "{\"image\": \"b.bmp\", \"caption\": \"a bee\", \"split\": \"train\"}\n");
    CHECK_THROWS_WITH(open_dataset("captions", folder.path(), "train"),
                      Contains("captions.csv, other.jsonl") && Contains("--captions"));
    DatasetOptions options;
    options.captions = folder.path("other.jsonl");
    CHECK(open_dataset("captions", folder.path(), "train", options).sample(0, Part::texts).texts == Texts{"a bee"});
    options.captions = folder.path("nothing.csv");
    CHECK_THROWS_WITH(open_dataset("captions", folder.path(), "train", options), Contains("nothing.csv"));
  }
  SECTION("missing images and empty captions are left out, counted and named, or refused") {
    const std::string file = folder.path("captions.csv");
    folder.write(
        "captions.csv",
        "image,caption,split\na.bmp,a dog,train\nx.bmp,a fox,train\nb.bmp,  ,train\nc.bmp,,train\nc.bmp,a cow,train\n"
        "y.bmp,a yak,train\nz.bmp,a zebra,test\n");
    const CapturedErrors errors;
    const AnyDataset set = open_dataset("captions", folder.path(), "train");
    REQUIRE(set.size() == 2);
    CHECK(set.sample(1, Part::texts).texts == Texts{"a cow"});
    const std::string title = "[captions " + folder.path() + " train] ";
    CHECK(errors.text() == title + "2 of 5 images are missing, first " + folder.path("x.bmp") + " (" + file +
                               ":3); left out\n" + title + "2 of 6 captions are empty, first of b.bmp (" + file +
                               ":4); left out\n" + title + "1 of 5 images have no caption, first b.bmp (" + file +
                               ":4); left out\n");
    CHECK_THROWS_WITH(open_dataset("captions", folder.path(), "test"),
                      Contains("none of the 1 images is there, first " + folder.path("z.bmp")) && Contains("--root"));
    DatasetOptions strict;
    strict.strict = true;
    CHECK_THROWS_WITH(open_dataset("captions", folder.path(), "train", strict),
                      Contains("2 of 5 images are missing") && Contains("--strict"));
    folder.write("captions.csv", "image,caption,split\na.bmp, ,train\n");
    CHECK_THROWS_WITH(open_dataset("captions", folder.path(), "train", strict), Contains("1 of 1 captions are empty"));
    CHECK_THROWS_WITH(open_dataset("captions", folder.path(), "train"), Contains("none of the 1 images has a caption"));
    folder.write("captions.csv", "image,caption\n");
    CHECK_THROWS_WITH(open_dataset("captions", folder.path(), "train"), Contains("captions.csv: names no image"));
  }
  CHECK_THROWS_WITH(open_dataset("captions", "", "train"), Contains("--root is missing"));
  CHECK_THROWS_WITH(open_dataset("captions", folder.path(), "half"), Contains("half"));
}

TEST_CASE("without a split about every twentieth captioned image tests", "[data]") {
  TemporaryFolder folder;
  std::string table = "image,caption\n";
  for (int i = 0; i < 400; ++i) {
    folder.write("images/" + std::to_string(i) + ".bmp", one_pixel());
    table += "images/" + std::to_string(i) + ".bmp,number " + std::to_string(i) + "\n";
  }
  folder.write("captions.csv", table);
  const AnyDataset train = open_dataset("captions", folder.path(), "train"),
                   test = open_dataset("captions", folder.path(), "test");
  CHECK(train.size() + test.size() == 400);
  CHECK((test.size() > 5 && test.size() < 40));  // binomial: 20 +- 4.4
  std::set<std::string> seen;
  for (const AnyDataset* part : {&train, &test})
    for (std::size_t i = 0; i < part->size(); ++i) CHECK(seen.insert(part->describe(i)).second);
  CHECK_THROWS_WITH(open_dataset("captions", folder.path(), "val"), Contains("has no split"));
}

TEST_CASE("captions in a text beside each image", "[data]") {
  TemporaryFolder folder;
  for (int i = 0; i < 60; ++i) {
    folder.write("deep/" + std::to_string(i) + ".bmp", one_pixel());
    folder.write("deep/" + std::to_string(i) + ".txt", "first of " + std::to_string(i) + "\n\n second \r\n");
  }
  folder.write("deep/bare.bmp", one_pixel());
  folder.write("deep/empty.bmp", one_pixel());
  folder.write("deep/empty.txt", " \n");
  const CapturedErrors errors;
  const AnyDataset train = open_dataset("captions", folder.path(), "train");
  CHECK((train.size() > 40 && train.size() < 60));
  CHECK(train.sample(0, Part::texts).texts == Texts{"first of 0", "second"});
  const std::string of = std::to_string(train.size() + 2);
  CHECK_THAT(errors.text(), Contains("2 of " + of + " images have no caption, first deep/bare.bmp (" +
                                     folder.path("deep/bare.txt") + ")"));
  TemporaryFolder empty;
  empty.write("a.bmp", one_pixel());
  CHECK_THROWS_WITH(open_dataset("captions", empty.path(), "train"), Contains("1 images here, none with a .txt"));
}

#if defined(CONTRASTIVE_WITH_STB)
TEST_CASE("transparent pixels of drawings are white", "[data]") {
  Image image(1, 3, 4);
  image.pixels = {0, 0, 0, 0, 100, 0, 50, 255, 200, 0, 0, 51};
  const std::string png = encode_png(image);
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(png.data()), png.size());
  // 255 (1 - a) + c a; a = 51 / 255 = 0.2
  CHECK(decode_on_white(bytes, "x.png").pixels == std::vector<std::uint8_t>{255, 255, 255, 100, 0, 50, 244, 204, 204});
  CHECK(decode_image(bytes, "x.png").pixels[0] == 0);
  CHECK(decode_on_white(one_pixel(), "x.bmp").pixels == std::vector<std::uint8_t>{10, 20, 30});
  CHECK_THROWS_WITH(decode_on_white(bytes.first(40), "x.png"), Contains("x.png") && Contains("truncated"));
}

TEST_CASE("clipart is called by the titles inside its files", "[data]") {
  TemporaryFolder folder;
  const std::string png = encode_png(Image(2, 2, 3));
  folder.write("animals/red_fox_n_n__01.png", with_text(png, "Title", "A red fox &amp; its den"));
  folder.write("animals/cat_02.png", with_text(png, "Title", "Clipart by N. N. - black_cat"));
  folder.write("animals/bare_dog_07.png", std::vector<std::uint8_t>(png.begin(), png.end()));
  for (int i = 0; i < 5; ++i)
    folder.write("flags/togo_" + std::to_string(i) + ".png", with_text(png, "Title", "The Collection"));
  const auto described = with_text(png, "Title", "A pear");
  folder.write("food/pear.png",
               with_text(std::string(described.begin(), described.end()), "Description", "A ripe\npear"));
  std::string huge = png;  // 20000 x 20000 by its header
  huge[18] = huge[22] = 0x4E, huge[19] = huge[23] = 0x20;
  folder.write("food/huge.png", with_text(huge, "Title", "huge"));
  folder.write("food/cut.png", std::string("\x89PNG\r\n\x1a\n\0\0\0", 11));
  std::filesystem::create_symlink(folder.path("food/pear.png"), folder.path("food/again.png"));

  const CapturedErrors errors;
  std::map<std::string, Texts> texts;
  for (const char* split : {"train", "test"}) try {
      const AnyDataset set = open_dataset("clipart", folder.path(), split);
      CHECK(set.class_names() == Texts{"animals", "flags", "food"});
      for (std::size_t i = 0; i < set.size(); ++i) {
        const std::string name = std::filesystem::path(set.describe(i)).lexically_relative(folder.path()).string();
        CHECK(name.starts_with(set.class_names()[static_cast<std::size_t>(set.label(i))]));
        texts[name] = set.sample(i, Part::texts).texts;
      }
    } catch (const Error& error) {
      CHECK_THAT(error.what(), Contains("no PNG file"));
    }
  CHECK(texts.size() == 9);
  CHECK(texts["animals/red_fox_n_n__01.png"] == Texts{"A red fox & its den"});
  CHECK(texts["animals/cat_02.png"] == Texts{"black cat"});
  CHECK(texts["animals/bare_dog_07.png"] == Texts{"bare dog"});
  CHECK(texts["flags/togo_3.png"] == Texts{"togo"});
  CHECK(texts["food/pear.png"] == Texts{"A pear", "A ripe pear"});
  CHECK_THAT(errors.text(), Contains("skipped: [png] " + folder.path("food/cut.png") + ": the file is truncated"));
  CHECK_THAT(errors.text(), Contains("1 drawings above 100 million pixels are left out"));
  CHECK_THROWS_WITH(open_dataset("clipart", "/nowhere", "train"), Contains("/nowhere") && Contains("openclipart-png"));
}

TEST_CASE("stamps have their sentences beside them", "[data]") {
  const auto sentences = Stamps::parse("A frog.\r\nde.utf8=Ein Frosch.\nzh_CN.utf8= \nzh_TW.utf8=X\nnonsense\n");
  CHECK(sentences == std::map<std::string, std::string>{{"en", "A frog."}, {"de", "Ein Frosch."}, {"zh_TW", "X"}});
  TemporaryFolder folder;
  const std::string png = encode_png(Image(2, 2, 3));
  for (int i = 0; i < 40; ++i) {
    const std::string name = "animals/frogs/" + std::to_string(i);
    folder.write(name + ".png", png);
    folder.write(name + ".txt", i % 2 == 0 ? "A frog.\nde.utf8=Ein Frosch.\npt_BR.utf8=Um sapo.\n" : "A toad.\n");
  }
  folder.write("animals/frogs/0_mirror.png", png);
  DatasetOptions options;
  const std::size_t all =
      open_dataset("stamps", folder.path(), "train").size() + open_dataset("stamps", folder.path(), "test").size();
  CHECK(all == 40);
  options.language = "de,en,pt";
  const AnyDataset set = open_dataset("stamps", folder.path(), "train", options);
  for (std::size_t i = 0; i < set.size(); ++i) {
    const Texts texts = set.sample(i, Part::texts).texts;
    CHECK((texts == Texts{"Ein Frosch.", "A frog.", "Um sapo."} || texts == Texts{"A toad."}));
  }
  options.language = "de";
  CHECK(open_dataset("stamps", folder.path(), "train", options).size() +
            open_dataset("stamps", folder.path(), "test", options).size() ==
        20);
  options.language = "tlh";
  CHECK_THROWS_WITH(open_dataset("stamps", folder.path(), "train", options),
                    Contains("no stamp has a sentence in the language tlh") && Contains("--language"));
}

TEST_CASE("clipart and stamps from their packages", "[data]") {
  if (!detail::is_folder("/usr/share/openclipart/png") || !detail::is_folder("/usr/share/tuxpaint/stamps")) {
    WARN("SKIPPED: install the packages openclipart-png and tuxpaint-stamps-default to run this test");
    return;
  }
  const CapturedErrors errors;
  DatasetOptions options;
  for (const char* name : {"clipart", "stamps"}) {
    const AnyDataset train = open_dataset(name, "", "train", options), test = open_dataset(name, "", "test", options);
    CHECK(train.size() + test.size() > (train.name() == "clipart train" ? 6800u : 700u));
    CHECK(test.size() * 6 < train.size());
    CHECK(train.class_names() == test.class_names());
    for (std::size_t i = 0; i < train.size(); ++i)
      for (const std::string& text : train.sample(i, Part::texts).texts) REQUIRE_FALSE(text.empty());
    for (std::size_t i = 0; i < 20; ++i) CHECK(train.image(i * 7).height > 0);
  }
}
#endif
