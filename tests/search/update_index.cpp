// SPDX-License-Identifier: MIT
#include "search/support.hpp"
#include "support/catch.hpp"

using namespace search_test;

namespace {

void write_colours(const Folder& folder, int count = 11) {
  for (int i = 0; i < count; ++i)
    write_picture(folder / ("images/" + std::to_string(i % 3) + "/" + std::to_string(i) + ".png"), 20 * i, 255 - 20 * i,
                  7 * i);
}

std::vector<std::string> paths_of(const Folder& folder) {
  const IndexFile index = IndexFile::open(folder / "index");
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < index.size(); ++i) paths.emplace_back(index.path(i));
  return paths;
}

}  // namespace

TEST_CASE("a folder is indexed once, and then only what is new") {
  Folder folder;
  write_colours(folder);
  const ColourModel colours;
  CHECK(update(folder, colours.named()).result.encoded == 11);
  const std::string first = contents(folder / "index");
  const Update again = update(folder, colours.named());
  CHECK(again.result.encoded == 0);
  CHECK_FALSE(again.result.written);
  CHECK(contents(folder / "index") == first);
  write_picture(folder / "images/new.png", 1, 2, 3);
  CHECK(update(folder, colours.named()).result.encoded == 1);
  CHECK(*colours.calls == 12);
  // A file that only its time says has changed is read and found to be the same.
  fs::last_write_time(folder / "images/new.png", fs::file_time_type::clock::now() + std::chrono::hours(1));
  CHECK(update(folder, colours.named()).result.encoded == 0);
  CHECK_FALSE(update(folder, colours.named()).result.written);
}

TEST_CASE("rows in the index are those of the model") {
  Folder folder;
  write_picture(folder / "images/a.png", 255, 0, 0);
  write_picture(folder / "images/b.png", 0, 0, 255);
  const NamedModel model = ColourModel().named();
  update(folder, model);
  const IndexFile index = IndexFile::open(folder / "index");
  const Tensor rows = encode_image_files(model.model, {folder / "images/a.png", folder / "images/b.png"});
  REQUIRE(index.models().size() == 1);
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t d = 0; d < 64; ++d)
      CHECK(static_cast<float>(index.models()[0].table.row(n)[d]) ==
            (d < 4 ? static_cast<float>(f16(rows.data<float>()[4 * n + d])) : 0.f));
  CHECK(index.models()[0].preparation == "8 x 8");
  CHECK(index.models()[0].source == "colours");
  CHECK(index.models()[0].neutral.count == 2);
}

TEST_CASE("stopped after any batch, the next update ends with the same bytes") {
  Folder whole;
  write_colours(whole, 19);
  write_file(whole / "images/1/broken.png", "no picture");
  const ColourModel colours;
  update(whole, colours.named());
  const std::string expected = contents(whole / "index");
  for (int batches = 1; batches <= 4; ++batches) {
    fs::remove(whole / "index");
    const Update stopped = update(whole, colours.named(), batches);
    CHECK(stopped.result.stopped);
    CHECK(contents(whole / "index") != expected);
    CHECK(update(whole, colours.named()).result.encoded == 19u - stopped.result.encoded);
    CHECK(contents(whole / "index") == expected);
  }
  // Savings on the way leave no trace either.
  fs::remove(whole / "index");
  UpdateOptions often;
  often.save_images = 1;
  update(whole, colours.named(), -1, often);
  CHECK(contents(whole / "index") == expected);
}

TEST_CASE("a renamed image takes its row along, also when the update is stopped in between") {
  Folder folder;
  write_colours(folder);
  const ColourModel colours;
  update(folder, colours.named());
  const IndexFile before = IndexFile::open(folder / "index");
  const auto old = before.find("0/6.png");
  REQUIRE(old.has_value());
  fs::create_directories(folder / "images/z");
  for (const char* name : {"0/0.png", "0/3.png", "0/6.png", "0/9.png", "1/1.png", "1/4.png"})
    fs::rename(folder / ("images/" + std::string(name)), folder / ("images/z/" + fs::path(name).filename().string()));
  CHECK(update(folder, colours.named(), 1).result.stopped);
  const Update moved = update(folder, colours.named());
  CHECK(moved.result.encoded == 0);
  CHECK(moved.result.removed == 6);
  CHECK(*colours.calls == 11);
  const IndexFile after = IndexFile::open(folder / "index");
  const auto now = after.find("z/6.png");
  REQUIRE(now.has_value());
  CHECK_FALSE(after.find("0/6.png").has_value());
  const auto row = [](const IndexFile& index, std::size_t i) {
    return index.models()[0].table.row(static_cast<std::int64_t>(i));
  };
  for (int d = 0; d < 4; ++d) CHECK(row(before, *old)[d].bits == row(after, *now)[d].bits);
}

TEST_CASE("deleted images leave, changed ones are encoded again") {
  Folder folder;
  write_colours(folder);
  const ColourModel colours;
  update(folder, colours.named());
  fs::remove(folder / "images/0/0.png");
  write_picture(folder / "images/1/1.png", 0, 250, 0);
  const Update done = update(folder, colours.named());
  CHECK(done.result.removed == 1);
  CHECK(done.result.encoded == 1);
  CHECK(paths_of(folder).size() == 10);
  const IndexFile index = IndexFile::open(folder / "index");
  const std::vector<float> green{0, 1, 0, 0};
  const std::vector<Hit> hits = search_rows(index.models()[0].table, green, 1);
  CHECK(index.path(static_cast<std::size_t>(hits[0].row)) == "1/1.png");
}

TEST_CASE("images that cannot be read are named once, counted and left out; the rest goes on") {
  Folder folder;
  write_colours(folder, 5);
  write_file(folder / "images/a.jpg", "no picture");
  fs::copy(fs::path(CONTRASTIVE_GOLDEN_DIR) / "decode/truncated_half.jpg", folder / "images/half.jpg");
  write_file(folder / "images/empty.png", "");
  const ColourModel colours;
  const Update first = update(folder, colours.named());
  CHECK(first.result.encoded == 5);
  CHECK(first.result.unreadable == 3);
  REQUIRE(first.complaints.size() == 3);
  CHECK_THAT(first.complaints[0], Contains("a.jpg"));
  const Update second = update(folder, colours.named());
  CHECK(second.complaints.empty());
  CHECK(second.result.unreadable == 3);
  write_picture(folder / "images/a.jpg", 1, 2, 3);  // mended
  const Update third = update(folder, colours.named());
  CHECK(third.result.encoded == 1);
  CHECK(third.result.unreadable == 2);
}

TEST_CASE("an image that became a folder leaves, and what is in it comes") {
  Folder folder;
  write_picture(folder / "images/a.png", 200, 0, 0);
  const ColourModel colours;
  update(folder, colours.named());
  fs::remove(folder / "images/a.png");
  write_picture(folder / "images/a.png/b.png", 0, 200, 0);
  update(folder, colours.named());
  CHECK(paths_of(folder) == std::vector<std::string>{"a.png/b.png"});
}

TEST_CASE("names of arbitrary bytes, hidden files, links and patterns") {
  Folder folder;
  const std::string odd = "odd \xff\n\x1b[31m.png";
  write_picture(folder / ("images/" + odd), 1, 2, 3);
  write_picture(folder / "images/.hidden.png", 1, 2, 4);
  write_picture(folder / "images/.thumbnails/a.png", 1, 2, 5);
  write_picture(folder / "images/@eaDir/a.png", 1, 2, 6);
  write_picture(folder / "images/real/a.PNG", 1, 2, 7);
  write_picture(folder / "images/skip/a.png", 1, 2, 8);
  write_picture(folder / "outside/b.png", 1, 2, 9);
  write_file(folder / "images/notes.txt", "no image");
  fs::create_directory_symlink(folder / "images", folder / "images/circle");
  fs::create_directory_symlink(folder / "images/real", folder / "images/again");
  fs::create_directory_symlink(folder / "outside", folder / "images/linked");
  fs::create_symlink(folder / "outside/b.png", folder / "images/linked.png");
  fs::create_symlink(folder / "nowhere", folder / "images/broken.png");
  UpdateOptions options;
  options.exclude = {"skip"};
  update(folder, ColourModel().named(), -1, options);
  CHECK(paths_of(folder) == std::vector<std::string>{"linked/b.png", odd, "real/a.PNG"});
}

TEST_CASE("several models lie side by side, and a rename loses the rows of none") {
  Folder folder;
  write_colours(folder);
  const ColourModel one, two;
  update(folder, one.named(1));
  update(folder, two.named(2));
  CHECK(*two.calls == 11);
  fs::rename(folder / "images/0/0.png", folder / "images/0/renamed.png");
  update(folder, two.named(2));
  update(folder, one.named(1));
  CHECK(*one.calls == 11);
  CHECK(*two.calls == 11);
  const IndexFile index = IndexFile::open(folder / "index");
  REQUIRE(index.models().size() == 2);
  for (const IndexedModel& model : index.models()) CHECK(model.count(RowState::present) == 11);
  // A changed image is new to both.
  write_picture(folder / "images/0/3.png", 9, 9, 9);
  update(folder, two.named(2));
  CHECK(IndexFile::open(folder / "index").find({1, 0})->count(RowState::present) == 10);
}

TEST_CASE("what cannot be read today is not forgotten") {
  Folder folder;
  write_colours(folder);
  const ColourModel colours;
  update(folder, colours.named());
  if (::geteuid() == 0) return;  // root reads everything
  fs::permissions(folder / "images/1", fs::perms::none);
  const Update done = update(folder, colours.named());
  fs::permissions(folder / "images/1", fs::perms::owner_all);
  CHECK(done.complaints.size() == 1);
  CHECK(done.result.removed == 0);
  CHECK(paths_of(folder).size() == 11);
}

TEST_CASE("a folder that is not there and an index that cannot be written are one sentence") {
  Folder folder;
  CHECK_THROWS_WITH(update(folder, ColourModel().named()), Contains("images: No such file or directory"));
  write_picture(folder / "images/a.png", 1, 2, 3);
  fs::create_directories(folder / "index");
  CHECK_THROWS_WITH(update(folder, ColourModel().named()), Contains("index"));
}

TEST_CASE("int8 rows come with the flag, stay, and find the same") {
  Folder folder;
  write_colours(folder);
  const ColourModel colours;
  UpdateOptions options;
  options.int8 = true;
  update(folder, colours.named());
  CHECK(update(folder, colours.named(), -1, options).result.written);
  write_picture(folder / "images/new.png", 3, 2, 1);
  update(folder, colours.named());
  const IndexFile index = IndexFile::open(folder / "index");
  RowTable table = index.models()[0].table;
  REQUIRE(table.bytes != nullptr);
  const std::vector<float> query{0.6f, 0.8f, 0, 0};
  const std::vector<Hit> fast = search_rows(table, query, 5);
  table.bytes = nullptr;
  const std::vector<Hit> exact = search_rows(table, query, 5);
  for (std::size_t i = 0; i < 5; ++i) CHECK(fast[i].row == exact[i].row);
}
