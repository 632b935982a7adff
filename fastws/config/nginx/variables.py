"""Which variables nginx has, and which ones a configuration defines or uses."""

import re
from collections.abc import Iterator

from fastws.config.nginx.parser import Directive

Tree = tuple[Directive, ...]

# From the arrays of ``ngx_http_variable_t`` in the sources of nginx 1.31.5.
_BUILT_IN = """
ancient_browser args binary_remote_addr body_bytes_sent bytes_sent connection
connection_requests connection_time connections_active connections_reading
connections_waiting connections_writing content_length content_type date_gmt date_local
document_root document_uri fastcgi_path_info fastcgi_script_name gzip_ratio host hostname
http2 http3 https invalid_referer is_args limit_conn_status limit_rate limit_req_status
memcached_key modern_browser msec msie nginx_version pid pipe proxy_add_via
proxy_add_x_forwarded_for proxy_host proxy_port proxy_protocol_addr proxy_protocol_port
proxy_protocol_server_addr proxy_protocol_server_port query_string realip_remote_addr
realip_remote_port realpath_root remote_addr remote_port remote_user request request_body
request_body_file request_completion request_filename request_id request_length
request_method request_port request_time request_uri scheme secure_link secure_link_expires
server_addr server_name server_port server_protocol slice_range ssl_alpn_protocol ssl_cipher
ssl_ciphers ssl_client_cert ssl_client_escaped_cert ssl_client_fingerprint ssl_client_i_dn
ssl_client_i_dn_legacy ssl_client_raw_cert ssl_client_s_dn ssl_client_s_dn_legacy
ssl_client_serial ssl_client_sigalg ssl_client_v_end ssl_client_v_remain ssl_client_v_start
ssl_client_verify ssl_curve ssl_curves ssl_early_data ssl_ech_outer_server_name
ssl_ech_status ssl_protocol ssl_server_name ssl_session_id ssl_session_reused ssl_sigalg
ssl_sigalgs status tcpinfo_rcv_space tcpinfo_rtt tcpinfo_rttvar tcpinfo_snd_cwnd
time_iso8601 time_local uid_got uid_reset uid_set upstream_addr upstream_bytes_received
upstream_bytes_sent upstream_cache_etag upstream_cache_last_modified upstream_cache_status
upstream_connect_time upstream_header_time upstream_response_length upstream_response_time
upstream_status uri
"""
_FAMILIES = re.compile(
    r"\d|(arg|cookie|http|sent_http|sent_trailer|upstream_(http|cookie|trailer)|geoip2?"
    r"|proxy_protocol_tlv|ssl|jwt|js)_\w+",
    re.ASCII,
)
# Variables are not case-sensitive. A text in which $ is not followed by a name is left to nginx.
_USE = re.compile(r"\$(?:\{(\w+)\}|(\w+))", re.ASCII)
_NAMED_GROUP = re.compile(r"\(\?P?[<'](\w+)[>']", re.ASCII)
# Which argument of a directive names the variable it sets.
_DEFINE = {
    "set": 0,
    "map": 1,
    "geo": -1,
    "split_clients": -1,
    "auth_request_set": 0,
    "perl_set": 0,
    "js_set": 0,
    "js_var": 0,
    "keyval": 1,
    "secure_link_secret": -1,
}


def used(text: str) -> list[str]:
    """Return the names of the variables in a text, in lower case."""
    return [(braced or bare).lower() for braced, bare in _USE.findall(text)]


def is_known(name: str) -> bool:
    """Return whether nginx itself, or a well-known module, has a variable."""
    return name in _BUILT_IN.split() or bool(_FAMILIES.fullmatch(name))


def defined(tree: Tree) -> Iterator[str]:
    """Yield the names of the variables that a tree defines, in lower case."""
    for directive in tree:
        values = directive.values
        place = _DEFINE.get(directive.name.text)
        if place is not None and values:
            yield values[place if place < len(values) else -1].removeprefix("$").lower()
        for value in values:
            yield from map(str.lower, _NAMED_GROUP.findall(value))
        yield from defined(directive.block or ())
