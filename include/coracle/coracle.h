/* SPDX-License-Identifier: Apache-2.0 */
/* libcoracle: containers, each in a virtual machine of its own. */
#pragma once

#include "coracle/commit.h"
#include "coracle/container.h"
#include "coracle/context.h"
#include "coracle/copy.h"
#include "coracle/error.h"
#include "coracle/image.h"
#include "coracle/network.h"
#include "coracle/registry.h"
#include "coracle/volume.h"
