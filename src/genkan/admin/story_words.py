# SPDX-License-Identifier: Apache-2.0
"""The words of `genkan explain`, each in English and in Japanese: its sentences, and what every check asks.

Pure tables. Why a reply is given and what to do then stands with the catalogue, in `smtp.reply_meanings` and its Japanese
counterpart.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

Language = Literal["en", "ja"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)


class Words(NamedTuple):
    """The same in both languages."""

    en: str
    ja: str


CHECKS: Final[dict[str, Words]] = {
    # At the connection.
    "trial-period": Words("is the trial or contract period still running", "試用期間・契約期間が終わっていないか"),
    "lock-out": Words(
        "is the client named in rejectsmtpip.dat or locked out by the server",
        "クライアントが rejectsmtpip.dat に記載されていないか、またはサーバーによりロックされていないか",
    ),
    "block-list": Words(
        "is the client on a block list of ordb.dat", "クライアントが ordb.dat のブロックリストに掲載されていないか"
    ),
    "connection-rate": Words("does the client not connect too often", "接続の頻度が上限以内か"),
    # At MAIL.
    "effect": Words(
        "does effect.dat let this client or this sender in", "effect.dat がこのクライアント・送信元を許可しているか"
    ),
    "local-sender": Words(
        "does a reverse-path of a local domain belong to somebody", "内部ドメインの送信元アドレスが実在するか"
    ),
    "authentication": Words(
        "has the client proved which account it is, where it must",
        "必要な場合に、クライアントが正しく認証を行っているか",
    ),
    "sender-trust": Words(
        "is the reverse-path the authenticated account's own", "送信元アドレスが認証したアカウント自身のものか"
    ),
    "spf": Words(
        "does the SPF record of the sender's domain permit this client",
        "送信元ドメインの SPF レコードがこのクライアントを許可しているか",
    ),
    "declared-size": Words("is the announced size within the limit", "宣言されたサイズが上限以内か"),
    # At RCPT.
    "recipient-number": Words("are the recipients within the limit", "宛先の数が上限以内か"),
    "destined": Words("where does the mail go", "メールがどこへ配送されるか"),
    "destination": Words(
        "does the sender's sender.dat permit this destination", "送信元の sender.dat がこの宛先を許可しているか"
    ),
    "approval-address": Words(
        "is the reverse-path on the black list of approval-addresses.dat",
        "送信元アドレスが approval-addresses.dat の拒否一覧に載っていないか",
    ),
    "relay": Words(
        "is the sender or the recipient local, or relaying allowed by a rule",
        "送信元か宛先が内部のものか、または規則により中継が許可されているか",
    ),
    "known-recipient": Words("does the address exist in its local domain", "宛先が内部ドメインに存在するか"),
    "list-sender": Words("may this sender write to the mailing list", "この送信元がメーリングリストに投稿できるか"),
    "account-effect": Words(
        "does the recipient's own effect.dat let this client or this sender in",
        "受信者自身の effect.dat がこのクライアント・送信元を許可しているか",
    ),
    "quota": Words("has the mailbox room for the message", "メールボックスの容量に空きがあるか"),
    # At the end of the content.
    "mail-data": Words(
        "do size, line ends and line lengths of the mail data fit",
        "メールデータのサイズ・改行・行の長さに問題がないか",
    ),
    "header-size": Words("is the header section within the limit", "ヘッダー部の大きさが上限以内か"),
    "hops": Words("does the message not go in a circle", "メールがループしていないか"),
    "sender-trust-from": Words(
        "is the From field the authenticated account's own", "From フィールドが認証したアカウント自身のものか"
    ),
    "dmarc": Words(
        "is the message from the domain in its From field, by SPF or a signature",
        "SPF または DKIM 署名により、From フィールドのドメインから送られたことが確認できるか",
    ),
    "approval-subject": Words(
        "is the subject free, or does it want an approver, or is it on the black list of approval-subjects.dat",
        "件名が approval-subjects.dat により拒否されないか、または承認が必要でないか",
    ),
    "filter": Words("does mail.dat let this content in", "mail.dat がこの内容を許可しているか"),
    "virus-scan": Words("is the content free of viruses", "内容がウイルスに感染していないか"),
    "list-moderation": Words(
        "must an owner of the mailing list approve it", "メーリングリストの所有者による承認が必要でないか"
    ),
    # These are no checks of the chain but speak like them.
    "session": Words("does the command obey the protocol at this point", "コマンドがプロトコルに従っているか"),
    "sessions": Words("are the simultaneous sessions within the limits", "同時セッション数が上限以内か"),
    "stopping": Words("is the server going on", "サーバーが停止処理中でないか"),
    "directory": Words("is the name known", "名前が登録されているか"),
    "storage": Words("can the message be stored", "メールを保存できるか"),
    "failure": Words("did the server itself work", "サーバー自体が正常に動作したか"),
}
"""What each check asks, by its name, in the order of the chain."""

FACTS: Final[dict[str, Words]] = {
    "dkim": Words("DKIM signatures", "DKIM 署名"),
    "arc": Words("ARC chain", "ARC の連鎖"),
    "arc dmarc": Words(
        "the newest ARC sealer says that DMARC passed", "最後の ARC 署名者が DMARC の成功を報告しているか"
    ),
    "dmarc": Words("DMARC", "DMARC"),
    "dmarc policy": Words("DMARC policy", "DMARC ポリシー"),
    "authentication results": Words("written into the header", "ヘッダーに記録した認証結果"),
    "block list": Words("block list that names the client", "クライアントが掲載されていたブロックリスト"),
    "listed": Words("names and addresses on block lists", "ブロックリストに掲載されていた名前・アドレス"),
    "spf": Words("result of SPF", "SPF の結果"),
    "spf grey": Words("came again after SPF had deferred it", "SPF による一時拒否の後に再送してきたか"),
    "mailbox octets": Words("octets in the mailbox", "メールボックスの使用量(オクテット)"),
}
"""What the facts are that checks learned from outside; one that is not here is told by its name."""

_SENTENCES: Final[dict[str, tuple[str, str]]] = {
    # One session: how it began and ended.
    "head": ("{at}  session {session}", "{at}  セッション {session}"),
    "came": (
        "Client {client} came to the {role} listener.",
        "クライアント {client} が {role} リスナーに接続した。",
    ),
    "greeted": ("It greeted with {verb} {hello}.", "{verb} {hello} と名乗った。"),
    "silent": ("It never greeted.", "HELO も EHLO も送らなかった。"),
    "tls": ("The connection was encrypted{tls}.", "通信は暗号化されていた{tls}。"),
    "clear": ("The connection was not encrypted.", "通信は暗号化されていなかった。"),
    "account": ("It had authenticated as {account}.", "{account} として認証を済ませていた。"),
    "auth_failed": ("It had failed to authenticate.", "認証に失敗していた。"),
    "no_account": ("It had not authenticated.", "認証は行っていなかった。"),
    "greeting": ("The connection", "接続"),
    "auth": ("AUTH {mechanism} for {login}", "AUTH {mechanism}(ログイン名 {login})"),
    "command": ('The command "{line}"', "コマンド「{line}」"),
    "auth_accepted": ("{subject} succeeded.", "{subject}: 成功した。"),
    "more": (
        "{count} more refused commands or authentications are not listed.",
        "このほか {count} 件のコマンドまたは認証が拒否された(一覧は省略)。",
    ),
    "closed": (
        "The connection ended after {seconds} s ({reason}), with {messages} of {transactions} mail transactions accepted.",
        "接続は {seconds} 秒後に終了した({reason})。メールトランザクション {transactions} 件のうち {messages} 件を受領した。",
    ),
    "open": (
        "How the connection ended is not recorded: it is still open, or the entry is lost.",
        "接続の終了は記録されていない(まだ接続中であるか、記録が失われている)。",
    ),
    # A mail transaction.
    "transaction": ("Mail transaction, ended {at}:", "メールトランザクション(終了 {at}):"),
    "mail": ("MAIL FROM:<{path}>", "MAIL FROM:<{path}>"),
    "mail_size": ("MAIL FROM:<{path}>, announcing {size} octets,", "MAIL FROM:<{path}>(宣言サイズ {size} オクテット)"),
    "mail_blank": ("MAIL FROM: without a path", "パスのない MAIL FROM"),
    "rcpt": ("RCPT TO:<{path}>", "RCPT TO:<{path}>"),
    "mailbox": ("The directory sends it to {mailbox}.", "配送先のメールボックスは {mailbox} である。"),
    "more_rcpts": ("{count} more RCPT are not listed.", "このほか {count} 件の RCPT があった(一覧は省略)。"),
    "content": ("The content of {size} octets", "本文({size} オクテット)"),
    "received": (
        "It had come through {received} hosts before (Received fields).",
        "それまでに {received} 個のホストを経由していた(Received フィールドの数)。",
    ),
    "from": ("Its From field: {text}", "From フィールド: {text}"),
    "fault": ("The protocol found a fault in it: {fault}.", "プロトコル上の不備があった: {fault}"),
    "action": ("A rule did this to it: {action}", "規則による処置: {action}"),
    "message_id": ("The message was given the id {id}.", "メールには {id} という id が付けられた。"),
    "reset": (
        "The client ended the transaction without a message.",
        "クライアントはメールを送らずにトランザクションを終えた。",
    ),
    "lost": (
        "The connection broke off before the transaction was complete; nothing of it was kept.",
        "トランザクションが完了する前に接続が切れた。内容は保存されていない。",
    ),
    # What was decided.
    "accepted": ("{subject} was accepted: {reply}", "{subject}: 受け付けた。応答: {reply}"),
    "deferred": ("{subject} was deferred: {reply}", "{subject}: 一時的に拒否した。応答: {reply}"),
    "refused": ("{subject} was refused: {reply}", "{subject}: 拒否した。応答: {reply}"),
    "failed": (
        "{subject} could not be taken, for the server itself failed; the log tells why, under {id}.",
        "{subject}: サーバー側の障害により受領できなかった。ログで {id} を探すと理由がわかる。",
    ),
    "cut_off": ("{subject} was cut off without a word.", "{subject}: 応答せずに切断した。"),
    "check": ("check: {check} ({words}?)", "検査: {check}({words})"),
    "check_unknown": ("check: {check}", "検査: {check}"),
    "detail": ("seen: {detail}", "検出内容: {detail}"),
    "rule": ("rule: {rule}", "規則: {rule}"),
    "rule_met": ("rule met: {rule}", "適用された規則: {rule}"),
    "place": ("{document}, revision {revision}, line {line}", "{document} 第 {revision} 版 {line} 行目"),
    "place_of": (
        "{document} of {account}, revision {revision}, line {line}",
        "{account} の {document} 第 {revision} 版 {line} 行目",
    ),
    "facts": ("facts: {facts}", "判断材料: {facts}"),
    "none": ("none", "なし"),
    "cause": ("cause: {text}", "原因: {text}"),
    "remedy": ("what to do: {text}", "対処: {text}"),
    "shadow_refused": (
        "The shadow documents would have refused or deferred this: {reply}",
        "シャドー文書では拒否または一時的に拒否していた。応答: {reply}",
    ),
    "shadow_accepted": (
        "The shadow documents would have accepted this.",
        "シャドー文書では受け付けていた。",
    ),
    # What became of the message.
    "queued": ("The message is still in the queue, for:", "メールはまだキューにある。未配送の宛先:"),
    "hold": (
        "It is held ({kind}): {reason}; rule {rule}. If nobody decides until {at}: {verdict}.",
        "保留中({kind}): {reason}。規則 {rule}。{at} までに判断がない場合: {verdict}。",
    ),
    "left": (
        "The message is no longer in the queue: it was delivered or deleted; the mail log tells which, under {id}.",
        "メールはもうキューにない(配送済みまたは削除済み)。結果はメールログで {id} を探すとわかる。",
    ),
    "due": ("<{path}>: due, {attempts} attempts so far", "<{path}>: 配送待ち(これまでの試行 {attempts} 回)"),
    "waiting": (
        "<{path}>: waits until {at}, {attempts} attempts so far",
        "<{path}>: 次の配送は {at}(これまでの試行 {attempts} 回)",
    ),
    "leased": ("<{path}>: being delivered, attempt {attempts}", "<{path}>: 配送を試行中({attempts} 回目)"),
    "held": ("<{path}>: held for a decision until {at}", "<{path}>: 承認待ち(期限 {at})"),
    "last_outcome": ("last outcome: {text}", "直近の結果: {text}"),
}

SENTENCES: Final[dict[str, Words]] = {name: Words(*words) for name, words in _SENTENCES.items()}
"""The sentences by name; words in braces are filled in."""
