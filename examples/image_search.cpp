// SPDX-License-Identifier: MIT
//
// Finds images by a sentence. docs/search.md is the page of it.
//
//   image_search photos/ "a dog on the beach" --weights runs/clip
//   image_search photos/ "dog + 0.5:snow - ./cat.jpg" -n 20 --sheet found.png
//   image_search index photos/
//   image_search serve photos/ --port 0
//   image_search label photos/ --classes names.txt
//   image_search duplicates photos/ --weights runs/simclr
//   image_search photos/ "a dog" --approximate              for millions of images
//   image_search train --data clipart --out runs/search

#include "support/search.hpp"

namespace {

using namespace contrastive;
using app::SearchOptions;

void add_common(CLI::App& cli, SearchOptions& options) {
  cli.add_option("folder", options.folder, "folder with images, of any depth")->required();
  cli.add_option(
      "--weights", options.weights,
      "run folder, checkpoint, or published weights (.safetensors or their folder); default: the environment "
      "variable CONTRASTIVE_MODEL, or the model that the index was made with");
  cli.add_option("--index", options.index, "file of the index; default: FOLDER/.image_search.index");
  cli.add_option("--exclude", options.exclude, "shell pattern of names or relative paths to leave out; may be repeated")
      ->take_all()
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  cli.add_option("--batch", options.batch, "images that are encoded together")->transform(app::within(1, 4096));
  cli.add_option("--save-seconds", options.save_seconds, "seconds between two savings while images are indexed")
      ->transform(app::within(0.0, 86400.0));
  cli.add_option("--threads", options.threads, "threads; 0: all")->transform(app::within(0, 1024));
  cli.add_flag("--int8", options.int8, "keep the rows in int8 too: searched faster, almost as exactly");
  cli.add_flag("--approximate", options.approximate,
               "search by a graph of near neighbours (HNSW), kept beside the index; not with --under and --since");
  cli.add_flag("--no-update", options.no_update, "use the index as it is");
  SettingList of_weights;
  options.flags.settings(of_weights);
  for (const Setting& one : of_weights) app::add_flag(cli, one);
}

void add_filters(CLI::App& cli, SearchOptions& options) {
  cli.add_option("--under", options.under, "only images in this folder of FOLDER");
  cli.add_option("--since", options.since, "only images changed since: 2024, 2024-05 or 2024-05-31");
}

void add_output(CLI::App& cli, SearchOptions& options) {
  cli.add_flag("--paths", options.paths, "print paths alone, for pipes");
  cli.add_flag("-0", options.zero, "paths alone, a zero byte after each");
  cli.add_flag("--json", options.json, "print a line of JSON each");
  cli.add_option("--sheet", options.sheet, "PNG file: the pictures found, best first");
}

void add_query(CLI::App& cli, SearchOptions& options) {
  cli.add_option("query", options.query,
                 "words, ./picture.jpg, sums and differences with weights: dog + 0.5:snow - ./cat.jpg")
      ->required();
  add_filters(cli, options);
  cli.add_option("-n,--count", options.count, "how many to show")
      ->transform(app::within(1, 100000))
      ->capture_default_str();
  add_output(cli, options);
  cli.add_flag("--all", options.all, "show images that look the same one by one");
}

/// The command, and its arguments without it.
std::string take_command(int& argc, char**& argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  if (first != "index" && first != "serve" && first != "label" && first != "duplicates") return "find";
  --argc;
  ++argv;
  return first;
}

int run(const std::string& command, SearchOptions& options) {
  SettingList of_weights;
  options.flags.settings(of_weights);
  for (const Setting& one : of_weights) check_setting(one);
  set_threads(static_cast<int>(options.threads));
  while (options.folder.size() > 1 && options.folder.back() == '/') options.folder.pop_back();
  require(contrastive::detail::is_folder(options.folder), "[folder] ", options.folder, ": no such folder");
  std::vector<QueryTerm> terms;
  if (command == "find") terms = parse_query(join_arguments(options.query));
  const bool duplicates = command == "duplicates";
  if (duplicates && options.index.empty()) options.index = options.folder + "/.image_search.duplicates";
  NamedModel model = duplicates ? app::load_duplicates_model(options) : app::load_search_model(options);
  if (!options.no_update)
    if (const int status = app::update_index(options, model); status != 0) return status;
  if (command == "index") return 0;
  const app::SearchSession session(options, std::move(model));
  if (command == "serve") return app::serve(session, options);
  if (command == "label" || duplicates) {
    duplicates ? app::print_duplicates(session, options) : app::print_labels(session, options);
    return 0;
  }
  const app::SearchAnswer answer =
      app::search(session, session.encode(terms), static_cast<std::size_t>(options.count), options.all);
  app::print_answer(session, answer, options);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "train") return app::train_for_search(argc, argv);
  SearchOptions options;
  const std::string command = take_command(argc, argv);
  CLI::App cli(command == "index"   ? "Brings the index of a folder with images up to date"
               : command == "serve" ? "Serves a page on the loopback address that searches a folder with images"
               : command == "label" ? "Names each image of a folder by one of some classes (zero-shot)"
               : command == "duplicates"
                   ? "Finds images of a folder that show the same picture: copies, parts, mirror images, other sizes"
                   : "Finds images in a folder by a sentence (commands: index, serve, label, duplicates, train)");
  add_common(cli, options);
  if (command == "find") add_query(cli, options);
  if (command == "serve")
    cli.add_option("--port", options.port, "0: one that is free")
        ->transform(app::within(0, 65535))
        ->capture_default_str();
  if (command == "duplicates") {
    add_filters(cli, options);
    add_output(cli, options);
    cli.add_option("--threshold", options.threshold, "correlation of grey values from which two pictures are the same")
        ->transform(app::within(0.6, 1.0))
        ->capture_default_str();
  }
  if (command == "label") {
    add_filters(cli, options);
    cli.add_option("--classes", options.classes, "imagenet, cifar10, ... or a file with a name a line")->required();
    cli.add_option("--templates", options.templates, "imagenet80, imagenet7, simple, ... or a file")
        ->capture_default_str();
    cli.add_flag("--json", options.json, "print a line of JSON each");
  }
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return cli.exit(error);
    std::fprintf(stderr, "%s (--help lists the flags)\n", error.what());
    return 2;
  }
  try {
    return run(command, options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", app::sentence_of(error).c_str());
    return std::string_view(error.what()).starts_with("[settings]") ? 2 : 1;
  }
}
