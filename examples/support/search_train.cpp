// SPDX-License-Identifier: MIT
#include <string>

#include "contrastive/methods/clip.hpp"
#include "support/run_then.hpp"
#include "support/search.hpp"

namespace app {

namespace {

/// clip as the example "Natural language image search with a Dual Encoder" of Keras has it: heads of two layers with a
/// residual branch. Everything is small enough for two cores and ten minutes.
Program program_for_search() {
  Program program = method_named("clip");
  program.title = "Trains a model for image_search on pictures with titles: CLIP";
  Settings& recipe = program.recipe;
  recipe.data = "clipart";
  recipe.encoder = "small";
  recipe.epochs = 20;
  ClipConfig config = recipe.own.as<ClipConfig>();
  config.projection = "residual";
  config.text_layers = 2;
  config.context_length = 32;  // titles are short
  recipe.own = config;
  return program;
}

}  // namespace

int train_for_search(int argc, char** argv) {
  const std::string name = argv[0];
  const auto say_how_to_search = [&](const std::string& out) {
    std::printf("\nsearch a folder of yours with it:\n  %s FOLDER \"a red flower\" --weights %s\n", name.c_str(),
                out.c_str());
  };
  std::string called = name + " train";  // as --help shows it
  argv[1] = called.data();
  return run_program_then(argc - 1, argv + 1, program_for_search(), say_how_to_search);
}

}  // namespace app
