"""The command line: parses arguments, builds a Config, runs it, exits."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

from fastws import __version__
from fastws.config.flags import Flags, load
from fastws.config.report import examine, left_out
from fastws.errors import FastwsError, InvalidConfigError

_PROGRAM = "fastws"
_NOTHING_TO_DO = "give a CONFIG, --upstream HOST:PORT or --demo"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=_PROGRAM, message="%(prog)s %(version)s")
def main() -> None:
    """Relay WebSockets, as a proxy that knows what a frame is."""


@main.command()
@click.argument("config", required=False)
@click.option("--listen", multiple=True, metavar="ADDR", help="Listen there.  [default: :8080]")
@click.option("--upstream", multiple=True, metavar="ADDR", help="Relay to there.")
@click.option(
    "--balance", metavar="METHOD", help="Balance by it, as in nginx.  [default: round_robin]"
)
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Run N processes.")
@click.option(
    "--driver",
    type=click.Choice(["auto", "uring", "epoll", "transport"]),
    help="Move bytes with this.",
)
@click.option("--tls-cert", metavar="FILE", help="Certificates (PEM) of the wss listeners.")
@click.option("--tls-key", metavar="FILE", help="Private key (PEM) of the wss listeners.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Set any key, by its path."
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Log this and worse.  [default: info]",
)
@click.option("--log-format", type=click.Choice(["text", "json"]), help="Log so.  [default: text]")
@click.option(
    "--ignore",
    multiple=True,
    metavar="DIRECTIVE",
    help="Serve an nginx.conf without this, though it guards something.",
)
@click.option("--demo", is_flag=True, help="Serve a page, and an upstream that echoes.")
def serve(config: str | None, **options: Any) -> None:
    """Relay WebSockets until SIGTERM or SIGINT.

    What to do stands in CONFIG, a TOML file or an nginx.conf, and in the options, which come
    before the file. ADDR is :8080, 127.0.0.1:8080, [::1]:8080, host:port or unix:/path, with wss://
    before it for TLS.
    """
    flags = Flags(**options)
    if flags.demo and flags.upstream:
        raise click.UsageError("--demo brings its own upstream: leave --upstream out")
    if config is None and not flags.upstream and not flags.demo:
        raise click.UsageError(_NOTHING_TO_DO)
    with _errors_in_words():
        load(config, flags)
        for line in left_out(config, flags.ignore) if config else ():
            click.echo(line)  # standard error is for the log
        # Here, for the event loop takes longer to import than `fastws check` to run.
        from fastws.server import run  # noqa: PLC0415

        run(partial(load, config, flags), demo=flags.demo)


@main.command()
@click.argument("config")
@click.option("--strict", is_flag=True, help="Fail for warnings and left-out directives too.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option(
    "--ignore",
    multiple=True,
    metavar="DIRECTIVE",
    help="Let this be left out, though it guards something.",
)
@click.option("--show", is_flag=True, help="Print the configuration in force, as TOML.")
def check(config: str, *, strict: bool, as_json: bool, ignore: tuple[str, ...], show: bool) -> None:
    """Check CONFIG and the files it names, and print every fault.

    CONFIG is a TOML file, an nginx.conf, or a file that an nginx.conf includes; which of them, is
    told by what it holds. Of nginx's files the traps for WebSockets are printed too. With --show
    the configuration in force comes on standard output, and what is found on standard error.

    The exit status is 0 if CONFIG is fine, 1 if there are errors (or with --strict warnings or
    left-out directives), and 2 if the command line is wrong.
    """
    report = examine(config, ignore)
    if show:
        click.echo(report.toml(), nl=False)
    if as_json:
        click.echo(report.json(strict=strict))
    elif report.faults:
        with _errors_in_words():
            raise InvalidConfigError(report.faults)
    else:
        click.echo(report.text(), err=show)
    sys.exit(report.fails(strict=strict))


@contextmanager
def _errors_in_words() -> Iterator[None]:
    """Turn an operator's mistake into lines on stderr and exit status 1."""
    try:
        yield
    except FastwsError as error:
        for line in str(error).splitlines():
            click.echo(f"{_PROGRAM}: error: {line}", err=True)
        sys.exit(1)
