// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "contrastive/methods/method.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

namespace detail {

inline Views chunk_of(const Views& views, std::int64_t begin, std::int64_t end) {
  Views part;
  part.globals = views.globals;
  for (const Tensor& view : views.view) part.view.push_back(view.slice(begin, end));
  const auto rows = [&](const std::vector<std::int64_t>& all) {
    if (all.empty()) return all;
    return std::vector<std::int64_t>(all.begin() + begin, all.begin() + end);
  };
  part.sample = rows(views.sample);
  part.label = rows(views.label);
  return part;
}

inline Tensor joined(const std::vector<Embeddings>& parts, std::vector<Tensor> Embeddings::*branch, std::size_t view) {
  std::vector<Tensor> rows;
  for (const Embeddings& part : parts) rows.push_back((part.*branch)[view]);
  return rows[0].defined() ? concat(rows) : Tensor();
}

}  // namespace detail

/// Computes the loss of a batch and collects its gradients with activations of only `1 / chunks` of it in memory (Gao
/// et al. 2021, arXiv:2101.06983). Splitting a contrastive batch and adding gradients would be another loss, with
/// fewer negatives; here a first pass without gradients embeds all chunks, the objective sees the whole batch, and a
/// second pass sends its gradient back chunk by chunk. Returns the loss.
///
/// Loss and gradients are those of the whole batch, except through batch norm: it normalises each chunk by the chunk's
/// own statistics, where one big batch would be normalised by its own. Running statistics of both branches move in
/// the first pass alone: one update a chunk, so `chunks` updates from smaller samples where one big batch makes one.
template <class M>
Tensor backward_in_chunks(M& method, const Views& views, Progress progress, std::int64_t chunks) {
  if (chunks <= 1) {
    const Tensor loss = method.loss(views, progress);
    loss.backward();
    return loss.detach();
  }
  method.before_step(progress);
  const std::int64_t N = views.view.at(0).size(0);
  require(N % chunks == 0, "[gradient_cache] ", chunks, " chunks do not divide a batch of ", N);
  const std::int64_t size = N / chunks;
  std::vector<Embeddings> parts;
  {
    const NoGrad no_grad;
    for (std::int64_t c = 0; c < chunks; ++c)
      parts.push_back(method.embed(detail::chunk_of(views, c * size, (c + 1) * size), progress));
  }
  Embeddings whole = rows_of(views, progress);
  for (std::size_t v = 0; v < parts[0].online.size(); ++v) {
    whole.online.push_back(detail::joined(parts, &Embeddings::online, v));
    if (whole.online[v].defined()) whole.online[v].set_requires_grad(true);
  }
  for (std::size_t v = 0; v < parts[0].target.size(); ++v)
    whole.target.push_back(detail::joined(parts, &Embeddings::target, v));
  const Tensor loss = method.objective(whole);
  loss.backward();
  const KeepStatistics keep;  // they have moved in the first pass
  for (std::int64_t c = 0; c < chunks; ++c) {
    const Embeddings part = method.embed(detail::chunk_of(views, c * size, (c + 1) * size), progress, false);
    Tensor pull;  // sum of z . dz, whose gradient at z is dz
    for (std::size_t v = 0; v < part.online.size(); ++v) {
      const Tensor dz = whole.online[v].grad();
      if (!dz.defined()) continue;
      const Tensor term = sum(part.online[v] * dz.slice(c * size, (c + 1) * size));
      pull = pull.defined() ? pull + term : term;
    }
    if (pull.defined()) pull.backward();
  }
  return loss.detach();
}

}  // namespace contrastive
