// SPDX-License-Identifier: MIT

// Nothing: this file makes the precompiled Catch2 that the tests share.
