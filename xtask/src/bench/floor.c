/* What the kernel alone asks for `run` of the configuration that `spec` writes: its namespaces, groups, mounts, devices,
 * masks and privileges, with nothing read, nothing decided, nothing checked and nothing remembered. No runtime.
 *
 *     floor ROOTFS NAME HIERARCHY... -- PROGRAM [ARGUMENT]...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 32, ALWAYS = MS_NOSUID | MS_NODEV | MS_NOEXEC };

static char *root, *name, *hierarchies[MOST + 1];
static int groups[MOST], many;

/* A floor that leaves something out is none: what fails ends it. */
static void must(int answer, const char *call) {
    if (answer >= 0) return;
    fprintf(stderr, "floor: %s: %s\n", call, strerror(errno));
    _exit(1);
}

static void put(int directory, const char *file, const char *text) {
    int fd = openat(directory, file, O_WRONLY | O_CLOEXEC);
    must(fd, file);
    must(write(fd, text, strlen(text)), file);
    close(fd);
}

/* A group of the cpuset hierarchy takes no process until it has processors and memory. */
static void inherit(int parent, int group, const char *file) {
    char text[256];
    int fd = openat(parent, file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t length = read(fd, text, sizeof text - 1);
    must(length, file);
    text[length] = 0;
    close(fd);
    put(group, file, text);
}

static void make_groups(void) {
    for (many = 0; hierarchies[many]; many++) {
        int parent = open(hierarchies[many], O_PATH | O_DIRECTORY | O_CLOEXEC);
        must(parent, hierarchies[many]);
        must(mkdirat(parent, name, 0755), "mkdirat(group)");
        groups[many] = openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        must(groups[many], "openat(group)");
        inherit(parent, groups[many], "cpuset.cpus");
        inherit(parent, groups[many], "cpuset.mems");
        close(parent);
    }
}

static void allow_devices(void) {
    static const char *allowed[] = {"c *:* m",   "b *:* m",   "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm",  "c 1:8 rwm",
                                    "c 1:9 rwm", "c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm"};
    for (int one = 0; one < many; one++) {
        if (faccessat(groups[one], "devices.deny", F_OK, 0)) continue;
        put(groups[one], "devices.deny", "a");
        int fd = openat(groups[one], "devices.allow", O_WRONLY | O_CLOEXEC);
        must(fd, "devices.allow");
        for (size_t rule = 0; rule < sizeof allowed / sizeof *allowed; rule++)
            must(write(fd, allowed[rule], strlen(allowed[rule])), "write(devices.allow)");
        close(fd);
    }
}

static void raise_loopback(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(fd, "socket");
    must(ioctl(fd, SIOCSIFFLAGS, &request), "ioctl(SIOCSIFFLAGS)");
    close(fd);
}

static void on(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
    must(mount(source, target, type, flags, data), target);
}

static void again(const char *target, unsigned long flags) {
    on(NULL, target, NULL, MS_REMOUNT | MS_BIND | flags, NULL);
}

static void make_devices(void) {
    static const struct { const char *path; int major, minor; } devices[] = {
        {"dev/null", 1, 3},   {"dev/zero", 1, 5},    {"dev/full", 1, 7},
        {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
    static const char *links[][2] = {{"/proc/self/fd", "dev/fd"},
                                     {"/proc/self/fd/0", "dev/stdin"},
                                     {"/proc/self/fd/1", "dev/stdout"},
                                     {"/proc/self/fd/2", "dev/stderr"},
                                     {"pts/ptmx", "dev/ptmx"}};
    for (size_t one = 0; one < sizeof devices / sizeof *devices; one++)
        must(mknod(devices[one].path, S_IFCHR | 0666, makedev(devices[one].major, devices[one].minor)), "mknod");
    for (size_t one = 0; one < sizeof links / sizeof *links; one++)
        must(symlink(links[one][0], links[one][1]), "symlink");
}

static void mount_groups(void) {
    char from[4096], to[4096];
    on("cgroup", "sys/fs/cgroup", "tmpfs", ALWAYS, "mode=755");
    for (int one = 0; one < many; one++) {
        snprintf(from, sizeof from, "%s/%s", hierarchies[one], name);
        snprintf(to, sizeof to, "sys/fs/cgroup%s", strrchr(hierarchies[one], '/'));
        must(mkdir(to, 0755), to);
        on(from, to, NULL, MS_BIND, NULL);
        again(to, ALWAYS | MS_RDONLY);
    }
    again("sys/fs/cgroup", ALWAYS | MS_RDONLY);
}

static void furnish(void) {
    on(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
    on(root, root, NULL, MS_BIND | MS_REC, NULL);
    must(chdir(root), root);
    on("proc", "proc", "proc", 0, NULL);
    on("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
    must(mkdir("dev/pts", 0755) | mkdir("dev/shm", 0755) | mkdir("dev/mqueue", 0755), "mkdir(dev/...)");
    on("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    on("shm", "dev/shm", "tmpfs", ALWAYS, "mode=1777,size=65536k");
    on("mqueue", "dev/mqueue", "mqueue", ALWAYS, NULL);
    on("sysfs", "sys", "sysfs", ALWAYS | MS_RDONLY, NULL);
    mount_groups();
    make_devices();
    must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
    must(umount2(".", MNT_DETACH), "umount2");
    must(chdir("/"), "chdir");
    again("/", MS_RDONLY);
}

/* A configuration names more than every kernel has. */
static void mask(void) {
    static const char *readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    static const char *masked[] = {"/proc/acpi",        "/proc/asound",      "/proc/kcore",       "/proc/keys",
                                   "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                                   "/sys/firmware",     "/proc/scsi"};
    for (size_t one = 0; one < sizeof readonly / sizeof *readonly; one++)
        if (!mount(readonly[one], readonly[one], NULL, MS_BIND | MS_REC, NULL)) again(readonly[one], MS_RDONLY);
    for (size_t one = 0; one < sizeof masked / sizeof *masked; one++)
        if (mount("/dev/null", masked[one], NULL, MS_BIND, NULL) && errno == ENOTDIR)
            on("tmpfs", masked[one], "tmpfs", ALWAYS | MS_RDONLY, "size=0k");
}

static void drop_privileges(void) {
    const unsigned kept = 1u << CAP_AUDIT_WRITE | 1u << CAP_KILL | 1u << CAP_NET_BIND_SERVICE;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{.effective = kept, .permitted = kept}};
    struct rlimit files = {1024, 1024};
    must(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)");
    for (int one = 0; one < 64; one++)
        if ((one > 31 || !(kept >> one & 1)) && prctl(PR_CAPBSET_DROP, one, 0, 0, 0)) break;
    must(syscall(SYS_capset, &header, sets), "capset");
}

static void live(char **program) {
    static char *const environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    for (int one = 0; one < many; one++) put(groups[one], "cgroup.procs", "0");
    must(sethostname("stage4", 6), "sethostname");
    raise_loopback();
    furnish();
    mask();
    /* Later than the devices, which the group would not let be made. */
    allow_devices();
    must(setsid(), "setsid");
    drop_privileges();
    execve(program[0], program, environment);
    must(-1, program[0]);
}

static int is_end(const char *word) { return !strcmp(word, "--"); }

int main(int count, char **words) {
    int first = 3, last = 3;
    while (last < count && !is_end(words[last])) last++;
    if (last + 1 >= count || last - first > MOST) {
        fprintf(stderr, "usage: floor ROOTFS NAME HIERARCHY... -- PROGRAM [ARGUMENT]...\n");
        return 2;
    }
    root = words[1], name = words[2];
    memcpy(hierarchies, words + first, (last - first) * sizeof *words);

    make_groups();
    long flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | SIGCHLD;
    long child = syscall(SYS_clone, flags, 0, 0, 0, 0);
    must(child, "clone");
    if (!child) live(words + last + 1);
    int status;
    must(waitpid(child, &status, 0), "waitpid");
    for (int one = 0; one < many; one++) {
        int parent = open(hierarchies[one], O_PATH | O_DIRECTORY);
        must(unlinkat(parent, name, AT_REMOVEDIR), "unlinkat(group)");
        close(parent);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
