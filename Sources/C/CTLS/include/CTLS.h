/*
 * TLS 1.3 with pre-shared keys alone, over memory: what OpenSSL's libssl does, and nothing that touches a socket.
 *
 * The caller lends memory to each call: ciphertext that came (`amp_tls_lend_input`) and room for ciphertext to send
 * (`amp_tls_lend_output`). A `amp_tls` is used by one thread at a time; a context by any number at once. The only
 * callback, `amp_tls_find`, comes within `amp_tls_handshake`, on its caller's thread.
 */
#ifndef AMP4EC_CTLS_H
#define AMP4EC_CTLS_H

#include <stddef.h>
#include <stdint.h>

typedef struct amp_tls_context amp_tls_context;
typedef struct amp_tls amp_tls;

enum { AMP_TLS_NAME_LIMIT = 255, AMP_TLS_SECRET_LIMIT = 64 };

typedef enum {
    AMP_TLS_DONE,
    /* All lent input is used up. */
    AMP_TLS_NEEDS_INPUT,
    /* All lent output is full. */
    AMP_TLS_NEEDS_OUTPUT,
    /* The peer's close_notify. */
    AMP_TLS_END,
    AMP_TLS_FAILED,
} amp_tls_status;

/* What failed, as far as a caller says different things about it. */
typedef enum {
    AMP_TLS_FAILURE_OTHER,
    /* The peer sent an alert: `amp_tls_failure_alert`. */
    AMP_TLS_FAILURE_ALERT,
    AMP_TLS_FAILURE_VERSION,
    AMP_TLS_FAILURE_BINDER,
    AMP_TLS_FAILURE_PROTOCOL,
    /* A certificate in place of a pre-shared key. */
    AMP_TLS_FAILURE_CERTIFICATE,
    /* A record that was changed on its way, or made by somebody without the keys. */
    AMP_TLS_FAILURE_RECORD,
} amp_tls_failure;

/*
 * Gives the secret of a pre-shared key: writes at most AMP_TLS_SECRET_LIMIT bytes and returns how many; 0 where the
 * name is unknown.
 */
typedef size_t (*amp_tls_find)(void *user, const uint8_t *name, size_t name_count, uint8_t *secret);

/* `ciphers`: names of TLS 1.3 suites, the preferred first, colons between. NULL where the library cannot do that. */
amp_tls_context *amp_tls_context_create(const char *ciphers, const char *protocol);
void amp_tls_context_free(amp_tls_context *context);

/*
 * One side of one connection; NULL without memory. A client uses the key that is given, and copied, here; a server asks
 * `find`.
 */
amp_tls *amp_tls_create_client(amp_tls_context *context, const char *name, const uint8_t *secret, size_t secret_count);
amp_tls *amp_tls_create_server(amp_tls_context *context, amp_tls_find find, void *user);
void amp_tls_free(amp_tls *tls);

void amp_tls_lend_input(amp_tls *tls, const uint8_t *bytes, size_t count);
/* Lent bytes that have not been taken. */
size_t amp_tls_input_left(const amp_tls *tls);
void amp_tls_lend_output(amp_tls *tls, uint8_t *bytes, size_t capacity);
/* Bytes written to the lent room. */
size_t amp_tls_output_count(const amp_tls *tls);

amp_tls_status amp_tls_handshake(amp_tls *tls);
/* Up to one record's plain bytes. */
amp_tls_status amp_tls_read(amp_tls *tls, void *bytes, size_t capacity, size_t *count);
/* At most 16 KiB: one record, which takes 22 bytes more. */
amp_tls_status amp_tls_write(amp_tls *tls, const void *bytes, size_t count);
/* Writes close_notify. */
void amp_tls_close(amp_tls *tls);
/* The next write begins with a new sending key; it takes 27 bytes more of output. Returns 0 where that is not possible
 * now. */
int amp_tls_renew_key(amp_tls *tls);

/* Decrypted bytes of a record that was read in part. */
size_t amp_tls_pending(const amp_tls *tls);
/*
 * Whether the handshake was done with a pre-shared key. A server may answer with a certificate in place of it, which
 * proves nothing here.
 */
int amp_tls_has_used_key(const amp_tls *tls);
/* Whether both sides have agreed on the context's protocol. */
int amp_tls_has_protocol(const amp_tls *tls);
/* The name of the cipher suite in use. */
const char *amp_tls_cipher(const amp_tls *tls);

/* Of the last call that returned AMP_TLS_FAILED. */
amp_tls_failure amp_tls_failure_kind(const amp_tls *tls);
int amp_tls_failure_alert(const amp_tls *tls);
/* The library's own words; never NULL. */
const char *amp_tls_failure_text(const amp_tls *tls);

/* HKDF (RFC 5869) with SHA-256 from libcrypto. Returns 0 on failure. */
int amp_hkdf_sha256(const uint8_t *secret, size_t secret_count, const uint8_t *salt, size_t salt_count,
                    const uint8_t *info, size_t info_count, uint8_t *out, size_t out_count);
/* HMAC (RFC 2104) with SHA-256; writes 32 bytes. Returns 0 on failure. */
int amp_hmac_sha256(const uint8_t *key, size_t key_count, const uint8_t *message, size_t message_count, uint8_t *out);
/* In a time that does not tell where they differ. */
int amp_bytes_equal(const uint8_t *a, const uint8_t *b, size_t count);
/* Zeros that no compiler takes away. */
void amp_bytes_erase(void *bytes, size_t count);

#endif
