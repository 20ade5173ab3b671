// SPDX-License-Identifier: MIT

#include "contrastive/c/losses.h"

#include <memory>
#include <string>
#include <vector>

#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/objectives/decoupled_info_nce.hpp"
#include "contrastive/objectives/siglip_loss.hpp"
#include "contrastive/objectives/sup_con.hpp"

namespace {

using namespace contrastive;
using similarity::Matrix;
using similarity::MutableMatrix;
using similarity::Value;
using similarity::Workspace;

std::string& last_error() {
  thread_local std::string text;
  return text;
}
std::unique_ptr<Workspace>& workspace() {
  thread_local std::unique_ptr<Workspace> work;
  return work;
}

Matrix rows(const float* data, std::int64_t N, std::int64_t D) { return {data, DType::f32, N, D, D, 1}; }
MutableMatrix rows(float* data, std::int64_t N, std::int64_t D) { return {data, DType::f32, N, D, D, 1}; }

void give(double* to, double value) {
  if (to) *to = value;
}

/// f(workspace) with its errors kept as a sentence.
template <class F>
int guarded(const char* op, std::initializer_list<const void*> needed, std::int64_t N, std::int64_t D, F&& f) {
  try {
    for (const void* pointer : needed) require(pointer != nullptr, "[", op, "] an input is NULL");
    require(N > 0 && D > 0, "[", op, "] expected N > 0 and D > 0, got ", N, " and ", D);
    if (!workspace()) workspace() = std::make_unique<Workspace>();
    f(*workspace());
    return 0;
  } catch (const std::exception& error) {
    last_error() = error.what();
  } catch (...) {
    last_error() = join("[", op, "] unknown error");
  }
  return 1;
}

/// A loss of two matrices of one shape.
template <class Call>
int pairs(const char* op, Call&& call, const float* a, const float* b, std::int64_t N, std::int64_t D, double* loss,
          float* da, float* db, double* dlog_scale = nullptr, double* dbias = nullptr) {
  return guarded(op, {a, b}, N, D, [&](Workspace& work) {
    std::vector<float> unwanted;  // the slopes of the scalars come out of a gradient
    if (!da && !db && (dlog_scale || dbias)) {
      unwanted.resize(static_cast<std::size_t>(N * D));
      da = unwanted.data();
    }
    const Value value =
        call().template operator()<float>(work, rows(a, N, D), rows(b, N, D), rows(da, N, D), rows(db, N, D));
    give(loss, value.loss);
    give(dlog_scale, value.dlog_scale);
    give(dbias, value.dbias);
  });
}

}  // namespace

extern "C" {

int contrastive_info_nce(const float* queries, const float* keys, int64_t N, int64_t D, double temperature,
                         double* loss, float* dqueries, float* dkeys) {
  return pairs(
      "info_nce", [&] { return detail::InfoNceCall(temperature); }, queries, keys, N, D, loss, dqueries, dkeys);
}

int contrastive_info_nce_queue(const float* queries, const float* keys, const float* negatives, int64_t N, int64_t K,
                               int64_t D, double temperature, double* loss, float* dqueries, float* dkeys) {
  return guarded("info_nce", {queries, keys, negatives}, N, D, [&](Workspace& work) {
    check_temperature("info_nce", temperature);
    require(K > 0, "[info_nce] expected K > 0, got ", K);
    give(loss, similarity::softmax_queue<float>(work, "info_nce", rows(queries, N, D), rows(keys, N, D),
                                                rows(negatives, K, D), 1 / temperature, RowLength::normalize,
                                                rows(dqueries, N, D), rows(dkeys, N, D))
                   .loss);
  });
}

int contrastive_nt_xent(const float* z0, const float* z1, int64_t N, int64_t D, double temperature, double* loss,
                        float* dz0, float* dz1) {
  return pairs(
      "nt_xent", [&] { return detail::NtXentCall(temperature, false, {}); }, z0, z1, N, D, loss, dz0, dz1);
}

int contrastive_decoupled_info_nce(const float* z0, const float* z1, int64_t N, int64_t D, double temperature,
                                   double* loss, float* dz0, float* dz1) {
  return pairs(
      "decoupled_info_nce",
      [&] {
        require(N > 1, "[decoupled_info_nce] one pair has no negatives");
        return detail::NtXentCall(temperature, true, {});
      },
      z0, z1, N, D, loss, dz0, dz1);
}

int contrastive_clip_loss(const float* a, const float* b, int64_t N, int64_t D, double log_scale, double* loss,
                          float* da, float* db, double* dlog_scale) {
  return pairs(
      "clip_loss", [&] { return detail::ClipCall(log_scale); }, a, b, N, D, loss, da, db, dlog_scale);
}

int contrastive_siglip_loss(const float* a, const float* b, int64_t N, int64_t D, double log_scale, double bias,
                            double* loss, float* da, float* db, double* dlog_scale, double* dbias) {
  return pairs(
      "siglip_loss", [&] { return detail::SigLipCall(log_scale, bias, RowLength::unit); }, a, b, N, D, loss, da, db,
      dlog_scale, dbias);
}

int contrastive_sup_con(const float* z, const int32_t* labels, int64_t N, int64_t D, double temperature,
                        double base_temperature, double* loss, float* dz) {
  return guarded("sup_con", {z, labels}, N, D, [&](Workspace& work) {
    detail::check({.temperature = temperature, .base_temperature = base_temperature});
    const std::span<const std::int32_t> classes(labels, static_cast<std::size_t>(N));
    give(loss, similarity::softmax_classes<float>(work, "sup_con", rows(z, N, D), classes, 1 / temperature,
                                                  temperature / base_temperature, RowLength::normalize, rows(dz, N, D))
                   .loss);
  });
}

const char* contrastive_last_error(void) { return last_error().c_str(); }

void contrastive_set_threads(int count) { set_threads(count > 0 ? count : 0); }

void contrastive_release(void) { workspace().reset(); }
}
