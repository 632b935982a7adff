/* The keys of the opening handshake (RFC 6455 section 4.2.2). */
#pragma once

#include <stdint.h>

enum { KEY_SIZE = 24, ACCEPT_SIZE = 28 };

/* Sec-WebSocket-Key from 16 random bytes; writes KEY_SIZE characters. */
void handshake_key(const uint8_t nonce[16], char *key);

/* Sec-WebSocket-Accept for a key of KEY_SIZE characters; writes ACCEPT_SIZE characters. */
void handshake_accept(const char *key, char *accept);
