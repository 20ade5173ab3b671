// SPDX-License-Identifier: MIT
#include "contrastive/objectives/negative_cosine.hpp"
#include "contrastive/objectives/nt_xent.hpp"
#include "contrastive/objectives/state/queue.hpp"
#include "objectives/support.hpp"

using namespace contrastive;

TEST_CASE("NT-Xent equals lightly's and pytorch-metric-learning's") {
  for (const char* file : {"n1", "n2", "n7", "n64"}) {
    const Golden g = load_golden(std::string("ntxent_") + file + ".safetensors");
    for (const auto& [dtype, tolerance, floor] : cases)
      for (const char* t : {"0.07", "0.1", "0.5"}) {
        INFO(file << " t " << t << " " << to_string(dtype));
        const Tensor z0 = leaf(g.tensor("z0"), dtype), z1 = leaf(g.tensor("z1"), dtype);
        const Tensor loss = nt_xent(z0, z1, std::stod(t));
        loss.backward();
        check_close(loss, g.tensor(std::string("loss_t") + t), tolerance, floor);
        check_close(z0.grad(), g.tensor(std::string("grad_z0_t") + t), tolerance, floor);
        check_close(z1.grad(), g.tensor(std::string("grad_z1_t") + t), tolerance, floor);
      }
  }
}

TEST_CASE("NT-Xent stands logits of +-200") {
  const Golden g = load_golden("ntxent_extreme.safetensors");
  for (const auto& [dtype, tolerance, floor] : {Case{DType::f64, 1e-9, 1e-12}, Case{DType::f32, 5e-4, 1e-7}}) {
    const Tensor z0 = leaf(g.tensor("z0"), dtype), z1 = leaf(g.tensor("z1"), dtype);
    const Tensor loss = nt_xent(z0, z1, 0.005);
    loss.backward();
    check_close(loss, g.tensor("loss_t0.005"), tolerance, floor);
    check_close(z0.grad(), g.tensor("grad_z0_t0.005"), tolerance, floor);
    check_close(z1.grad(), g.tensor("grad_z1_t0.005"), tolerance, floor);
  }
}

TEST_CASE("twice NT-Xent is google-research/simclr's objective") {
  const Golden g = load_golden("simclr_objective.safetensors");
  for (const char* t : {"0.07", "0.1", "0.5", "1"}) {
    const Tensor hidden = leaf(g.tensor("hidden"), DType::f64);
    const Tensor loss = nt_xent(hidden.slice(0, 7), hidden.slice(7, 14), std::stod(t)) * 2;
    loss.backward();
    check_close(loss, g.tensor(std::string("loss_float64_t") + t), 1e-10, 1e-12);
    check_close(hidden.grad(), g.tensor(std::string("grad_hidden_float64_t") + t), 1e-10, 1e-12);
  }
}

TEST_CASE("InfoNCE with a queue equals MoCo's logits and loss") {
  for (const auto& [file, temperature] : {std::pair("moco_v1.safetensors", 0.07), {"moco_v2.safetensors", 0.2}}) {
    const Golden g = load_golden(file);
    const Tensor query = leaf(g.tensor("kernel.query_raw"), DType::f64);
    const int axes[] = {1, 0};
    const Tensor queue = permute(g.tensor("queue_init"), axes);
    const Tensor loss = info_nce(normalize(query), normalize(g.tensor("kernel.key")), queue, temperature);
    loss.backward();
    check_close(loss, g.tensor("kernel.loss"), 1e-10, 1e-12);
    check_close(query.grad(), g.tensor("kernel.grad_query_raw"), 1e-10, 1e-12);
  }
}

TEST_CASE("BYOL's and SimSiam's losses equal the official ones, and send nothing to the targets") {
  for (const auto& [dtype, tolerance, floor] : cases) {
    const Golden byol = load_golden("byol_loss.safetensors");
    const Tensor p1 = leaf(byol.tensor("p1"), dtype), p2 = leaf(byol.tensor("p2"), dtype);
    const Tensor z1 = leaf(byol.tensor("z1"), dtype), z2 = leaf(byol.tensor("z2"), dtype);
    const Tensor loss = byol_loss(p1, z2, p2, z1);
    loss.backward();
    check_close(loss, byol.tensor("loss"), tolerance, floor);
    check_close(p1.grad(), byol.tensor("grad_p1"), tolerance, floor);
    check_close(p2.grad(), byol.tensor("grad_p2"), tolerance, floor);
    CHECK_FALSE(z1.grad().defined());

    const Golden simsiam = load_golden("simsiam.safetensors");
    const Tensor a = leaf(simsiam.tensor("p1"), dtype), b = leaf(simsiam.tensor("p2"), dtype);
    const Tensor both = simsiam_loss(a, simsiam.tensor("z2").to(dtype), b, simsiam.tensor("z1").to(dtype));
    both.backward();
    check_close(both, simsiam.tensor("loss"), tolerance, floor);
    check_close(a.grad(), simsiam.tensor("grad_p1"), tolerance, floor);
    check_close(b.grad(), simsiam.tensor("grad_p2"), tolerance, floor);
  }
}

TEST_CASE("equal embeddings give the closed forms, and bad arguments a sentence") {
  const Tensor same = Tensor::full({5, 3}, 1, DType::f64);
  CHECK(nt_xent(same, same, 0.5).item() == Approx(std::log(9.0)));
  CHECK(info_nce(same, same, 0.07).item() == Approx(std::log(5.0)));
  CHECK(info_nce(normalize(same), normalize(same), normalize(Tensor::full({64, 3}, 1, DType::f64)), 0.2).item() ==
        Approx(std::log(65.0)));
  CHECK_THROWS_WITH(nt_xent(same, same, 0), Contains("temperature"));
  CHECK_THROWS_WITH(nt_xent(same, same, std::nan("")), Contains("temperature"));
  CHECK_THROWS_WITH(nt_xent(same, Tensor::full({4, 3}, 1, DType::f64), 1), Contains("(5, 3) and (4, 3)"));
}

TEST_CASE("InfoNCE with a memory bank equals lightly's, and the bank takes the keys after they are scored") {
  const Golden g = load_golden("ntxent_memory_bank.safetensors");
  Queue queue(16, 16, Rng(0));
  queue.keys = Buffer(g.tensor("bank_init").clone());
  for (int batch = 0; batch < 2; ++batch) {
    const std::string at = "_" + std::to_string(batch);
    const Tensor query = leaf(g.tensor("query" + at), DType::f64), key = normalize(g.tensor("key" + at));
    const Tensor loss = info_nce(normalize(query), key, normalize(queue.snapshot()), 0.1);
    queue.enqueue(key);
    loss.backward();
    check_close(loss, g.tensor("loss" + at), 1e-10, 1e-12);
    check_close(query.grad(), g.tensor("grad_query" + at), 1e-10, 1e-12);
  }
}
