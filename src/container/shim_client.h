/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to the shim of one container, on a loop of its own. */
#pragma once

#include "base/cleanup.h"
#include "base/id.h"
#include "container/record.h"
#include "container/roots.h"
#include "rpc/rpc.h"
#include "shim.pb-c.h"

#define SHIM_HELLO_MS 5000  /* asks nobody else */
#define SHIM_CALL_MS  20000 /* for calls that the shim answers by itself or after one question to the guest */
#define SHIM_START_MS 120000 /* booting a guest, on a host without hardware virtualization and under load */
#define SHIM_FILL_MS                                                                                         \
	900000 /* the same, with volumes: to check them, to replay journals, to copy what the image has */
#define SHIM_METHOD(name) "/coracle.shim.v1.Shim/" name

struct shim_client {
	uv_loop_t loop;
	struct rpc_conn *conn; /* NULL after it broke */
	bool loop_ready;
	char id[ID_SIZE];
};

enum shim_purpose {
	SHIM_RUNS, /* the container's process */
	/* No process: the guest has the container's root file system and serves the calls for files, and nothing else of the container changes. Start answers when that is
	 * so; the shim ends with the caller's connection, or by Stop. */
	SHIM_DISK,
	SHIM_FILES, /* the same, with the container's volumes */
};

/* Starts coracle-shim for the container, connected from the beginning. It goes on when the caller ends, if it is to run the container. Says Hello. */
int shim_spawn(const struct roots *roots, const char *id, enum shim_purpose purpose, struct shim_client **ret,
	       struct cor_error *err);
/* The same, by a machine of the pool if one fits and is there. The record is the container's. */
int shim_claim_or_spawn(const struct roots *roots, const struct container_record *record,
			struct shim_client **ret, struct cor_error *err);
/* Connects to the one that runs. COR_BUSY when none does (the container is not running). */
int shim_connect(const struct roots *roots, const char *id, struct shim_client **ret, struct cor_error *err);
/* A client over a socket that is connected already, which it takes over. Says nothing yet. */
int shim_client_open(const char *id, int fd, struct shim_client **ret, struct cor_error *err);
/* Kills a shim, also one that does not answer. */
int shim_kill(const struct roots *roots, const char *id, struct cor_error *err);
void shim_client_free(struct shim_client *client);
DEFINE_CLEANUP(struct shim_client *, shim_client_free)

/* One unary call; ret_response may be NULL. timeout_ms RPC_NO_DEADLINE: waits for ever. */
int shim_call(struct shim_client *client, const char *path, const ProtobufCMessage *request,
	      const ProtobufCMessageDescriptor *response_type, uint64_t timeout_ms,
	      ProtobufCMessage **ret_response, struct cor_error *err);

/* Runs the loop until *done is true or the connection broke (COR_UNAVAILABLE). */
int shim_run_until(struct shim_client *client, const bool *done, struct cor_error *err);

/* Where a program of this installation is: $variable, else in the build tree beside this executable, else in PREFIX/lib/coracle. The caller's; NULL if nowhere. */
char *program_find(const char *variable, const char *build_path, const char *name);
/* coracle-shim itself. */
char *shim_program(void);
