/* SPDX-License-Identifier: MIT */

/* The losses from C: values against loops, gradients against differences, errors as sentences. */

#include <contrastive/c/losses.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 5, D = 3 };

static int failures = 0;
static void check(int ok, const char* what) {
  if (!ok) {
    printf("failed: %s (%s)\n", what, contrastive_last_error());
    ++failures;
  }
}

static double dot(const float* a, const float* b) {
  double sum = 0;
  for (int d = 0; d < D; ++d) sum += (double)a[d] * b[d];
  return sum;
}

/* CLIP's loss as it is written. */
static double clip(const float* a, const float* b, double log_scale) {
  double total = 0;
  for (int i = 0; i < N; ++i) {
    double row = 0, column = 0;
    for (int j = 0; j < N; ++j) {
      row += exp(exp(log_scale) * dot(a + i * D, b + j * D));
      column += exp(exp(log_scale) * dot(a + j * D, b + i * D));
    }
    total += log(row) + log(column) - 2 * exp(log_scale) * dot(a + i * D, b + i * D);
  }
  return total / (2 * N);
}

int main(void) {
  float a[N * D], b[N * D], da[N * D], db[N * D];
  for (int i = 0; i < N * D; ++i) {
    a[i] = (float)sin(1 + i);
    b[i] = (float)cos(2 + 3 * i);
  }
  double of_any = 0, of_unit = 0;
  float long_a[N * D];
  for (int i = 0; i < N; ++i) {
    const double norm_a = sqrt(dot(a + i * D, a + i * D)), norm_b = sqrt(dot(b + i * D, b + i * D));
    for (int d = 0; d < D; ++d) {
      long_a[i * D + d] = a[i * D + d];
      a[i * D + d] = (float)(a[i * D + d] / norm_a);
      b[i * D + d] = (float)(b[i * D + d] / norm_b);
    }
  }
  double loss = 0, dlog_scale = 0, dbias = 0;
  check(contrastive_clip_loss(a, b, N, D, 0.5, &loss, da, db, &dlog_scale) == 0, "clip_loss");
  check(fabs(loss - clip(a, b, 0.5)) < 1e-6, "the value of clip_loss");
  check(fabs(dlog_scale - (clip(a, b, 0.5 + 1e-5) - clip(a, b, 0.5 - 1e-5)) / 2e-5) < 1e-5, "its slope of log_scale");
  double slope = 0;
  check(contrastive_clip_loss(a, b, N, D, 0.5, NULL, NULL, NULL, &slope) == 0 && fabs(slope - dlog_scale) < 1e-12,
        "the slope alone");
  for (int i = 0; i < N * D; ++i) {
    const float before = a[i];
    a[i] = before + 1e-3f;
    const double up = clip(a, b, 0.5);
    a[i] = before - 1e-3f;
    const double down = clip(a, b, 0.5);
    a[i] = before;
    check(fabs(da[i] - (up - down) / 2e-3) < 1e-4, "a gradient of clip_loss");
  }

  const int32_t labels[N] = {0, 1, 0, 1, 1};
  check(contrastive_info_nce(a, b, N, D, 0.2, &loss, da, db) == 0 && loss > 0, "info_nce");
  check(contrastive_info_nce_queue(a, b, b, N, N, D, 1.0, &loss, da, NULL) == 0 && loss > 0, "info_nce_queue");
  check(contrastive_nt_xent(a, b, N, D, 0.2, &loss, da, db) == 0 && loss > 0, "nt_xent");
  check(contrastive_decoupled_info_nce(a, b, N, D, 0.2, &loss, NULL, NULL) == 0, "decoupled_info_nce");
  check(contrastive_siglip_loss(a, b, N, D, 1, -1, &loss, da, db, &dlog_scale, &dbias) == 0 && loss > 0, "siglip_loss");
  check(contrastive_sup_con(a, labels, N, D, 0.1, 0.07, &loss, da) == 0 && loss > 0, "sup_con");

  check(contrastive_nt_xent(a, b, N, D, -1, &loss, da, db) == 1, "a temperature of -1");
  check(strstr(contrastive_last_error(), "[nt_xent] the temperature must be 0.0001 to 10000, got -1") != NULL, "its sentence");
  check(contrastive_clip_loss(b, long_a, N, D, 0, &loss, NULL, NULL, NULL) == 1, "rows that are not of unit length");
  check(strstr(contrastive_last_error(), "[clip_loss] expected rows of unit length, row 0 of the second input") != NULL,
        "its sentence");
  check(contrastive_siglip_loss(long_a, b, N, D, 1, -1, &loss, NULL, NULL, NULL, NULL) == 1, "the same for siglip_loss");
  check(contrastive_info_nce_queue(long_a, b, long_a, N, N, D, 1.0, &of_any, NULL, NULL) == 0 &&
            contrastive_info_nce_queue(a, b, a, N, N, D, 1.0, &of_unit, NULL, NULL) == 0 &&
            fabs(of_any - of_unit) < 1e-6,
        "info_nce_queue normalises all three");
  check(contrastive_info_nce(long_a, b, N, D, 0.2, &of_any, NULL, NULL) == 0 &&
            contrastive_info_nce(a, b, N, D, 0.2, &of_unit, NULL, NULL) == 0 && fabs(of_any - of_unit) < 1e-6,
        "info_nce normalises");
  check(contrastive_clip_loss(NULL, b, N, D, 0, &loss, NULL, NULL, NULL) == 1, "a NULL input");
  check(contrastive_clip_loss(a, b, 0, D, 0, &loss, NULL, NULL, NULL) == 1, "N = 0");
  a[4] = NAN;
  check(contrastive_clip_loss(a, b, N, D, 0, &loss, NULL, NULL, NULL) == 1, "NaN in");
  check(strstr(contrastive_last_error(), "not finite") != NULL, "its sentence");
  contrastive_release();
  if (failures == 0) printf("the losses from C: all right\n");
  return failures != 0;
}
