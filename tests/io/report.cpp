// SPDX-License-Identifier: MIT
#include "contrastive/io/report.hpp"

#include <cmath>

#include "contrastive/io/report/comparison.hpp"
#include "io/support.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

ReportData example() {
  ReportData data;
  data.title = "SimCLR <on> shapes";
  Image image(8, 8, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i);
  data.galleries.push_back(
      {"Views", "as seen", {"original", "view 1"}, {{"cat & dog", {Picture(image), Picture(image)}}}});
  data.neighbours.push_back(
      {Picture(image), "cat", {{Picture(image), "cat", 0.9}, {Picture(image), "</script>", 0.8}}});
  data.map.method = "PCA";
  data.map.classes = {"cat", "</script><b>"};
  for (int i = 0; i < 20; ++i) data.map.points.push_back({std::sin(i), std::cos(i * 2), i % 3 - 1});
  data.map.points.push_back({std::nan(""), 1, 0});
  data.map.thumbnails = PictureSheet(std::vector<Image>(21, image));
  return data;
}

void fill(const Scratch& run) {
  Metrics metrics(run.str(), {"epoch", "loss", "knn"});
  for (int step = 1; step <= 1000; ++step)
    metrics.log(step, {{"epoch", step / 100.0}, {"loss", step == 500 ? std::nan("") : 5.0 / step}});
  metrics.log(1001, {{"epoch", 10.01}, {"knn", 0.5}});
  write_file(run / "summary.json", R"({"method":"simclr","dataset":"shapes","knn_top1":0.91,"knn_top1_pixels":0.5})");
  write_file(run / "config.json", R"({"lr":0.5,"crop":{"scale":[0.2,1]}})");
  save_report_data(run.str(), example());
}

}  // namespace

TEST_CASE("the page is rebuilt from the run's folder alone", "[io]") {
  const Scratch run;
  fill(run);
  const std::string page = read_text(report_from_run(run.str()));
  for (const char* part : {"SimCLR &lt;on&gt; shapes", "91.0 %", "crop.scale", "cat &amp; dog", "<polyline", "id=map",
                           "Nearest neighbours", "prefers-color-scheme", "1 of 2 have"})
    CHECK_THAT(page, Contains(part));
  CHECK(page.find("</script><b>") == page.npos);  // names cannot break out
  CHECK(page.find("<script src") == page.npos);
  CHECK(page.find("http://") == page.find("http://www.w3.org/2000/svg"));  // a name space, not an address
  CHECK(page.find("https://") == page.npos);
  CHECK(render_report(load_report_data(run.str())) == page);
}

TEST_CASE("the page and its data are UTF-8 where classes are named in Latin-1", "[io]") {
  const Scratch run;
  fill(run);
  ReportData data = example();
  data.map.classes = {"caf\xe9", "th\xe9"};
  data.galleries[0].rows[0].caption = data.neighbours[0].label = data.neighbours[0].hits[0].label = "caf\xe9";
  save_report_data(run.str(), data);
  const std::string page = read_text(report_from_run(run.str())),
                    pictures = read_text(run / "report_data/pictures.json");
  for (const std::string& text : {page, pictures}) {
    CHECK(detail::as_utf8(text) == text);
    CHECK_THAT(text, Contains("caf\xc3\xa9") && Contains("th\xc3\xa9"));
  }
}

TEST_CASE("runs that differ in the seed alone are one row of a comparison, mean and deviation", "[io]") {
  const Scratch runs;
  std::vector<std::string> folders;
  const auto add = [&](const std::string& method, int seed, const char* top1, const char* temperature = "0.2") {
    folders.push_back(runs / join(method, "-", seed, "-", temperature));
    std::filesystem::create_directory(folders.back());
    write_file(folders.back() + "/summary.json",
               join("{\"method\":\"", method, "\",\"knn_top1\":", top1, ",\"knn_top1_pixels\":0.5}"));
    write_file(folders.back() + "/config.json",
               join("{\"method\":\"", method, "\",\"temperature\":", temperature, ",\"seed\":", seed, "}"));
  };
  add("simclr", 0, "0.90");
  add("byol", 0, "0.80");
  add("simclr", 1, "0.94");
  CHECK_THAT(comparison_markdown(load_runs(folders)),
             Contains("| simclr | 92.0 ± 2.8 |") && Contains("| byol | 80.0 |") && Contains("| raw pixels | 50.0 |"));
  CHECK_THAT(render_comparison(load_runs(folders)), Contains("methods <b>2") && Contains("runs <b>3"));
  add("simclr", 0, "0.70", "0.5");  // another experiment of the same method
  CHECK_THAT(comparison_markdown(load_runs(folders)),
             Contains("simclr-0-0.2) | 92.0 ± 2.8 |") && Contains("simclr-0-0.5) | 70.0 |"));
  const auto method_alone = [](const Json& config) { return Json{{"method", config.at("method")}}; };
  CHECK_THAT(comparison_markdown(load_runs(folders, method_alone)), Contains("| simclr | 84.7 ± 12.9 |"));
}

TEST_CASE("a report of nothing, of one point, of constants", "[io]") {
  CHECK_THAT(render_report(ReportData()), Contains("Training report"));
  ReportData data;
  data.curves = {{"loss", {{1, 2}}}, {"flat", {{0, 3}, {1, 3}}}, {"zero", {{0, 0}, {1, 0}}}, {"none", {}}};
  data.curves.push_back({"wide/a", {{0, 1e-6}, {1, 1e6}}});
  data.curves.push_back({"wide/b", {{0, HUGE_VAL}, {1, 10}}});
  data.map.points = {{1, 1, 5}};
  const std::string page = render_report(data);
  CHECK_THAT(page, Contains("logarithmic"));
  CHECK(page.find("nan") == page.npos);
  CHECK(page.find("inf,") == page.npos);
}

TEST_CASE("broken files of a run are named", "[io]") {
  const Scratch run;
  CHECK_THROWS_WITH(report_from_run(run / "none"), Contains("there is no folder"));
  CHECK_THROWS_WITH(report_from_run(run.str()), Contains("not the folder of a run"));
  fill(run);
  const std::string pictures = read_text(run / "report_data/pictures.json");
  write_file(run / "report_data/pictures.json", pictures.substr(0, pictures.size() / 2));
  CHECK_THROWS_WITH(report_from_run(run.str()), Contains("pictures.json"));
  write_file(run / "report_data/pictures.json", R"({"title":3})");
  CHECK_THROWS_WITH(report_from_run(run.str()), Contains("pictures.json"));
  write_file(run / "report_data/pictures.json", pictures);
  write_file(run / "metrics.csv", "step,loss\n1,2,3\n");
  CHECK_THROWS_WITH(report_from_run(run.str()), Contains("metrics.csv line 2"));
  write_file(run / "metrics.csv", "step,loss\n1,<b>\n");
  CHECK_THROWS_WITH(report_from_run(run.str()), Contains("not a number"));
}

TEST_CASE("thumbnails average and keep the aspect", "[io]") {
  Image image(100, 50, 1);
  for (int y = 0; y < 100; ++y)
    for (int x = 0; x < 50; ++x) image.row(y)[x] = y < 50 ? 200 : 100;
  const Image small = thumbnail(image, 10);
  CHECK(small.height == 10);
  CHECK(small.width == 5);
  CHECK(small.row(4)[2] == 200);
  CHECK(small.row(5)[2] == 100);
  CHECK(thumbnail(Image(1, 20000, 3), 64).height == 1);
}
