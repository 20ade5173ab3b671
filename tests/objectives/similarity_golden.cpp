// SPDX-License-Identifier: MIT

// The losses of the similarity engine against open_clip, SupContrast and lightly.

#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/objectives/decoupled_info_nce.hpp"
#include "contrastive/objectives/siglip_loss.hpp"
#include "contrastive/objectives/sup_con.hpp"
#include "objectives/support.hpp"

using namespace contrastive;

TEST_CASE("the CLIP loss equals open_clip's, with the gradient of the log scale") {
  const Golden g = load_golden("clip_loss.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases)
    for (const std::string at : {"_init", "_max"}) {
      INFO(at << " " << to_string(dtype));
      const Tensor image = leaf(g.tensor("image_raw"), dtype), text = leaf(g.tensor("text_raw"), dtype);
      const Tensor log_scale = leaf(g.tensor("log_scale" + at), dtype);
      const Tensor loss = clip_loss(normalize(image), normalize(text), log_scale);
      loss.backward();
      check_close(loss, g.tensor("loss" + at), tolerance, floor);
      check_close(image.grad(), g.tensor("grad_image_raw" + at), tolerance, floor);
      check_close(text.grad(), g.tensor("grad_text_raw" + at), tolerance, floor);
      check_close(log_scale.grad(), g.tensor("grad_log_scale" + at), tolerance, floor);
      const Tensor a = leaf(normalize(g.tensor("image_raw")), dtype), b = leaf(normalize(g.tensor("text_raw")), dtype);
      clip_loss(a, b, g.tensor("log_scale" + at).to(dtype)).backward();
      check_close(a.grad(), g.tensor("grad_image" + at), tolerance, floor);
      check_close(b.grad(), g.tensor("grad_text" + at), tolerance, floor);
    }
}

TEST_CASE("the sigmoid loss equals open_clip's, with the gradients of log scale and bias") {
  const Golden g = load_golden("siglip_loss.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases)
    for (const std::string at : {"_init", "_other"}) {
      INFO(at << " " << to_string(dtype));
      const Tensor image = leaf(g.tensor("image_raw"), dtype), text = leaf(g.tensor("text_raw"), dtype);
      const Tensor log_scale = leaf(g.tensor("log_scale" + at), dtype), bias = leaf(g.tensor("bias" + at), dtype);
      const Tensor loss = siglip_loss(normalize(image), normalize(text), log_scale, bias);
      loss.backward();
      check_close(loss, g.tensor("loss" + at), tolerance, floor);
      check_close(image.grad(), g.tensor("grad_image_raw" + at), tolerance, floor);
      check_close(text.grad(), g.tensor("grad_text_raw" + at), tolerance, floor);
      check_close(log_scale.grad(), g.tensor("grad_log_scale" + at), tolerance, floor);
      check_close(bias.grad(), g.tensor("grad_bias" + at), tolerance, floor);
    }
}

TEST_CASE("the supervised loss equals SupContrast's") {
  const Golden g = load_golden("supcon.safetensors");
  const std::int64_t B = 7, V = 3, D = 9;
  const int views_first[] = {1, 0, 2};
  for (const auto& [dtype, tolerance, floor] : cases)
    for (const std::string name : {"selfsup", "labels", "labels_t0.1_base0.07", "labels_oneview"}) {
      INFO(name << " " << to_string(dtype));
      const Tensor features = leaf(g.tensor("features_raw"), dtype);  // (B, V, D)
      const bool one = name == "labels_oneview";
      Tensor z = permute(features, views_first);  // (V, B, D): rows of the official code are view by view
      z = one ? z.slice(0, 1).reshape({B, D}) : z.reshape({V * B, D});
      std::vector<std::int32_t> labels;
      for (std::int64_t i = 0; i < z.size(0); ++i)
        labels.push_back(
            static_cast<std::int32_t>(name == "selfsup" ? i % B : g.tensor("labels").data<std::int64_t>()[i % B]));
      const double t = name == "selfsup" || name == "labels" ? 0.07 : 0.1;
      const Tensor loss = sup_con(z, labels, {.temperature = t, .base_temperature = one ? 0.1 : 0.07});
      loss.backward();
      check_close(loss, g.tensor("loss_" + name), tolerance, floor);
      Tensor grad = features.grad();
      if (one) grad = narrow(grad, 1, 0, 1);
      check_close(grad, g.tensor("grad_raw_" + name), tolerance, floor);
    }
}

TEST_CASE("the decoupled loss and its weighted form equal lightly's") {
  const Golden g = load_golden("dcl.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases)
    for (const auto& [name, t, sigma] :
         {std::tuple("dcl_t0.1", 0.1, 0.0), {"dcl_t0.5", 0.5, 0.0}, {"dclw_t0.1_sigma0.5", 0.1, 0.5}}) {
      INFO(name << " " << to_string(dtype));
      const Tensor z0 = leaf(g.tensor("z0"), dtype), z1 = leaf(g.tensor("z1"), dtype);
      const Tensor loss = decoupled_info_nce(z0, z1, t, sigma);
      loss.backward();
      check_close(loss, g.tensor(std::string("loss_") + name), tolerance, floor);
      check_close(z0.grad(), g.tensor(std::string("grad_z0_") + name), tolerance, floor);
      check_close(z1.grad(), g.tensor(std::string("grad_z1_") + name), tolerance, floor);
    }
}
