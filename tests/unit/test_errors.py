from fastws.errors import ConfigError, InvalidConfigError, SlowPattern, UpstreamReject


def test_a_fault_says_where_it_is_and_what_would_be_right() -> None:
    assert str(ConfigError("f: a.b", "no such key")) == "f: a.b: no such key"
    fault = ConfigError("f: a.b", "no such key", "did you mean c?")
    assert str(fault) == "f: a.b: no such key; did you mean c?"


def test_all_faults_have_a_line_each() -> None:
    faults = [ConfigError("f", "one"), ConfigError("f", "two")]
    error = InvalidConfigError(faults)
    assert str(error) == "f: one\nf: two"
    assert error.errors == tuple(faults)


def test_what_an_upstream_says_that_cannot_be_relayed_is_a_502() -> None:
    assert UpstreamReject("It makes no sense.").status == 502


def test_the_pattern_that_takes_too_long_is_for_the_log_alone() -> None:
    reject = SlowPattern("(é+)+$", 0.05)
    assert reject.status == 500
    assert reject.reason.isascii()
    assert r"'(\xe9+)+$' took longer than 0.05 s" in reject.reason
    assert "xe9" not in reject.told
