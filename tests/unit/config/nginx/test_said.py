from fastws.config.nginx.findings import Place
from fastws.config.nginx.said import Said, settle


def test_values_and_places_are_told_apart() -> None:
    one, two = Place("f", 1, 1), Place("f", 2, 1)
    raw = {"a": Said([Said("x", one), "y"], two), "b": {"c": Said(5, one)}, "d": []}
    assert settle(raw) == (
        {"a": ["x", "y"], "b": {"c": 5}, "d": []},
        {"a": two, "a[0]": one, "b.c": one},
    )
