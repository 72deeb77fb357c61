// SPDX-License-Identifier: GPL-2.0-only
/* The page that ends the section of shared variables; linked last. */
char host_shared_end[4096] __attribute__((section("mqshm_shared"), aligned(4096)));
