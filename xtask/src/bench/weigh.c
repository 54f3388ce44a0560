/* The most memory, in KiB, that one process of a command has had at a time: `weigh PROGRAM [ARGUMENT]...`
 *
 * Small, for a child counts what its parent had when it was born (getrusage(2), ru_maxrss). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **words) {
    struct rusage usage;
    int status;
    pid_t child = count > 1 ? fork() : -1;
    if (child < 0) return 2;
    if (!child) {
        dup2(STDERR_FILENO, STDOUT_FILENO);
        execv(words[1], words + 1);
        _exit(127);
    }
    if (wait4(child, &status, 0, &usage) != child) return 2;
    printf("%ld\n", usage.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
