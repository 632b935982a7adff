"""Benchmarks: fastws beside other proxies."""
