#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The losses on NumPy arrays, through ctypes. Build the library first: cmake --build build/release --target contrastive_losses

    python examples/losses_from_python.py build/release/libcontrastive_losses.so
"""
import ctypes
import os
import sys

import numpy as np

library = ctypes.CDLL(os.path.abspath(sys.argv[1]))
library.contrastive_last_error.restype = ctypes.c_char_p
pointer = np.ctypeslib.ndpointer(dtype=np.float32, ndim=2, flags="C_CONTIGUOUS")
size, real = ctypes.c_int64, ctypes.c_double
library.contrastive_clip_loss.argtypes = [pointer, pointer, size, size, real, ctypes.POINTER(real), pointer, pointer,
                                          ctypes.POINTER(real)]


def clip_loss(a, b, log_scale):
    """Loss, gradients of a and b, gradient of log_scale."""
    loss, dlog_scale = real(), real()
    da, db = np.empty_like(a), np.empty_like(b)
    if library.contrastive_clip_loss(a, b, *a.shape, log_scale, loss, da, db, dlog_scale):
        raise ValueError(library.contrastive_last_error().decode())
    return loss.value, da, db, dlog_scale.value


random = np.random.default_rng(0)
a = random.standard_normal((4096, 128), dtype=np.float32)
b = a + 0.5 * random.standard_normal((4096, 128), dtype=np.float32)
a /= np.linalg.norm(a, axis=1, keepdims=True)
b /= np.linalg.norm(b, axis=1, keepdims=True)
log_scale = np.log(10)

for step in range(5):
    loss, da, db, dlog_scale = clip_loss(a, b, log_scale)
    print(f"step {step}: loss {loss:.4f}, |da| {np.linalg.norm(da):.4f}, dlog_scale {dlog_scale:.4f}")
    b -= 200 * db
    b /= np.linalg.norm(b, axis=1, keepdims=True)

a[7, 3] = np.nan
try:
    clip_loss(a, b, log_scale)
except ValueError as error:
    print("as it should:", error)
