"""The command line: parses arguments, builds a Config, runs it, exits."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

from fastws import __version__
from fastws.admin.client import ask
from fastws.config.flags import Flags, load
from fastws.config.report import examine, left_out
from fastws.config.units import read_seconds
from fastws.errors import FastwsError, InvalidConfigError

_PROGRAM = "fastws"
_NOTHING_TO_DO = "give a CONFIG, --upstream HOST:PORT or --demo"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=_PROGRAM, message="%(prog)s %(version)s")
def main() -> None:
    """Relay WebSockets, and the plain HTTP around them, to servers that are balanced."""


@main.command()
@click.argument("config", required=False)
@click.option(
    "--listen", multiple=True, metavar="ADDR", help="Accept connections there.  [default: :8080]"
)
@click.option("--upstream", multiple=True, metavar="ADDR", help="Relay to the server there.")
@click.option(
    "--balance",
    metavar="METHOD",
    help="Choose among servers by one of nginx's methods.  [default: round_robin]",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Serve with N processes.  [default: one for each core]",
)
@click.option(
    "--driver",
    type=click.Choice(["auto", "uring", "epoll", "transport"]),
    help="What moves the bytes of plain connections.  [default: auto]",
)
@click.option("--tls-cert", metavar="FILE", help="Certificates (PEM) of the wss listeners.")
@click.option("--tls-key", metavar="FILE", help="Private key (PEM) of the wss listeners.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set any key of the configuration, by its path.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Log events of this level and worse.  [default: info]",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="How lines of the log look.  [default: text]",
)
@click.option("--control", metavar="PATH", help="Put the socket for commands there.")
@click.option(
    "--ignore",
    multiple=True,
    metavar="DIRECTIVE",
    help="Serve an nginx.conf without DIRECTIVE, though it guards something.",
)
@click.option(
    "--strict", is_flag=True, help="Refuse an nginx.conf for warnings and left-out directives too."
)
@click.option("--demo", is_flag=True, help="Serve a page, and an upstream that echoes.")
def serve(config: str | None, **options: Any) -> None:
    """Serve until SIGTERM or SIGINT.

    SIGHUP reads the configuration again, SIGUSR1 opens the log's file again, SIGUSR2 lets a new
    process take over (see `fastws upgrade`), and SIGQUIT ends it gently.

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
    help="Let DIRECTIVE be left out, though it guards something.",
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


_control = click.option(
    "--control", metavar="PATH", help="The proxy's control socket.  [default: that of the only one]"
)


class _Seconds(click.ParamType):  # type: ignore[type-arg]
    name = "TIME"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        try:
            return read_seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Rate(click.ParamType):  # type: ignore[type-arg]
    """So many in a second: 50, 50/s or 600/m."""

    name = "RATE"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        number, _, unit = str(value).partition("/")
        if number.isdecimal() and int(number) and unit in {"", "s", "m"}:
            return int(number) / (60 if unit == "m" else 1)
        self.fail(f"expected a rate such as 50/s, got {value!r}", param, ctx)
        return None


@main.command()
@_control
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(control: str | None, *, as_json: bool) -> None:
    """Show what a proxy is doing."""
    with _errors_in_words():
        answer = ask(control, "status")
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        from fastws.admin.tables import show  # noqa: PLC0415 - it takes long to import

        show(answer)


@main.command()
@_control
def reload(control: str | None) -> None:
    """Let a proxy go by its configuration as it is now.

    Tunnels stay as they are. What changed is printed; if anything is wrong, that, and nothing
    changes.
    """
    with _errors_in_words():
        changes = ask(control, "reload")["changes"]
    click.echo("\n".join(changes) or "nothing changed")


@main.command()
@click.argument("target", required=False)
@_control
@click.option("--rate", type=_Rate(), help="Close at most so many in a second: 50/s, or 600/m.")
@click.option("--code", type=click.IntRange(1000, 4999), help="The close code.  [default: 1012]")
@click.option(
    "--jitter",
    type=_Seconds(),
    help="Make each late by up to so much, at random.  [default: drain.spread]",
)
@click.option("--deadline", type=_Seconds(), help="Have closed all after so long.  [default: 5m]")
@click.option("--undo", is_flag=True, help="Let TARGET have connections again.")
@click.option("--move", is_flag=True, help="Move a worker's tunnels to the one in its place.")
def drain(target: str | None, control: str | None, **how: Any) -> None:
    """Close tunnels one after another.

    So clients do not come back all at once. TARGET is a server or a listener, by its address, which
    gets no more connections then, or a worker, by its number, in whose place another begins.
    Without it all tunnels that are open now are closed. --jitter spreads them at random: over
    drain.spread of the configuration unless there is a --rate.
    """
    with _errors_in_words():
        given = {name: value for name, value in how.items() if value is not None}
        answer = ask(control, "drain", target=target, **given)
    click.echo("undone" if how["undo"] else f"closed {answer['tunnels']} tunnels")


@main.command()
@_control
def upgrade(control: str | None) -> None:
    """Let a new process take a proxy's place.

    Program and configuration are as they are then. Tunnels move to it, and clients and servers do
    not notice; those over TLS are drained where they are. If the new process does not come up, the
    old one goes on, and why is printed.
    """
    with _errors_in_words():
        answer = ask(control, "upgrade")
    click.echo(f"process {answer['pid']} serves; {answer['left']} tunnels stay until they end")


@main.command()
@_control
def rebalance(control: str | None) -> None:
    """Even out the tunnels of the workers.

    They move; clients and servers notice nothing. Those over TLS stay where they are, and the
    others are shared out around them.
    """
    with _errors_in_words():
        moved = ask(control, "rebalance")["tunnels"]
    click.echo(f"moved {moved} tunnels")


@main.command()
@_control
def stop(control: str | None) -> None:
    """End a proxy as SIGTERM does, and wait until it has ended."""
    with _errors_in_words():
        ask(control, "stop")


@contextmanager
def _errors_in_words() -> Iterator[None]:
    """Turn an operator's mistake into lines on stderr and exit status 1."""
    try:
        yield
    except FastwsError as error:
        for line in str(error).splitlines():
            click.echo(f"{_PROGRAM}: error: {line}", err=True)
        sys.exit(1)
