"""Whole proxies under load, side by side in one run."""
