#include "usage.h"

#include "net.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int parse_list(const char *list, int *numbers)
{
    int count = 0;
    while (*list != '\0') {
        char *end;
        if (count == MAX_WATCHED)
            die("more than %d to watch", MAX_WATCHED);
        numbers[count++] = (int)strtol(list, &end, 10);
        if (end == list || (*end != '\0' && *end != ','))
            die("%s is not a list of numbers", list);
        list = *end == ',' ? end + 1 : end;
    }
    return count;
}

void watch_pids(struct watchlist *watched, const char *list)
{
    watched->pids = parse_list(list, watched->pid);
}

void watch_cores(struct watchlist *watched, const char *list)
{
    watched->cores = parse_list(list, watched->core);
}

/* A thread that ends between listing and reading is no error, but a process is: see cpu_seconds. */
static double thread_seconds(int pid, const char *thread)
{
    char path[300];
    unsigned long long run = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, thread);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu", &run) != 1)
        die("%s cannot be read: is the kernel built with SCHED_INFO?", path);
    fclose(file);
    return (double)run / 1e9;
}

/* User and system time in nanoseconds, threads included: /proc/PID/stat counts in 10 ms. */
static double cpu_seconds(int pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    if (threads == NULL)
        die("process %d is gone", pid);
    double seconds = 0;
    for (struct dirent *entry; (entry = readdir(threads)) != NULL;)
        if (entry->d_name[0] != '.')
            seconds += thread_seconds(pid, entry->d_name);
    closedir(threads);
    return seconds;
}

static double tick_seconds(int pid)
{
    char path[64], line[1024] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(line, sizeof line, file) == NULL)
        die("process %d is gone", pid);
    fclose(file);
    unsigned long user = 0, system = 0;
    const char *after_name = strrchr(line, ')'); /* a name may hold anything */
    if (after_name == NULL ||
        sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system) != 2)
        die("%s is not as expected", path);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* proc(5): user, nice, system, idle, iowait, irq, softirq, steal */
static double busy_ticks(const char *line)
{
    unsigned long long user, nice, system, irq, softirq, steal;
    if (sscanf(line, "%*s %llu %llu %llu %*u %*u %llu %llu %llu", &user, &nice, &system, &irq,
               &softirq, &steal) != 6)
        die("/proc/stat is not as expected");
    return (double)(user + nice + system + irq + softirq + steal);
}

static double busy_seconds(const struct watchlist *watched)
{
    FILE *file = fopen("/proc/stat", "re");
    if (file == NULL)
        die("/proc/stat cannot be read");
    char line[4096];
    double ticks = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        int core;
        if (sscanf(line, "cpu%d ", &core) != 1)
            continue;
        for (int i = 0; i < watched->cores; i++)
            if (watched->core[i] == core)
                ticks += busy_ticks(line);
    }
    fclose(file);
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

void usage_read(const struct watchlist *watched, struct usage *usage)
{
    for (int i = 0; i < watched->pids; i++) {
        usage->cpu[i] = cpu_seconds(watched->pid[i]);
        usage->ticks[i] = tick_seconds(watched->pid[i]);
    }
    usage->own = cpu_seconds(getpid());
    usage->busy = busy_seconds(watched);
}

static void print_each(const struct watchlist *watched, const char *name, const double *from,
                       const double *to)
{
    printf("\"%s\": {", name);
    for (int i = 0; i < watched->pids; i++)
        printf("%s\"%d\": %.6f", i ? ", " : "", watched->pid[i], to[i] - from[i]);
    printf("}");
}

void usage_print(const struct watchlist *watched, const struct usage *from, const struct usage *to)
{
    printf("\"own_cpu\": %.6f, \"busy\": %.6f, ", to->own - from->own, to->busy - from->busy);
    print_each(watched, "cpu", from->cpu, to->cpu);
    printf(", ");
    print_each(watched, "ticks", from->ticks, to->ticks);
}
