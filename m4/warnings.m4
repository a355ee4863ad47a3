dnl SPDX-License-Identifier: MIT

dnl MMAPFS_TRY_FLAG(FLAG, IF-TAKEN)
dnl -Werror, so that a compiler that only grumbles about the flag counts as refusing it.
AC_DEFUN([MMAPFS_TRY_FLAG], [
	AS_VAR_PUSHDEF([mmapfs_taken], [mmapfs_cv_flag_$1])
	AC_CACHE_CHECK([whether $CC takes $1], [mmapfs_taken], [
		mmapfs_saved_cflags=$CFLAGS
		CFLAGS="$CFLAGS -Werror $1"
		AC_COMPILE_IFELSE([AC_LANG_SOURCE([[int mmapfs_probe;]])],
			[AS_VAR_SET([mmapfs_taken], [yes])], [AS_VAR_SET([mmapfs_taken], [no])])
		CFLAGS=$mmapfs_saved_cflags
	])
	AS_VAR_IF([mmapfs_taken], [yes], [$2])
	AS_VAR_POPDEF([mmapfs_taken])
])

dnl MMAPFS_WARNINGS(FLAGS)
dnl Probes each flag, collects WARN_CFLAGS, and offers --enable-werror.
AC_DEFUN([MMAPFS_WARNINGS], [
	WARN_CFLAGS=
	m4_foreach_w([mmapfs_flag], [$1],
		[MMAPFS_TRY_FLAG(mmapfs_flag, [WARN_CFLAGS="$WARN_CFLAGS mmapfs_flag"])
	])
	AC_ARG_ENABLE([werror],
		[AS_HELP_STRING([--enable-werror], [make compiler warnings fatal])],
		[], [enable_werror=no])
	AS_IF([test "$enable_werror" != no], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
	AC_SUBST([WARN_CFLAGS])
])
