"""fastws: a WebSocket reverse proxy and load balancer that knows what a frame is."""

__version__ = "0.1.0"
