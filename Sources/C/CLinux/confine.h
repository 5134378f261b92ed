/* Landlock and seccomp for the calling thread. glibc has no functions for them, and its headers may be older than the
 * kernel. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same numbers on every architecture. */
#define AMP_SYS_landlock_create_ruleset 444
#define AMP_SYS_landlock_add_rule 445
#define AMP_SYS_landlock_restrict_self 446

/* A descriptor that stands for a place and can be neither read nor written. glibc declares it for GNU sources only. */
#define AMP_O_PATH 0x200000

/* As in linux/landlock.h; a kernel that knows fewer fields takes zeros in the others. */
struct amp_landlock_ruleset {
    uint64_t files;
    uint64_t network;
};
struct amp_landlock_path {
    uint64_t access;
    int32_t parent;
} __attribute__((packed));

/* As in linux/filter.h. */
struct amp_filter_instruction {
    uint16_t code;
    uint8_t jump_true;
    uint8_t jump_false;
    uint32_t value;
};
struct amp_filter_program {
    uint16_t count;
    const struct amp_filter_instruction *instructions;
};

/* The version of the kernel's Landlock, or -1 with errno. */
static inline int amp_landlock_version(void) { return (int)syscall(AMP_SYS_landlock_create_ruleset, NULL, 0, 1); }

/* A descriptor of rules that deny `files` and `network` but where a rule allows them, or -1 with errno. */
static inline int amp_landlock_rules(uint64_t files, uint64_t network) {
    struct amp_landlock_ruleset rules = {files, network};
    return (int)syscall(AMP_SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
}

/* Allows `access` to what `parent` is, and below it. */
static inline int amp_landlock_allow(int rules, int parent, uint64_t access) {
    struct amp_landlock_path path = {access, parent};
    return (int)syscall(AMP_SYS_landlock_add_rule, rules, 1, &path, 0);
}

static inline int amp_landlock_restrict(int rules) { return (int)syscall(AMP_SYS_landlock_restrict_self, rules, 0); }

/* The thread and what it starts gain no rights by any program that they run: both of the others ask for it. */
static inline int amp_thread_keep_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

/* Has each system call of the thread, and of those that it starts, looked at by the program. */
static inline int amp_thread_filter(const struct amp_filter_instruction *instructions, uint16_t count) {
    struct amp_filter_program program = {count, instructions};
    /* 1: SECCOMP_SET_MODE_FILTER. 4: SECCOMP_FILTER_FLAG_SPEC_ALLOW, for before Linux 5.16 a filter slows the whole
       thread down to hide memory which these threads share with the others anyway. */
    int result = (int)syscall(SYS_seccomp, 1, 4, &program);
    return result < 0 && errno == EINVAL ? (int)syscall(SYS_seccomp, 1, 0, &program) : result;
}
