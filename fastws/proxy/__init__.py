"""From a client's request to a tunnel, or to the answer that there is none."""
