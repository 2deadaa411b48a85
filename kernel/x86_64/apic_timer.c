// SPDX-License-Identifier: GPL-2.0-only
/*
 * apic_timer_khz=N: how fast the timer of the local APIC counts.
 *
 * Linux measures this against the jiffies, twice, and so waits for 0.2 s at each boot. An emulated
 * APIC has the one rate that its emulator was written with, and the host can tell it.
 */
#include <linux/init.h>
#include <linux/kernel.h>

#include <asm/apic.h>

static int __init set_apic_timer_khz(char *text)
{
	unsigned int khz;

	/* lapic_timer_period is counts per jiffy. */
	if (!text || kstrtouint(text, 10, &khz) || khz < HZ || khz > UINT_MAX / 1000)
		return -EINVAL;
	lapic_timer_period = khz / HZ * 1000;
	return 0;
}
early_param("apic_timer_khz", set_apic_timer_khz);
