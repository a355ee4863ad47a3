dnl SPDX-License-Identifier: MIT

dnl MMAPFS_REQUIRE(VARIABLE, MODULES, NAME, DEBIAN-PACKAGE)
dnl Sets VARIABLE_CFLAGS, VARIABLE_LIBS, VARIABLE_VERSION, or ends with what to install.
AC_DEFUN([MMAPFS_REQUIRE], [
	PKG_CHECK_MODULES([$1], [$2], [], [
		AC_MSG_ERROR([$3 is needed and was not found ($$1_PKG_ERRORS)
	Debian and Ubuntu: apt-get install $4, or everything at once: contrib/install-deps
	Installed elsewhere: set PKG_CONFIG_PATH to the folder that holds its .pc file])
	])
	$1_VERSION=`$PKG_CONFIG --modversion m4_bpatsubst([$2], [ .*])`
])

dnl MMAPFS_OPTIONAL(OPTION, VARIABLE, MODULE, PURPOSE, DEBIAN-PACKAGE)
dnl --with-OPTION=auto|yes|no. Sets have_OPTION for the summary, the flags, and defines HAVE_VARIABLE.
AC_DEFUN([MMAPFS_OPTIONAL], [
	AC_ARG_WITH([$1],
		[AS_HELP_STRING([--with-$1=auto|yes|no], [$4: use $3 [auto]])],
		[], [with_$1=auto])
	have_$1=no
	AS_IF([test "$with_$1" != no], [
		PKG_CHECK_MODULES([$2], [$3], [
			have_$1="yes, `$PKG_CONFIG --modversion $3`"
			AC_DEFINE([HAVE_$2], [1], [Define to 1 to use $3: $4.])
		], [
			AS_IF([test "$with_$1" = yes], [
				AC_MSG_ERROR([--with-$1=yes, and $3 was not found ($$2_PKG_ERRORS)
	Debian and Ubuntu: apt-get install $5])
			])
			have_$1="not found ($5)"
		])
	], [have_$1="no, as asked for"])
	AM_CONDITIONAL([HAVE_$2], [case $have_$1 in yes*) true;; *) false;; esac])
])

dnl MMAPFS_FUSE_HAS(FUNCTION, VARIABLE, DESCRIPTION): whether libfuse has it. Sets have_VARIABLE
dnl in lower case, and defines HAVE_VARIABLE.
AC_DEFUN([MMAPFS_FUSE_HAS], [
	AC_CACHE_CHECK([for $1], [mmapfs_cv_$1], [
		mmapfs_saved_cflags=$CFLAGS
		mmapfs_saved_libs=$LIBS
		CFLAGS="$CFLAGS $FUSE3_CFLAGS"
		LIBS="$LIBS $FUSE3_LIBS"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[#define FUSE_USE_VERSION 312
			#include <fuse_lowlevel.h>]], [[return (void *)$1 == 0;]])],
			[mmapfs_cv_$1=yes], [mmapfs_cv_$1=no])
		CFLAGS=$mmapfs_saved_cflags
		LIBS=$mmapfs_saved_libs
	])
	m4_tolower([have_$2])=$mmapfs_cv_$1
	AS_IF([test "$mmapfs_cv_$1" = yes], [AC_DEFINE([HAVE_$2], [1], [$3])])
])

dnl libfuse 3.12 sizes its thread pool through an object; earlier ones take a struct. 3.13 lets a
dnl program read and write the session's descriptor itself.
AC_DEFUN([MMAPFS_FUSE_FEATURES], [
	MMAPFS_FUSE_HAS([fuse_loop_cfg_create], [FUSE_LOOP_CFG],
		[Define to 1 if libfuse has fuse_loop_cfg_create() (3.12 and newer).])
	MMAPFS_FUSE_HAS([fuse_session_custom_io], [FUSE_CUSTOM_IO],
		[Define to 1 if libfuse has fuse_session_custom_io() (3.13 and newer).])
])
