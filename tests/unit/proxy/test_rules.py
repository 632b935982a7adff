from fastws.config.model import Limits, Timeouts
from fastws.proxy.rules import tunnel_rules


def test_each_limit_of_the_configuration_has_its_place() -> None:
    times = {"idle": 1.0, "stall": 2.0, "close": 3.0, "linger": 4.0, "ping": 5.0}
    rules = tunnel_rules(
        Limits(queued_bytes=4096), Timeouts(**times), max_message=7, validate_utf8=True
    )
    assert {name: getattr(rules, name) for name in times} == times
    assert (rules.queued_bytes, rules.max_message, rules.validate_utf8) == (4096, 7, True)


def test_what_a_route_does_not_ask_for_is_off() -> None:
    rules = tunnel_rules(Limits(), Timeouts())
    assert (rules.max_message, rules.validate_utf8) == (0, False)
