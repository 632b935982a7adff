"""The variables that a text may hold: those of a request, and families of them."""

import re

# What an upstream's key may hold whoever asks; see `fastws.upstream.key`.
OF_KEYS = (
    "remote_addr",
    "binary_remote_addr",
    "request_uri",
    "uri",
    "args",
    "query_string",
    "host",
)
# What the texts of sites may hold besides.
OF_SITES = (
    "body_bytes_sent",
    "bytes_sent",
    "connection",
    "connection_requests",
    "content_length",
    "content_type",
    "document_uri",
    "gzip_ratio",
    "hostname",
    "http2",
    "http3",
    "https",
    "is_args",
    "msec",
    "nginx_version",
    "pid",
    "pipe",
    "proxy_add_x_forwarded_for",
    "proxy_host",
    "proxy_port",
    "proxy_protocol_addr",
    "proxy_protocol_port",
    "proxy_protocol_server_addr",
    "proxy_protocol_server_port",
    "realip_remote_addr",
    "realip_remote_port",
    "remote_port",
    "remote_user",
    "request",
    "request_body",
    "request_completion",
    "request_filename",
    "request_id",
    "request_length",
    "request_method",
    "request_time",
    "scheme",
    "server_addr",
    "server_name",
    "server_port",
    "server_protocol",
    "ssl_cipher",
    "ssl_protocol",
    "status",
    "time_iso8601",
    "time_local",
    "upstream_addr",
    "upstream_bytes_received",
    "upstream_bytes_sent",
    "upstream_cache_status",
    "upstream_connect_time",
    "upstream_header_time",
    "upstream_response_length",
    "upstream_response_time",
    "upstream_status",
)
_OF_KEYS = re.compile(r"(?:arg|http|cookie)_\w+", re.ASCII)
_OF_SITES = re.compile(r"[1-9]|(?:sent_http|upstream_http)_\w+", re.ASCII)


def is_of_keys(name: str) -> bool:
    """Whether the key of any upstream may hold it."""
    return name in OF_KEYS or bool(_OF_KEYS.fullmatch(name))


def is_of_sites(name: str) -> bool:
    """Whether every text of a site may hold it."""
    return is_of_keys(name) or name in OF_SITES or bool(_OF_SITES.fullmatch(name))
