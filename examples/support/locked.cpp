// SPDX-License-Identifier: MIT
#include <map>

#include "contrastive/augment/text_view.hpp"
#include "support/crop_before.hpp"
#include "support/sides.hpp"
#include "support/trained.hpp"

namespace app {

namespace {
std::int64_t row_width(const std::function<Tensor(const Tensor&)>& encode, const AnyAugment& view) {
  const NoGrad no_grad;
  const Eval eval;
  return encode(Tensor::zeros(view.views().at(0).shape(1))).size(1);
}
/// How a run prepares images, in words.
std::string preparation_of(const Settings& s) {
  return join("as ", s.method, " prepares them, ", s.image_size, " pixels");
}
}  // namespace

void load_start(const std::string& where, const AnyMethod& method) {
  const std::string path = checkpoint_of(where);
  Safetensors file = load_safetensors(path);
  std::erase_if(file.tensors, [](const auto& one) { return one.first.starts_with("optimizer."); });
  const LoadReport report = load_state(method.state(), file.tensors, "model.");
  require(report.ok(), "[settings] --start ", path, " does not fit these towers: ", to_string(report));
}

ImageTextModel load_image_text(const std::string& where) {
  return is_run(where) ? image_text_of(load_trained(where)) : image_text_of_weights(where);
}

Locked load_locked_image(const std::string& where) {
  if (!is_run(where)) {
    const ImageTextModel model = image_text_of_weights(where);
    Locked locked{{model.image_rows, 0, {}}, model.view, model.preparation};
    locked.encoder.width = row_width(model.image_rows, model.view);
    return locked;
  }
  const Trained trained = load_trained(where);
  require(trained.settings.images, "[settings] --lock-image expected a run that learned from images, got one of ",
          trained.settings.method);
  const AnyMethod method = trained.composition.method;
  Locked locked{{}, trained.view(), preparation_of(trained.settings)};
  locked.encoder.encode = [method](const Tensor& x) { return method.encode(x); };
  for (auto& [name, tensor] : method.state()) locked.encoder.state.emplace_back(name, Buffer(tensor));
  locked.encoder.width = row_width(locked.encoder.encode, locked.view);
  return locked;
}

StartedImage load_start_image(const std::string& where) {
  require(is_run(where), "[settings] --start-image expected a run that learned from images, got ", where);
  const Trained trained = load_trained(where);
  const Settings& s = trained.settings;
  require(s.images, "[settings] --start-image expected a run that learned from images, got one of ", s.method);
  const AnyAugment view = trained.view();
  ImageEncoder encoder =
      make_encoder(s.encoder, encoder_options(s, static_cast<int>(view.views().at(0).channels())), Rng(0));
  // The state that was loaded, under the name of the branch that evaluation looks at.
  const AnyMethod& method = trained.composition.method;
  const std::string branch = s.texts ? "0.encoder." : method.evaluates_target() ? "target.encoder." : "encoder.";
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, tensor] : state_of(method.state())) tensors[name] = tensor;
  const LoadReport report = load_state(handles(encoder), tensors, branch);
  require(report.ok(), "[settings] --start-image ", where, " is a run of ", s.method, ", whose encoder is not ",
          s.encoder, " alone: ", to_string(report));
  return {std::move(encoder), CropBefore{view, {0.9, 1.0}, false, Filter::bicubic}, view, preparation_of(s)};
}

std::function<Tensor(const std::vector<std::string>&)> load_text_rows(const std::string& where) {
  std::function<Tensor(const std::vector<std::string>&)> rows;
  if (is_run(where)) {
    const Trained trained = load_trained(where);
    rows = image_text_of(trained).text_rows;
  } else {
    const LockedText locked = load_locked_text(where);
    const auto texts = of_text(locked.tokenizer, locked.context_length, false);
    rows = [encoder = locked.encoder, texts](const auto& list) { return encoder(texts.ids(list)); };
  }
  return [rows](const std::vector<std::string>& list) {
    const NoGrad no_grad;
    const Eval eval;
    return normalize(rows(list).to(Device::cpu).to(DType::f32));
  };
}

}  // namespace app
