/* Counts the calls by which a process changes or reads files below a folder, and at a chosen one
 * ends it, or lets that call fail. Keeps beside them what a loss of power would leave: the bytes of
 * each file as they were last synced, and the names in each folder as it was. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DATA = 1, SYNC = 2, NAMES = 4, OPENED = 8, READ = 16 };

static char prefix[2048], shadow[2048];
static size_t prefix_length;
static volatile long counted, at = -1;
static int failure, mask, armed, sticky;

/* failure 0: the process is killed before the call; else the call fails with that number, and all
 * later ones of those kinds where sticky. */
void arm(const char *folder, const char *keep, long number, int error, int kinds, int lasting) {
    strncpy(prefix, folder, sizeof prefix - 1);
    strncpy(shadow, keep, sizeof shadow - 1);
    prefix_length = strlen(prefix);
    at = number, failure = error, mask = kinds, sticky = lasting, counted = 0, armed = 1;
}

long events(void) { return counted; }

static int ours(const char *path) {
    return armed && path && !strncmp(path, prefix, prefix_length) &&
           (path[prefix_length] == '/' || !path[prefix_length]);
}

static int named(int fd, char *path) {
    char link[64];
    if (!armed) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, 4095);
    if (length <= 0) return 0;
    path[length] = 0;
    return ours(path);
}

static int stopped(int kind) {
    if (!(mask & kind)) return 0;
    long number = __sync_add_and_fetch(&counted, 1);
    if (at < 0 || (sticky ? number < at : number != at)) return 0;
    if (!failure) syscall(SYS_kill, getpid(), SIGKILL);
    errno = failure;
    return 1;
}

static void raw_write(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t done = syscall(SYS_write, fd, data, size);
        if (done <= 0) return;
        data += done, size -= done;
    }
}

static void note(const char *line) {
    char path[4096];
    snprintf(path, sizeof path, "%s/log", shadow);
    int log = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    raw_write(log, line, strlen(line));
    syscall(SYS_close, log);
}

static void keep_folder(const char *path) {
    static char text[1 << 20];
    char entry[4096], *end = text;
    struct stat status;
    end += sprintf(end, "D\t%s\n", path);
    DIR *folder = opendir(path);
    for (struct dirent *one; folder && (one = readdir(folder));) {
        if (!strcmp(one->d_name, ".") || !strcmp(one->d_name, "..")) continue;
        snprintf(entry, sizeof entry, "%s/%s", path, one->d_name);
        if (lstat(entry, &status)) continue;
        end += sprintf(end, "E\t%lu\t%d\t%s\n", (unsigned long)status.st_ino,
                       S_ISDIR(status.st_mode), one->d_name);
    }
    if (folder) closedir(folder);
    sprintf(end, ".\n");
    note(text);
}

static void keep_file(const char *path, unsigned long inode) {
    static char data[1 << 16];
    char temporary[4096], target[4096], line[8192];
    snprintf(temporary, sizeof temporary, "%s/part", shadow);
    snprintf(target, sizeof target, "%s/%lu", shadow, inode);
    int from = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
    if (from < 0) return;
    int to = syscall(SYS_openat, AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    for (ssize_t got; (got = syscall(SYS_read, from, data, sizeof data)) > 0;)
        raw_write(to, data, got);
    syscall(SYS_close, from);
    syscall(SYS_close, to);
    syscall(SYS_renameat2, AT_FDCWD, temporary, AT_FDCWD, target, 0);
    snprintf(line, sizeof line, "F\t%lu\t%s\n", inode, path);
    note(line);
}

static int synced(int fd, const char *name) {
    char path[4096];
    struct stat status;
    if (!named(fd, path)) return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
    if (stopped(SYNC)) return -1;
    if (!fstat(fd, &status)) {
        if (S_ISDIR(status.st_mode)) keep_folder(path);
        else keep_file(path, status.st_ino);
    }
    return 0;
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }

static int opened(const char *path, int flags) {
    if (!ours(path)) return 0;
    if ((flags & O_CREAT) && access(path, F_OK)) return stopped(NAMES);
    return stopped(OPENED);
}

#define MODE                                     \
    va_list rest;                                \
    va_start(rest, flags);                       \
    int mode = va_arg(rest, int);                \
    va_end(rest);

#define OPEN(NAME)                                                              \
    int NAME(const char *path, int flags, ...) {                                \
        MODE return opened(path, flags)                                         \
            ? -1 : syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode); \
    }
OPEN(open)
OPEN(open64)
#define OPENAT(NAME)                                                          \
    int NAME(int folder, const char *path, int flags, ...) {                  \
        MODE return opened(path, flags)                                       \
            ? -1 : syscall(SYS_openat, folder, path, flags | O_LARGEFILE, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

#define ON_FD(KIND, RESULT, NAME, ARGUMENTS, CALL)      \
    RESULT NAME ARGUMENTS {                             \
        char path[4096];                                \
        if (named(fd, path) && stopped(KIND)) return -1; \
        return CALL;                                    \
    }
ON_FD(DATA, ssize_t, write, (int fd, const void *d, size_t n), syscall(SYS_write, fd, d, n))
ON_FD(DATA, ssize_t, pwrite, (int fd, const void *d, size_t n, off_t o), syscall(SYS_pwrite64, fd, d, n, o))
ON_FD(DATA, ssize_t, pwrite64, (int fd, const void *d, size_t n, off64_t o), syscall(SYS_pwrite64, fd, d, n, o))
ON_FD(DATA, ssize_t, writev, (int fd, const struct iovec *d, int n), syscall(SYS_writev, fd, d, n))
ON_FD(DATA, int, ftruncate, (int fd, off_t n), syscall(SYS_ftruncate, fd, n))
ON_FD(DATA, int, ftruncate64, (int fd, off64_t n), syscall(SYS_ftruncate, fd, n))
ON_FD(READ, ssize_t, read, (int fd, void *d, size_t n), syscall(SYS_read, fd, d, n))
ON_FD(READ, ssize_t, pread, (int fd, void *d, size_t n, off_t o), syscall(SYS_pread64, fd, d, n, o))
ON_FD(READ, ssize_t, pread64, (int fd, void *d, size_t n, off64_t o), syscall(SYS_pread64, fd, d, n, o))

#define ON_NAME(NAME, ARGUMENTS, PATH, CALL)         \
    int NAME ARGUMENTS {                             \
        if (ours(PATH) && stopped(NAMES)) return -1; \
        return CALL;                                 \
    }
ON_NAME(rename, (const char *a, const char *b), b, syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 0))
ON_NAME(renameat, (int f, const char *a, int g, const char *b), b, syscall(SYS_renameat2, f, a, g, b, 0))
ON_NAME(unlink, (const char *a), a, syscall(SYS_unlinkat, AT_FDCWD, a, 0))
ON_NAME(unlinkat, (int f, const char *a, int flags), a, syscall(SYS_unlinkat, f, a, flags))
ON_NAME(rmdir, (const char *a), a, syscall(SYS_unlinkat, AT_FDCWD, a, AT_REMOVEDIR))
ON_NAME(mkdir, (const char *a, mode_t m), a, syscall(SYS_mkdirat, AT_FDCWD, a, m))
