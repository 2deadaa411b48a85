/* SPDX-License-Identifier: Apache-2.0 */
/* One line per event on standard error, for processes that have no caller to tell: the shim, the guest's init.
 * Libraries return errors and do not log them. */
#pragma once

#include "base/macro.h"
#include "coracle/error.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* CORACLE_LOG (error, warning, info, debug) says from which level on; the default is info. */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
