from __future__ import annotations

from typing import Any

import pytest
from support.incoming import get

from fastws.config.build import build
from fastws.errors import FastwsError
from fastws.observe.files import LogFiles
from fastws.observe.log import Log
from fastws.proxy.decision import Forward
from fastws.proxy.routes import RouteTable
from fastws.proxy.settings import Settings
from fastws.proxy.sites.table import SiteTable


def settings(files: LogFiles | None = None, **raw: Any) -> Settings:
    upstreams = [{"name": "u", "servers": [{"address": "127.0.0.1:1"}]}]
    listeners = [{"address": "127.0.0.1:80"}]
    config = build({"listeners": listeners, "upstreams": upstreams, **raw}, "f")
    return Settings(config, files=files)


def routed(**raw: Any) -> Settings:
    return settings(routes=[{"upstream": "u"}], **raw)


def site(**action: Any) -> dict[str, Any]:
    forward = {"upstream": "u", "host": "u"}
    return {"addresses": ["127.0.0.1:80"], "action": {"forward": forward, **action}}


def test_requests_go_by_routes_or_by_sites() -> None:
    assert isinstance(routed().routes, RouteTable)
    assert isinstance(settings(sites=[site()]).routes, SiteTable)


def test_the_client_is_named_by_a_trusted_proxy_alone() -> None:
    trusting = routed(trusted_proxies=["192.0.2.0/24"])
    behind = get("/", "X-Forwarded-For: 198.51.100.7, 192.0.2.9")
    assert trusting.client(behind) == "198.51.100.7"  # type: ignore[arg-type]
    assert trusting.trusts("192.0.2.1")
    assert not trusting.trusts("198.51.100.7")
    nobody = routed()
    assert nobody.client(behind) == ""  # type: ignore[arg-type]
    assert not nobody.trusts("192.0.2.1")


@pytest.mark.parametrize(
    ("trusted", "client"), [("192.0.2.0/24", "198.51.100.7"), ("10.0.0.0/8", "192.0.2.1")]
)
def test_balancers_are_told_of_that_client(trusted: str, client: str) -> None:
    behind = get("/", "X-Forwarded-For: 198.51.100.7")
    decided = routed(trusted_proxies=[trusted]).routes.decide(behind)  # type: ignore[arg-type]
    assert isinstance(decided, Forward)
    assert decided.client is not None
    assert (decided.client.host, decided.client.request) == (client, behind.request)


def test_a_log_that_cannot_be_written_is_an_error() -> None:
    logs = [{"name": "l", "file": "/nowhere/at/all.log"}]
    with pytest.raises(FastwsError, match=r"cannot write to /nowhere/at/all\.log"):
        settings(LogFiles(Log(2)), sites=[site(access_logs=["l"])], access_logs=logs)
