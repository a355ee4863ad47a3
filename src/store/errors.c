/* SPDX-License-Identifier: MIT */
#include "errors.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int mms_error_set(struct mms_error *err, int code, const char *what, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	err->hint[0] = '\0';
	va_start(ap, what);
	(void)vsnprintf(err->what, sizeof(err->what), what, ap);
	va_end(ap);
	return code;
}

void mms_error_hint(struct mms_error *err, const char *hint, ...)
{
	va_list ap;

	if (!err)
		return;
	va_start(ap, hint);
	(void)vsnprintf(err->hint, sizeof(err->hint), hint, ap);
	va_end(ap);
}

static const char *damage_text(int code)
{
	switch (code) {
	case -MMS_EMAGIC:
		return "Bad magic";
	case -MMS_EVERSION:
		return "Unsupported version";
	case -MMS_ECHECKSUM:
		return "Bad checksum";
	case -MMS_ETRUNCATED:
		return "File is truncated";
	case -MMS_ECORRUPT:
		return "Corrupt field";
	case -MMS_EBOUNDS:
		return "Out of bounds";
	case -MMS_EALIGN:
		return "Misaligned";
	case -MMS_ESPLIT:
		return "Not mapped in one piece";
	default:
		return NULL;
	}
}

const char *mms_strerror(int code, char *buf, size_t size)
{
	const char *text = damage_text(code);

	if (size == 0)
		return buf;
	/* The GNU function may return a text of its own instead of filling buf. */
	if (!text)
		text = strerror_r(code == INT_MIN ? INT_MAX : -code, buf, size);
	if (text != buf)
		(void)snprintf(buf, size, "%s", text);
	return buf;
}

const char *mms_error_format(const struct mms_error *err, char *buf, size_t size)
{
	char text[128];

	if (size == 0)
		return buf;
	(void)snprintf(buf, size, "%s: %s%s%s", err->what,
		       mms_strerror(err->code, text, sizeof(text)), err->hint[0] ? "; " : "",
		       err->hint);
	return buf;
}
