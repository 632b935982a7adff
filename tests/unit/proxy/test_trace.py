import msgspec

from fastws.proxy.trace import Record, Trace


def test_attempts_follow_one_another() -> None:
    trace = Trace(began=1.0)
    trace.begin_try("group", 2.0)
    trace.connected("192.0.2.1:80", 50, 2.5)
    trace.failed(504, 3.0)
    trace.begin_try("192.0.2.2:80", 4.0)
    trace.answered(200, 30, 5, 4.5)
    trace.end(7, 20, 6.0)
    first, second = trace.tries
    assert (first.address, first.connected, first.status, first.ended) == (
        "192.0.2.1:80",
        2.5,
        504,
        3.0,
    )
    assert (second.heard, second.status, second.ended) == (4.5, 200, 6.0)
    assert (second.sent, second.received, second.body) == (7, 50, 20)
    assert (trace.sent, trace.body_sent, trace.ended) == (20, 20, 6.0)


def test_an_attempt_ends_where_the_next_begins() -> None:
    trace = Trace()
    trace.begin_try("a", 1.0)
    trace.begin_try("b", 2.0)
    trace.end(0, 0, 3.0)
    assert [attempt.ended for attempt in trace.tries] == [2.0, 3.0]


def test_the_attempt_behind_an_error_page_is_a_detour() -> None:
    trace = Trace()
    trace.begin_try("a", 1.0)
    trace.led_elsewhere(2.0)
    trace.begin_try("b", 3.0)
    trace.begin_try("c", 4.0)
    assert [attempt.detour for attempt in trace.tries] == [False, True, False]
    assert trace.tries[0].ended == 2.0


def test_without_an_attempt_there_is_no_detour() -> None:
    trace = Trace()
    trace.led_elsewhere(1.0)
    trace.begin_try("a", 2.0)
    assert not trace.tries[0].detour


def test_the_bytes_of_a_tunnel_are_no_body_of_its_upstream() -> None:
    trace = Trace()
    trace.begin_try("a", 1.0)
    trace.answered(101, 100, 0, 1.5)
    trace.end(10, 20, 9.0)
    assert (trace.tries[0].received, trace.tries[0].body, trace.body_sent) == (120, 0, 20)


def test_without_a_peer_only_the_clients_bytes_count() -> None:
    trace = Trace(sent=90)
    trace.end(5, 10, 2.0)
    assert (trace.sent, trace.body_sent, trace.tries) == (100, 10, [])


def test_a_record_goes_to_another_process() -> None:
    trace = Trace(began=1.0, status=101)
    trace.begin_try("a", 1.0)
    record = Record(trace, [("/log", [(b"a ", "status"), (b"\n", "")])])
    sent = msgspec.msgpack.encode(record)
    assert msgspec.msgpack.decode(sent, type=Record) == record
