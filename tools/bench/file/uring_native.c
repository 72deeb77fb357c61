// SPDX-License-Identifier: GPL-2.0-only
/* A descriptor of the harness is none of the kernel's: io_uring gets no such file. */
#include <fcntl.h>
#include <liburing.h>

int __real_io_uring_register_files(struct io_uring *ring, const int *files, unsigned int n);
int __wrap_io_uring_register_files(struct io_uring *ring, const int *files, unsigned int n);
int __wrap_io_uring_register_files(struct io_uring *ring, const int *files, unsigned int n)
{
	int known[8];

	for (unsigned int i = 0; i < n && i < 8; i++)
		known[i] = fcntl(files[i], F_GETFD) < 0 ? -1 : files[i];
	return __real_io_uring_register_files(ring, known, n);
}
