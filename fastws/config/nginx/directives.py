"""Which directives nginx has, where they may stand, with how many arguments, and what we do.

The tables were taken from the sources of nginx 1.31.5, from its arrays of ``ngx_command_t``. A line
has the contexts, one letter each, the arguments, and the names of all directives that are so:

    m main   e events   h http   s server   l location   u upstream
    I if in a server   i if in a location   x limit_except

    1   exactly one     1-2   one or two     1+   one or more     flag   on or off
    {   behind it: has a block     !   may stand in a block only once
"""

import re
from collections.abc import Iterator
from enum import Enum
from functools import cache

import msgspec

CONTEXTS = {
    "m": "the main level",
    "e": "events",
    "h": "http",
    "s": "server",
    "l": "location",
    "u": "upstream",
    "I": "if in a server",
    "i": "if in a location",
    "x": "limit_except",
}


class Fate(Enum):
    """What becomes of a directive in fastws."""

    USED = "used"
    OWN_WAY = "passed over"
    LEFT_OUT = "not imported"
    GUARD = "guard"


class Rule(msgspec.Struct, frozen=True):
    """One way to write a directive; ``most`` is None for any number of arguments."""

    name: str
    contexts: str
    least: int
    most: int | None
    flag: bool
    block: bool
    once: bool
    fate: Fate
    reason: str


_USED = """
hslx    1     allow deny
hsl     1+    error_log
hslix   1+    access_log
hsl     1!    default_type
m       0{!   events http
m       1     worker_processes
m       1!    pid worker_shutdown_timeout
m       1+    error_log worker_cpu_affinity
mehslIixu 1     include
h       0{    server
h       1-2{  geo
h       1{    upstream
h       2{    map split_clients
h       2+    log_format
hs      1     ssl_certificate ssl_certificate_key
hs      1!    client_header_timeout max_headers ssl_ciphers
hs      1+    ssl_protocols
hs      2!    large_client_header_buffers
hs      flag! http2
hs      flag! ssl_reject_handshake
hsl     1     proxy_hide_header proxy_pass_header
hsl     1     proxy_ssl_name real_ip_header
hsl     1     set_real_ip_from
hsl     1!    client_body_timeout client_max_body_size
hsl     1!    lingering_timeout proxy_connect_timeout proxy_http_version
hsl     1!    proxy_read_timeout
hsl     1!    proxy_ssl_trusted_certificate
hsl     1!    proxy_next_upstream_tries proxy_next_upstream_timeout
hsl     1+    proxy_next_upstream
hsl     1!    send_timeout
hsl     1+    resolver
hsl     1-2   keepalive_timeout proxy_cookie_domain proxy_cookie_path proxy_redirect
hsl     2     proxy_set_header
hsl     flag! absolute_redirect port_in_redirect proxy_buffering proxy_intercept_errors
hsl     flag! proxy_request_buffering
hsl     flag! proxy_ssl_server_name proxy_ssl_verify
hsl     flag! real_ip_recursive server_name_in_redirect
hsli    1!    add_header_inherit
hsli    2+    error_page
hsli    2-3   add_header
s       1+    listen server_name
sl      0-1   stub_status
sl      1+{   if
sl      2+    try_files
sl      1-2{  location
slIi    0     break
slIi    1-2   return
slIi    2     set
slIi    2-3   rewrite
l       0     internal
l       1+{   limit_except
lix     1!    proxy_pass
u       0     ip_hash least_conn
u       0-2   random
u       1!    keepalive_timeout
u       1+    resolver server
u       1-2   hash keepalive least_time zone
u       2+    sticky
"""

_GUARD = """
h       1     degradation
hs      1!    ssl_client_certificate ssl_crl ssl_ocsp
hs      1!    ssl_verify_client
hsl     1     auth_request proxy_limit_rate secure_link secure_link_md5
hsl     1!    degrade
hsl     1!    proxy_ssl_crl satisfy secure_link_secret
hsl     1-3   limit_req
hsl     2     limit_conn
hsli    1     limit_rate limit_rate_after
hslx    1     auth_basic
sl      1+    valid_referers
"""

_OWN = """
m       1!    worker_rlimit_nofile
e       1     worker_connections
h       1!    map_hash_bucket_size map_hash_max_size
hs      1!    ssl_ecdh_curve ssl_session_timeout
hs      1-2   ssl_session_cache
hs      flag! ssl_prefer_server_ciphers ssl_session_tickets ignore_invalid_headers merge_slashes
hs      flag! underscores_in_headers
hsl     1!    proxy_ssl_ciphers proxy_ssl_verify_depth server_tokens proxy_buffer_size
hsl     1+    proxy_ssl_protocols
hsl     flag! proxy_ssl_session_reuse proxy_socket_keepalive
m       1     env load_module ssl_engine worker_priority
m       1!    debug_points google_perftools_profiles lock_file timer_resolution
m       1!    worker_rlimit_core working_directory
m       1-2   user
m       2-3   thread_pool
m       flag! daemon master_process pcre_jit ssl_object_cache_inheritable
e       1     debug_connection use
e       1!    accept_mutex_delay devpoll_changes devpoll_events epoll_events eventport_events
e       1!    iocp_threads kqueue_changes kqueue_events post_acceptex worker_aio_requests
e       flag! accept_mutex acceptex_read multi_accept
h       1!    server_names_hash_bucket_size server_names_hash_max_size variables_hash_bucket_size
h       1!    variables_hash_max_size
hs      1     ssl_ech_file ssl_session_ticket_key
hs      1!    client_header_buffer_size connection_pool_size request_pool_size ssl_buffer_size
hs      1!    ssl_dhparam ssl_stapling_file ssl_stapling_responder
hs      1+    client_body_early_read
hs      1-3   ssl_certificate_cache
hs      2     ssl_conf_command
hs      flag! ssl_certificate_compression ssl_early_data ssl_stapling ssl_stapling_verify
hsl     1     aio
hsl     1!    client_body_buffer_size client_body_in_file_only keepalive_min_timeout
hslu    1!    keepalive_requests keepalive_time resolver_timeout
hsl     1!    proxy_send_timeout
hsl     1!    lingering_close lingering_time proxy_busy_buffers_size proxy_headers_hash_bucket_size
hsl     1!    proxy_headers_hash_max_size proxy_send_lowat proxy_socket_rcvbuf proxy_socket_sndbuf
hsl     1!    send_lowat subrequest_output_buffer_size
hsl     1-2   keepalive_disable
hsl     1-3   proxy_ssl_certificate_cache
hsl     1-4   client_body_temp_path open_log_file_cache
hsl     2     proxy_ssl_conf_command
hsl     2!    proxy_buffers
hsl     1+    proxy_ignore_headers
hsl     flag! aio_write client_body_in_single_buffer log_subrequest proxy_ignore_client_abort
hsl     flag! recursive_error_pages reset_timedout_connection tcp_nodelay tcp_nopush
hsli    flag! sendfile
sl      1!    referer_hash_bucket_size referer_hash_max_size
"""

_IDLE = """
h       2     limit_conn_zone
h       3     limit_req_zone
hsl     1!    limit_conn_log_level limit_conn_status limit_req_log_level limit_req_status
hsl     1!    auth_delay
hsl     flag! limit_conn_dry_run limit_req_dry_run
hslx    1     auth_basic_user_file
hs      1!    ssl_trusted_certificate ssl_verify_depth ssl_ocsp_responder
hs      1     ssl_ocsp_cache
"""

_FILES = """
hsl     0{    types
hsl     1     directio
hsl     1!    autoindex_format directio_alignment gzip_static if_modified_since
hsl     1!    max_ranges min_delete_depth mp4_buffer_size mp4_max_buffer_size
hsl     1!    open_file_cache_min_uses open_file_cache_valid read_ahead sendfile_max_chunk
hsl     1!    types_hash_bucket_size types_hash_max_size
hsl     1+    dav_methods index
hsl     1-2   disable_symlinks open_file_cache
hsl     1-3   dav_access
hsl     flag! autoindex autoindex_exact_size autoindex_localtime create_full_put_path etag
hsl     flag! log_not_found mp4_start_key_frame open_file_cache_errors open_file_cache_events
hsli    1     root
l       0     empty_gif flv mp4
l       1     alias
l       flag! random_index
"""

_CACHE = """
h       2+    proxy_cache_path
hsl     1     proxy_cache proxy_cache_key proxy_store
hsl     1!    proxy_cache_lock_age proxy_cache_lock_timeout proxy_cache_max_range_offset
hsl     1!    proxy_cache_min_uses proxy_max_temp_file_size proxy_temp_file_write_size slice
hsl     1+    proxy_cache_bypass proxy_cache_methods proxy_cache_use_stale proxy_cache_valid
hsl     1+    proxy_no_cache
hsl     1-3   proxy_store_access
hsl     1-4   proxy_temp_path
hsl     flag! proxy_cache_background_update proxy_cache_convert_head proxy_cache_lock
hsl     flag! proxy_cache_revalidate proxy_force_ranges
"""

_BODY = """
h       2{    charset_map
hsl     1     image_filter_jpeg_quality image_filter_sharpen image_filter_webp_quality xml_entities
hsl     1!    add_after_body add_before_body gzip_comp_level gzip_hash gzip_http_version
hsl     1!    gzip_min_length gzip_window image_filter_buffer postpone_gzipping postpone_output
hsl     1!    proxy_set_body ssi_min_file_chunk ssi_value_length
hsl     1+    addition_types charset_types early_hints gzip_disable gzip_proxied gzip_types
hsl     1+    ssi_types sub_filter_types xslt_types
hsl     2     sub_filter xslt_param xslt_string_param
hsl     2!    gunzip_buffers gzip_buffers output_buffers
hsl     flag! chunked_transfer_encoding gunzip gzip_no_buffer gzip_vary image_filter_interlace
hsl     flag! image_filter_transparency msie_padding msie_refresh proxy_pass_trailers
hsl     flag! ssi_ignore_recycled_buffers ssi_last_modified ssi_silent_errors
hsl     flag! sub_filter_last_modified sub_filter_once xml_external_entities xslt_last_modified
hsli    1     charset source_charset
hsli    1!    add_trailer_inherit
hsli    2-3   add_trailer
hsli    flag! gzip override_charset ssi
l       1+    xslt_stylesheet
l       1-3   image_filter
"""

_PROTOCOLS = """
h       1     perl_modules perl_require
h       2     perl_set
h       2+    fastcgi_cache_path scgi_cache_path uwsgi_cache_path
hsl     1     fastcgi_cache fastcgi_cache_key fastcgi_catch_stderr fastcgi_hide_header
hsl     1     fastcgi_limit_rate fastcgi_pass_header fastcgi_split_path_info fastcgi_store
hsl     1     grpc_hide_header grpc_pass_header grpc_ssl_certificate grpc_ssl_certificate_key
hsl     1     grpc_ssl_name grpc_ssl_password_file scgi_cache scgi_cache_key scgi_hide_header
hsl     1     scgi_limit_rate scgi_pass_header scgi_store uwsgi_cache uwsgi_cache_key
hsl     1     uwsgi_hide_header uwsgi_limit_rate uwsgi_pass_header uwsgi_ssl_certificate
hsl     1     uwsgi_ssl_certificate_key uwsgi_ssl_name uwsgi_ssl_password_file uwsgi_store
hsl     1!    fastcgi_buffer_size fastcgi_busy_buffers_size fastcgi_cache_lock_age
hsl     1!    fastcgi_cache_lock_timeout fastcgi_cache_max_range_offset fastcgi_cache_min_uses
hsl     1!    fastcgi_connect_timeout fastcgi_index fastcgi_max_temp_file_size
hsl     1!    fastcgi_next_upstream_timeout fastcgi_next_upstream_tries fastcgi_read_timeout
hsl     1!    fastcgi_send_lowat fastcgi_send_timeout fastcgi_socket_rcvbuf fastcgi_socket_sndbuf
hsl     1!    fastcgi_temp_file_write_size grpc_buffer_size grpc_connect_timeout
hsl     1!    grpc_next_upstream_timeout grpc_next_upstream_tries grpc_read_timeout
hsl     1!    grpc_send_timeout grpc_socket_rcvbuf grpc_socket_sndbuf grpc_ssl_ciphers grpc_ssl_crl
hsl     1!    grpc_ssl_trusted_certificate grpc_ssl_verify_depth memcached_buffer_size
hsl     1!    memcached_connect_timeout memcached_gzip_flag memcached_next_upstream_timeout
hsl     1!    memcached_next_upstream_tries memcached_read_timeout memcached_send_timeout
hsl     1!    scgi_buffer_size scgi_busy_buffers_size scgi_cache_lock_age scgi_cache_lock_timeout
hsl     1!    scgi_cache_max_range_offset scgi_cache_min_uses scgi_connect_timeout
hsl     1!    scgi_max_temp_file_size scgi_next_upstream_timeout scgi_next_upstream_tries
hsl     1!    scgi_read_timeout scgi_send_timeout scgi_socket_rcvbuf scgi_socket_sndbuf
hsl     1!    scgi_temp_file_write_size tunnel_buffer_size tunnel_connect_timeout
hsl     1!    tunnel_next_upstream_timeout tunnel_next_upstream_tries tunnel_read_timeout
hsl     1!    tunnel_send_lowat tunnel_send_timeout tunnel_socket_rcvbuf tunnel_socket_sndbuf
hsl     1!    uwsgi_buffer_size uwsgi_busy_buffers_size uwsgi_cache_background_update
hsl     1!    uwsgi_cache_lock_age uwsgi_cache_lock_timeout uwsgi_cache_max_range_offset
hsl     1!    uwsgi_cache_min_uses uwsgi_connect_timeout uwsgi_max_temp_file_size uwsgi_modifier1
hsl     1!    uwsgi_modifier2 uwsgi_next_upstream_timeout uwsgi_next_upstream_tries
hsl     1!    uwsgi_read_timeout uwsgi_send_timeout uwsgi_socket_rcvbuf uwsgi_socket_sndbuf
hsl     1!    uwsgi_ssl_ciphers uwsgi_ssl_crl uwsgi_ssl_trusted_certificate uwsgi_ssl_verify_depth
hsl     1!    uwsgi_string uwsgi_temp_file_write_size
hsl     1+    fastcgi_cache_bypass fastcgi_cache_methods fastcgi_cache_use_stale
hsl     1+    fastcgi_cache_valid fastcgi_ignore_headers fastcgi_next_upstream fastcgi_no_cache
hsl     1+    grpc_ignore_headers grpc_next_upstream grpc_ssl_protocols memcached_next_upstream
hsl     1+    scgi_cache_bypass scgi_cache_methods scgi_cache_use_stale scgi_cache_valid
hsl     1+    scgi_ignore_headers scgi_next_upstream scgi_no_cache tunnel_next_upstream
hsl     1+    uwsgi_cache_bypass uwsgi_cache_methods uwsgi_cache_use_stale uwsgi_cache_valid
hsl     1+    uwsgi_ignore_headers uwsgi_next_upstream uwsgi_no_cache uwsgi_ssl_protocols
hsl     1-2   fastcgi_bind grpc_bind memcached_bind scgi_bind tunnel_bind uwsgi_bind
hsl     1-3   fastcgi_store_access grpc_ssl_certificate_cache scgi_store_access
hsl     1-3   uwsgi_ssl_certificate_cache uwsgi_store_access
hsl     1-4   fastcgi_temp_path scgi_temp_path uwsgi_temp_path
hsl     2     grpc_set_header grpc_ssl_conf_command uwsgi_ssl_conf_command
hsl     2!    fastcgi_buffers scgi_buffers uwsgi_buffers
hsl     2-3   fastcgi_param scgi_param uwsgi_param
hsl     flag! fastcgi_buffering fastcgi_cache_background_update fastcgi_cache_lock
hsl     flag! fastcgi_cache_revalidate fastcgi_force_ranges fastcgi_ignore_client_abort
hsl     flag! fastcgi_intercept_errors fastcgi_keep_conn fastcgi_pass_request_body
hsl     flag! fastcgi_pass_request_headers fastcgi_request_buffering fastcgi_socket_keepalive
hsl     flag! grpc_intercept_errors grpc_socket_keepalive grpc_ssl_server_name
hsl     flag! grpc_ssl_session_reuse grpc_ssl_verify memcached_socket_keepalive scgi_buffering
hsl     flag! scgi_cache_background_update scgi_cache_lock scgi_cache_revalidate scgi_force_ranges
hsl     flag! scgi_ignore_client_abort scgi_intercept_errors scgi_pass_request_body
hsl     flag! scgi_pass_request_headers scgi_request_buffering scgi_socket_keepalive
hsl     flag! tunnel_socket_keepalive uwsgi_buffering uwsgi_cache_lock uwsgi_cache_revalidate
hsl     flag! uwsgi_force_ranges uwsgi_ignore_client_abort uwsgi_intercept_errors
hsl     flag! uwsgi_pass_request_body uwsgi_pass_request_headers uwsgi_request_buffering
hsl     flag! uwsgi_socket_keepalive uwsgi_ssl_server_name uwsgi_ssl_session_reuse uwsgi_ssl_verify
sli     0-1   tunnel_pass
li      1     fastcgi_pass grpc_pass memcached_pass scgi_pass uwsgi_pass
lx      1     perl
"""

_STREAM = """
m       0{!   stream mail
"""

_OTHER = """
hsl     2     auth_request_set
hsl     1-2   proxy_bind
hsli    1-2   expires
hsl     1     proxy_method proxy_ssl_password_file proxy_ssl_certificate proxy_ssl_certificate_key
hsl     flag! proxy_pass_request_body proxy_pass_request_headers
hs      1     ssl_password_file
hsl     1-4   proxy_cookie_flags
m       flag! quic_bpf
h       1     geoip_proxy
h       1!    http2_recv_buffer_size
h       1-2   geoip_city geoip_country geoip_org
h       flag! geoip_proxy_recursive
hs      1     http2_idle_timeout http2_max_concurrent_pushes http2_max_field_size
hs      1     http2_max_header_size http2_max_requests http2_recv_timeout quic_host_key
hs      1!    http2_body_preread_size http2_max_concurrent_streams http2_pool_size
hs      1!    http2_streams_index_size http3_max_concurrent_streams http3_stream_buffer_size
hs      1!    quic_active_connection_id_limit
hs      flag! http3 http3_hq quic_gso quic_retry
hsl     1     ancient_browser_value http2_push mirror modern_browser_value userid_expires
hsl     1     userid_mark
hsl     1!    http2_chunk_size userid userid_domain userid_name userid_p3p userid_path
hsl     1!    userid_service
hsl     1+    ancient_browser
hsl     1-2   modern_browser
hsl     1-3   userid_flags
hsl     flag  http2_push_preload
hsl     flag! mirror_request_body
hslIi   flag! rewrite_log uninitialized_variable_warn
hsli    1!    post_action
"""

_TABLES = (
    (Fate.USED, "", _USED),
    (Fate.GUARD, "without it clients get in, or get through, that nginx keeps out", _GUARD),
    (Fate.OWN_WAY, "it tunes nginx's workings; fastws has its own", _OWN),
    (Fate.OWN_WAY, "it guards nothing by itself", _IDLE),
    (Fate.LEFT_OUT, "fastws serves no files", _FILES),
    (Fate.LEFT_OUT, "fastws has no cache", _CACHE),
    (Fate.LEFT_OUT, "fastws relays bodies as they are", _BODY),
    (Fate.LEFT_OUT, "fastws speaks HTTP and WebSocket to upstreams, nothing else", _PROTOCOLS),
    (Fate.LEFT_OUT, "fastws relays WebSockets, not any stream and not mail", _STREAM),
    (Fate.LEFT_OUT, "fastws does not have it", _OTHER),
)

_ANYWHERE = "".join(CONTEXTS)
_FOREIGN = (
    (Fate.GUARD, re.compile(r"(access|rewrite)_by_lua.*|auth_jwt.*|modsecurity.*|js_access")),
    (
        Fate.LEFT_OUT,
        re.compile(
            r"(lua|js|brotli|zstd|pagespeed|geoip2|vhost_traffic_status|opentracing|otel|passenger|keyval)"
            r"(_.*)?|.*_by_lua.*|more_(set|clear)(_input)?_headers|(upload|cache)_purge|health_check"
        ),
    ),
)


@cache
def rules() -> dict[str, tuple[Rule, ...]]:
    """Return all that is known of nginx's own directives, by name."""
    found: dict[str, tuple[Rule, ...]] = {}
    for fate, reason, table in _TABLES:
        for rule in _read(fate, reason, table):
            found[rule.name] = (*found.get(rule.name, ()), rule)
    return found


def find(name: str) -> tuple[Rule, ...]:
    """Return the rules of a directive of nginx or of a well-known module, or nothing."""
    return rules().get(name) or tuple(_foreign(name))


def _foreign(name: str) -> Iterator[Rule]:
    for fate, family in _FOREIGN:
        if family.fullmatch(name):
            reason = "it comes from a module that is not nginx's own"
            for block in (False, True):
                yield Rule(name, _ANYWHERE, 0, None, False, block, False, fate, reason)
            return


def _read(fate: Fate, reason: str, table: str) -> Iterator[Rule]:
    for line in table.strip().splitlines():
        contexts, arguments, *names = line.split()
        count = arguments.rstrip("!").rstrip("{")
        flag = count == "flag"
        least, most = (1, 1) if flag else _bounds(count)
        for name in names:
            yield Rule(
                name=name,
                contexts=contexts,
                least=least,
                most=most,
                flag=flag,
                block="{" in arguments,
                once="!" in arguments,
                fate=fate,
                reason=reason,
            )


def _bounds(count: str) -> tuple[int, int | None]:
    if count.endswith("+"):
        return int(count[:-1]), None
    least, _, most = count.partition("-")
    return int(least), int(most or least)
