// Records what a process changes below one directory, for tests of power loss.
//
//   cc -shared -fPIC -O2 -o oplog.so oplog.c -ldl -lpthread
//   LD_PRELOAD=oplog.so STILLFRAME_OPLOG=log STILLFRAME_OPLOG_BELOW=directory program
//
// Nothing follows paths or descriptors: a file is known by its inode. The tables hold
// the inodes that are below the directory, so that fstat says whether a descriptor is
// of one of them, however it was opened or duplicated. Each gets an id, and an inode
// number that is used again gets another one.
//
// A change is made and recorded under one mutex. A sync is recorded after its end,
// with the length of the log at its beginning: it covers what was recorded by then.
//
// 64-bit Linux with glibc only: plain and 64 variants are the same functions there.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "real.h"

// As in oplog.rs.
enum kind {
    ROOT = 1,
    FOUND_DIRECTORY,
    FOUND_FILE,
    FOUND_LINK,
    CREATE,
    MKDIR,
    LINK,
    RENAME,
    UNLINK,
    RMDIR,
    WRITE,
    TRUNCATE,
    SYNC,
    SYNC_RANGE,
};

enum { NOT_BEGUN, ON, OFF };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int state = NOT_BEGUN;
static int log_fd = -1;
static uint64_t log_length;
static uint64_t last_id;

// ---- Ends the process: what follows could not be believed.

__attribute__((noreturn)) static void unexpected(const char *what) {
    dprintf(2, "oplog: %s: the operation log cannot express it\n", what);
    abort();
}

// ---- Which inodes are below the directory.

static struct known {
    dev_t dev;
    ino_t ino;
    uint64_t id; // 0: free, or forgotten
    int used;
} *table;
static size_t slots, used;

static struct known *slot(dev_t dev, ino_t ino) {
    size_t at = (ino * 0x9e3779b97f4a7c15ull ^ dev) & (slots - 1);
    while (table[at].used && (table[at].ino != ino || table[at].dev != dev)) at = (at + 1) & (slots - 1);
    return &table[at];
}

static uint64_t known(const struct stat *st) {
    return slots ? slot(st->st_dev, st->st_ino)->id : 0;
}

static void set(dev_t dev, ino_t ino, uint64_t id) {
    if (2 * (used + 1) > slots) {
        struct known *old = table;
        size_t old_slots = slots;
        slots = slots ? 2 * slots : 1024;
        table = calloc(slots, sizeof *table);
        if (!table) unexpected("no memory");
        used = 0;
        for (size_t at = 0; at < old_slots; at++)
            if (old[at].id) set(old[at].dev, old[at].ino, old[at].id);
        free(old);
    }
    struct known *it = slot(dev, ino);
    if (!it->used) used++;
    *it = (struct known){dev, ino, id, 1};
}

// A new inode, whatever had its number before.
static uint64_t remember(const struct stat *st) {
    set(st->st_dev, st->st_ino, ++last_id);
    return last_id;
}

// A new inode that is elsewhere.
static void forget(const struct stat *st) {
    if (known(st)) set(st->st_dev, st->st_ino, 0);
}

// ---- The log.

struct record {
    size_t length;
    unsigned char bytes[1024];
};

static void put(struct record *record, const void *bytes, size_t length) {
    memcpy(record->bytes + record->length, bytes, length);
    record->length += length;
}

static void put_u64(struct record *record, uint64_t value) {
    put(record, &value, sizeof value);
}

static void put_name(struct record *record, const char *name) {
    uint16_t length = strlen(name);
    put(record, &length, sizeof length);
    put(record, name, length);
}

static struct record record(enum kind kind, uint64_t first) {
    struct record new = {.length = 4};
    unsigned char byte = kind;
    put(&new, &byte, 1);
    put_u64(&new, first);
    return new;
}

static void emit_with(struct record *record, const void *data, size_t length) {
    size_t body = record->length - 4 + length;
    if (body > UINT32_MAX) unexpected("a record of more than 4 GiB");
    uint32_t framed = body;
    memcpy(record->bytes, &framed, 4);
    struct iovec parts[2] = {{record->bytes, record->length}, {(void *)data, length}};
    size_t total = record->length + length, done = 0;
    while (done < total) {
        ssize_t n = REAL(writev)(log_fd, parts, 2);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) unexpected("the log cannot be written");
        done += n;
        for (int part = 0; part < 2; part++) {
            size_t gone = (size_t)n < parts[part].iov_len ? (size_t)n : parts[part].iov_len;
            parts[part].iov_base = (char *)parts[part].iov_base + gone;
            parts[part].iov_len -= gone;
            n -= gone;
        }
    }
    log_length += total;
}

static void emit(struct record *record) {
    emit_with(record, NULL, 0);
}

// CREATE, MKDIR, LINK and what was found: an entry.
static void emit_entry(enum kind kind, uint64_t dir, const char *name, uint64_t id, mode_t mode) {
    struct record new = record(kind, dir);
    put_u64(&new, id);
    put_u64(&new, mode & 07777);
    put_name(&new, name);
    emit(&new);
}

static void emit_removal(enum kind kind, uint64_t dir, const char *name) {
    struct record new = record(kind, dir);
    put_name(&new, name);
    emit(&new);
}

static void emit_number(enum kind kind, uint64_t id, uint64_t number) {
    struct record new = record(kind, id);
    put_u64(&new, number);
    emit(&new);
}

static void emit_write(uint64_t id, uint64_t offset, const struct iovec *parts, int count, size_t length) {
    struct record new = record(WRITE, id);
    put_u64(&new, offset);
    if (count == 1) {
        emit_with(&new, parts[0].iov_base, length);
        return;
    }
    char *data = malloc(length);
    if (!data) unexpected("no memory");
    size_t at = 0;
    for (int part = 0; part < count && at < length; part++) {
        size_t some = parts[part].iov_len < length - at ? parts[part].iov_len : length - at;
        memcpy(data + at, parts[part].iov_base, some);
        at += some;
    }
    emit_with(&new, data, length);
    free(data);
}

// ---- What there was before.

static char *contents(int dirfd, const char *name, size_t *length) {
    int fd = REAL(openat)(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) unexpected("a file cannot be read");
    char *data = malloc(st.st_size + 1);
    if (!data) unexpected("no memory");
    *length = 0;
    while (*length < (size_t)st.st_size) {
        ssize_t n = pread(fd, data + *length, st.st_size - *length, *length);
        if (n < 0) unexpected("a file cannot be read");
        if (n == 0) break;
        *length += n;
    }
    REAL(close)(fd);
    return data;
}

static void walk(int dirfd, uint64_t dir) {
    DIR *open = fdopendir(dirfd);
    if (!open) unexpected("a directory cannot be read");
    struct dirent *entry;
    while ((entry = readdir(open))) {
        const char *name = entry->d_name;
        struct stat st;
        if (!strcmp(name, ".") || !strcmp(name, "..")) continue;
        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
        if (S_ISDIR(st.st_mode)) {
            uint64_t id = remember(&st);
            emit_entry(FOUND_DIRECTORY, dir, name, id, st.st_mode);
            int below = REAL(openat)(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
            if (below < 0) unexpected("a directory cannot be read");
            walk(below, id);
        } else if (S_ISREG(st.st_mode) && known(&st)) {
            emit_entry(FOUND_LINK, dir, name, known(&st), st.st_mode);
        } else if (S_ISREG(st.st_mode)) {
            size_t length;
            char *data = contents(dirfd, name, &length);
            struct record new = record(FOUND_FILE, dir);
            put_u64(&new, remember(&st));
            put_u64(&new, st.st_mode & 07777);
            put_name(&new, name);
            emit_with(&new, data, length);
            free(data);
        }
    }
    closedir(open);
}

static void after_fork(void) {
    // The child changes what it likes, unrecorded.
    pthread_mutex_init(&mutex, NULL);
    state = OFF;
}

// With the mutex. Begins as late as it can: a shell that starts the program, with the
// same environment, must not take the log.
static void begin(void) {
    const char *below = getenv("STILLFRAME_OPLOG_BELOW"), *log = getenv("STILLFRAME_OPLOG");
    if (!below || !log) {
        state = OFF;
        return;
    }
    int dirfd = REAL(open)(below, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (dirfd < 0) return; // Not made yet.
    log_fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) unexpected("STILLFRAME_OPLOG cannot be opened");
    if (flock(log_fd, LOCK_EX | LOCK_NB) < 0) {
        dprintf(2, "oplog: another process records; this one (%d) does not\n", getpid());
        REAL(close)(log_fd);
        REAL(close)(dirfd);
        state = OFF;
        return;
    }
    struct stat st;
    if (fstat(log_fd, &st) < 0 || st.st_size != 0) unexpected("STILLFRAME_OPLOG is not empty");
    if (fstat(dirfd, &st) < 0) unexpected("STILLFRAME_OPLOG_BELOW cannot be read");
    pthread_atfork(NULL, NULL, after_fork);
    struct record root = record(ROOT, remember(&st));
    emit(&root);
    walk(dirfd, last_id);
    __atomic_store_n(&state, ON, __ATOMIC_RELEASE);
}

// ---- Around each operation.

static int off(void) {
    return __atomic_load_n(&state, __ATOMIC_ACQUIRE) == OFF;
}

// Whether it records; then the mutex is held.
static int hold(void) {
    if (off()) return 0;
    int saved = errno;
    pthread_mutex_lock(&mutex);
    if (state == NOT_BEGUN) begin();
    if (state != ON) pthread_mutex_unlock(&mutex);
    errno = saved;
    return state == ON;
}

static void release(void) {
    pthread_mutex_unlock(&mutex);
}

// The id of what is open there, with the mutex held; or 0, and it is not. Takes no
// mutex for sockets and pipes: signal handlers write to those.
static uint64_t hold_fd(int fd) {
    struct stat st;
    if (off()) return 0;
    int saved = errno;
    if (fstat(fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) || !hold()) {
        errno = saved;
        return 0;
    }
    errno = saved;
    uint64_t id = known(&st);
    if (!id) release();
    return id;
}

// Where an entry is: the id of its directory, or 0 if that is elsewhere.
struct place {
    uint64_t dir;
    char name[256];
};

static struct place place(int dirfd, const char *path) {
    struct place it = {0};
    struct stat st;
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') start--;
    if (end - start >= sizeof it.name || start >= 4096) return it;
    memcpy(it.name, path + start, end - start);
    char parent[4097];
    memcpy(parent, path, start);
    parent[start] = 0;
    if (fstatat(dirfd, start ? parent : ".", &st, 0) == 0) it.dir = known(&st);
    return it;
}

static int look(int dirfd, const char *path, struct stat *st) {
    return fstatat(dirfd, path, st, AT_SYMLINK_NOFOLLOW) == 0;
}

// ---- Entries.

static int opening(int dirfd, const char *path, int flags, mode_t mode) {
    int tmpfile = (flags & O_TMPFILE) == O_TMPFILE;
    if (!(flags & (O_CREAT | O_TRUNC)) && !tmpfile) return REAL(openat)(dirfd, path, flags, mode);
    if (!hold()) return REAL(openat)(dirfd, path, flags, mode);
    struct stat st;
    struct place at = place(dirfd, path);
    int existed = look(dirfd, path, &st);
    if (tmpfile && existed && known(&st)) unexpected("O_TMPFILE");
    if (existed && S_ISFIFO(st.st_mode)) {
        // May wait for a reader.
        release();
        return REAL(openat)(dirfd, path, flags, mode);
    }
    int fd = REAL(openat)(dirfd, path, flags, mode);
    int saved = errno;
    if (fd >= 0 && fstat(fd, &st) == 0) {
        if (!existed && at.dir)
            emit_entry(CREATE, at.dir, at.name, remember(&st), st.st_mode);
        else if (!existed || tmpfile)
            forget(&st);
        else if ((flags & O_TRUNC) && known(&st))
            emit_number(TRUNCATE, known(&st), 0);
    }
    release();
    errno = saved;
    return fd;
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

int creat(const char *path, mode_t mode) {
    return opening(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) __attribute__((alias("creat")));

int mkdirat(int dirfd, const char *path, mode_t mode) {
    if (!hold()) return REAL(mkdirat)(dirfd, path, mode);
    struct place at = place(dirfd, path);
    int result = REAL(mkdirat)(dirfd, path, mode);
    int saved = errno;
    struct stat st;
    if (result == 0 && look(dirfd, path, &st)) {
        if (at.dir)
            emit_entry(MKDIR, at.dir, at.name, remember(&st), st.st_mode);
        else
            forget(&st);
    }
    release();
    errno = saved;
    return result;
}

int mkdir(const char *path, mode_t mode) {
    return mkdirat(AT_FDCWD, path, mode);
}

int linkat(int fromfd, const char *from, int tofd, const char *to, int flags) {
    if (!hold()) return REAL(linkat)(fromfd, from, tofd, to, flags);
    struct place at = place(tofd, to);
    int result = REAL(linkat)(fromfd, from, tofd, to, flags);
    int saved = errno;
    struct stat st;
    if (result == 0 && at.dir && look(tofd, to, &st)) {
        if (!known(&st)) unexpected("a link to a file from elsewhere");
        emit_entry(LINK, at.dir, at.name, known(&st), st.st_mode);
    }
    release();
    errno = saved;
    return result;
}

int link(const char *from, const char *to) {
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

static int renaming(int fromfd, const char *from, int tofd, const char *to, unsigned flags) {
#define RENAME_IT() (flags ? REAL(renameat2)(fromfd, from, tofd, to, flags) : REAL(renameat)(fromfd, from, tofd, to))
    if (!hold()) return RENAME_IT();
    struct stat moved, gone;
    struct place a = place(fromfd, from), b = place(tofd, to);
    if ((a.dir || b.dir) && (flags & ~RENAME_NOREPLACE)) unexpected("renameat2 that exchanges");
    // Two links of one file: nothing happens.
    int there = look(fromfd, from, &moved), replaces = look(tofd, to, &gone);
    int same = there && replaces && moved.st_dev == gone.st_dev && moved.st_ino == gone.st_ino;
    int result = RENAME_IT();
    int saved = errno;
    if (result == 0 && !same && (a.dir || b.dir)) {
        if (!a.dir) unexpected("a rename from elsewhere");
        if (!known(&moved)) unexpected("a rename of what was not recorded");
        if (b.dir) {
            struct record new = record(RENAME, a.dir);
            put_u64(&new, b.dir);
            put_u64(&new, known(&moved));
            put_name(&new, a.name);
            put_name(&new, b.name);
            emit(&new);
        } else {
            emit_removal(UNLINK, a.dir, a.name);
        }
    }
    release();
    errno = saved;
    return result;
}

int rename(const char *from, const char *to) {
    return renaming(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int fromfd, const char *from, int tofd, const char *to) {
    return renaming(fromfd, from, tofd, to, 0);
}

int renameat2(int fromfd, const char *from, int tofd, const char *to, unsigned flags) {
    return renaming(fromfd, from, tofd, to, flags);
}

int unlinkat(int dirfd, const char *path, int flags) {
    if (!hold()) return REAL(unlinkat)(dirfd, path, flags);
    struct place at = place(dirfd, path);
    int result = REAL(unlinkat)(dirfd, path, flags);
    int saved = errno;
    if (result == 0 && at.dir) emit_removal(flags & AT_REMOVEDIR ? RMDIR : UNLINK, at.dir, at.name);
    release();
    errno = saved;
    return result;
}

int unlink(const char *path) {
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path) {
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int remove(const char *path) {
    int result = unlinkat(AT_FDCWD, path, 0);
    return result < 0 && errno == EISDIR ? unlinkat(AT_FDCWD, path, AT_REMOVEDIR) : result;
}

int symlinkat(const char *target, int dirfd, const char *path) {
    if (!hold()) return REAL(symlinkat)(target, dirfd, path);
    if (place(dirfd, path).dir) unexpected("a symbolic link");
    release();
    return REAL(symlinkat)(target, dirfd, path);
}

int symlink(const char *target, const char *path) {
    return symlinkat(target, AT_FDCWD, path);
}

// ---- Contents.

// After a write of so many bytes at the position of the descriptor. With O_APPEND the
// position is the end of the file afterwards, too.
static uint64_t behind(int fd, ssize_t n) {
    return lseek(fd, 0, SEEK_CUR) - n;
}

// With O_APPEND Linux appends whatever the offset is.
static uint64_t placed(int fd, off_t offset, ssize_t n) {
    struct stat st;
    if (!(fcntl(fd, F_GETFL) & O_APPEND)) return offset;
    if (fstat(fd, &st) < 0) unexpected("fstat failed");
    return st.st_size - n;
}

#define WRITING(call, offset, parts, count)                                                        \
    uint64_t id = hold_fd(fd);                                                                     \
    if (!id) return call;                                                                          \
    ssize_t n = call;                                                                              \
    int saved = errno;                                                                             \
    if (n > 0) emit_write(id, offset, parts, count, n);                                            \
    release();                                                                                     \
    errno = saved;                                                                                 \
    return n

ssize_t write(int fd, const void *data, size_t length) {
    struct iovec part = {(void *)data, length};
    WRITING(REAL(write)(fd, data, length), behind(fd, n), &part, 1);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    WRITING(REAL(writev)(fd, parts, count), behind(fd, n), parts, count);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    struct iovec part = {(void *)data, length};
    WRITING(REAL(pwrite)(fd, data, length, offset), placed(fd, offset, n), &part, 1);
}
ssize_t pwrite64(int, const void *, size_t, off64_t) __attribute__((alias("pwrite")));

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    WRITING(REAL(pwritev)(fd, parts, count, offset), placed(fd, offset, n), parts, count);
}
ssize_t pwritev64(int, const struct iovec *, int, off64_t) __attribute__((alias("pwritev")));

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    if (flags & RWF_APPEND) unexpected("pwritev2 that appends");
    WRITING(REAL(pwritev2)(fd, parts, count, offset, flags), offset == -1 ? behind(fd, n) : placed(fd, offset, n),
            parts, count);
}
ssize_t pwritev64v2(int, const struct iovec *, int, off64_t, int) __attribute__((alias("pwritev2")));

// What the kernel copied is read from where it came from: the other descriptor need
// not be readable.
static void emit_copy(uint64_t id, uint64_t to, int in, off_t from, size_t length) {
    char *data = malloc(length);
    if (!data) unexpected("no memory");
    for (size_t at = 0; at < length;) {
        ssize_t n = pread(in, data + at, length - at, from + at);
        if (n <= 0) unexpected("what was copied cannot be read");
        at += n;
    }
    struct iovec part = {data, length};
    emit_write(id, to, &part, 1, length);
    free(data);
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) {
    uint64_t id = hold_fd(out);
    if (!id) return REAL(copy_file_range)(in, from, out, to, length, flags);
    off_t start = from ? *from : lseek(in, 0, SEEK_CUR), target = to ? *to : 0;
    ssize_t n = REAL(copy_file_range)(in, from, out, to, length, flags);
    int saved = errno;
    if (n > 0) emit_copy(id, to ? (uint64_t)target : behind(out, n), in, start, n);
    release();
    errno = saved;
    return n;
}

ssize_t sendfile(int out, int in, off_t *from, size_t length) {
    uint64_t id = hold_fd(out);
    if (!id) return REAL(sendfile)(out, in, from, length);
    off_t start = from ? *from : lseek(in, 0, SEEK_CUR);
    ssize_t n = REAL(sendfile)(out, in, from, length);
    int saved = errno;
    if (n > 0) emit_copy(id, behind(out, n), in, start, n);
    release();
    errno = saved;
    return n;
}
ssize_t sendfile64(int, int, off64_t *, size_t) __attribute__((alias("sendfile")));

// A pipe is read once only. Whoever splices must be able to do without.
ssize_t splice(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) {
    if (!hold_fd(out)) return REAL(splice)(in, from, out, to, length, flags);
    release();
    errno = EINVAL;
    return -1;
}

int ftruncate(int fd, off_t size) {
    uint64_t id = hold_fd(fd);
    if (!id) return REAL(ftruncate)(fd, size);
    int result = REAL(ftruncate)(fd, size);
    int saved = errno;
    if (result == 0) emit_number(TRUNCATE, id, size);
    release();
    errno = saved;
    return result;
}
int ftruncate64(int, off64_t) __attribute__((alias("ftruncate")));

int truncate(const char *path, off_t size) {
    if (!hold()) return REAL(truncate)(path, size);
    struct stat st;
    int result = REAL(truncate)(path, size);
    int saved = errno;
    if (result == 0 && stat(path, &st) == 0 && known(&st)) emit_number(TRUNCATE, known(&st), size);
    release();
    errno = saved;
    return result;
}
int truncate64(const char *, off64_t) __attribute__((alias("truncate")));

static void emit_growth(int fd, uint64_t id, off_t end) {
    struct stat st;
    // The file may have been longer already; then its length is what it was.
    if (fstat(fd, &st) == 0 && st.st_size == end) emit_number(TRUNCATE, id, end);
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    uint64_t id = mode == FALLOC_FL_KEEP_SIZE ? 0 : hold_fd(fd);
    if (!id) return REAL(fallocate)(fd, mode, offset, length);
    if (mode) unexpected("fallocate that changes contents");
    int result = REAL(fallocate)(fd, mode, offset, length);
    int saved = errno;
    if (result == 0) emit_growth(fd, id, offset + length);
    release();
    errno = saved;
    return result;
}
int fallocate64(int, int, off64_t, off64_t) __attribute__((alias("fallocate")));

int posix_fallocate(int fd, off_t offset, off_t length) {
    uint64_t id = hold_fd(fd);
    if (!id) return REAL(posix_fallocate)(fd, offset, length);
    int result = REAL(posix_fallocate)(fd, offset, length);
    if (result == 0) emit_growth(fd, id, offset + length);
    release();
    return result;
}
int posix_fallocate64(int, off64_t, off64_t) __attribute__((alias("posix_fallocate")));

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    int shared = (flags & MAP_TYPE) == MAP_SHARED || (flags & MAP_TYPE) == MAP_SHARED_VALIDATE;
    if (shared && (protection & PROT_WRITE) && !(flags & MAP_ANONYMOUS) && hold_fd(fd))
        unexpected("a shared writable mapping");
    return REAL(mmap)(at, length, protection, flags, fd, offset);
}
void *mmap64(void *, size_t, int, int, int, off64_t) __attribute__((alias("mmap")));

// ---- Syncs. They run without the mutex: others go on meanwhile, and are not covered.

#define SYNCING(call, kind)                                                                        \
    uint64_t id = hold_fd(fd);                                                                     \
    if (!id) return call;                                                                          \
    uint64_t covers = log_length;                                                                  \
    release();                                                                                     \
    int result = call;                                                                             \
    int saved = errno;                                                                             \
    if (result == 0 && hold()) {                                                                   \
        emit_number(kind, id, covers);                                                             \
        release();                                                                                 \
    }                                                                                              \
    errno = saved;                                                                                 \
    return result

int fsync(int fd) {
    SYNCING(REAL(fsync)(fd), SYNC);
}

int fdatasync(int fd) {
    SYNCING(REAL(fdatasync)(fd), SYNC);
}

// Proves nothing: neither the length nor the cache of the disk. Recorded to be seen.
int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags) {
    SYNCING(REAL(sync_file_range)(fd, offset, length, flags), SYNC_RANGE);
}

// ---- By number.

long syscall(long number, ...) {
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int at = 0; at < 6; at++) a[at] = va_arg(arguments, long);
    va_end(arguments);
    if (off()) return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    switch (number) {
    case SYS_open: return open((char *)a[0], a[1], (mode_t)a[2]);
    case SYS_openat: return openat(a[0], (char *)a[1], a[2], (mode_t)a[3]);
    case SYS_creat: return creat((char *)a[0], a[1]);
    case SYS_write: return write(a[0], (void *)a[1], a[2]);
    case SYS_writev: return writev(a[0], (void *)a[1], a[2]);
    case SYS_pwrite64: return pwrite(a[0], (void *)a[1], a[2], a[3]);
    case SYS_copy_file_range: return copy_file_range(a[0], (off64_t *)a[1], a[2], (off64_t *)a[3], a[4], a[5]);
    case SYS_sendfile: return sendfile(a[0], a[1], (off_t *)a[2], a[3]);
    case SYS_splice: return splice(a[0], (off64_t *)a[1], a[2], (off64_t *)a[3], a[4], a[5]);
    case SYS_ftruncate: return ftruncate(a[0], a[1]);
    case SYS_truncate: return truncate((char *)a[0], a[1]);
    case SYS_fallocate: return fallocate(a[0], a[1], a[2], a[3]);
    case SYS_fsync: return fsync(a[0]);
    case SYS_fdatasync: return fdatasync(a[0]);
    case SYS_link: return link((char *)a[0], (char *)a[1]);
    case SYS_linkat: return linkat(a[0], (char *)a[1], a[2], (char *)a[3], a[4]);
    case SYS_rename: return rename((char *)a[0], (char *)a[1]);
    case SYS_renameat: return renameat(a[0], (char *)a[1], a[2], (char *)a[3]);
    case SYS_renameat2: return renameat2(a[0], (char *)a[1], a[2], (char *)a[3], a[4]);
    case SYS_unlink: return unlink((char *)a[0]);
    case SYS_unlinkat: return unlinkat(a[0], (char *)a[1], a[2]);
    case SYS_mkdir: return mkdir((char *)a[0], a[1]);
    case SYS_mkdirat: return mkdirat(a[0], (char *)a[1], a[2]);
    case SYS_rmdir: return rmdir((char *)a[0]);
    case SYS_pwritev: case SYS_pwritev2: case SYS_openat2:
        unexpected("pwritev or openat2 through syscall()");
    case SYS_io_uring_setup:
        errno = ENOSYS;
        return -1;
    }
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
