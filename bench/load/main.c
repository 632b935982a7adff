#include "modes.h"
#include "net.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "usage: wsload backend --port PORT\n"
    "       wsload load|open|push|fanout|churn|get|put|idle --port PORT [--connections N] [--size BYTES]\n"
    "              [--in-flight N] [--rate N] [--seconds S] [--warmup S]\n"
    "              [--watch PID,...] [--cores N,...]\n";

static const struct {
    const char *name;
    int (*run)(const struct options *);
} MODES[] = {
    {"load", run_echo},     {"open", run_open},   {"push", run_push},
    {"fanout", run_fanout}, {"churn", run_churn}, {"get", run_get},
    {"put", run_put},       {"idle", run_idle},
};

static const struct option OPTIONS[] = {
    {"port", required_argument, NULL, 'p'},      {"connections", required_argument, NULL, 'c'},
    {"size", required_argument, NULL, 's'},      {"in-flight", required_argument, NULL, 'f'},
    {"seconds", required_argument, NULL, 't'},   {"warmup", required_argument, NULL, 'w'},
    {"watch", required_argument, NULL, 'P'},     {"cores", required_argument, NULL, 'C'},
    {"rate", required_argument, NULL, 'r'},      {NULL, 0, NULL, 0},
};

static _Noreturn void usage(void)
{
    fputs(USAGE, stderr);
    exit(2);
}

static uint32_t count(const char *text, uint32_t least)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < least || value > 1u << 30)
        die("%s is not a number from %u to %u", text, least, 1u << 30);
    return (uint32_t)value;
}

static double seconds(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || !(value >= 0 && value <= 86400))
        die("%s is not a number of seconds", text);
    return value;
}

static void parse(int argc, char **argv, struct options *options)
{
    int letter;
    while ((letter = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        switch (letter) {
        case 'p': options->port = port_number(optarg); break;
        case 'c': options->connections = count(optarg, 1); break;
        case 's': options->size = count(optarg, 0); break;
        case 'f': options->in_flight = count(optarg, 1); break;
        case 'r': options->rate = count(optarg, 1); break;
        case 't': options->seconds = seconds(optarg); break;
        case 'w': options->warmup = seconds(optarg); break;
        case 'P': watch_pids(&options->watched, optarg); break;
        case 'C': watch_cores(&options->watched, optarg); break;
        default: usage();
        }
    }
}

int main(int argc, char **argv)
{
    struct options options = {
        .connections = 1, .in_flight = 1, .size = 64, .rate = 1000, .seconds = 1, .warmup = 0.2};
    if (argc < 2)
        usage();
    const char *mode = argv[1];
    parse(argc - 1, argv + 1, &options);
    raise_descriptor_limit();
    if (strcmp(mode, "backend") == 0)
        return run_backend(options.port);
    for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++)
        if (strcmp(mode, MODES[i].name) == 0)
            return MODES[i].run(&options);
    usage();
}
