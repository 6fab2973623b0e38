// SPDX-License-Identifier: Apache-2.0
// The two functions that Rust's standard library and tokio import and that Android's C library has since API 21 only.
// Hidden, so that they serve this library alone and take nobody else's place.
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

// The kernel has it since 2.6.27; Android 4.4 asks for 3.4.
__attribute__((visibility("hidden"))) int epoll_create1(int flags) {
    return (int)syscall(__NR_epoll_create1, flags);
}

#ifdef __arm__
// Names for back-traces are found through it, and only those: on ARM, unwinding goes through dl_unwind_find_exidx. No
// object is listed, so that a back-trace shows addresses. On x86 unwinding needs it, and there it was always present.
__attribute__((visibility("hidden"))) int dl_iterate_phdr(void *visit, void *data) {
    (void)visit;
    (void)data;
    return 0;
}
#endif
