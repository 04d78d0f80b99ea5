#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# start_genkan.sh PORT DIR [MODE [WORKERS]]
#   hold     (default) accept only
#   maildir  accept and deliver
#   relay    accept and pass on to the SMTP server that NEXT_HOP names (HOST:PORT)
#   rules    as hold, with many rules and accounts (rules.py), and with the content filter for loopback
# Genkan by its own commands, with its default settings. GENKAN names the command (default: genkan on the PATH).
set -eu
port=$1 dir=$2 mode=${3:-hold} workers=${4:-1} genkan=${GENKAN:-genkan}
config=$dir/home/genkan.toml domain=example.com
[ "$mode" != relay ] || domain=bench.example # mail for example.com is for elsewhere then
set_key() { # KEY VALUE
    sed -i "s/^$1 *=[^#]*/$1 = $2 /" "$config"
    grep -qF "$1 = $2 " "$config" || { echo "no key $1 in genkan.toml" >&2; exit 1; }
}
"$genkan" init "$dir/home" --domain "$domain" --hostname "mx.$domain" --listen "smtp=127.0.0.1:$port"
set_key workers "$workers"
case $mode in
relay)
    set_key smarthost "\"$NEXT_HOP\""
    echo '127.*.*.* true' >"$dir/home/effect.dat"
    "$genkan" -c "$config" rules import effect.dat "$dir/home/effect.dat"
    ;;
*)
    [ "$mode" = maildir ] || set_key paused true
    printf 'load pass 1\n' | "$genkan" -c "$config" account add load@example.com --name Load --password-stdin
    "$genkan" -c "$config" alias add '*@example.com' load@example.com
    ;;
esac
if [ "$mode" = rules ]; then
    set_key exempt '[]'
    python=$(dirname "$(readlink -f "$(command -v "$genkan")")")/python # its directory is filled by its own code
    [ -x "$python" ] || { echo "$python is not there; leave this receiver out with --peers" >&2; exit 1; }
    "$python" "$(dirname "$0")/rules.py" "$dir/home"
    "$genkan" -c "$config" rules import effect.dat "$dir/home/effect.dat"
    "$genkan" -c "$config" rules import mail.dat "$dir/home/mail.dat"
fi
"$genkan" -c "$config" serve >"$dir/out" 2>&1 &
echo $! >"$dir/pid"
