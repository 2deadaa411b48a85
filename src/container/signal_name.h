/* SPDX-License-Identifier: Apache-2.0 */
/* Names of signals. cor_signal_parse of coracle/container.h reads them. */
#pragma once

/* "SIGTERM" for 15; NULL for a number without a name. */
const char *signal_name(int number);
