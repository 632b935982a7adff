"""What one key of a site alone does not show: names that lead nowhere, patterns, variables."""

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from fastws.config.faults import Faults, did_you_mean
from fastws.config.files import why_unwritable
from fastws.config.model import (
    Action,
    Config,
    Location,
    Map,
    Replacement,
    Site,
    Step,
    Template,
    compile_pattern,
    group_names,
    split_pattern,
)
from fastws.config.variables import OF_KEYS, OF_SITES, is_of_keys, is_of_sites

_SHARE = re.compile(r"\d{1,3}(\.\d{1,2})?%", re.ASCII)
_PATTERNED = ("regex", "regex_nocase")
_NEEDED = {"set": "name", "rewrite": "pattern", "if": "value"}


def check_sites(config: Config, faults: Faults) -> None:
    """Add the faults of sites and maps, and the unknown variables of all texts."""
    if config.sites and config.routes:
        faults.add("routes", "cannot stand beside sites", "say it all in one of the two")
    _Check(config, faults).all()


class _Check:
    def __init__(self, config: Config, faults: Faults) -> None:
        self._config = config
        self._faults = faults
        self._upstreams = {upstream.name for upstream in config.upstreams}
        self._defined = set(_defined(config))
        self._told: set[str] = set()
        self._logs: set[str] = set()

    def all(self) -> None:
        config = self._config
        for i, upstream in enumerate(config.upstreams):
            self._template(upstream.balance.key, f"upstreams[{i}].balance")
        for i, each in enumerate(config.maps):
            self._template(each.source, f"maps[{i}].source")
            self._template(each.default, f"maps[{i}].default")
            if each.compare == "shares":
                self._shares(each, f"maps[{i}].cases")
            elif each.compare == "networks":
                self._networks(each, f"maps[{i}].cases")
            for j, case in enumerate(each.cases):
                path = f"maps[{i}].cases[{j}]"
                self._pattern(case.key, f"{path}.key")
                self._template(case.value, f"{path}.value")
        self._access_logs()
        for i, site in enumerate(config.sites):
            self._site(site, f"sites[{i}]")

    def _access_logs(self) -> None:
        for i, log in enumerate(self._config.access_logs):
            path = f"access_logs[{i}]"
            if log.name in self._logs:
                self._faults.add(f"{path}.name", "is the name of an access log already")
            self._logs.add(log.name)
            if why := why_unwritable(log.file):
                self._faults.add(f"{path}.file", why)
            self._template(log.format, f"{path}.format")
            self._template(log.when, f"{path}.when")

    def _shares(self, table: Map, path: str) -> None:
        wrong = [i for i, case in enumerate(table.cases) if not _SHARE.fullmatch(case.key)]
        for i in wrong:
            self._faults.add(f"{path}[{i}].key", 'is no share such as "0.5%"')
        if not wrong and sum(float(case.key[:-1]) for case in table.cases) > 100.001:
            self._faults.add(path, "are more than 100%")

    def _networks(self, table: Map, path: str) -> None:
        for i, case in enumerate(table.cases):
            try:
                ip_network(case.key)
            except ValueError as error:
                self._faults.add(f"{path}[{i}].key", f"is no network: {error}")

    def _site(self, site: Site, path: str) -> None:
        self._named = {each.path for each in site.locations if each.match == "named"}
        self._steps(site.steps, f"{path}.steps")
        self._action(site.action, f"{path}.action", replaces=False)
        self._locations(site.locations, f"{path}.locations")

    def _locations(self, locations: tuple[Location, ...], path: str) -> None:
        seen: dict[tuple[str, str], int] = {}
        for i, location in enumerate(locations):
            here = f"{path}[{i}]"
            kind = "prefix" if location.match == "prefix_first" else location.match
            first = seen.setdefault((kind, location.path), i)
            if first != i and location.match not in _PATTERNED:
                self._faults.add(here, f"is for {location.path}, as {path}[{first}] is")
            self._location(location, here)

    def _location(self, location: Location, path: str) -> None:
        if location.match in _PATTERNED:
            self._expression(location.path, f"{path}.path")
        elif location.match != "named" and not location.path.startswith("/"):
            self._faults.add(f"{path}.path", 'begins with no "/": no request comes here')
        replaces = location.match not in (*_PATTERNED, "named")
        self._steps(location.steps, f"{path}.steps")
        self._action(location.action, f"{path}.action", replaces=replaces)
        if other := location.other_methods:
            self._action(other.action, f"{path}.other_methods.action", replaces=replaces)
        self._locations(location.locations, f"{path}.locations")

    def _steps(self, steps: tuple[Step, ...], path: str) -> None:
        for i, step in enumerate(steps):
            here = f"{path}[{i}]"
            needed = _NEEDED.get(step.do)
            if needed and not getattr(step, needed):
                self._faults.add(f"{here}.{needed}", f'is missing where "{step.do}" is done')
            if step.pattern or step.do == "rewrite" or "~" in step.test:
                self._expression(step.pattern, f"{here}.pattern")
            self._template(step.value, f"{here}.value")
            self._template(step.operand, f"{here}.operand")
            self._steps(step.steps, f"{here}.steps")
            if step.action:
                self._action(step.action, f"{here}.action", replaces=True)

    def _action(self, action: Action, path: str, *, replaces: bool) -> None:
        if action.forward:
            forward, here = action.forward, f"{path}.forward"
            if not forward.url and forward.upstream not in self._upstreams:
                message = f'there is no upstream "{forward.upstream}"'
                self._faults.add(here, message, did_you_mean(forward.upstream, self._upstreams))
            if forward.uri and not replaces:
                self._faults.add(f"{here}.uri", "has no path here that it could replace")
            self._template(forward.url, f"{here}.url")
        for i, name in enumerate(action.access_logs):
            if name not in self._logs:
                message = f'there is no access log "{name}"'
                hint = did_you_mean(name, self._logs)
                self._faults.add(f"{path}.access_logs[{i}]", message, hint)
        self._leads_somewhere(action.otherwise, f"{path}.otherwise")
        for i, page in enumerate(action.error_pages):
            self._leads_somewhere(page.to, f"{path}.error_pages[{i}]")
        for key in ("set_headers", "add_headers"):
            for i, line in enumerate(getattr(action, key)):
                self._template(line.value, f"{path}.{key}[{i}].value")
        for key in ("redirects", "cookie_domains", "cookie_paths"):
            self._replacements(getattr(action, key), f"{path}.{key}")

    def _replacements(self, replacements: tuple[Replacement, ...], path: str) -> None:
        for i, each in enumerate(replacements):
            self._pattern(each.find, f"{path}[{i}].find")
            self._template(each.replace, f"{path}[{i}].replace")

    def _leads_somewhere(self, to: Template, path: str) -> None:
        self._template(to, path)
        name = to[0].text if len(to) == 1 else ""
        if name.startswith("@") and name not in self._named:
            self._faults.add(
                path, f'there is no location "{name}"', did_you_mean(name, self._named)
            )

    def _pattern(self, text: str, path: str) -> None:
        if pattern := split_pattern(text):
            self._expression(pattern[0], path)

    def _expression(self, text: str, path: str) -> None:
        try:
            compile_pattern(text)
        except ValueError as error:
            self._faults.add(path, str(error))

    def _template(self, template: Template, path: str) -> None:
        for part in template:
            if part.name and not self._knows(part.name) and part.name not in self._told:
                self._told.add(part.name)
                known = (f"${name}" for name in self._names())
                hint = did_you_mean(f"${part.name}", known)
                self._faults.add(path, f"unknown variable ${part.name}", hint)

    def _knows(self, name: str) -> bool:
        if not self._config.sites:
            return is_of_keys(name)
        return name in self._defined or is_of_sites(name)

    def _names(self) -> Iterable[str]:
        return [*OF_KEYS, *(OF_SITES if self._config.sites else ()), *self._defined]


def _defined(config: Config) -> Iterator[str]:
    """Yield the variables that a configuration itself defines."""
    for each in config.maps:
        yield each.variable
        for case in each.cases:
            yield from group_names(case.key)
    for site in config.sites:
        for host in site.hosts:
            yield from group_names(host)
        yield from _defined_in_steps(site.steps)
        yield from _defined_in_locations(site.locations)


def _defined_in_locations(locations: tuple[Location, ...]) -> Iterator[str]:
    for location in locations:
        yield from group_names(location.path)
        yield from _defined_in_steps(location.steps)
        yield from _defined_in_locations(location.locations)


def _defined_in_steps(steps: tuple[Step, ...]) -> Iterator[str]:
    for step in steps:
        if step.do == "set" and step.name:
            yield step.name
        yield from group_names(step.pattern)
        yield from _defined_in_steps(step.steps)
