// SPDX-License-Identifier: MIT
#include "contrastive/text/templates.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "text/support.hpp"

using namespace contrastive;

namespace {

std::string written(const std::string& text) {
  const auto path = std::filesystem::temp_directory_path() / "contrastive_templates.txt";
  std::ofstream(path, std::ios::binary) << text;
  return path.string();
}

}  // namespace

TEST_CASE("the templates and class names are those of OpenAI", "[text]") {
  const Json golden = golden_json("prompt_templates.json");
  using Texts = std::vector<std::string>;
  const std::pair<const char*, const char*> lists[] = {
      {"imagenet80", "imagenet80"}, {"imagenet7", "imagenet7"}, {"CIFAR10", "cifar"},   {"CIFAR100", "cifar"},
      {"STL10", "stl10"},           {"MNIST", "mnist"},         {"EuroSAT", "eurosat"}, {"DescribableTextures", "dtd"},
      {"Food101", "food101"}};
  for (const auto& [key, name] : lists) CHECK(load_templates(name) == golden.at(key).at("templates").get<Texts>());
  CHECK(load_templates("simple") == Texts{"a photo of a {}."});
  const std::pair<const char*, const char*> classes[] = {{"imagenet_classes", "imagenet"},
                                                         {"CIFAR10", "cifar10"},
                                                         {"CIFAR100", "cifar100"},
                                                         {"STL10", "stl10"},
                                                         {"MNIST", "mnist"},
                                                         {"EuroSAT", "eurosat"},
                                                         {"DescribableTextures", "dtd"},
                                                         {"Food101", "food101"}};
  for (const auto& [key, name] : classes) CHECK(load_class_names(name) == golden.at(key).at("classes").get<Texts>());
}

TEST_CASE("templates are filled", "[text]") {
  CHECK(fill_template("a photo of a {}.", "dog") == "a photo of a dog.");
  CHECK(fill_template("{} and {}", "{}") == "{} and {}");
  CHECK(fill_template("{}", "") == "");
  CHECK_THROWS_WITH(fill_template("a photo", "dog"), Contains("[templates] \"a photo\" has no {}"));
}

TEST_CASE("templates from a file", "[text]") {
  CHECK(load_templates(written("a {}\r\n\nthe {}")) == std::vector<std::string>{"a {}", "the {}"});
  CHECK_THROWS_WITH(load_templates(written("a {}\n\na dog\n")), Contains("line 3: \"a dog\" has no {}"));
  CHECK_THROWS_WITH(load_templates(written("\n\n")), Contains("has no template"));
  CHECK_THROWS_WITH(load_templates("imagenet81"), Contains("[share] templates/imagenet81.txt is in none of"));
  CHECK_THROWS_WITH(load_templates("/nowhere/mine.txt"), Contains("[read] /nowhere/mine.txt"));
}

TEST_CASE("files that come with the library are found, and another folder may be named", "[text]") {
  CHECK(std::filesystem::is_regular_file(shared_file("clip_bpe.txt")));
  const auto folder = std::filesystem::temp_directory_path() / "contrastive_share";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "mine.txt") << "x";
  ::setenv("CONTRASTIVE_SHARE", folder.c_str(), 1);
  CHECK(shared_file("mine.txt") == (folder / "mine.txt").string());
  CHECK(shared_file("clip_bpe.txt") != (folder / "clip_bpe.txt").string());  // the others are still found
  ::unsetenv("CONTRASTIVE_SHARE");
  CHECK_THROWS_WITH(shared_file("mine.txt"), Contains("[share] mine.txt is in none of"));
  CHECK_THROWS_WITH(shared_file("mine.txt"), Contains("CONTRASTIVE_SHARE"));
}
