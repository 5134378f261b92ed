#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

/* glibc declares it for GNU sources only. */
struct sockaddr;
extern int accept4(int socket, struct sockaddr *address, unsigned int *length, int flags);

/* Names the calling thread (at most 15 bytes are kept). Swift cannot call prctl itself, as it is variadic. */
static inline void amp_thread_set_name(const char *name) { (void)prctl(PR_SET_NAME, name, 0, 0, 0); }

/* Ends the calling process by `signal` when the thread that started it is gone. */
static inline void amp_process_die_with_parent(int signal) { (void)prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0); }
