#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# start_sink.sh PORT DIR [-c]    Postfix's smtp-sink: stores nothing; how fast the load tool itself can be here
#   -c  it writes how many messages have come to DIR/out, after each: the end of mail that others pass on
set -eu
cd "$2"
user=
[ "$(id -u)" -ne 0 ] || user='-u nobody'
smtp-sink $user ${3:-} "127.0.0.1:$1" 4000 >"$2/out" 2>&1 &
echo $! >"$2/pid"
