/* CPU time of this process, of watched ones, and of whole cores, from /proc. */
#pragma once

#include <stdint.h>

enum { MAX_WATCHED = 64 };

struct watchlist {
    int pids, cores;
    int pid[MAX_WATCHED], core[MAX_WATCHED];
};

struct usage {
    double own;
    double busy; /* of the watched cores, whoever used them */
    double cpu[MAX_WATCHED];
    double ticks[MAX_WATCHED]; /* cpu again by the coarser clock that also counts ended threads */
};

void watch_pids(struct watchlist *watched, const char *list);
void watch_cores(struct watchlist *watched, const char *list);

void usage_read(const struct watchlist *watched, struct usage *usage);

/* Members of a JSON object: "own_cpu", "busy", "cpu" and "ticks". */
void usage_print(const struct watchlist *watched, const struct usage *from, const struct usage *to);
