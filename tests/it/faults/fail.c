// Makes one call below a directory fail, for tests of single faults; or only says which
// calls there are.
//
//   cc -shared -fPIC -O2 -o fail.so fail.c -ldl
//   LD_PRELOAD=fail.so STILLFRAME_FAIL_BELOW=directory STILLFRAME_FAIL_CONTROL=control
//       STILLFRAME_FAIL_LOG=log [STILLFRAME_FAIL="PHASE KIND ERRNO NTH PLACE"] program
//
// A call is known by what the test was doing (its phase, the first byte of the control
// file, which the test turns), its kind, and its place: the path with its uids (U), ulids
// (S) and numbers (N) left out. The n-th of these calls, from 1, fails, and nothing of it
// happens; then the second byte of the control file is 1, and none fails any more, in
// later processes neither.
//
// Without STILLFRAME_FAIL every call is written to the log, a line each.
//
// 64-bit Linux with glibc only: plain and 64 variants are the same functions there.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "real.h"

static const char *below;
static size_t below_length;
static volatile unsigned char *control; // Phase, done.
static int log_fd = -1;
static int wanted_phase = -1, wanted_errno, wanted_nth, seen;
static char wanted_kind[32], wanted_place[PATH_MAX];

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("STILLFRAME_FAIL_CONTROL"), *log = getenv("STILLFRAME_FAIL_LOG");
    const char *fail = getenv("STILLFRAME_FAIL"), *where = getenv("STILLFRAME_FAIL_BELOW");
    if (!path || !log || !where) return;
    int fd = REAL(open)(path, O_RDWR | O_CLOEXEC, 0);
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, 2, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    log_fd = REAL(open)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int bad = fail && sscanf(fail, "%d %31s %d %d %4095s", &wanted_phase, wanted_kind, &wanted_errno, &wanted_nth,
                             wanted_place) != 5;
    if (mapped == MAP_FAILED || log_fd < 0 || bad) {
        dprintf(2, "fail: the environment is wrong\n");
        abort();
    }
    below_length = strlen(where);
    below = where;
    __atomic_store_n(&control, mapped, __ATOMIC_RELEASE);
}

// ---- Places.

static int is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static size_t uid(const char *at) {
    for (size_t n = 0; n < 36; n++) {
        int dash = n == 8 || n == 13 || n == 18 || n == 23;
        if (dash ? at[n] != '-' : !is_hex(at[n])) return 0;
    }
    return 36;
}

static size_t ulid(const char *at) {
    for (size_t n = 0; n < 26; n++)
        if (!((at[n] >= '0' && at[n] <= '9') || (at[n] >= 'A' && at[n] <= 'Z'))) return 0;
    return 26;
}

static size_t number(const char *at) {
    size_t n = 0;
    while (at[n] >= '0' && at[n] <= '9') n++;
    return n;
}

// The place of a path, if that is below.
static int place(const char *path, char *out) {
    size_t length = strlen(path);
    if (length >= PATH_MAX || strncmp(path, below, below_length)) return 0;
    path += below_length;
    if (*path == '/') path++;
    else if (*path) return 0;
    // What a test leaves there for itself.
    if (!strncmp(path, "server.log", 10)) return 0;
    if (!*path) {
        strcpy(out, ".");
        return 1;
    }
    size_t skip;
    while (*path) {
        if ((skip = uid(path))) *out++ = 'U';
        else if ((skip = ulid(path))) *out++ = 'S';
        else if ((skip = number(path))) *out++ = 'N';
        else {
            *out++ = *path == ' ' ? '_' : *path;
            skip = 1;
        }
        path += skip;
    }
    *out = 0;
    return 1;
}

// ---- Whether a call fails: then with errno set.

static int fails_at(const char *kind, const char *path) {
    char at[PATH_MAX];
    if (!place(path, at)) return 0;
    int phase = control[0];
    if (wanted_phase < 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%d %s %s\n", phase, kind, at);
        if (REAL(write)(log_fd, line, length) != length) abort();
        return 0;
    }
    if (phase != wanted_phase || strcmp(kind, wanted_kind) || strcmp(at, wanted_place)) return 0;
    if (__atomic_add_fetch(&seen, 1, __ATOMIC_ACQ_REL) != wanted_nth) return 0;
    if (__atomic_exchange_n(&control[1], 1, __ATOMIC_ACQ_REL)) return 0;
    errno = wanted_errno;
    return 1;
}

static int is_on(void) {
    return __atomic_load_n(&control, __ATOMIC_ACQUIRE) != NULL;
}

static int fails_fd(const char *kind, int fd) {
    if (!is_on() || fd <= 2 || fd == log_fd) return 0;
    int saved = errno;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length <= 0 || path[0] != '/') return 0;
    path[length] = 0;
    return fails_at(kind, path);
}

static int fails(const char *kind, int dirfd, const char *path) {
    if (!is_on() || !path) return 0;
    if (*path == '/') return fails_at(kind, path);
    int saved = errno;
    char link[64], whole[PATH_MAX];
    if (dirfd == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
    ssize_t length = readlink(link, whole, sizeof whole - 1);
    errno = saved;
    if (length <= 0 || length + strlen(path) + 2 > sizeof whole) return 0;
    whole[length] = '/';
    strcpy(whole + length + 1, path);
    return fails_at(kind, whole);
}

static int fails_sync(int fd) {
    struct stat st;
    if (!is_on() || fstat(fd, &st) < 0) return 0;
    return fails_fd(S_ISDIR(st.st_mode) ? "sync_directory" : "sync", fd);
}

// ---- The calls.

static int opening(int dirfd, const char *path, int flags, mode_t mode) {
    if (fails(flags & O_CREAT ? "create" : "open", dirfd, path)) return -1;
    return REAL(openat)(dirfd, path, flags, mode);
}

#define MODE()                                                                                     \
    mode_t mode = 0;                                                                               \
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) {                                   \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode = va_arg(arguments, mode_t);                                                          \
        va_end(arguments);                                                                         \
    }

int open(const char *path, int flags, ...) {
    MODE();
    return opening(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int openat(int dirfd, const char *path, int flags, ...) {
    MODE();
    return opening(dirfd, path, flags, mode);
}
int openat64(int dirfd, const char *path, int flags, ...) __attribute__((alias("openat")));

ssize_t read(int fd, void *to, size_t length) {
    return fails_fd("read", fd) ? -1 : REAL(read)(fd, to, length);
}

ssize_t readv(int fd, const struct iovec *parts, int count) {
    return fails_fd("read", fd) ? -1 : REAL(readv)(fd, parts, count);
}

ssize_t pread(int fd, void *to, size_t length, off_t offset) {
    return fails_fd("read", fd) ? -1 : REAL(pread)(fd, to, length, offset);
}
ssize_t pread64(int, void *, size_t, off64_t) __attribute__((alias("pread")));

ssize_t write(int fd, const void *from, size_t length) {
    return fails_fd("write", fd) ? -1 : REAL(write)(fd, from, length);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    return fails_fd("write", fd) ? -1 : REAL(writev)(fd, parts, count);
}

ssize_t pwrite(int fd, const void *from, size_t length, off_t offset) {
    return fails_fd("write", fd) ? -1 : REAL(pwrite)(fd, from, length, offset);
}
ssize_t pwrite64(int, const void *, size_t, off64_t) __attribute__((alias("pwrite")));

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) {
    return fails_fd("write", out) ? -1 : REAL(copy_file_range)(in, from, out, to, length, flags);
}

int fsync(int fd) {
    return fails_sync(fd) ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd) {
    return fails_sync(fd) ? -1 : REAL(fdatasync)(fd);
}

int linkat(int fromfd, const char *from, int tofd, const char *to, int flags) {
    return fails("link", tofd, to) ? -1 : REAL(linkat)(fromfd, from, tofd, to, flags);
}

int link(const char *from, const char *to) {
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int fromfd, const char *from, int tofd, const char *to) {
    return fails("rename", tofd, to) ? -1 : REAL(renameat)(fromfd, from, tofd, to);
}

int rename(const char *from, const char *to) {
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int renameat2(int fromfd, const char *from, int tofd, const char *to, unsigned flags) {
    return fails("rename", tofd, to) ? -1 : REAL(renameat2)(fromfd, from, tofd, to, flags);
}

int unlinkat(int dirfd, const char *path, int flags) {
    return fails("unlink", dirfd, path) ? -1 : REAL(unlinkat)(dirfd, path, flags);
}

int unlink(const char *path) {
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path) {
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdirat(int dirfd, const char *path, mode_t mode) {
    return fails("mkdir", dirfd, path) ? -1 : REAL(mkdirat)(dirfd, path, mode);
}

int mkdir(const char *path, mode_t mode) {
    return mkdirat(AT_FDCWD, path, mode);
}
