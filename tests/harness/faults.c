/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk that fails on command, loaded before the C library by a process under test.
 *
 * HONGYAN_FAULTS names a folder. A file in it named after a kind of call ("sync", "write", "open") holds an errno and a
 * pattern; while it is there, calls of that kind on files that match the pattern fail with that errno, having done
 * nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* The errno that a call on a path is to fail with, or 0. Leaves errno as it is. */
static int fault(const char *kind, const char *path)
{
    const char *folder = getenv("HONGYAN_FAULTS");
    if (folder == NULL)
        return 0;
    int before = errno;
    char name[4096], text[4096], pattern[4096];
    snprintf(name, sizeof name, "%s/%s", folder, kind);
    int found = 0;
    int file = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        ssize_t length = syscall(SYS_read, file, text, sizeof text - 1);
        syscall(SYS_close, file);
        text[length > 0 ? length : 0] = 0;
        int number;
        if (sscanf(text, "%d %4095s", &number, pattern) == 2 && fnmatch(pattern, path, 0) == 0)
            found = number;
    }
    errno = before;
    return found;
}

static int fault_of_file(const char *kind, int file)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return fault(kind, path);
}

#define FAIL_WITH(number) do { int it = (number); if (it != 0) { errno = it; return -1; } } while (0)

int fsync(int file)
{
    FAIL_WITH(fault_of_file("sync", file));
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file)
{
    FAIL_WITH(fault_of_file("sync", file));
    return (int)syscall(SYS_fdatasync, file);
}

ssize_t write(int file, const void *bytes, size_t count)
{
    FAIL_WITH(fault_of_file("write", file));
    return syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at)
{
    FAIL_WITH(fault_of_file("write", file));
    return syscall(SYS_pwrite64, file, bytes, count, at);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at)
{
    return pwrite64(file, bytes, count, at);
}

/* Giving room back never fails for want of it. */
int ftruncate64(int file, off64_t length)
{
    struct stat now;
    if (fstat(file, &now) == 0 && length > now.st_size)
        FAIL_WITH(fault_of_file("write", file));
    return (int)syscall(SYS_ftruncate, file, length);
}

int ftruncate(int file, off_t length)
{
    return ftruncate64(file, length);
}

static int open_with(int folder, const char *path, int flags, mode_t mode)
{
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) != 0)
        FAIL_WITH(fault("open", path));
    return (int)syscall(SYS_openat, folder, path, flags, mode);
}

#define MODE_OF(flags) \
    mode_t mode = 0; \
    if (((flags) & (O_CREAT | O_TMPFILE)) != 0) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

int open(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_with(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_with(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_with(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_with(folder, path, flags | O_LARGEFILE, mode);
}
