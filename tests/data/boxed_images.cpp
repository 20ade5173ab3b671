// SPDX-License-Identifier: MIT

// COCO's and VOC's files of boxes.

#include "contrastive/data/coco.hpp"
#include "contrastive/data/open.hpp"
#include "contrastive/data/voc.hpp"
#include "data/support.hpp"
#include "support/captured_errors.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

const std::string coco_categories = R"("categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}])";

std::string coco_json(const std::string& annotations) {
  return R"({"images": [{"id": 7, "file_name": "b.bmp", "width": 8, "height": 6},
                        {"id": 4, "file_name": "a.bmp", "width": 4, "height": 4}], )" +
         coco_categories + R"(, "annotations": [)" + annotations + "]}";
}
std::string annotation(const std::string& box, const std::string& more = {}) {
  return R"({"id": 90, "image_id": 7, "category_id": 3, "bbox": )" + box + more + "}";
}

std::string voc_xml(const std::string& objects) {
  return "<?xml version=\"1.0\"?>\n<!-- made -->\n<annotation verified=\"a > b\">\n"
         "<size><width>8</width><height>6</height><depth>3</depth></size>\n" +
         objects + "</annotation>\n";
}
std::string voc_object(const std::string& name, const std::string& box, const std::string& more = {}) {
  const auto corner = [&](int k) {
    std::string rest = box;
    for (; k > 0; --k) rest = rest.substr(rest.find(' ') + 1);
    return rest.substr(0, rest.find(' '));
  };
  return "<object><name>" + name + "</name>" + more + "<bndbox><xmin>" + corner(0) + "</xmin><ymin>" + corner(1) +
         "</ymin><xmax>" + corner(2) + "</xmax><ymax>" + corner(3) + "</ymax></bndbox></object>";
}

}  // namespace

TEST_CASE("COCO's instances: classes by the order of categories, crowds and areas kept for evaluation", "[data]") {
  const CocoBoxes coco = parse_coco_boxes(
      coco_json(annotation("[1, 2, 3.5, 4]", R"(, "area": 6.5, "iscrowd": 0)") +
                R"(, {"id": 91, "image_id": 7, "category_id": 18, "bbox": [0, 0, 8.5, 6], "iscrowd": 1})"),
      "x.json");
  CHECK(coco.names == std::vector<std::string>{"dog", "car"});
  REQUIRE(coco.images.size() == 2);
  CHECK(coco.images[1].boxes.empty());
  REQUIRE(coco.images[0].boxes.size() == 2);
  const TrueBox &one = coco.images[0].boxes[0], &crowd = coco.images[0].boxes[1];
  CHECK(one.box.label == 1);
  CHECK(one.box.left == 1.0F);
  CHECK(one.box.right == 4.5F);
  CHECK(one.box.bottom == 6.0F);
  CHECK(one.size() == 6.5);
  CHECK(!one.crowd);
  CHECK(crowd.crowd);
  CHECK(crowd.box.right == 8.0F);  // half a pixel over the edge is rounding
  CHECK(crowd.size() == 48.0);

  const auto refused = [](const std::string& text, const std::string& words) {
    CHECK_THROWS_WITH(parse_coco_boxes(text, "x.json"), words);
  };
  const std::string which = "[coco] x.json: annotation 90: ";
  refused(coco_json(annotation("[1, 2, -3, 4]")), which + "the box (1, 2, -2, 6) has a negative side");
  refused(coco_json(annotation("[6, 2, 4, 4]")), which + "the box (6, 2, 10, 6) lies outside its image of 8 x 6");
  refused(coco_json(annotation("[1, 2, 3]")), which + "expected a bbox [x, y, width, height]");
  refused(coco_json(annotation("[1, 2, 3, null]")), which + "bbox[3] is no number");
  refused(coco_json(annotation("[1, 2, 3, 4]", R"(, "iscrowd": 2)")), which + "iscrowd is neither 0 nor 1");
  refused(coco_json(annotation("[1, 2, 3, 4]", R"(, "area": -2)")), which + "area is no number of 0 or more");
  refused(coco_json(R"({"id": 90, "image_id": 5, "category_id": 3, "bbox": [0, 0, 1, 1]})"),
          which + "image_id 5 is the id of no image");
  refused(coco_json(R"({"id": 90, "image_id": 7, "category_id": 4, "bbox": [0, 0, 1, 1]})"),
          which + "category_id 4 is the id of no category");
  refused(coco_json(R"({"image_id": 7})"), "[coco] x.json: annotations[0]: no whole number id");
  refused(
      R"({"images": [], "annotations": []})",
      "[coco] x.json: expected COCO's instances, an object with the lists images, annotations and categories; there "
      "is no list categories");
  refused(R"({"images": [{"id": 1, "file_name": "a", "width": 0, "height": 4}], "annotations": [], )" +
              coco_categories + "}",
          "[coco] x.json: images[0]: the image 1 has a width of 0");
  refused(R"({"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]})",
          "[coco] x.json: categories[1]: the categories 1 and 2 are both called a");
}

TEST_CASE("a folder in COCO's layout: its parts, what is missing, and an image of another size", "[data]") {
  TemporaryFolder folder;
  folder.write("annotations/instances_train2017.json",
               coco_json(annotation("[1, 2, 3, 4]") +
                         R"(, {"id": 91, "image_id": 4, "category_id": 18, "bbox": [0, 0, 4, 4], "iscrowd": 1},
                              {"id": 92, "image_id": 4, "category_id": 18, "bbox": [1, 1, 0, 2]})"));
  CHECK_THROWS_WITH(open_dataset("coco", folder.path(), "train"),
                    Contains("instances_train2017.json: there is no folder ") && Contains("train2017 with its images"));
  folder.write("train2017/b.bmp", bmp_file(6, 8, 200, 0, 0));
  folder.write("train2017/a.bmp", bmp_file(4, 4, 0, 200, 0));
  const AnyDataset set = open_dataset("coco", folder.path(), "train");
  REQUIRE(set.size() == 2);
  CHECK(set.parts() == (Part::image | Part::boxes));
  CHECK(set.sample(0, set.parts()).boxes.size() == 1);
  CHECK(set.sample(1, set.parts()).boxes.empty());  // a crowd, and a box without an area
  CHECK(read_coco(folder.path(), "train").truth(1).size() == 1);
  CHECK(set.label(0) == -1);
  CHECK_THROWS_WITH(read_coco(folder.path(), "train", true),
                    Contains("1 of 3 boxes have no area, first in ") && Contains("(--strict)"));
  CHECK_THROWS_WITH(open_dataset("coco", folder.path(), "test"),
                    Contains("there is no annotations/instances_test or val"));

  folder.write("train2017/b.bmp", bmp_file(6, 9, 200, 0, 0));
  CHECK_THROWS_WITH(set.sample(0, set.parts()),
                    Contains("b.bmp: the image is 9 x 6, its boxes are for 8 x 6 (image 7 of "));

  // Roboflow's folders; val tests where there is no test.
  folder.write("valid/_annotations.coco.json", coco_json(annotation("[1, 2, 3, 4]")));
  folder.write("valid/a.bmp", bmp_file(4, 4, 0, 200, 0));
  const AnyDataset test = open_dataset("coco", folder.path(), "test");
  CHECK(test.size() == 1);  // b.bmp is missing
  CHECK_THROWS_WITH(read_coco(folder.path(), "val", true), Contains("1 of 2 images are missing, first "));
}

TEST_CASE("VOC's annotations: pixels from 1, difficult objects do not count", "[data]") {
  const VocBoxes voc = parse_voc_boxes(
      voc_xml(voc_object("dog &amp; cat", "1 2 8 6") + voc_object("car", "3 3 3 3", "<difficult>1</difficult>") +
              "<part><name>no object</name></part>"),
      "x.xml");
  CHECK(voc.names == std::vector<std::string>{"dog & cat", "car"});
  REQUIRE(voc.image.boxes.size() == 2);
  const Box& box = voc.image.boxes[0].box;
  CHECK((box.left == 0 && box.top == 1 && box.right == 8 && box.bottom == 6));
  CHECK(voc.image.boxes[1].box.area() == 1);  // one pixel
  CHECK(voc.image.boxes[1].crowd);
  CHECK(voc.image.width == 8);

  const auto refused = [](const std::string& text, const std::string& words) {
    CHECK_THROWS_WITH(parse_voc_boxes(text, "x.xml"), words);
  };
  const std::string which = "[voc] x.xml: object 1: ";
  refused(voc_xml(voc_object("a", "5 2 2 6")), which + "the box (4, 1, 2, 6) has a negative side");
  refused(voc_xml(voc_object("a", "5 2 20 6")), which + "the box (4, 1, 20, 6) lies outside its image of 8 x 6");
  refused(voc_xml(voc_object("a", "5 2 7x 6")), which + "<xmax> is no number, got 7x");
  refused(voc_xml(voc_object("", "5 2 7 6")), which + "there is no <name> in <object>");
  refused(voc_xml("<object><name>a</name></object>"), which + "there is no <bndbox> in <object>");
  refused("<a/>", "[voc] x.xml: expected <annotation>, got <a>");
  refused("<annotation>\n<a></b></annotation>", "[xml] x.xml:2: another element is closed than was opened last");
  refused("<annotation>", "[xml] x.xml:1: an element is never closed");
  refused("<annotation>&nbsp;</annotation>",
          "[xml] x.xml:1: expected &amp; &lt; &gt; &quot; or &apos; after an ampersand");
  refused("<!DOCTYPE a [<!ENTITY b \"c\">]><annotation/>", "[xml] x.xml:1: expected a document type without members");
  refused("<annotation/>more", "[xml] x.xml:1: text follows the last element");
}

TEST_CASE("a folder in VOC's layout: one list of classes for all parts", "[data]") {
  TemporaryFolder folder;
  for (const auto& [name, word] : {std::pair{"b", "zebra"}, {"a", "ant"}}) {
    folder.write(join("Annotations/", name, ".xml"), voc_xml(voc_object(word, "1 1 4 4")));
    folder.write(join("JPEGImages/", name, ".jpg"), bmp_file(6, 8, 200, 0, 0));
  }
  folder.write("ImageSets/Main/train.txt", std::string("b  1\n"));
  folder.write("ImageSets/Main/val.txt", std::string("a\r\n"));
  const AnyDataset train = open_dataset("voc", folder.path(), "train"),
                   test = open_dataset("voc", folder.path(), "test");
  CHECK(train.class_names() == std::vector<std::string>{"ant", "zebra"});
  CHECK(test.class_names() == train.class_names());
  CHECK(train.sample(0, train.parts()).boxes[0].label == 1);
  CHECK(test.sample(0, test.parts()).boxes[0].label == 0);

  // As in VOC 2007: with a test part, all else is learned from.
  folder.write("ImageSets/Main/trainval.txt", std::string("a\nb\n"));
  CHECK(open_dataset("voc", folder.path(), "train").size() == 1);
  folder.write("ImageSets/Main/test.txt", std::string("a\n"));
  CHECK(open_dataset("voc", folder.path(), "train").size() == 2);
  folder.write("ImageSets/Main/test.txt", std::string("c\n"));
  CHECK_THROWS_WITH(open_dataset("voc", folder.path(), "test"),
                    Contains("test.txt: names c, and there is no ") && Contains("Annotations/c.xml"));
  CHECK_THROWS_WITH(open_dataset("voc", folder.path("JPEGImages"), "test"),
                    Contains("ImageSets/Main: no such folder; expected ImageSets/Main/train.txt (--root)"));
}
