dnl SPDX-License-Identifier: MIT

dnl MMAPFS_SANITIZERS
dnl --enable-sanitizers=LIST: what the compiler's -fsanitize takes, for compiling and linking.
AC_DEFUN([MMAPFS_SANITIZERS], [
	AC_ARG_ENABLE([sanitizers],
		[AS_HELP_STRING([--enable-sanitizers=LIST],
			[address,undefined or thread: build everything with these])],
		[], [enable_sanitizers=no])
	SANITIZE_FLAGS=
	AS_CASE([$enable_sanitizers],
		[no], [],
		[yes], [enable_sanitizers=address,undefined])
	AS_IF([test "$enable_sanitizers" != no], [
		SANITIZE_FLAGS="-fsanitize=$enable_sanitizers -fno-omit-frame-pointer"
		AS_CASE([,$enable_sanitizers,], [*,undefined,*],
			[SANITIZE_FLAGS="$SANITIZE_FLAGS -fno-sanitize-recover=undefined"])
		AC_MSG_CHECKING([whether $CC links with $SANITIZE_FLAGS])
		mmapfs_saved_cflags=$CFLAGS
		CFLAGS="$CFLAGS $SANITIZE_FLAGS"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AC_MSG_RESULT([yes])], [
			AC_MSG_RESULT([no])
			AC_MSG_ERROR([$CC cannot build with --enable-sanitizers=$enable_sanitizers])
		])
		CFLAGS=$mmapfs_saved_cflags
	])
	AC_SUBST([SANITIZE_FLAGS])
])

dnl MMAPFS_FUZZING
dnl --enable-fuzzing, for 'make fuzz': everything built for libFuzzer, with the sanitizers that tell
dnl it what is an error. After MMAPFS_SANITIZERS.
AC_DEFUN([MMAPFS_FUZZING], [
	AC_ARG_ENABLE([fuzzing],
		[AS_HELP_STRING([--enable-fuzzing],
			[build the fuzz targets; see 'make fuzz'. Needs CC=clang])],
		[], [enable_fuzzing=no])
	AS_IF([test "$enable_fuzzing" != no], [
		AS_IF([test "$enable_sanitizers" != no],
			[AC_MSG_ERROR([--enable-fuzzing brings its own sanitizers: leave --enable-sanitizers out])])
		SANITIZE_FLAGS="-fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer"
		SANITIZE_FLAGS="$SANITIZE_FLAGS -fno-sanitize-recover=undefined"
		AC_MSG_CHECKING([whether $CC links with libFuzzer])
		mmapfs_saved_cflags=$CFLAGS
		CFLAGS="$CFLAGS $SANITIZE_FLAGS -fsanitize=fuzzer"
		AC_LINK_IFELSE([AC_LANG_SOURCE([[#include <stddef.h>
			#include <stdint.h>
			int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
			int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
			{
				return data && size ? 0 : 0;
			}]])],
			[AC_MSG_RESULT([yes])], [
			AC_MSG_RESULT([no])
			AC_MSG_ERROR([--enable-fuzzing needs a compiler with -fsanitize=fuzzer, and $CC is none:
	configure with CC=clang (Debian and Ubuntu: apt-get install clang)])
		])
		CFLAGS=$mmapfs_saved_cflags
	])
	AM_CONDITIONAL([FUZZING], [test "$enable_fuzzing" != no])
])

dnl MMAPFS_COVERAGE
dnl --enable-coverage, for 'make coverage'.
AC_DEFUN([MMAPFS_COVERAGE], [
	AC_ARG_ENABLE([coverage],
		[AS_HELP_STRING([--enable-coverage], [count executed lines; see 'make coverage'])],
		[], [enable_coverage=no])
	COVERAGE_FLAGS=
	AS_IF([test "$enable_coverage" != no], [
		AC_CHECK_PROG([LCOV], [lcov], [lcov])
		AC_CHECK_PROG([GENHTML], [genhtml], [genhtml])
		AS_IF([test -z "$LCOV" || test -z "$GENHTML"],
			[AC_MSG_ERROR([--enable-coverage needs lcov and genhtml (Debian: lcov)])])
		COVERAGE_FLAGS="--coverage -O0 -fprofile-update=atomic"
	])
	AC_SUBST([COVERAGE_FLAGS])
	AM_CONDITIONAL([COVERAGE], [test "$enable_coverage" != no])
])
