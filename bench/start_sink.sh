#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# start_sink.sh PORT DIR    Postfix's smtp-sink: stores nothing; how fast the load tool itself can be here
set -eu
cd "$2"
user=
[ "$(id -u)" -ne 0 ] || user='-u nobody'
smtp-sink $user "127.0.0.1:$1" 4000 >"$2/out" 2>&1 &
echo $! >"$2/pid"
