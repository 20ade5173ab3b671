// SPDX-License-Identifier: MIT
//
// GroupViT (Xu et al. 2022, arXiv:2202.11094): groups of pixels that form from captions alone. An image's segments go into
// groups, the groups are compared with captions and with prompts of their nouns; afterwards each group takes a word of any
// list.
//
//   group_vit --data scenes
//   group_vit --data scenes --assignment soft           a control: segments are spread over the groups
//   group_vit --data scenes --shuffle-captions          a control: each image learns from another's captions
//   group_vit --data captions --root DIR --captions FILE --nouns words.txt --image-size 224
//       --embed-width 384 --heads 6 --depth1 6 --depth2 3 --depth3 3 --groups1 64 --text-layers 12

#include "contrastive/methods/group_vit.hpp"

#include "contrastive/augment/prompt_view.hpp"
#include "contrastive/data/caption_nouns.hpp"
#include "contrastive/encoders/text_encoder.hpp"
#include "contrastive/text/bpe_tokenizer.hpp"
#include "contrastive/text/templates.hpp"
#include "support/grouping.hpp"
#include "support/image_text.hpp"
#include "support/run.hpp"
#include "support/sets.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe = app::scenes_recipe("group_vit");
  recipe.encoder = "group_vit";
  recipe.heads = 4;
  recipe.batch = 128;
  recipe.epochs = 10;
  recipe.weight_decay = 0.05;
  recipe.warmup_epochs = 0.5;
  recipe.clip = 5;
  GroupVitSettings own;
  own.projector_hidden = 512;
  own.embed_width = 128, own.depth1 = 3, own.depth2 = 2, own.depth3 = 1, own.groups1 = 16;
  own.text_layers = 2, own.context_length = 32;
  own.templates = "imagenet7";
  recipe.own = own;
  return recipe;
}

app::Settings without_files() {
  app::Settings settings = recipe();
  settings.data = "shape_scenes";
  return settings;
}

GroupVitConfig encoder_config(const app::Settings& s, const GroupVitSettings& own) {
  require(s.encoder == "group_vit", "[settings] --encoder of GroupViT is group_vit, got ", s.encoder);
  GroupVitConfig config;
  config.image_size = static_cast<int>(s.image_size);
  config.patch = app::encoder_options(s, 3).patch();
  config.width = own.embed_width;
  config.heads = s.heads > 0 ? static_cast<int>(s.heads) : 6;
  config.depths = {static_cast<int>(own.depth1), static_cast<int>(own.depth2), static_cast<int>(own.depth3)};
  config.tokens = config.groups = {own.groups1, own.groups2};
  config.hard = own.assignment == "hard";
  config.drop_path = s.drop_path;
  return config;
}

/// The nouns of captions, each in every template.
PromptsOf prompts_of(const std::vector<std::string>& nouns, const std::vector<std::string>& templates) {
  return [find = CaptionNouns(nouns), templates](const std::string& caption) {
    std::vector<std::vector<std::string>> prompts;
    for (const std::string& noun : find(caption)) {
      prompts.emplace_back();
      for (const std::string& form : templates) prompts.back().push_back(fill_template(form, noun));
    }
    return prompts;
  };
}

/// A method's groups, with the words of `model`.
template <class M>
app::GroupModel group_model(const std::shared_ptr<M>& method, const app::RowsOf& words, const GroupVitSettings& own) {
  app::GroupModel groups;
  groups.groups = [method](const Tensor& images) {
    const auto here = [](const Tensor& x) { return x.to(DType::f32).to(Device::cpu); };
    const GroupRows rows =
        group_rows(method->online.template tower<0>(), images.to(method->objective.scale.log_scale.device()));
    GroupRows out{here(rows.groups), here(rows.image), {}};
    for (const Tensor& map : rows.soft) out.soft.push_back(here(map));
    return out;
  };
  groups.words = words;
  groups.scale = [method] { return method->objective.scale.value(); };
  groups.patch = method->online.template tower<0>().encoder.config().patch;
  groups.ground = own.ground;
  groups.background = own.background;
  return groups;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const auto& own = s.own.as<GroupVitSettings>();
  const int size = static_cast<int>(s.image_size);
  const AnyDataset train = app::open_sets(s, true).train;
  const std::vector<std::string> classes = train.class_names(),
                                 nouns = own.nouns.empty() ? classes : load_class_names(own.nouns),
                                 templates = load_templates(own.templates);
  require(own.prompts == 0 || !nouns.empty(), "[settings] ", s.data,
          " does not know the nouns of its captions: --nouns ", "names a file of them, or --prompts 0 asks for none");
  const OfPrompts texts(BpeTokenizer(), own.context_length,
                        own.prompts == 0
                            ? PromptsOf([](const std::string&) { return std::vector<std::vector<std::string>>(); })
                            : prompts_of(nouns, templates),
                        own.prompts);
  const TextEncoder text = make_text_encoder(own.text_encoder,
                                             {.context_length = own.context_length,
                                              .width = own.text_width,
                                              .layers = static_cast<int>(own.text_layers),
                                              .heads = static_cast<int>(own.text_heads),
                                              .activation = Activation::gelu},
                                             rng / "text");
  auto method = group_vit(GroupVit(encoder_config(s, own), rng / "encoder"), text,
                          AnyAugment(SampleViews(clip_train(size), texts)), own, rng / "projectors");
  const auto shared = std::make_shared<decltype(method)>(std::move(method));
  const auto start = std::make_shared<decltype(method)>(clone(*shared));

  const auto ids = of_text(BpeTokenizer(), own.context_length);
  app::Composition composition =
      app::image_text(shared, clip_view(size), app::middle_of(size), [ids](const auto& list) { return ids.ids(list); });
  const std::shared_ptr<const ImageTextModel> model = composition.image_text;
  const app::RowsOf words = app::remembered([model, templates](const std::vector<std::string>& list) {
    return zero_shot_classifier(*model, list, templates);
  });
  const app::GroupModel trained = group_model(shared, words, own), untrained = group_model(start, words, own);
  composition.segment = [trained](const Tensor& images, const std::vector<std::string>& list) {
    return trained.segment(images, list);
  };
  if (classes.empty()) return composition;
  require(own.ground.empty() || std::ranges::find(classes, own.ground) == classes.end(), "[settings] --ground ",
          own.ground, " is a class of the set too");
  app::Segmenter segmenter{CenterView(CenterCrop{size, size, Filter::bicubic}, clip_statistics), classes, -1,
                           composition.segment};
  if (!own.ground.empty()) segmenter.ground = std::ssize(classes), segmenter.words.push_back(own.ground);
  composition.evaluate_own = [pairs = composition.evaluate_own, trained, untrained, segmenter,
                              shown = app::shown_classes(s, train)](const app::OwnEvaluation& after) {
    pairs(after);
    app::evaluate_groups(trained, untrained, segmenter, after);
    if (after.sets.test.defined() && after.sets.test.parts().contains(Part::mask))
      app::evaluate_segmentation(segmenter, shown, after);
  };
  return composition;
}

}  // namespace

namespace app::methods {

extern const Program group_vit{
    .title = "GroupViT",
    .paper = "Xu et al. 2022",
    .arxiv = "2202.11094",
    .compares = "the groups of an image with its caption and with prompts of its nouns",
    .against_collapse = "negatives in the batch, both ways",
    .recipe = recipe(),
    .compose = compose,
    .without_files = without_files(),
};

}  // namespace app::methods
