// SPDX-License-Identifier: MIT
#include "support/sides.hpp"
#include "support/trained.hpp"

namespace app {

Locked load_locked_image(const std::string& where) {
  const Trained trained = load_trained(where);
  require(trained.settings.images, "[settings] --lock-image expected a run that learned from images, got one of ",
          trained.settings.method);
  const AnyMethod method = trained.composition.method;
  Locked locked{{},
                trained.view(),
                join("as ", trained.settings.method, " prepares them, ", trained.settings.image_size, " pixels")};
  locked.encoder.encode = [method](const Tensor& x) { return method.encode(x); };
  for (auto& [name, tensor] : method.state()) locked.encoder.state.emplace_back(name, Buffer(tensor));
  const ViewSpec spec = locked.view.views().at(0);
  const NoGrad no_grad;
  const Eval eval;
  locked.encoder.width = method.encode(Tensor::zeros(spec.shape(1))).size(1);
  return locked;
}

}  // namespace app
