dnl SPDX-License-Identifier: MIT

dnl MMAPFS_C11
dnl The language is C11 with GNU extensions, also where a compiler's default is newer or older.
AC_DEFUN([MMAPFS_C11], [
	AC_CACHE_CHECK([whether $CC takes -std=gnu11], [mmapfs_cv_gnu11], [
		mmapfs_saved_cflags=$CFLAGS
		CFLAGS="$CFLAGS -std=gnu11"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <stdatomic.h>]],
			[[_Static_assert(sizeof(char) == 1, "C11"); _Atomic int n = 0; atomic_fetch_add(&n, 1);]])],
			[mmapfs_cv_gnu11=yes], [mmapfs_cv_gnu11=no])
		CFLAGS=$mmapfs_saved_cflags
	])
	AS_IF([test "$mmapfs_cv_gnu11" = no],
		[AC_MSG_ERROR([a C11 compiler with stdatomic.h is needed, and $CC is none])])
	AC_SUBST([LANG_CFLAGS], [-std=gnu11])
])

dnl MMAPFS_ATOMIC64
dnl Some 32-bit machines keep 64-bit atomics in a library of their own.
AC_DEFUN([MMAPFS_ATOMIC64], [
	AC_CACHE_CHECK([for the library of 64-bit atomics], [mmapfs_cv_atomic64], [
		mmapfs_saved_libs=$LIBS
		mmapfs_cv_atomic64=missing
		for mmapfs_lib in '' -latomic; do
			LIBS="$mmapfs_saved_libs $mmapfs_lib"
			AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdatomic.h>
				#include <stdint.h>
				_Atomic uint64_t n;]], [[return (int)atomic_fetch_add(&n, 1);]])],
				[mmapfs_cv_atomic64=${mmapfs_lib:-none needed}; break])
		done
		LIBS=$mmapfs_saved_libs
	])
	AS_CASE([$mmapfs_cv_atomic64],
		[missing], [AC_MSG_ERROR([64-bit atomic operations do not link, with -latomic or without])],
		[-l*], [LIBS="$LIBS $mmapfs_cv_atomic64"])
])
