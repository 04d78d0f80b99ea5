#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# start_postfix.sh PORT DIR [MODE]    an instance of its own; the installed one is not touched. Needs root.
#   hold     (default) accept into the queue only: every message goes on hold, so no delivery takes time
#   maildir  accept, then virtual(8) delivers into one Maildir
#   tls      as hold, with STARTTLS (certificate made here)
#   relay    accept and pass on to the SMTP server that NEXT_HOP names (HOST:PORT), with Postfix's own settings for that
#   tuned    as relay, with more connections to the next hop, from the start, and no wait of cleanup(8) for the queue
set -eu
port=$1 dir=$2 mode=${3:-hold}
mkdir -p "$dir/etc" "$dir/spool" "$dir/data" "$dir/mail"
chown root "$dir/spool"
chown postfix "$dir/data" "$dir/mail"
chmod 755 "$dir" "$dir/etc" "$dir/spool" "$dir/mail"
su -s /bin/sh postfix -c "cd '$dir/etc'" 2>/dev/null ||
    { echo "the account postfix cannot reach $dir; choose a folder that all may enter with --dir" >&2; exit 1; }
daemons=$(postconf -h daemon_directory)
{
    cat <<C
compatibility_level = 3.6
queue_directory = $dir/spool
data_directory = $dir/data
daemon_directory = $daemons
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = bench.example.com
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtp_dns_support_level = disabled
message_size_limit = 52428800
default_process_limit = 200
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
anvil_rate_time_unit = 3600s
C
    case $mode in
    hold | tls)
        echo 'relay_domains = example.com'
        echo 'smtpd_recipient_restrictions = check_client_access static:HOLD, permit_mynetworks'
        ;;
    maildir)
        echo 'virtual_mailbox_domains = example.com'
        echo "virtual_mailbox_base = $dir/mail"
        echo 'virtual_mailbox_maps = static:box/'
        echo "virtual_uid_maps = static:$(id -u postfix)"
        echo "virtual_gid_maps = static:$(id -g postfix)"
        echo 'virtual_minimum_uid = 100'
        echo 'virtual_mailbox_limit = 0' # else smaller than message_size_limit, and virtual(8) does not run
        ;;
    relay | tuned)
        echo 'relay_domains = example.com'
        echo "relayhost = [${NEXT_HOP%:*}]:${NEXT_HOP##*:}"
        ;;
    *)
        echo "no mode $mode: hold, maildir, tls, relay or tuned" >&2
        exit 2
        ;;
    esac
    if [ "$mode" = tuned ]; then
        echo 'default_destination_concurrency_limit = 100'
        echo 'initial_destination_concurrency = 50'
        echo 'smtp_connection_cache_destinations = $relayhost'
        echo 'in_flow_delay = 0'
    fi
    if [ "$mode" = tls ]; then
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench.example.com \
            -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
        echo "smtpd_tls_cert_file = $dir/cert.pem"
        echo "smtpd_tls_key_file = $dir/key.pem"
        echo 'smtpd_tls_security_level = may'
        echo 'smtpd_tls_session_cache_database ='
    fi
} >"$dir/etc/main.cf"
cat >"$dir/etc/master.cf" <<C
127.0.0.1:$port inet n - n - 200 smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
C
postfix -c "$dir/etc" start
tr -d ' ' <"$dir/spool/pid/master.pid" >"$dir/pid"
