#include "CTLS.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <string.h>

struct amp_tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *method;
    /* As it stands in a hello: a length, then the name. */
    unsigned char protocol[1 + AMP_TLS_NAME_LIMIT];
};

struct amp_tls {
    SSL *ssl;
    const amp_tls_context *context;
    const uint8_t *input;
    size_t input_count;
    uint8_t *output;
    size_t output_count, output_capacity;
    /* A client's. */
    char name[AMP_TLS_NAME_LIMIT + 1];
    uint8_t secret[AMP_TLS_SECRET_LIMIT];
    size_t secret_count;
    /* A server's. */
    amp_tls_find find;
    void *user;
    unsigned long error;
};

/* MARK: Memory in place of a socket */

static int memory_read(BIO *bio, char *bytes, int capacity) {
    amp_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (capacity <= 0) return 0;
    if (tls->input_count == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t count = tls->input_count < (size_t)capacity ? tls->input_count : (size_t)capacity;
    memcpy(bytes, tls->input, count);
    tls->input += count;
    tls->input_count -= count;
    return (int)count;
}

static int memory_write(BIO *bio, const char *bytes, int length) {
    amp_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (length <= 0) return 0;
    size_t room = tls->output_capacity - tls->output_count;
    if (room == 0) {
        BIO_set_retry_write(bio);
        return -1;
    }
    size_t count = room < (size_t)length ? room : (size_t)length;
    memcpy(tls->output + tls->output_count, bytes, count);
    tls->output_count += count;
    return (int)count;
}

static long memory_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

void amp_tls_lend_input(amp_tls *tls, const uint8_t *bytes, size_t count) {
    tls->input = bytes;
    tls->input_count = count;
}

size_t amp_tls_input_left(const amp_tls *tls) { return tls->input_count; }

void amp_tls_lend_output(amp_tls *tls, uint8_t *bytes, size_t capacity) {
    tls->output = bytes;
    tls->output_count = 0;
    tls->output_capacity = capacity;
}

size_t amp_tls_output_count(const amp_tls *tls) { return tls->output_count; }

/* MARK: Keys */

/* A key is a session of its own each time: a session that lives longer than its time-out is not taken. */
static SSL_SESSION *make_session(SSL *ssl, const uint8_t *secret, size_t count) {
    /* Names the digest, SHA-256, which both cipher suites have. */
    static const unsigned char suite[] = {0x13, 0x01};
    const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, suite);
    SSL_SESSION *session = SSL_SESSION_new();
    if (cipher != NULL && session != NULL && SSL_SESSION_set1_master_key(session, secret, count) == 1 &&
        SSL_SESSION_set_cipher(session, cipher) == 1 && SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1)
        return session;
    SSL_SESSION_free(session);
    return NULL;
}

static int use_key(SSL *ssl, const EVP_MD *digest, const unsigned char **name, size_t *name_count,
                   SSL_SESSION **session) {
    amp_tls *tls = SSL_get_app_data(ssl);
    *session = NULL;
    /* A second hello wants a key of this digest. */
    if (digest != NULL && !EVP_MD_is_a(digest, "SHA2-256")) return 1;
    *session = make_session(ssl, tls->secret, tls->secret_count);
    *name = (const unsigned char *)tls->name;
    *name_count = strlen(tls->name);
    return *session != NULL;
}

static int find_key(SSL *ssl, const unsigned char *name, size_t name_count, SSL_SESSION **session) {
    amp_tls *tls = SSL_get_app_data(ssl);
    uint8_t secret[AMP_TLS_SECRET_LIMIT];
    *session = NULL;
    size_t count = tls->find == NULL ? 0 : tls->find(tls->user, name, name_count, secret);
    if (count == 0) return 1;
    *session = make_session(ssl, secret, count);
    OPENSSL_cleanse(secret, sizeof secret);
    return *session != NULL;
}

/* MARK: Context */

static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_count, const unsigned char *offered,
                           unsigned int count, void *context) {
    (void)ssl;
    const unsigned char *own = ((amp_tls_context *)context)->protocol;
    for (unsigned int at = 0; at < count; at += 1u + offered[at]) {
        if (offered[at] != own[0] || at + own[0] >= count || memcmp(offered + at + 1, own + 1, own[0]) != 0) continue;
        *out = offered + at + 1;
        *out_count = own[0];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int configure(SSL_CTX *ssl, const char *ciphers, amp_tls_context *context) {
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    /* Key exchange without (EC)DHE would have no forward secrecy; the other is for boxes that know TLS 1.2 alone. */
    SSL_CTX_clear_options(ssl, SSL_OP_ALLOW_NO_DHE_KEX | SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
    /* Without partial writes: a write is one record that is lent room for, or the connection's end. */
    SSL_CTX_set_mode(ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ssl, 0);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_psk_use_session_callback(ssl, use_key);
    SSL_CTX_set_psk_find_session_callback(ssl, find_key);
    SSL_CTX_set_alpn_select_cb(ssl, select_protocol, context);
    return SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 && SSL_CTX_set_ciphersuites(ssl, ciphers) == 1 &&
           SSL_CTX_set1_groups_list(ssl, "X25519:P-256") == 1 && SSL_CTX_set_num_tickets(ssl, 0) == 1 &&
           SSL_CTX_set_max_early_data(ssl, 0) == 1 && SSL_CTX_set_recv_max_early_data(ssl, 0) == 1 &&
           SSL_CTX_set_alpn_protos(ssl, context->protocol, 1u + context->protocol[0]) == 0;
}

/* Nothing is taken down at exit, under threads that may still have connections: a command that is done calls exit()
   while the client's thread says goodbye. Whoever uses libcrypto first decides this for the process, and a digest may
   be computed before any connection. */
__attribute__((constructor)) static void leave_exit_alone(void) { OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL); }

/* openssl.cnf has no say. */
static void prepare(void) { OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL); }

amp_tls_context *amp_tls_context_create(const char *ciphers, const char *protocol) {
    prepare();
    ERR_clear_error();
    size_t length = strlen(protocol);
    amp_tls_context *context = OPENSSL_zalloc(sizeof *context);
    if (context == NULL || length == 0 || length > AMP_TLS_NAME_LIMIT) goto failed;
    context->protocol[0] = (unsigned char)length;
    memcpy(context->protocol + 1, protocol, length);
    context->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "lent memory");
    context->ssl = SSL_CTX_new(TLS_method());
    if (context->method == NULL || context->ssl == NULL || BIO_meth_set_read(context->method, memory_read) != 1 ||
        BIO_meth_set_write(context->method, memory_write) != 1 ||
        BIO_meth_set_ctrl(context->method, memory_control) != 1 || !configure(context->ssl, ciphers, context))
        goto failed;
    return context;
failed:
    amp_tls_context_free(context);
    ERR_clear_error();
    return NULL;
}

void amp_tls_context_free(amp_tls_context *context) {
    if (context == NULL) return;
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->method);
    OPENSSL_free(context);
}

/* MARK: Connections */

static amp_tls *create(amp_tls_context *context) {
    ERR_clear_error();
    amp_tls *tls = OPENSSL_zalloc(sizeof *tls);
    if (tls == NULL) return NULL;
    tls->context = context;
    tls->ssl = SSL_new(context->ssl);
    BIO *bio = BIO_new(context->method);
    if (tls->ssl == NULL || bio == NULL || SSL_set_app_data(tls->ssl, tls) != 1) {
        BIO_free(bio);
        amp_tls_free(tls);
        ERR_clear_error();
        return NULL;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    /* Takes the one reference for both directions. */
    SSL_set_bio(tls->ssl, bio, bio);
    return tls;
}

amp_tls *amp_tls_create_client(amp_tls_context *context, const char *name, const uint8_t *secret, size_t secret_count) {
    size_t length = strlen(name);
    if (length == 0 || length > AMP_TLS_NAME_LIMIT || secret_count == 0 || secret_count > AMP_TLS_SECRET_LIMIT)
        return NULL;
    amp_tls *tls = create(context);
    if (tls == NULL) return NULL;
    memcpy(tls->name, name, length);
    memcpy(tls->secret, secret, secret_count);
    tls->secret_count = secret_count;
    SSL_set_connect_state(tls->ssl);
    /* A server may answer with a certificate. None is ever good, as nobody is trusted to issue one. */
    SSL_set_verify(tls->ssl, SSL_VERIFY_PEER, NULL);
    return tls;
}

amp_tls *amp_tls_create_server(amp_tls_context *context, amp_tls_find find, void *user) {
    amp_tls *tls = create(context);
    if (tls == NULL) return NULL;
    tls->find = find;
    tls->user = user;
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void amp_tls_free(amp_tls *tls) {
    if (tls == NULL) return;
    SSL_free(tls->ssl);
    OPENSSL_cleanse(tls, sizeof *tls);
    OPENSSL_free(tls);
}

/* The status of a call that returned `result`. Each call begins with an empty queue of errors, which all connections of
 * a thread share. */
static amp_tls_status status_of(amp_tls *tls, int result) {
    switch (SSL_get_error(tls->ssl, result)) {
        case SSL_ERROR_NONE:
            return AMP_TLS_DONE;
        case SSL_ERROR_WANT_READ:
            return AMP_TLS_NEEDS_INPUT;
        case SSL_ERROR_WANT_WRITE:
            return AMP_TLS_NEEDS_OUTPUT;
        case SSL_ERROR_ZERO_RETURN:
            return AMP_TLS_END;
        default:
            tls->error = ERR_peek_last_error();
            ERR_clear_error();
            return AMP_TLS_FAILED;
    }
}

amp_tls_status amp_tls_handshake(amp_tls *tls) {
    ERR_clear_error();
    amp_tls_status status = status_of(tls, SSL_do_handshake(tls->ssl));
    if (status == AMP_TLS_DONE) {
        /* Not needed any more. */
        OPENSSL_cleanse(tls->secret, sizeof tls->secret);
        tls->secret_count = 0;
    }
    return status;
}

amp_tls_status amp_tls_read(amp_tls *tls, void *bytes, size_t capacity, size_t *count) {
    ERR_clear_error();
    *count = 0;
    return status_of(tls, SSL_read_ex(tls->ssl, bytes, capacity, count));
}

amp_tls_status amp_tls_write(amp_tls *tls, const void *bytes, size_t count) {
    size_t written = 0;
    ERR_clear_error();
    return status_of(tls, SSL_write_ex(tls->ssl, bytes, count, &written));
}

void amp_tls_close(amp_tls *tls) {
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

int amp_tls_renew_key(amp_tls *tls) {
    ERR_clear_error();
    int done = SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
    ERR_clear_error();
    return done;
}

size_t amp_tls_pending(const amp_tls *tls) {
    int count = SSL_pending(tls->ssl);
    return count > 0 ? (size_t)count : 0;
}

int amp_tls_has_used_key(const amp_tls *tls) { return SSL_session_reused(tls->ssl); }

int amp_tls_has_protocol(const amp_tls *tls) {
    const unsigned char *name = NULL;
    unsigned int count = 0;
    SSL_get0_alpn_selected(tls->ssl, &name, &count);
    return count == tls->context->protocol[0] && memcmp(name, tls->context->protocol + 1, count) == 0;
}

const char *amp_tls_cipher(const amp_tls *tls) { return SSL_get_cipher_name(tls->ssl); }

/* MARK: Failures */

int amp_tls_failure_alert(const amp_tls *tls) {
    int reason = ERR_GET_REASON(tls->error);
    int is_alert = ERR_GET_LIB(tls->error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET;
    return is_alert ? reason - SSL_AD_REASON_OFFSET : -1;
}

amp_tls_failure amp_tls_failure_kind(const amp_tls *tls) {
    if (ERR_GET_LIB(tls->error) != ERR_LIB_SSL) return AMP_TLS_FAILURE_OTHER;
    if (amp_tls_failure_alert(tls) >= 0) return AMP_TLS_FAILURE_ALERT;
    switch (ERR_GET_REASON(tls->error)) {
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_WRONG_SSL_VERSION:
        case SSL_R_WRONG_VERSION_NUMBER:
        case SSL_R_VERSION_TOO_LOW:
        case SSL_R_NO_PROTOCOLS_AVAILABLE:
            return AMP_TLS_FAILURE_VERSION;
        case SSL_R_BINDER_DOES_NOT_VERIFY:
            return AMP_TLS_FAILURE_BINDER;
        case SSL_R_NO_APPLICATION_PROTOCOL:
            return AMP_TLS_FAILURE_PROTOCOL;
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
            return AMP_TLS_FAILURE_CERTIFICATE;
        case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
        case SSL_R_BAD_RECORD_TYPE:
        case SSL_R_PACKET_LENGTH_TOO_LONG:
            return AMP_TLS_FAILURE_RECORD;
        default:
            return AMP_TLS_FAILURE_OTHER;
    }
}

const char *amp_tls_failure_text(const amp_tls *tls) {
    const char *text = ERR_reason_error_string(tls->error);
    return text == NULL ? "no reason is given" : text;
}

/* MARK: Derivation */

int amp_hkdf_sha256(const uint8_t *secret, size_t secret_count, const uint8_t *salt, size_t salt_count,
                    const uint8_t *info, size_t info_count, uint8_t *out, size_t out_count) {
    prepare();
    ERR_clear_error();
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, secret_count),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_count),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_count),
        OSSL_PARAM_construct_end(),
    };
    int done = context != NULL && EVP_KDF_derive(context, out, out_count, parameters) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    ERR_clear_error();
    return done;
}

int amp_hmac_sha256(const uint8_t *key, size_t key_count, const uint8_t *message, size_t message_count, uint8_t *out) {
    prepare();
    ERR_clear_error();
    unsigned int count = 0;
    int done = HMAC(EVP_sha256(), key, (int)key_count, message, message_count, out, &count) != NULL && count == 32;
    ERR_clear_error();
    return done;
}

int amp_bytes_equal(const uint8_t *a, const uint8_t *b, size_t count) { return CRYPTO_memcmp(a, b, count) == 0; }

void amp_bytes_erase(void *bytes, size_t count) { OPENSSL_cleanse(bytes, count); }
