/* Makes one system call of a process fail: preloaded, then armed through fault_arm.

   Only calls on paths below a folder count; those of a group, such as all that read, are numbered
   from 1 as they come. Calls that a C library makes of itself (fread) are not seen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[4096];
static char group[16];
static long chosen;
static int code;
static int sticky;
static atomic_long seen;
static atomic_int armed;

/* Choose the n-th call of a group ("" for none), to fail with an errno; and all later ones too? */
void fault_arm(const char *under, const char *which, long n, int number, int stays) {
    snprintf(folder, sizeof folder, "%s", under);
    snprintf(group, sizeof group, "%s", which);
    chosen = n;
    code = number;
    sticky = stays;
    atomic_store(&seen, 0);
    atomic_store(&armed, 1);
}

/* How many calls of the group there were. */
long fault_seen(void) { return atomic_load(&seen); }

static int is_below(const char *path) {
    size_t length = strlen(folder);
    return path != NULL && strncmp(path, folder, length) == 0 &&
           (path[length] == '/' || path[length] == '\0');
}

static int hits(const char *which, const char *path) {
    if (!atomic_load(&armed) || strcmp(which, group) != 0 || !is_below(path)) return 0;
    long number = atomic_fetch_add(&seen, 1) + 1;
    if (number != chosen && !(sticky && chosen > 0 && number > chosen)) return 0;
    errno = code;
    return 1;
}

static int hits_file(const char *which, int file) {
    if (!atomic_load(&armed) || strcmp(which, group) != 0) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    int before = errno;
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0) return 0;
    path[length] = '\0';
    return hits(which, path);
}

/* A path relative to a folder's descriptor is below where the folder is. */
static int hits_at(const char *which, int directory, const char *path) {
    if (path[0] == '/') return hits(which, path);
    return directory == AT_FDCWD ? 0 : hits_file(which, directory);
}

#define NEXT(name) \
    static __typeof__(name) *next; \
    if (next == NULL) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define FILE_CALL(which, result, name, types, names) \
    result name types { \
        NEXT(name); \
        if (hits_file(which, file)) return -1; \
        return next names; \
    }

FILE_CALL("read", ssize_t, read, (int file, void *to, size_t size), (file, to, size))
FILE_CALL("read", ssize_t, pread, (int file, void *to, size_t size, off_t at), (file, to, size, at))
FILE_CALL("read", ssize_t, pread64, (int file, void *to, size_t size, off64_t at), (file, to, size, at))
FILE_CALL("read", ssize_t, preadv, (int file, const struct iovec *to, int count, off_t at), (file, to, count, at))
FILE_CALL("read", ssize_t, preadv64, (int file, const struct iovec *to, int count, off64_t at), (file, to, count, at))
FILE_CALL("write", ssize_t, write, (int file, const void *from, size_t size), (file, from, size))
FILE_CALL("write", ssize_t, writev, (int file, const struct iovec *from, int count), (file, from, count))
FILE_CALL("write", ssize_t, pwrite, (int file, const void *from, size_t size, off_t at), (file, from, size, at))
FILE_CALL("write", ssize_t, pwrite64, (int file, const void *from, size_t size, off64_t at), (file, from, size, at))
FILE_CALL("sync", int, fsync, (int file), (file))
FILE_CALL("sync", int, fdatasync, (int file), (file))

#define PATH_CALL(which, name, types, names) \
    int name types { \
        NEXT(name); \
        if (hits(which, path)) return -1; \
        return next names; \
    }

PATH_CALL("rename", rename, (const char *path, const char *to), (path, to))
PATH_CALL("unlink", unlink, (const char *path), (path))
PATH_CALL("unlink", rmdir, (const char *path), (path))
PATH_CALL("mkdir", mkdir, (const char *path, mode_t mode), (path, mode))

#define AT_CALL(which, name, types, names) \
    int name types { \
        NEXT(name); \
        if (hits_at(which, directory, path)) return -1; \
        return next names; \
    }

AT_CALL("rename", renameat, (int directory, const char *path, int other, const char *to), (directory, path, other, to))
AT_CALL("rename", renameat2, (int directory, const char *path, int other, const char *to, unsigned flags), (directory, path, other, to, flags))
AT_CALL("unlink", unlinkat, (int directory, const char *path, int flags), (directory, path, flags))
AT_CALL("mkdir", mkdirat, (int directory, const char *path, mode_t mode), (directory, path, mode))

#define OPEN_CALL(name) \
    int name(const char *path, int flags, ...) { \
        NEXT(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (hits("open", path)) return -1; \
        return next(path, flags, mode); \
    }

OPEN_CALL(open)
OPEN_CALL(open64)

#define OPENAT_CALL(name) \
    int name(int directory, const char *path, int flags, ...) { \
        NEXT(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (hits_at("open", directory, path)) return -1; \
        return next(directory, path, flags, mode); \
    }

OPENAT_CALL(openat)
OPENAT_CALL(openat64)
