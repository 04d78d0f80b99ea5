# SPDX-License-Identifier: Apache-2.0
"""Why each reply of the catalogue is given and what to do then, in Japanese, by the reply's name."""

from __future__ import annotations

from typing import Final

from genkan.smtp.reply_meanings import Meaning

MEANINGS_JA: Final[dict[str, Meaning]] = {
    "GREETING": Meaning(
        "クライアントが接続し、セッションが始まった。",
        "対応は不要。クライアントは EHLO に進む。",
    ),
    "TRIAL_EXPIRED": Meaning(
        "設定 `expires` の試用期間または契約期間が終了した。",
        "管理者が契約を更新し、新しい期日を設定する。",
    ),
    "TOO_MANY_SESSIONS": Meaning(
        "同時セッション数が `limits.sessions` または `limits.sessions_per_client` の上限を超えた。",
        "クライアントは時間をおいて再接続する。正当な負荷であれば管理者が上限を引き上げる。",
    ),
    "CLOSING": Meaning(
        "クライアントが QUIT を送った。",
        "対応は不要。サーバーが接続を閉じる。",
    ),
    "IDLE_TIMEOUT": Meaning(
        "`limits.idle` の時間、クライアントから何も届かなかった。",
        "クライアントは再接続する。常に遅いクライアントがある場合は `limits.idle` を延ばす。",
    ),
    "TRANSACTION_TOO_LONG": Meaning(
        "一つのメールトランザクションが `limits.transaction_time` を超えて続いた。",
        "クライアントはより速い回線で再送する。管理者は、わずかずつしか送らないクライアントがないか調べる。",
    ),
    "TOO_MANY_BAD_COMMANDS": Meaning(
        "受け付けられない命令が `limits.commands` 回続いたか、存在しないアドレスが `limits.unknown_recipients` 回指定された。",
        "クライアントを修正する。宛先やパスワードを推測する相手への対策でもある。",
    ),
    "CLIENT_LISTED": Meaning(
        "`ordb.dat` に書かれた DNS ブロックリストに、クライアントのアドレスが載っている。",
        "クライアントの管理者がリストからの削除を申請する。受信側の管理者は `effect.dat` の行で除外できる。",
    ),
    "SHUTTING_DOWN": Meaning(
        "サーバーが停止中または再起動中である。",
        "クライアントは数分後に再試行する。受領済みと応答したメールは失われない。",
    ),
    "NOOP_OK": Meaning(
        "クライアントが NOOP を送った。",
        "対応は不要。",
    ),
    "RESET_OK": Meaning(
        "クライアントが RSET を送り、メールトランザクションが取り消された。",
        "対応は不要。クライアントは MAIL からやり直せる。",
    ),
    "HELP_TEXT": Meaning(
        "クライアントが HELP を送った。",
        "対応は不要。",
    ),
    "COMMAND_UNRECOGNIZED": Meaning(
        "行の先頭がこのサーバーの命令ではない。",
        "クライアントのソフトウェアを修正する。手入力であれば綴りを確かめる。",
    ),
    "COMMAND_NOT_ASCII": Meaning(
        "命令行に制御文字、または許されない位置の非 ASCII 文字が含まれている。",
        "クライアントは命令を ASCII で送る。アドレスに必要な場合は SMTPUTF8 を指定する。",
    ),
    "COMMAND_BARE_NEWLINE": Meaning(
        "命令行が CR のない LF だけで終わった(命令を紛れ込ませる攻撃に使われる形である)。",
        "クライアントはすべての行を CRLF で終える。サーバーは接続を閉じた。",
    ),
    "LINE_TOO_LONG": Meaning(
        "命令行、または AUTH の応答行が上限より長い。",
        "クライアントは行を短くするか、引数を減らす。",
    ),
    "ARGUMENT_REQUIRED": Meaning(
        "命令に必要な引数がない。",
        "クライアントは引数を付けて送る。例: `MAIL FROM:<ann@in.test>`",
    ),
    "ARGUMENT_UNEXPECTED": Meaning(
        "引数を取らない命令に引数が付いている。",
        "クライアントは命令だけを一行で送る。",
    ),
    "PARAMETER_SYNTAX": Meaning(
        "MAIL・RCPT・BDAT のパラメーターの値が正しくないか、重複している。",
        "クライアントは応答に示されたパラメーターを直す。",
    ),
    "PARAMETER_UNKNOWN": Meaning(
        "EHLO で通知していない拡張のパラメーターが MAIL または RCPT に付いている。",
        "クライアントは通知された拡張だけを使う。",
    ),
    "TRANSACTION_OPEN": Meaning(
        "MAIL の後に AUTH または STARTTLS が送られた。",
        "クライアントはメールトランザクションを終えるか、先に RSET を送る。",
    ),
    "HELO_HELLO": Meaning(
        "クライアントが HELO を送った。",
        "対応は不要。",
    ),
    "EHLO_HELLO": Meaning(
        "クライアントが EHLO を送った。続く行が拡張機能を示す。",
        "対応は不要。",
    ),
    "EHLO_KEYWORD": Meaning(
        "EHLO の応答で、EPSTRS にはない拡張を通知する。",
        '古いクライアントが対応できない場合、管理者は `smtp.extensions = "source"` を設定する。',
    ),
    "EHLO_STARTTLS": Meaning(
        "EHLO の応答で STARTTLS を通知する(証明書があり、接続がまだ平文の場合)。",
        "クライアントは認証の前に STARTTLS を送る。",
    ),
    "EHLO_AUTH": Meaning(
        "EHLO の応答で、現在利用できる認証方式を通知する。",
        "一覧は `auth.mechanisms` で変更する。PLAIN と LOGIN は TLS の下で通知される。",
    ),
    "EHLO_SIZE": Meaning(
        "EHLO の応答で、受領できるメールの最大サイズ(オクテット)を通知する。0 は無制限を表す。",
        "管理者は `limits.message_size` で変更する。",
    ),
    "HELLO_SYNTAX": Meaning(
        "HELO・EHLO の引数がないか、ドメインに使えない文字が含まれている。",
        "クライアントは自身のドメイン名またはアドレスリテラルを名乗る。",
    ),
    "DUPLICATE_HELO": Meaning(
        "すでに HELO または EHLO を終えたセッションで、HELO が再度送られた。",
        "クライアントはそのまま MAIL に進む。STARTTLS の後であればもう一度名乗れる。",
    ),
    "DUPLICATE_EHLO": Meaning(
        "すでに HELO または EHLO を終えたセッションで、EHLO が再度送られた。",
        "クライアントはそのまま MAIL に進む。STARTTLS の後であればもう一度名乗れる。",
    ),
    "NEED_HELLO": Meaning(
        "HELO・EHLO より前に MAIL が送られた。",
        "クライアントは先に EHLO を送る。",
    ),
    "READY_FOR_TLS": Meaning(
        "クライアントが STARTTLS を送り、TLS ハンドシェイクを開始できる。",
        "対応は不要。クライアントはハンドシェイクの後に EHLO を改めて送る。",
    ),
    "TLS_NOT_AVAILABLE": Meaning(
        "STARTTLS が送られたが、サーバーに証明書が設定されていない。",
        "管理者は `tls.certificate` と `tls.key` を設定する。クライアントは平文で続けるか、ほかのサーバーを使う。",
    ),
    "TLS_ALREADY_ACTIVE": Meaning(
        "すでに TLS で保護された接続で STARTTLS が送られた。",
        "クライアントは STARTTLS なしで続ける。",
    ),
    "AUTH_CHALLENGE": Meaning(
        "認証方式がクライアントに次の応答を求めている。",
        "対応は不要。クライアントは base64 で応答するか、`*` で中止する。",
    ),
    "AUTH_OK": Meaning(
        "アカウント名とパスワードが正しく、認証に成功した。",
        "対応は不要。クライアントは MAIL に進む。",
    ),
    "AUTH_FAILED": Meaning(
        "アカウント名またはパスワードが誤っているか、認証を許可されていないアカウントである。",
        "送信者はアカウント名とパスワードを確かめる。管理者は `genkan account passwd` でパスワードを設定する。",
    ),
    "AUTH_NOT_BASE64": Meaning(
        "AUTH の応答が base64 として正しくない。",
        "クライアントのソフトウェアを修正する。",
    ),
    "AUTH_CANCELLED": Meaning(
        "クライアントが応答の代わりに `*` を送り、認証を中止した。",
        "対応は不要。クライアントは AUTH をやり直せる。",
    ),
    "AUTH_MECHANISM_UNKNOWN": Meaning(
        "このサーバーにない認証方式が AUTH で指定された。",
        "クライアントは EHLO で通知された方式を使う。必要であれば管理者が `auth.mechanisms` に加える。",
    ),
    "AUTH_NEEDS_TLS": Meaning(
        "パスワードを平文で送る認証方式が、TLS で保護されていない接続で指定された。",
        'クライアントは先に STARTTLS を送る。`auth.plaintext = "always"` とすれば平文でも許可される。',
    ),
    "AUTH_NOT_ENABLED": Meaning(
        "SMTP 認証が `auth.mode` で無効になっているのに、AUTH が送られた。",
        '送信者はメールソフトの SMTP 認証を外す。または管理者が `auth.mode = "on"` を設定する。',
    ),
    "NEED_EHLO_BEFORE_AUTH": Meaning(
        "EHLO より前に AUTH が送られた。または、認証を試みていないセッションの MAIL で内部アカウントが指定された。",
        "送信者はメールソフトで SMTP 認証を有効にする。転送元のサーバーでは、外部の送信元アドレスのまま転送する。",
    ),
    "DUPLICATE_AUTH": Meaning(
        "すでに認証を終えたセッションで AUTH が再度送られた。",
        "クライアントはそのまま MAIL に進む。別のアカウントを使うには接続し直す。",
    ),
    "AUTH_UNAVAILABLE": Meaning(
        "サーバー側の障害により、パスワードを確認できなかった。",
        "クライアントは後で再試行する。管理者は応答にある id をログで探す。",
    ),
    "SENDER_OK": Meaning(
        "送信元アドレスを受け付け、メールトランザクションが始まった。",
        "対応は不要。",
    ),
    "NEED_AUTH_BEFORE_MAIL": Meaning(
        "MAIL で内部アカウントが指定されたが、セッションが認証されていないか、認証に失敗している。",
        "送信者は SMTP 認証を有効にし、アカウント名とパスワードを確かめる。",
    ),
    "SENDER_ALREADY_SPECIFIED": Meaning(
        "一つのメールトランザクションの中で MAIL が再度送られた。",
        "クライアントは先に RSET を送るか、DATA でトランザクションを終える。",
    ),
    "REVERSE_PATH_SYNTAX": Meaning(
        "`MAIL FROM:` のアドレスが RFC 5321 の形式ではない。",
        "送信者は、応答に示された理由に従ってアドレスを直す。",
    ),
    "SMTPUTF8_REQUIRED": Meaning(
        "アドレスに非 ASCII 文字があるが、MAIL に SMTPUTF8 が指定されていない。",
        "クライアントは MAIL に SMTPUTF8 を付けるか、アドレスを ASCII で書く。",
    ),
    "SENDER_UNKNOWN": Meaning(
        "送信元アドレスのドメインは内部だが、そのアカウントもエイリアスも存在しない。または、認証したアカウン"
        "トのアドレスではない。",
        "送信者はメールソフトの自分のアドレスを直す。管理者は必要に応じてアカウントまたはエイリアスを追加する。",
    ),
    "SENDER_FORBIDDEN": Meaning(
        "`effect.dat` の規則が送信元アドレスまたはクライアントの IP アドレスを拒否した。または `MAIL FROM:` "
        "が空である。",
        "受け入れてよい送信元であれば、管理者が規則を変更する: `genkan rules edit effect.dat`。",
    ),
    "SPF_DEFERRED": Meaning(
        "送信元ドメインの SPF レコードが、このクライアントの IP アドレスを許可していない。",
        "送信側の管理者は SPF レコードを修正するか、許可されたサーバーから送る。"
        "`spf.grey` が有効なら、時間をおいて再送したクライアントは受け付けられる。",
    ),
    "SPF_UNAVAILABLE": Meaning(
        "送信元ドメインの SPF レコードを、現在 DNS から取得できない(設定 `spf.dns_failure`)。",
        "クライアントは後で再送する。続く場合、送信側の管理者はドメインのネームサーバーを、"
        "受信側の管理者は `dns.servers` を確認する。",
    ),
    "RECIPIENT_OK": Meaning(
        "送信先アドレスを受け付けた。",
        "対応は不要。",
    ),
    "NEED_MAIL_BEFORE_RCPT": Meaning(
        "MAIL が受け付けられる前に RCPT が送られた。",
        "クライアントは先に MAIL を送る。MAIL が拒否されていた場合は、その応答に原因が示されている。",
    ),
    "FORWARD_PATH_SYNTAX": Meaning(
        "`RCPT TO:` のアドレスが RFC 5321 の形式ではない。",
        "送信者は、応答に示された理由に従ってアドレスを直す。",
    ),
    "NO_VALID_RECIPIENT": Meaning(
        "送信先アドレスが空か、ドメインがなく、宛先として使えない。",
        "送信者はアドレス全体を書く。例: `bob@in.test`",
    ),
    "USER_UNKNOWN": Meaning(
        "送信先アドレスのドメインは内部だが、そのアカウント・エイリアス・リストが存在しない。または、リストがどのメールボックスにも届かない。",
        "送信者はアドレスを確かめる。管理者は必要に応じてアカウントまたはエイリアスを追加する。",
    ),
    "MAILBOX_FULL": Meaning(
        "宛先のメールボックスが容量制限に達している。または、このメールで制限を超える。",
        "受信者がメールを削除するか、管理者が容量制限を引き上げる。クライアントは自動的に再送する。",
    ),
    "RELAY_DENIED": Meaning(
        "送信元と送信先がともに外部であるか、外部への送信が許されていない送信元である。",
        "送信者は認証を行い、内部のアドレスから送る。内部のはずのドメインであれば、管理者が `genkan domain li"
        "st` を確かめる。",
    ),
    "TOO_MANY_RECIPIENTS": Meaning(
        "一通のメールの宛先数が `limits.recipients` の値に達した。",
        "送信者は宛先を複数のメールに分ける。必要であれば管理者が上限を引き上げる。",
    ),
    "RECIPIENTS_HELD": Meaning(
        "一つのメールトランザクションで保持できる宛先数の技術的な上限に達した。",
        "対応は不要。クライアントは残りの宛先へ別のトランザクションで送る。",
    ),
    "RECIPIENT_FORBIDDEN": Meaning(
        "送信元アカウントの `sender.dat` が、この宛先への送信を禁止している。他の宛先には影響しない。",
        "送信を認める宛先であれば、管理者がアカウントの `sender.dat` を変更する。",
    ),
    "SENDER_BLACKLISTED": Meaning(
        "送信元アドレスが `approval-addresses.dat` の行で拒否されている。",
        "受け取ってよい送信者であれば、管理者がその行を変更する。",
    ),
    "LIST_NEEDS_AUTH": Meaning(
        "宛先が、認証した送信者だけが投稿できるメーリングリストである。",
        "送信者はメールソフトで SMTP 認証を有効にする。",
    ),
    "LIST_POST_DENIED": Meaning(
        "宛先が、メンバーまたは所有者だけが投稿できるメーリングリストである。",
        "送信者はメーリングリストに登録されているアドレスから送る。投稿を認める場合は、管理者がアドレスを追加するか、"
        "`genkan list set LIST --posting` で投稿できる人を変更する。",
    ),
    "START_MAIL_INPUT": Meaning(
        "クライアントが DATA を送り、メール本文を送信できる。",
        "対応は不要。本文はドット一つだけの行で終わる。",
    ),
    "MESSAGE_RECEIVED": Meaning(
        "メールを受領し、障害が起きても失われない形で保存した。",
        "対応は不要。以後、このメールの責任はサーバーが負う。",
    ),
    "NEED_RCPT": Meaning(
        "宛先が一つも受け付けられていないのに DATA または BDAT が送られた。",
        "クライアントは先に RCPT を送る。RCPT がすべて拒否されていた場合は、その応答に原因が示されている。",
    ),
    "CHUNK_RECEIVED": Meaning(
        "本文の一部(チャンク)を受け取った。続きがある。",
        "対応は不要。",
    ),
    "CHUNKING_UNDER_WAY": Meaning(
        "チャンク送信の途中で MAIL・RCPT・DATA が送られた。",
        "クライアントは BDAT LAST で最後のチャンクを送るか、RSET を送る。",
    ),
    "CHUNK_SIZE_SYNTAX": Meaning(
        "BDAT のサイズが読み取れず、チャンクの終わりがわからない。",
        "クライアントのソフトウェアを修正する。サーバーは接続を閉じた。",
    ),
    "MESSAGE_TOO_BIG": Meaning(
        "メール、または MAIL で宣言された SIZE が `limits.message_size` を超えている。",
        "送信者は添付を減らすか、別の方法でファイルを渡す。必要であれば管理者が上限を引き上げる。",
    ),
    "TOO_MANY_HOPS": Meaning(
        "メールの Received フィールドの数が `limits.hops` を超えている。配送がループしている可能性が高い。",
        "管理者は、互いにメールを送り合うサーバーやエイリアスがないか調べる。",
    ),
    "BARE_NEWLINE": Meaning(
        "本文に CRLF の一部でない CR または LF がある(別のメールを紛れ込ませる攻撃に使われる形である)。",
        'クライアントは改行を CRLF で送る。`smtp.bare_newline = "normalise"` とすれば、拒否せずに修正して受け取る。',
    ),
    "TEXT_LINE_TOO_LONG": Meaning(
        "本文の一行が `limits.text_line` より長い。",
        "クライアントは本文を quoted-printable または base64 で符号化する。",
    ),
    "HEADER_TOO_BIG": Meaning(
        "メールのヘッダー部が `limits.header_size` または `limits.header_lines` を超えている。",
        "送信者はヘッダーを減らす。宛先が多い場合は Bcc やメーリングリストを使う。",
    ),
    "CAUGHT_BY_FILTER": Meaning(
        "`mail.dat` の規則またはウイルスチェックにより、メールの内容が拒否された。",
        "管理者は `genkan explain` で規則を調べる。送信者は該当する内容を除いて送る。",
    ),
    "SUBJECT_BLACKLISTED": Meaning(
        "件名が拒否題名の一覧に載っている。",
        "送信者は件名を変える。必要であれば管理者が一覧を変更する。",
    ),
    "SCANNER_UNAVAILABLE": Meaning(
        "ウイルススキャナーに問い合わせできず、設定 `filter.scanner_failure` が `defer` である。",
        "クライアントは後で再送する。管理者は `filter.scanner` のスキャナーを確認する。",
    ),
    "DMARC_REFUSED": Meaning(
        "SPF でも DKIM 署名でも、From フィールドのドメインから送られたことを確認できず、そのドメインが拒否を求めている"
        "(`dmarc.mode` が `refuse` の場合)。",
        "送信元ドメインの管理者は、メールに署名するか、送信サーバーを許可する。転送で書き換えられたメールは、"
        "転送者を `dmarc.trusted_sealers` に登録すれば受け付けられる。",
    ),
    "AUTHOR_UNCLEAR": Meaning(
        "From フィールドのドメインが多すぎるか、読み取れないため、DMARC を判定できない(`dmarc.mode` が `refuse` の場合)。",
        "送信プログラムの管理者は、From フィールドを一つにし、一つのドメインのアドレスだけを書くようにする。",
    ),
    "DMARC_UNAVAILABLE": Meaning(
        "From フィールドのドメインから送られたかどうかを、現在 DNS で確認できない(`dmarc.dns_failure` が `defer` の場合)。",
        "クライアントは後で再送する。続く場合、管理者は `dns.servers` のサーバーを確認する。",
    ),
    "STORAGE_FULL": Meaning(
        "ディスクまたは受信用バッファーに空きがない。",
        "クライアントは後で再試行する。管理者は空き容量を確保し、応答にある id をログで確かめる。",
    ),
    "LOCAL_ERROR": Meaning(
        "サーバー側の障害により、メールを受領できなかった。",
        "クライアントは後で再試行する。管理者は応答にある id をログで探す。",
    ),
    "VRFY_OK": Meaning(
        "VRFY で指定されたアカウントが存在する(`smtp.vrfy` が有効な場合)。",
        "対応は不要。",
    ),
    "EXPN_OK": Meaning(
        "EXPN で指定されたアカウントが存在する(`smtp.vrfy` が有効な場合)。",
        "対応は不要。",
    ),
    "VRFY_DISABLED": Meaning(
        "VRFY・EXPN への応答が無効になっている。",
        "対応は不要。応答させる場合は、管理者が `smtp.vrfy = true` を設定する。",
    ),
}
