/* SPDX-License-Identifier: MIT */
#ifndef CONTRASTIVE_C_LOSSES_H
#define CONTRASTIVE_C_LOSSES_H

#include <stddef.h>
#include <stdint.h>

/* The similarity losses for other languages, on the caller's buffers: float32, row-major, rows next to each other.
 *
 * Every function returns 0, or 1 after an error whose sentence contrastive_last_error() gives. Gradients are written
 * where a pointer is given and left out where it is NULL; scalar results likewise. A thread keeps its working memory
 * between calls; contrastive_release() gives it back. */

#if defined(__GNUC__)
#define CONTRASTIVE_API __attribute__((visibility("default")))
#else
#define CONTRASTIVE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Rows of any length are normalised, except those of CLIP's and SigLIP's losses, which must be of unit length, to within
 * 2 % (or zeros). */

/* InfoNCE of pairs: queries, keys (N, D). */
CONTRASTIVE_API int contrastive_info_nce(const float* queries, const float* keys, int64_t N, int64_t D,
                                         double temperature, double* loss, float* dqueries, float* dkeys);

/* InfoNCE with a queue: queries, keys (N, D) and negatives (K, D). */
CONTRASTIVE_API int contrastive_info_nce_queue(const float* queries, const float* keys, const float* negatives,
                                               int64_t N, int64_t K, int64_t D, double temperature, double* loss,
                                               float* dqueries, float* dkeys);

/* SimCLR's loss: z0, z1 (N, D). */
CONTRASTIVE_API int contrastive_nt_xent(const float* z0, const float* z1, int64_t N, int64_t D, double temperature,
                                        double* loss, float* dz0, float* dz1);

/* Decoupled contrastive loss: z0, z1 (N, D). */
CONTRASTIVE_API int contrastive_decoupled_info_nce(const float* z0, const float* z1, int64_t N, int64_t D,
                                                   double temperature, double* loss, float* dz0, float* dz1);

/* CLIP's loss: a, b (N, D) of unit rows; the scale is exp(log_scale). */
CONTRASTIVE_API int contrastive_clip_loss(const float* a, const float* b, int64_t N, int64_t D, double log_scale,
                                          double* loss, float* da, float* db, double* dlog_scale);

/* SigLIP's loss: a, b (N, D) of unit rows. */
CONTRASTIVE_API int contrastive_siglip_loss(const float* a, const float* b, int64_t N, int64_t D, double log_scale,
                                            double bias, double* loss, float* da, float* db, double* dlog_scale,
                                            double* dbias);

/* Supervised contrastive loss: z (N, D), labels (N). */
CONTRASTIVE_API int contrastive_sup_con(const float* z, const int32_t* labels, int64_t N, int64_t D, double temperature,
                                        double base_temperature, double* loss, float* dz);

/* The sentence of this thread's last error; "" before the first. Valid until the next call. */
CONTRASTIVE_API const char* contrastive_last_error(void);

/* Threads that the losses use; 0: all. The result has the same bits for any number. */
CONTRASTIVE_API void contrastive_set_threads(int count);

/* Gives this thread's working memory back. */
CONTRASTIVE_API void contrastive_release(void);

#ifdef __cplusplus
}
#endif

#endif
