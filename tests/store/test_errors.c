/* SPDX-License-Identifier: MIT */
/* Proves that every code has a text, and that texts fit where they are put. */
#include "helper.h"

#include <limits.h>

#include "errors.h"

START_TEST(error_texts)
{
	struct mms_error err = {.code = -EBUSY, .what = "doing it"};
	char text[64], tiny[4];

	ck_assert_str_eq(mms_error_format(&err, text, sizeof(text)),
			 "doing it: Device or resource busy");
	strcpy(err.hint, "wait");
	ck_assert_str_eq(mms_error_format(&err, text, sizeof(text)),
			 "doing it: Device or resource busy; wait");
	ck_assert_str_eq(mms_error_format(&err, tiny, sizeof(tiny)), "doi");
	tiny[0] = 'x';
	ck_assert_ptr_eq(mms_error_format(&err, tiny, 0), tiny);
	ck_assert_int_eq(tiny[0], 'x');
}
END_TEST

START_TEST(codes)
{
	static const int damage[] = {MMS_EMAGIC,   MMS_EVERSION, MMS_ECHECKSUM, MMS_ETRUNCATED,
				     MMS_ECORRUPT, MMS_EBOUNDS,  MMS_EALIGN,    MMS_ESPLIT};
	const size_t n = sizeof(damage) / sizeof(damage[0]);
	char text[100], other[100];

	for (size_t i = 0; i < n; i++) {
		/* No errno, and a text of its own. */
		ck_assert_int_gt(damage[i], 4095);
		ck_assert_ptr_eq(mms_strerror(-damage[i], text, sizeof(text)), text);
		ck_assert_uint_ge(strlen(text), 8);
		ck_assert_ptr_eq(strstr(text, "nknown error"), NULL);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(mms_strerror(-damage[j], other, sizeof(other)), text);
	}
	ck_assert_str_eq(mms_strerror(-MMS_ECHECKSUM, text, sizeof(text)), "Bad checksum");
	ck_assert_str_eq(mms_strerror(-ENOENT, text, sizeof(text)), "No such file or directory");
	ck_assert_str_eq(mms_strerror(0, text, sizeof(text)), "Success");
	ck_assert_ptr_ne(strstr(mms_strerror(-MMS_ESPLIT - 1, text, sizeof(text)), "nknown"), NULL);
	ck_assert_ptr_ne(strstr(mms_strerror(-MMS_EMAGIC + 1, text, sizeof(text)), "nknown"), NULL);
	/* No code is a reason to crash. */
	ck_assert_ptr_ne(strstr(mms_strerror(MMS_EMAGIC, text, sizeof(text)), "nknown"), NULL);
	ck_assert_uint_gt(strlen(mms_strerror(INT_MIN, text, sizeof(text))), 0);
	ck_assert_uint_gt(strlen(mms_strerror(INT_MAX, text, sizeof(text))), 0);
}
END_TEST

START_TEST(codes_cut_to_fit)
{
	static const int all[] = {-MMS_EMAGIC, -ENOENT, -99999};

	for (size_t i = 0; i < 3; i++) {
		char whole[100];

		mms_strerror(all[i], whole, sizeof(whole));
		for (size_t size = 0; size <= strlen(whole) + 1; size++) {
			char buf[100];

			memset(buf, 'x', sizeof(buf));
			ck_assert_ptr_eq(mms_strerror(all[i], buf, size), buf);
			ck_assert_int_eq(buf[size], 'x');
			if (size) {
				ck_assert_uint_eq(strlen(buf), size - 1);
				ck_assert_int_eq(strncmp(buf, whole, size - 1), 0);
			}
		}
	}
}
END_TEST

START_TEST(filling)
{
	struct mms_error err;
	char name[1000];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(mms_error_set(NULL, -EIO, "%s", name), -EIO);
	mms_error_hint(NULL, "%s", name);
	memset(&err, 'x', sizeof(err));
	ck_assert_int_eq(mms_error_set(&err, -EIO, "opening %s", name), -EIO);
	ck_assert_int_eq(err.code, -EIO);
	ck_assert_uint_eq(strlen(err.what), sizeof(err.what) - 1);
	ck_assert_str_eq(err.hint, "");
	mms_error_hint(&err, "%s", name);
	ck_assert_uint_eq(strlen(err.hint), sizeof(err.hint) - 1);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, error_texts);
	tcase_add_test(t, codes);
	tcase_add_test(t, codes_cut_to_fit);
	tcase_add_test(t, filling);
}

int main(void)
{
	return t_run("errors", add_tests);
}
