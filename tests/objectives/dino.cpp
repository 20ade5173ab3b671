// SPDX-License-Identifier: MIT

// DINO's loss, centre, temperature and head, and NNCLR, against the official code and lightly.

#include "contrastive/objectives/dino.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/nn/weight_norm_linear.hpp"
#include "contrastive/objectives/nnclr.hpp"
#include "contrastive/objectives/state/queue.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "objectives/support.hpp"

using namespace contrastive;

TEST_CASE("DINO's loss, gradient and centre equal the official code over three steps and epochs") {
  const Golden g = load_golden("dino_loss.safetensors");
  const TeacherTemperature temperature{.start = 0.04, .end = 0.07, .warmup = 3};
  const auto schedule = g.tensor("teacher_temp_schedule").span<double>();
  for (std::size_t epoch = 0; epoch < schedule.size(); ++epoch)
    CHECK(temperature.at(static_cast<double>(epoch) + 0.5) == Approx(schedule[epoch]).epsilon(1e-12));
  const double epoch_of_step[] = {0, 1, 7};
  for (const auto& [dtype, tolerance, floor] : cases) {
    Center center(9);
    center.center = Buffer(g.tensor("center_init").to(dtype).clone());
    for (int step = 0; step < 3; ++step) {
      const std::string at = "_" + std::to_string(step);
      const Tensor student = leaf(g.tensor("student" + at), dtype);
      const auto teacher = views_of(g.tensor("teacher" + at).to(dtype), 4);
      const Tensor loss = dino_loss(views_of(student, 4), teacher, center, temperature.at(epoch_of_step[step]));
      center.update(teacher);
      loss.backward();
      check_close(loss, g.tensor("loss" + at), tolerance, floor);
      check_close(student.grad(), g.tensor("grad_student" + at), tolerance, floor);
      check_close(center.center, g.tensor("center_after" + at), tolerance, floor);
    }
  }
  CHECK(TeacherTemperature{}.at(100) == 0.04);
  CHECK_THROWS_WITH(dino_targets(Tensor::zeros({2, 9}), Center(9), 0), Contains("[dino] the teacher's temperature"));
  CHECK_THROWS_WITH(Center(9).update(std::vector<Tensor>{Tensor::zeros({2, 8})}),
                    Contains("[center] expected outputs"));
}

TEST_CASE("a weight-normalised layer has its norm in the gain alone") {
  WeightNormLinear layer(5, 3, Rng(1));
  move_to(layer, Device::cpu, DType::f64);
  const Tensor x = init::normal({4, 5}, 1, Rng(2)).to(DType::f64), y = layer(x);
  layer.weight_v.copy_from(layer.weight_v.detach() * 7);
  check_close(layer(x), y, 1e-12, 0);
  const Tensor g = init::normal({3, 1}, 1, Rng(3)).to(DType::f64);
  const GradcheckResult result = gradcheck(
      [](const std::vector<Tensor>& in) { return sum(square(matmul(in[0], normalize(in[1]) * in[2], false, true))); },
      {x, layer.weight_v.detach(), g});
  INFO(result.message);
  CHECK(result.ok);
}

TEST_CASE("NNCLR with lightly's negatives equals lightly, and the paper's form a loop") {
  const Golden g = load_golden("nnclr.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases) {
    Queue support(12, 9, Rng(0));
    support.keys = Buffer(normalize(g.tensor("bank_init")).to(dtype));
    for (const std::string at : {"_0", "_1"}) {
      const Tensor p0 = leaf(g.tensor("p0" + at), dtype), p1 = leaf(g.tensor("p1" + at), dtype);
      const Tensor z0 = g.tensor("z0" + at).to(dtype), z1 = g.tensor("z1" + at).to(dtype);
      const Tensor nn0 = nearest_neighbours(z0, support.keys), nn1 = nearest_neighbours(z1, support.keys);
      check_close(nn0, normalize(g.tensor("nn0" + at)), tolerance, floor);
      check_close(nn1, normalize(g.tensor("nn1" + at)), tolerance, floor);
      const Tensor loss = nnclr_loss(nn0, p1, nn1, p0, 0.1, true);
      loss.backward();
      support.enqueue(normalize(z1));
      check_close(loss, g.tensor("loss" + at), tolerance, floor);
      check_close(p0.grad(), g.tensor("grad_p0" + at), tolerance, floor);
      check_close(p1.grad(), g.tensor("grad_p1" + at), tolerance, floor);
      check_close(support.keys, normalize(g.tensor("bank_after" + at)), tolerance, floor);
      CHECK(support.pointer.item() == g.tensor("ptr_after" + at).to(DType::f64).item());
    }
  }
  const Tensor nn0 = normalize(g.tensor("nn0_0")), nn1 = normalize(g.tensor("nn1_0"));
  const Tensor p0 = normalize(g.tensor("p0_0")), p1 = normalize(g.tensor("p1_0"));
  double want = 0;
  for (const auto& pair : {std::pair{nn0, p1}, {nn1, p0}})
    for (int i = 0; i < 3; ++i) {
      const auto logit = [&](int j) {
        double dot = 0;
        for (int d = 0; d < 9; ++d) dot += pair.first.data<double>()[i * 9 + d] * pair.second.data<double>()[j * 9 + d];
        return dot / 0.1;
      };
      want -= std::log(std::exp(logit(i)) / (std::exp(logit(0)) + std::exp(logit(1)) + std::exp(logit(2)))) / 6;
    }
  CHECK(nnclr_loss(nn0, p1, nn1, p0, 0.1).item() == Approx(want).epsilon(1e-10));
}
